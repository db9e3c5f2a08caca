"""What one origin wrote, said to be another one's: what becomes of a record whose writer has a twin.

Two copies of a node write under one origin.  Who sees the versions of both takes the later one for made with the
earlier one at hand, as is so of one writer, and what is lost to it is kept nowhere.  Said to be of an origin of its
own, what one of the two wrote stands beside what the other did.  Stamps stay, so what is later stays later; that there
are two versions of what both had from before is no conflict, since they say the same.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from mirror.model.fields import pack_fields, unpack_fields
from mirror.model.heads import ORIGIN, STAMP, edits_in
from mirror.model.merge import has_fields, is_item
from mirror.model.record import Past, Record, Version, least_of, pack_head, past_of, unpack_head, vector_in, vector_of


class Renaming(NamedTuple):
    """What ``old`` wrote after a stamp is from now on of ``new``; up to ``since`` it is common to both twins."""

    old: str
    new: str
    since: int = 0

    def concerns(self, version: Version) -> bool:
        return version.origin == self.old and version.stamp > self.since

    def version(self, version: Version) -> Version:
        return Version(version.stamp, self.new) if self.concerns(version) else version

    def vector(self, vector: dict[str, int]) -> dict[str, int]:
        """Return what somebody has seen, who has seen of this twin what is in a vector."""
        seen = vector.get(self.old, 0)
        if seen <= self.since:
            return vector
        common = {self.old: self.since} if self.since else {}
        rest = {name: stamp for name, stamp in vector.items() if name != self.old}
        return {**rest, **common, self.new: max(seen, vector.get(self.new, 0))}


def is_concerned(record: Record, renaming: Renaming) -> bool:
    """Tell whether something of a record was written by who is renamed; to have seen that is not to have written it."""
    return any(renaming.concerns(version) for version in (record.version, *_versions_inside(record)))


def _versions_inside(record: Record) -> Iterator[Version]:
    if record.dead or not record.head:
        return
    if has_fields(record):
        yield from (Version(field.stamp, field.origin) for field in unpack_fields(record).values())
    elif is_item(record):
        yield from (Version(edit[STAMP], edit[ORIGIN]) for edit in edits_in(unpack_head(record.head)))


def renamed(record: Record, renaming: Renaming) -> Record:
    """Return a record that says the same, with who is renamed under the new name."""
    version = renaming.version(record.version)
    return msgspec.structs.replace(
        record,
        origin=version.origin,
        past=past_of(renaming.vector(vector_of(record)), version, least_of(record)),
        head=_head(record, renaming),
    )


def _head(record: Record, renaming: Renaming) -> bytes:
    if record.dead or not record.head:
        return record.head
    if has_fields(record):
        fields = unpack_fields(record).items()
        return pack_fields(
            {
                name: field._replace(origin=renaming.version(Version(field.stamp, field.origin)).origin)
                for name, field in fields
            }
        )
    if not is_item(record):
        return record.head
    held = unpack_head(record.head)
    for edit in edits_in(held):
        edit[ORIGIN] = renaming.version(Version(edit[STAMP], edit[ORIGIN])).origin
    return pack_head(held)


def renamed_past(past: Past, renaming: Renaming, version: Version) -> Past:
    """Return a past that something else keeps beside a version."""
    least = min((stamp for _, stamp in past), default=version.stamp)
    return past_of(renaming.vector(vector_in(past)), version, least)
