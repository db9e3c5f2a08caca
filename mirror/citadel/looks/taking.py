"""Taking over in one transaction what was found at a server: what is new, changes of marks, and what is gone.

Whoever takes something over of a room forgets its print, which is done here (mirror.citadel.looks.prints).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from mirror.citadel.looks.prints import forget_prints
from mirror.citadel.meaning.marks import Change, delete_marks
from mirror.formats.keys import BORN_IMPORTED
from mirror.model.applied import Applied
from mirror.model.containers import room_told_of
from mirror.model.fields import values_of
from mirror.model.keys import split_key
from mirror.model.kinds import Collection, parse_collection, room_of
from mirror.model.record import Record
from mirror.model.stamp import stamp_ms
from mirror.model.status import Status
from mirror.store.base import Reader, Writer
from mirror.store.values import Acting
from mirror.sync.foreign.plan import There, plan
from mirror.sync.foreign.take import carry_out, delete, forget, take

FILES, USERS, VISITS = "files", "users", "visits"
MAX_CONFLICTS = 100_000
"""Conflicts that a place may make before some are resolved: as many as a mirror."""


def act_for_place(writer: Writer, place: str) -> None:
    """Have the rest of a transaction count as a place's doing."""
    writer.act_for(Acting(f"place {place}", MAX_CONFLICTS))


def take_versions(writer: Writer, place: str, found: Sequence[There]) -> None:
    """Merge versions of a server that were never seen here; what loses is kept."""
    act_for_place(writer, place)
    for one in found:
        if one.body and one.record.content:
            writer.store_body(one.record, one.body)
    writer.absorb([one.record for one in found])


def take_found(
    writer: Writer, place: str, found: Sequence[There], *, looked: bool, pairing: bool = False, restored: bool = False
) -> Applied:
    """Take over what a server has; ``looked``, ``pairing`` and ``restored`` as in ``take``."""
    forget_prints(writer, place, _rooms(one.record for one in found))
    return take(writer, place, found, looked=looked, pairing=pairing, restored=restored)


def posted_at(reader: Reader, statuses: Sequence[Status]) -> list[tuple[int, int]]:
    """Return the numbers of messages of one collection, and when they were posted in Unix seconds, of those here."""
    numbers = {status.key: int(status.foreign) for status in statuses}
    held = reader.get_many(statuses[0].collection, numbers) if statuses else []
    return [(numbers[record.key], stamp_ms(record.stamp) // 1000) for record in held]


def take_missing(writer: Writer, place: str, missing: Sequence[Status]) -> Applied:
    """Delete what a server has no more, all of one collection, with the marks of messages, and the visits of users."""
    forget_prints(writer, place, _rooms(missing))
    alone = forget(writer, place, missing)
    users = [status.key for status in alone if status.collection == USERS]
    return _take_visits_of(writer, place, users) + delete_marks(writer, place, alone) + delete(writer, alone)


def _take_visits_of(writer: Writer, place: str, users: Sequence[str]) -> Applied:
    """Delete the visits of users who are gone: the server has them for some hours more, and then tells nobody."""
    applied = Applied()
    for collection in writer.status_collections(place) if users else ():
        if parse_collection(collection).kind == VISITS and (visits := writer.statuses(place, collection, users)):
            applied += take_missing(writer, place, visits)
    return applied


def take_changes(
    writer: Writer, place: str, changes: Sequence[Change], *, looked: bool, pairing: bool = False
) -> Applied:
    """Take over what changed of marks; ``looked`` and ``pairing`` as in ``take``."""
    forget_prints(writer, place, {room_of(_messages_of(one)) for one in changes})
    changes = _where_kept(writer, place, changes)
    held = {
        (record.collection, record.key): record
        for collection, keys in _keys(changes).items()
        for record in writer.get_many(collection, keys)
    }
    steps, gone = [], []
    for one in changes:
        here = held.get((one.collection, one.key))
        now = one.now or _with_marks_left(one, here)
        if now is not None:
            steps.append((now, plan(one.last, here, now, looked=looked, pairing=pairing)))
        elif one.last is not None:
            gone.append(one.last)
    return carry_out(writer, steps) + delete(writer, gone)


def _with_marks_left(change: Change, here: Record | None) -> There | None:
    """Return what a server says of a message that has no mark there any more, where it has others here.

    They are none that a server keeps (a flag, a keyword), so that it does not tell them says nothing.
    """
    if change.last is None or here is None or here.dead or not set(values_of(here)) - set(change.last.said):
        return None
    return There(
        "", Record(change.collection, change.key, change.last.base.stamp, change.last.base.origin, BORN_IMPORTED)
    )


def keep_missing(writer: Writer, place: str, missing: Sequence[Status]) -> None:
    """Forget that a server ever had what is missing, all of one collection, so that it is the mirror's own."""
    forget_prints(writer, place, _rooms(missing))
    if missing:
        writer.drop_statuses(place, missing[0].collection, [status.foreign for status in missing])


def _rooms(told: Iterable[Record | Status]) -> set[str]:
    """Return the rooms of which records or statuses tell; files are in no export, so no print speaks of them."""
    return {room_told_of(one.collection, one.key) for one in told if parse_collection(one.collection).kind != FILES}


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
    return str(Collection("messages", room_of(change.collection)))


def _keys(changes: Iterable[Change]) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = defaultdict(list)
    for one in changes:
        keys[one.collection].append(one.key)
    return keys
