"""What is to be done about one thing of a foreign place: a function of its status, of what is here and what is there.

The direction is *from*: the place says something, and nothing is written into it.  Only what differs from what it said
last is an edit there; that becomes a draft which names its base and the fields or parts that changed, so the ordinary
merge decides, and what loses is kept.  What is new there keeps the version that was derived from the place's own data,
so that all who look at the place agree at once.  Does no I/O, reads no clock, knows no store and no kind of place.

| status | here | there | what is done |
| --- | --- | --- | --- |
| none | nothing | something | its derived version is taken |
| none | something | something | what bears the place's origin is what it said last; all else here stands |
| none | deleted | something | before the place was looked at as a whole, nothing; after that it came anew |
| said | anything | the same | nothing: what was changed or deleted here stands |
| said | something | changed | a draft of what changed; what was changed here as well goes to the conflict log |
| less than it was given | that | changed | a draft of just what changed, all else as it is here |
| said | deleted | changed | the deletion stands, the edit goes to the conflict log |
| said | forgotten | changed | it comes anew: nothing tells of a deletion any more |
| said | something | gone | it is deleted; what was changed here goes to the conflict log |
| said | deleted | gone | nothing |
| none | something | nothing | nothing: the place never had it |
| none, of another place | something, or deleted | something | it is paired with what is here, which stands |
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from mirror.model.draft import Base, Draft, base_of
from mirror.model.edit import carried_over
from mirror.model.fields import Field, Value, pack_fields, unpack_fields, values_of
from mirror.model.merge import Body, has_fields, inline_body, is_item
from mirror.model.parts import read_parts
from mirror.model.record import Record, pack_head
from mirror.model.stamp import make_stamp
from mirror.model.status import RISES, Fingerprints, Status, differing, fingerprints, held_beside, implied, naming

RISING_STEP = make_stamp(86_400_000)
"""By how much later a field of which the greatest counts has to be for it to be written (a stamp)."""
HELD_SHARE = 4
"""Deletions of more than one in so many of a collection's records are held back..."""
HELD_ABOVE = 10
"""... where they are more than this."""


class There(NamedTuple):
    """One thing as a place has it now.

    ``record`` has the version that was derived from the place's data and names its ``body``, which may be kept apart;
    none is given where it is stored already.
    ``rising`` are fields of which the greatest counts, whoever says it: the last log-in, say.  ``partial``, where the
    place did not tell all of its fields: those that are not named are as it said last.
    """

    foreign: str
    record: Record
    body: bytes = b""
    tag: str = ""
    rising: frozenset[str] = frozenset()
    partial: bool = False

    @classmethod
    def of(cls, foreign: str, record: Record, body: bytes, tag: str = "") -> "There":
        """Return a thing whose record is yet to be given its body."""
        return cls(foreign, naming(record, body), body, tag)

    @property
    def said(self) -> Fingerprints:
        """The fingerprints of all that the place says, but for what only rises."""
        said = fingerprints(self.record, lambda _record: self.body)
        return {**said, **dict.fromkeys(self.rising & said.keys(), RISES)}


class Step(NamedTuple):
    """What is to be done about one thing: a derived version to ``merge``, a ``draft``, fields to let ``rise``.

    ``status`` is what is to be remembered, with base and CRC as they were; None where nothing changed.
    """

    status: Status | None = None
    merge: Record | None = None
    draft: Draft | None = None
    rise: Record | None = None


NOTHING_TO_DO = Step()


def plan(
    status: Status | None,
    here: Record | None,
    there: There,
    *,
    looked: bool,
    pairing: bool = False,
    body: Body = inline_body,
) -> Step:
    """Return what is to be done about a thing that is there.

    ``looked`` tells whether the place was looked at as a whole before, ``pairing`` whether this is the first look at
    one that is another than before; ``body`` returns what is here.

    Raises BadRecord.
    """
    said = _with_untold(status, there)
    told = _told(status, there, said)
    if pairing and status is None and here is not None:
        return Step(told)
    if status is None and (here is None or here.dead):
        return _first(told, here, there, looked)
    if status is None and here is not None:
        status = implied(here, there.record.origin, there.foreign, body)
        if status is None and not has_fields(there.record):
            return Step(told, merge=there.record)
        status = status or msgspec.structs.replace(told, said={})
        said = _with_untold(status, there)
        told = msgspec.structs.replace(told, said=said)
    assert status is not None
    risen = _risen(here, there)
    changed = differing(status.said, said)
    if not changed:
        return Step(None if told == status and risen is None else told, rise=risen)
    if here is None:
        return Step(told, draft=_whole(there, None))
    if here.dead:
        return Step(told, draft=_edit(status, here, there, changed, {}, body))
    return Step(told, draft=_edit(status, here, there, changed, held_beside(status.said, here, body), body), rise=risen)


