"""Doing what the plan says, in one transaction with what is remembered of the place.

``Here`` is what is asked of whatever keeps the records; a store's Writer does all of it.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec

from mirror.model.applied import Applied
from mirror.model.draft import Base, Draft, base_of
from mirror.model.keys import split_key
from mirror.model.record import INLINE_LIMIT, Record, record_crc
from mirror.model.stamp import HybridClock
from mirror.model.status import Status, differing, held_beside, naming
from mirror.model.texts import is_message
from mirror.sync.foreign.plan import NOTHING_TO_DO, Step, There, plan, plan_gone

T = TypeVar("T")


class Looking(Protocol):
    """What is asked where nothing is written."""

    def get_many(self, collection: str, keys: Iterable[str]) -> list[Record]: ...
    def body(self, record: Record) -> bytes: ...
    def statuses(self, place: str, collection: str, foreign: Iterable[str]) -> list[Status]: ...
    def statuses_of(self, place: str, collection: str, keys: Iterable[str]) -> list[Status]: ...


class Result(Protocol):
    """What became of a draft: the version that is here now, if any."""

    @property
    def record(self) -> Record | None: ...
    @property
    def applied(self) -> Applied: ...


class Here(Looking, Protocol):
    """What is asked of a transaction; each as in mirror.store.base."""

    clock: HybridClock

    def absorb(self, records: Sequence[Record]) -> Applied: ...
    def kept_under(self, records: Sequence[Record]) -> list[str]: ...
    def adopt(self, record: Record) -> Applied: ...
    def write(self, draft: Draft, *, alone: bool = False) -> Result: ...
    def store_body(self, record: Record, body: bytes) -> Record: ...
    def put_statuses(self, place: str, statuses: Iterable[Status]) -> None: ...
    def drop_statuses(self, place: str, collection: str, foreign: Iterable[str]) -> None: ...


Known = dict[tuple[str, str], Status]
"""By collection and the place's name, what the place said last."""


def news(here: Looking, place: str, found: Sequence[There]) -> list[There]:
    """Return what is not just as the place said last, and so needs a transaction."""
    known, held = _told(here, place, found), _held(here, [one for one in found if one.rising])
    return [
        one
        for one in _where_told(found, known)
        if (status := known.get(_name(one))) is None
        or plan(status, held.get(_where(one)), one, looked=True) != NOTHING_TO_DO
    ]


def take(
    here: Here, place: str, found: Sequence[There], *, looked: bool, pairing: bool = False, restored: bool = False
) -> Applied:
    """Take over what a place has, and remember that it said so.

    ``looked`` tells whether the place was looked at as a whole before, ``pairing`` whether this is the first look at
    one that is another than before, ``restored`` whether that was followed.  Raises StampAhead, BadRecord,
    BoundReached.
    """
    applied = Applied()
    for group in _apart(found):
        applied += _take_group(here, place, group, looked, pairing, restored)
    return applied


def take_gone(here: Here, place: str, missing: Sequence[Status]) -> Applied:
    """Delete what a place has no more, unless it has it under another name too, and forget that it said so."""
    return delete(here, forget(here, place, missing))


def forget(here: Here, place: str, missing: Sequence[Status]) -> list[Status]:
    """Forget what a place said of things; returns those of which it has nothing under another name either."""
    alone = []
    for status in missing:
        here.drop_statuses(place, status.collection, [status.foreign])
        if not here.statuses_of(place, status.collection, [status.key]):
            alone.append(status)
    return alone


def delete(here: Here, statuses: Sequence[Status]) -> Applied:
    """Delete what a place said and says no more."""
    applied = Applied()
    for collection, group in _grouped(statuses, lambda status: status.collection).items():
        held = {record.key: record for record in here.get_many(collection, [status.key for status in group])}
        for status in group:
            draft = plan_gone(status, held.get(status.key), here.body)
            if draft is not None:
                applied += here.write(_timely(here, draft), alone=True).applied
    return applied


