"""Taking over in one transaction what was found at a server: changes of marks, and what is gone."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from mirror.citadel.marks import Change, delete_marks
from mirror.model.applied import Applied
from mirror.model.keys import split_key
from mirror.model.kinds import Collection, room_of
from mirror.model.record import Record
from mirror.model.status import Status
from mirror.store.base import Acting, Writer
from mirror.sync.foreign.plan import plan
from mirror.sync.foreign.take import carry_out, delete, forget

MAX_CONFLICTS = 100_000
"""Conflicts that a place may make before some are resolved: as many as a mirror."""


def act_for_place(writer: Writer, place: str) -> None:
    """Have the rest of a transaction count as a place's doing."""
    writer.act_for(Acting(f"place {place}", MAX_CONFLICTS))


def take_missing(writer: Writer, place: str, missing: Sequence[Status]) -> Applied:
    """Delete what a server has no more, all of one collection, with the marks of messages."""
    alone = forget(writer, place, missing)
    return delete_marks(writer, place, alone) + delete(writer, alone)


def take_changes(
    writer: Writer, place: str, changes: Sequence[Change], *, looked: bool, pairing: bool = False
) -> Applied:
    """Take over what changed of marks; ``looked`` and ``pairing`` as in ``take``."""
    changes = _where_kept(writer, place, changes)
    told = [(one.now, one.last) for one in changes if one.now is not None]
    held = {
        (record.collection, record.key): record
        for collection, keys in _keys(one.record for one, _ in told).items()
        for record in writer.get_many(collection, keys)
    }
    steps = [
        (now, plan(last, held.get((now.record.collection, now.record.key)), now, looked=looked, pairing=pairing))
        for now, last in told
    ]
    return carry_out(writer, steps) + delete(writer, [one.last for one in changes if one.now is None and one.last])


def _where_kept(writer: Writer, place: str, changes: Sequence[Change]) -> list[Change]:
    """Return changes of the marks of messages under the keys that those have now: there may be others of their ids."""
    numbers: dict[str, set[str]] = defaultdict(set)
    for one in changes:
        numbers[_messages_of(one)].add(str(one.number))
    keys = {
        (collection, status.foreign): status.key
        for collection, of_it in numbers.items()
        for status in writer.statuses(place, collection, of_it)
        if split_key(status.key)[1]
    }
    found = [keys.get((_messages_of(one), str(one.number))) for one in changes] if keys else []
    return [one.with_message(key) if key else one for one, key in zip(changes, found)] if keys else list(changes)


def _messages_of(change: Change) -> str:
    told = change.now.record.collection if change.now is not None else change.last.collection if change.last else ""
    return str(Collection("messages", room_of(told)))


def _keys(records: Iterable[Record]) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = defaultdict(list)
    for record in records:
        keys[record.collection].append(record.key)
    return keys