def plan_gone(status: Status, here: Record | None, body: Body = inline_body) -> Draft | None:
    """Return the draft that deletes what a place has no more, or None where there is nothing to delete."""
    if here is None or here.dead:
        return None
    agreed = not differing(status.said, held_beside(status.said, here, body))
    return Draft(here.collection, here.key, base_of(here) if agreed else status.base, dead=True)


def held_back(gone: int, told: int) -> bool:
    """Tell whether so many deletions of a collection of which so much was told wait until somebody accepts them."""
    return gone > HELD_ABOVE and gone * HELD_SHARE > told


def gone(told: Iterable[Status], listed: Iterable[str]) -> Iterator[Status]:
    """Yield what was told of a collection and is not listed any more; both in the order of the place's names."""
    names = iter(listed)
    name = next(names, None)
    for status in told:
        while name is not None and name < status.foreign:
            name = next(names, None)
        if name != status.foreign:
            yield status


def _with_untold(status: Status | None, there: There) -> Fingerprints:
    """Return what a place says, with what it said last where it did not tell all."""
    return {**status.said, **there.said} if there.partial and status is not None else there.said


def _told(status: Status | None, there: There, said: Fingerprints) -> Status:
    """Return the status that what a place says now is remembered as."""
    record = there.record
    base, crc = (status.base, status.crc) if status is not None else (Base(record.stamp, record.origin), 0)
    return Status(record.collection, there.foreign, record.key, there.tag, base, crc, said)


def _first(told: Status, here: Record | None, there: There, looked: bool) -> Step:
    if here is not None and here.dead:
        return Step(told, draft=_whole(there, base_of(here)) if looked else None)
    return Step(told, merge=there.record)


def _whole(there: There, base: Base | None) -> Draft:
    """Return the draft of all that is there."""
    record = there.record
    head = pack_head(values_of(record)) if has_fields(record) else record.head
    return _draft(there, base, head)


def _draft(there: There, base: Base | None, head: bytes, changed: Iterable[str] = ()) -> Draft:
    record = there.record
    return Draft(
        record.collection,
        record.key,
        base,
        head=head,
        body=record.body,
        content=record.content,
        size=record.size,
        changed=tuple(sorted(changed)),
    )


def _edit(
    status: Status, here: Record, there: There, changed: set[str], held: Fingerprints, body: Body
) -> Draft | None:
    """Return the draft of what changed there, or None where that is here already, or was never the place's."""
    now = there.said
    # Of what the place never said there is no base: what is here stands, and so does a deletion.
    names = {name for name in changed if name in status.said or not (name in held or here.dead)}
    names = {name for name in names if held.get(name) != now.get(name)}
    if not names:
        return None
    # Where something else was changed here as well, the draft must not count as having seen that.
    edited_here = differing(status.said, held)
    if has_fields(there.record):
        base = status.base if here.dead or edited_here & names else base_of(here)
        values = {**_emptied(here, names - now.keys()), **_values(there, names)}
        return _draft(there, base, pack_head(values)) if values else None
    has_parts = _has_parts(here, there, body)
    base = status.base if edited_here else base_of(here)
    draft = _draft(there, base, there.record.head, names if has_parts else ())
    if not (has_parts and edited_here and status.base == base_of(here)):
        return draft
    # It keeps less than it was given, or otherwise: all but what changed there stays as it is here.
    whole = msgspec.structs.replace(draft, body=there.body, content=b"", size=0)
    return msgspec.structs.replace(whole, body=carried_over(here, whole, body))


def _values(there: There, names: set[str]) -> dict[str, Value]:
    return {name: value for name, value in values_of(there.record).items() if name in names}


def _emptied(here: Record, names: Iterable[str]) -> dict[str, Value]:
    """Return values that say nothing for fields which the place says no more: a field cannot be taken out."""
    held: Mapping[str, Value] = {} if here.dead else values_of(here)
    return {name: type(held[name])() for name in names if held.get(name)}


def _has_parts(here: Record, there: There, body: Body) -> bool:
    """Tell whether both versions are items of one kind, so that single parts of them can be named."""
    if here.dead or not is_item(there.record):
        return False
    new = read_parts(there.record, there.body)
    return bool(new.kind) and new.kind == read_parts(here, body(here)).kind


def _risen(here: Record | None, there: There) -> Record | None:
    """Return the fields there that only rise and are much later than here; as a record that can be adopted."""
    if not there.rising or here is None or here.dead:
        return None
    held, new = unpack_fields(here), unpack_fields(there.record)
    risen = {name: new[name] for name in there.rising & new.keys() if _is_later(new[name], held.get(name))}
    return msgspec.structs.replace(there.record, head=pack_fields(risen)) if risen else None


def _is_later(new: Field, held: Field | None) -> bool:
    return held is None or new.stamp - held.stamp >= RISING_STEP