def carry_out(here: Here, steps: Sequence[tuple[There, Step]]) -> Applied:
    """Do what was planned, whatever is to be remembered of it."""
    for one, step in steps:
        if one.body and one.record.content and (step.merge is not None or step.draft is not None):
            here.store_body(one.record, one.body)
    applied = here.absorb([step.merge for _, step in steps if step.merge is not None])
    for _, step in steps:
        if step.draft is not None:
            applied += here.write(_timely(here, _stored(here, step.draft))).applied
        if step.rise is not None:
            applied += here.adopt(step.rise)
    return applied


def _apart(found: Sequence[There]) -> Iterable[list[There]]:
    """Yield all in order, in groups within which no record is named twice."""
    group: list[There] = []
    seen: set[tuple[str, str]] = set()
    for one in found:
        if _where(one) in seen:
            yield group
            group, seen = [], set()
        group.append(one)
        seen.add(_where(one))
    if group:
        yield group


def _name(one: There) -> tuple[str, str]:
    return one.record.collection, one.foreign


def _where(one: There) -> tuple[str, str]:
    return one.record.collection, one.record.key


def _told(here: Looking, place: str, found: Sequence[There]) -> Known:
    """Return what the place said last of these, by its own names."""
    return {
        (collection, status.foreign): status
        for collection, group in _by_collection(found).items()
        for status in here.statuses(place, collection, [one.foreign for one in group])
    }


def _known(here: Looking, place: str, found: Sequence[There], told: Known, held: Collection[tuple[str, str]]) -> Known:
    """Return what the place said last of these, by its own names or else of what has the same key and is here.

    ``told`` is the former.
    """
    known = dict(told)
    renamed = [one for one in found if _name(one) not in known and _where(one) in held]
    for collection, group in _by_collection(renamed).items():
        by_key = {
            status.key: status for status in here.statuses_of(place, collection, [one.record.key for one in group])
        }
        known |= {_name(one): by_key[one.record.key] for one in group if one.record.key in by_key}
    return known


def _held(here: Looking, found: Sequence[There]) -> dict[tuple[str, str], Record]:
    return {
        (collection, record.key): record
        for collection, group in _by_collection(found).items()
        for record in here.get_many(collection, [one.record.key for one in group])
    }


def _by_collection(found: Sequence[There]) -> dict[str, list[There]]:
    return _grouped(found, lambda one: one.record.collection)


