"""Drafts: what a client wants written, and the version that it was made from.

The store keeps only the present version of a thing, so who makes a draft says what it knew and what it changed.  A
draft whose base covers what is held replaces it; one that was made from less is a concurrent edit: it is merged, and
what it overwrites unseen goes to the conflict log.
"""

import msgspec

from mirror.model.errors import BadRecord, MirrorError
from mirror.model.kinds import check_collection
from mirror.model.record import Past, Record, Version, past_of, record_crc, vector_in, vector_of
from mirror.model.texts import check_deletion

NOTHING = 0
"""As ``only_if`` of a draft: that there is to be nothing yet."""


class Base(msgspec.Struct, array_like=True, frozen=True):
    """The version vector of the record that a draft was made from.

    ``stamp`` and ``origin`` alone do not tell what its author saw: a merged record bears the greater version of
    those it was made of, and ``past`` names the others.  ``born`` is the stamp at which its incarnation began, 0 where
    that is not told: a draft may be sent to a node to which the thing itself has not come yet.
    """

    stamp: int
    origin: str
    past: Past = ()
    born: int = 0

    @property
    def vector(self) -> dict[str, int]:
        """By origin, the newest stamp that the author had seen."""
        vector = vector_in(self.past)
        vector[self.origin] = max(self.stamp, vector.get(self.origin, 0))
        return vector

    def covers(self, record: Record) -> bool:
        """Tell whether the author had seen all of a version."""
        seen = self.vector
        return all(seen.get(origin, 0) >= stamp for origin, stamp in vector_of(record).items())

    def begins_after(self, held: Record | None) -> bool:
        """Tell whether it is of a later incarnation than what is held, which so has not come here yet."""
        return self.born > 0 and (held is None or (self.born, False) > held.era)


def base_of(record: Record) -> Base:
    """Return the base of a draft that is made from a version."""
    return Base(record.stamp, record.origin, record.past, 0 if record.dead else record.born)


def joint_base(one: Base, other: Base) -> Base:
    """Return the base of a draft whose author had seen both."""
    stamp, origin = max((one.stamp, one.origin), (other.stamp, other.origin))
    ours, theirs = one.vector, other.vector
    vector = {name: max(ours.get(name, 0), theirs.get(name, 0)) for name in ours.keys() | theirs.keys()}
    return Base(stamp, origin, past_of(vector, Version(stamp, origin)))


class Draft(msgspec.Struct, array_like=True):
    """What a client wants written under a key.

    ``base`` is None where it was made from nothing: the client knows of no such thing.  ``head`` is a MessagePack map:
    of a kind that merges by fields, the fields that were changed and their new values; else all of the head.  A body
    over INLINE_LIMIT was sent before, as a content, and is named by ``content`` and ``size`` (bytes).  ``changed``
    names the parts of an item that differ from its base (mirror.model.parts); none named, all count as changed.
    ``only_if`` is the CRC-64 of the version that has to be there still, like an ETag in If-Match;
    NOTHING where there is to be none.
    """

    collection: str
    key: str
    base: Base | None = None
    dead: bool = False
    head: bytes = b""
    body: bytes = b""
    content: bytes = b""
    size: int = 0
    changed: tuple[str, ...] = ()
    only_if: int | None = None


class Written(msgspec.Struct, array_like=True):
    """What is there under the key of a draft once that was written: it may be another version than was drafted.

    ``base`` is that of the next draft, None where nothing is there; ``crc`` the CRC-64 of the record, by which its
    author knows it again.  ``as_sent`` is whether body, or fields, are those of the draft: where not, it was merged
    with what others wrote, or signed.
    """

    collection: str
    key: str
    base: Base | None = None
    crc: int = 0
    dead: bool = False
    as_sent: bool = False


class Changed(MirrorError):
    """A draft was to replace one version only, and another one is there; ``held`` is it, None for nothing."""

    def __init__(self, draft: Draft, held: Record | None) -> None:
        there = "nothing is there" if held is None else f"{describe(held)} is there"
        super().__init__(f"{draft.collection} {draft.key[:80]!r} was changed meanwhile: {there}")
        self.held = held


def describe(record: Record) -> str:
    """Name a version in a line: its stamp, origin and CRC-64."""
    version: Version = record.version
    return f"version {version.stamp}|{version.origin}|{record_crc(record):016x}"


def check_draft(draft: Draft) -> None:
    """Raise BadRecord when a draft from outside contradicts itself; its record is checked when it is written."""
    check_collection(draft.collection)
    where = f"draft {draft.collection} {draft.key[:80]!r}"
    if not draft.key:
        raise BadRecord(f"a draft for {draft.collection} has no key")
    if draft.dead and (draft.body or draft.content):
        raise BadRecord(f"{where}: a deletion has no body")
    if draft.dead:
        check_deletion(Record(draft.collection, draft.key, 1, "draft", 1, True, head=draft.head))
    if draft.content and draft.body:
        raise BadRecord(f"{where}: a body is inside or apart, not both")
    if draft.only_if is not None and not 0 <= draft.only_if < 1 << 64:
        raise BadRecord(f"{where}: {draft.only_if} is no CRC-64")
    if draft.base is not None and not (0 < draft.base.stamp < 1 << 63 and draft.base.origin):
        raise BadRecord(f"{where}: its base is no version")
    if draft.base is not None and not 0 <= draft.base.born <= draft.base.stamp:
        raise BadRecord(f"{where}: its base was born at {draft.base.born}, later than it was written")
