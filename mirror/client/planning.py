"""What is to be done about one item of a folder and a room: decided as for every foreign place, sent as a draft.

``mirror.sync.foreign`` says what changed on which side.  Here that is put into what a client can send: a draft on
condition of the version that was looked at, so nobody's edit is replaced unseen; and both texts are kept where both
sides changed the same.  Does no I/O, reads no clock.
"""

import zlib
from typing import NamedTuple

import msgspec

from mirror.client.server import Held
from mirror.model.draft import NOTHING, Base, Draft, base_of
from mirror.model.merge import Body
from mirror.model.names import NAME, REVISION, SUBJECT, at, own_name, place_of
from mirror.model.record import INLINE_LIMIT, Record
from mirror.model.status import Fingerprints, Status, differing, fingerprints, held_beside, naming
from mirror.sync.foreign.back import Errand, plan_back
from mirror.sync.foreign.plan import There, plan, plan_gone

SUMMARY = "SUMMARY"
SMALL = 768
"""Bytes of a message up to which it is remembered as it is: compressing it takes more time than writing what it saves.

With all that stands beside it, it fits into SQLite's row; a larger one takes a page of its own.
"""
_ORIGIN = "client"
"""Of what a file says, before a node has made a version of it."""


class Agreed(msgspec.Struct, array_like=True, frozen=True):
    """What both sides agreed on of an item: the version there, and what the file says.

    That is fingerprints, or the message that the file is in, compressed unless it is small: of most items nobody ever
    asks what they said.
    """

    base: Base
    said: dict[str, bytes] | bytes
    small: bool = False


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Agreed).decode


class Sending(NamedTuple):
    """What is to be sent of a file: a draft, or none as the node has it already; ``status`` is what the file says.

    ``clashes`` tells that both sides changed the same.
    """

    status: Status
    draft: Draft | None
    clashes: bool

    def is_all_of(self, held: Held) -> bool:
        """Tell whether a node holds just what was sent, so the file says what the node does."""
        return self.draft is not None and not held.record.dead and held.body == self.draft.body


def pack(status: Status) -> bytes:
    """Return what is remembered of a status besides names, tag and CRC."""
    return _encode(Agreed(status.base, dict(status.said)))


def pack_held(held: Held) -> bytes:
    """Return the same of a file that says just what the node holds."""
    if len(held.body) > INLINE_LIMIT:
        return _encode(Agreed(base_of(held.record), dict(said_of(held.record, held.body))))
    if len(held.body) <= SMALL:
        return _encode(Agreed(base_of(held.record), held.body, True))
    return _encode(Agreed(base_of(held.record), zlib.compress(held.body, 1)))


def status_of(collection: str, name: str, tag: str, key: str, crc: int, agreed: bytes) -> Status | None:
    """Return what is remembered of an item; None where nothing was agreed yet."""
    if not agreed:
        return None
    told = _decode(agreed)
    said = told.said
    if isinstance(said, bytes):
        said = said_of(Record(collection, key, 1, _ORIGIN, 1), said if told.small else zlib.decompress(said))
    return Status(collection, name, key, tag, told.base, crc, said)


def plan_sending(
    status: Status | None, here: Held | None, name: str, collection: str, key: str, body: bytes
) -> Sending:
    """Return what is to be sent of a file that is new or changed; ``body`` is what it says, as a record's.

    ``status`` is what both agreed on, ``here`` what the node holds.  Raises BadRecord.
    """
    if status is None and here is None:  # as most are, the first time: there is nothing that it is compared with
        new = Draft(collection, key, body=body, only_if=NOTHING)
        return Sending(Status(collection, name, key, "", Base(1, _ORIGIN), 0), new, False)
    record = here.record if here is not None else None
    there = There.of(name, Record(collection, key, 1, _ORIGIN, 1), body)
    held_body = (lambda _record: here.body) if here is not None else (lambda one: one.body)
    said, told = there.said, Status(collection, name, key, "", Base(1, _ORIGIN), 0, there.said)
    if status is None and record is not None and not record.dead:
        held = held_beside(said, record, held_body)
        if not differing(said, held):
            return Sending(told, None, False)
    step = plan(status, record, there, looked=True, body=held_body)
    draft = step.draft or (Draft(collection, key) if step.merge is not None else None)
    if draft is None:
        return Sending(step.status or told, None, False)
    # Its body travels with it, whatever its size: nothing is kept apart here.
    if step.merge is not None or draft.content:
        draft = msgspec.structs.replace(draft, body=body, content=b"", size=0)
    draft = _with_all_that_goes_along(draft)
    only_if = here.crc if here is not None else NOTHING
    clashes = record is not None and _clashes(status, record, said, held_body)
    return Sending(step.status or told, msgspec.structs.replace(draft, only_if=only_if), clashes)


def changes_title(draft: Draft) -> bool:
    """Tell whether a draft changes what an item is called."""
    return not draft.changed or any(own_name(name) in (SUMMARY, NAME) for name in draft.changed)


def _with_all_that_goes_along(draft: Draft) -> Draft:
    """Return a draft that names also when its parts were changed, and the subject that says their title."""
    if not draft.changed:
        return draft
    revisions = {at(place_of(name), REVISION) for name in draft.changed}
    subject = {SUBJECT} if changes_title(draft) else set[str]()
    return msgspec.structs.replace(draft, changed=tuple(sorted({*draft.changed, *revisions, *subject})))


def _clashes(status: Status | None, here: Record, said: Fingerprints, body: Body) -> bool:
    """Tell whether a file and the node changed the same part in two ways since they agreed."""
    if here.dead:
        return status is not None
    before = status.said if status is not None else {}
    held = held_beside(before, here, body)
    both = differing(before, said) & differing(before, held)
    return any(held.get(name) != said.get(name) for name in both)


def plan_deletion(status: Status, here: Held | None) -> tuple[Draft, bool] | None:
    """Return the draft that deletes what is gone from a folder, and whether somebody changed it meanwhile.

    None where there is nothing to delete.
    """
    if here is None:
        return None
    draft = plan_gone(status, here.record, lambda _record: here.body)
    if draft is None:
        return None
    return msgspec.structs.replace(draft, only_if=here.crc), draft.base != base_of(here.record)


def errand(status: Status | None, here: Held) -> Errand:
    """Return what is to be done in the folder about what the node holds."""
    return plan_back([status] if status is not None else [], here.record, lambda _record: here.body)


def said_of(record: Record, body: bytes) -> dict[str, bytes]:
    """Return the fingerprints of what a version says."""
    named = naming(record, body)  # a text that is no item is told by its bytes, wherever they are kept
    return fingerprints(named, lambda _record: body)