def _grouped(things: Iterable[T], collection: Callable[[T], str]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for one in things:
        groups[collection(one)].append(one)
    return groups


def _where_told(found: Iterable[There], known: Known) -> list[There]:
    """Return things under the keys that they had when the place said so last: a message may be filed by its text."""
    keys = {name: status.key for name, status in known.items()}
    return [_under(one, keys.get(_name(one), one.record.key)) if is_message(one.record) else one for one in found]


def _where_kept(here: Here, found: Sequence[There], known: Known) -> list[There]:
    """Return things under the keys under which they are kept, or will be: there may be others of a message's id."""
    new = [one for one in found if is_message(one.record) and _name(one) not in known]
    whole = [_with_body(one) for one in new]
    keys = {_name(one): key for one, key in zip(new, here.kept_under(whole), strict=True)}
    return [_under(one, keys.get(_name(one), one.record.key)) for one in _where_told(found, known)]


def _with_body(one: There) -> Record:
    """Return a thing's record with its body inside, however long that is."""
    if not one.record.content:
        return one.record
    return msgspec.structs.replace(one.record, body=one.body, content=b"", size=0)


def _under(one: There, key: str) -> There:
    return one if key == one.record.key else one._replace(record=msgspec.structs.replace(one.record, key=key))


def _where_deleted(here: Here, found: Sequence[There]) -> list[There]:
    """Return messages that are none of those here under the keys of those of their ids that were deleted here since.

    A place that was restored has these again, and not to the byte where they were written into it.
    """
    others = [one for one in found if is_message(one.record) and split_key(one.record.key)[1]]
    held = _held(here, [*others, *(_under(one, split_key(one.record.key)[0]) for one in others)])

    def is_deleted(one: There) -> bool:
        was = held.get((one.record.collection, split_key(one.record.key)[0]))
        return _where(one) not in held and was is not None and was.dead and one.record.stamp < was.stamp

    keys = {_name(one): split_key(one.record.key)[0] for one in others if is_deleted(one)}
    return [_under(one, keys.get(_name(one), one.record.key)) for one in found]


def _take_group(
    here: Here, place: str, group: list[There], looked: bool, pairing: bool, restored: bool = False
) -> Applied:
    told = _told(here, place, group)
    group = _where_kept(here, group, told)
    if restored:
        group = _where_deleted(here, group)
    held = _held(here, group)
    known = _known(here, place, group, told, held.keys())
    planned = [
        (
            one,
            plan(known.get(_name(one)), held.get(_where(one)), one, looked=looked, pairing=pairing, body=here.body),
        )
        for one in group
    ]
    steps = [(one, step) for one, step in planned if step != NOTHING_TO_DO]
    applied = carry_out(here, steps) + Applied(already_held=len(planned) - len(steps))
    here.put_statuses(place, _remembered(here, held.keys(), steps, _in_step(group, known, held)))
    return applied


def _in_step(
    group: Sequence[There], known: Known, held: Mapping[tuple[str, str], Record]
) -> Collection[tuple[str, str]]:
    """Return where nothing was changed here since both sides agreed, though a place may keep less than it was given."""
    told = ((_where(one), known.get(_name(one)), held.get(_where(one))) for one in group)
    return {where for where, status, record in told if status and record and status.base == base_of(record)}


def _remembered(
    here: Here,
    held: Collection[tuple[str, str]],
    steps: Sequence[tuple[There, Step]],
    in_step: Collection[tuple[str, str]],
) -> list[Status]:
    """Return the statuses to be kept, each with the record that is here now."""
    told = [(one, step) for one, step in steps if step.status is not None]
    # What was not here before is here now just as it came.
    new = {_where(one): one.record for one, step in told if step.merge is not None and _where(one) not in held}
    now = {**new, **_held(here, [one for one, _ in told if _where(one) not in new])}
    return [
        _agreed(step.status, now.get(_where(one)), one, here.body, _where(one) in in_step)
        for one, step in told
        if step.status is not None
    ]


def _agreed(status: Status, held: Record | None, one: There, body: Callable[[Record], bytes], in_step: bool) -> Status:
    """Return a status with the record that is here now, and as its base where both say the same.

    So they do where nothing was changed here and what changed there was taken over, whatever a place leaves out.
    """
    if held is None:
        return status
    same = held is one.record or (
        not held.dead and (in_step or not differing(status.said, held_beside(status.said, held, body)))
    )
    return msgspec.structs.replace(status, base=base_of(held) if same else status.base, crc=record_crc(held))


def _stored(here: Here, draft: Draft) -> Draft:
    """Return a draft whose body, where it is too long to be inside, is stored and named."""
    if len(draft.body) <= INLINE_LIMIT:
        return draft
    named = naming(Record(draft.collection, draft.key, 1, "draft", 1), draft.body)
    here.store_body(named, draft.body)
    return msgspec.structs.replace(draft, body=b"", content=named.content, size=named.size)


def _timely(here: Here, draft: Draft) -> Draft:
    """Return a draft whose base is none from the future: the clock may have been set back since that was agreed on."""
    base, limit = draft.base, here.clock.limit()
    if base is None or max(base.vector.values()) <= limit:
        return draft
    past = tuple((name, stamp) for name, stamp in base.past if stamp <= limit)
    return msgspec.structs.replace(draft, base=Base(min(base.stamp, limit), base.origin, past))
