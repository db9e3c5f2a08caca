"""Versions from the future, written anew: what becomes of a record whose stamps a wrong clock made.

Nobody takes a stamp that lies ahead, and a clock that was set right does not undo those that it gave out.  So such a
version is written again, at the present time and under another origin.  What it had seen of others stays seen: who saw
an origin's versions up to a stamp that has not come yet has seen all of them up to now.  Reads no clock.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from mirror.model.errors import BadRecord
from mirror.model.fields import Field, pack_fields, unpack_fields
from mirror.model.heads import ORIGIN, STAMP, edits_in
from mirror.model.kinds import NODES
from mirror.model.merge import has_fields, is_item
from mirror.model.nodes import newest_seen, vector_seen
from mirror.model.record import Past, Record, Version, least_of, pack_head, past_of, unpack_head, vector_in, vector_of


class Present(NamedTuple):
    """Stamps beyond ``limit`` lie ahead; ``now`` is a stamp of the present, and stands for them in what was seen."""

    limit: int
    now: int

    def is_ahead(self, stamp: int) -> bool:
        return stamp > self.limit

    def seen(self, stamp: int) -> int:
        """Return up to which stamp somebody has seen, who has seen up to this one."""
        return self.now if self.is_ahead(stamp) else stamp


def latest_kept(record: Record, present: Present) -> int:
    """Return the greatest stamp of a record that does not lie ahead; at least the present one."""
    stamps = [record.stamp, record.born, *(stamp for _, stamp in record.past), *_stamps_inside(record)]
    return max([present.now, *(stamp for stamp in stamps if not present.is_ahead(stamp))])


def _stamps_inside(record: Record) -> Iterator[int]:
    if not _is_readable(record):
        return
    if has_fields(record):
        yield from (field.stamp for field in unpack_fields(record).values())
    elif is_item(record):
        yield from (edit[STAMP] for edit in edits_in(unpack_head(record.head)))


def _is_readable(record: Record) -> bool:
    """Tell whether a record has a head that can be read.

    Of what lost that need not be so: a version that no node takes is kept where it was mended.
    """
    if record.dead or not record.head:
        return False
    try:
        unpack_fields(record) if has_fields(record) else unpack_head(record.head)
    except BadRecord:
        return False
    return True


def written_anew(record: Record, present: Present, version: Version) -> Record:
    """Return a record as that version, which says the same, with nothing of it ahead.

    The version is later than all of the record that is kept: see ``latest_kept``.
    """
    born = record.born
    if present.is_ahead(born):
        born = present.now if record.dead else version.stamp
    vector = {name: present.seen(stamp) for name, stamp in vector_of(record).items()}
    return msgspec.structs.replace(
        record,
        stamp=version.stamp,
        origin=version.origin,
        born=born,
        past=past_of(vector, version, present.seen(least_of(record))),
        head=_head_anew(record, present, version),
    )


def _head_anew(record: Record, present: Present, version: Version) -> bytes:
    if not _is_readable(record):
        return record.head
    if has_fields(record):
        fields = unpack_fields(record)
        return pack_fields(
            {
                name: Field(field.value, *version) if present.is_ahead(field.stamp) else field
                for name, field in fields.items()
            }
        )
    if is_item(record):
        return _parts_anew(record.head, present, version)
    return record.head


def _parts_anew(head: bytes, present: Present, version: Version) -> bytes:
    held = unpack_head(head)
    for edit in edits_in(held):
        if present.is_ahead(edit[STAMP]):
            edit[STAMP], edit[ORIGIN] = version
    return pack_head(held)


def past_anew(past: Past, present: Present, version: Version) -> Past:
    """Return a past that something else keeps beside a version, with nothing of it ahead."""
    vector = {name: present.seen(stamp) for name, stamp in vector_in(past).items()}
    return past_of(vector, version, present.seen(min((stamp for _, stamp in past), default=version.stamp)))


def tells_ahead(sign: Record, present: Present) -> bool:
    """Tell whether what a node says of itself lies ahead, or speaks of what does."""
    told = [*vector_seen(sign).values(), *newest_seen(sign).values()] if sign.collection == NODES else []
    return any(present.is_ahead(stamp) for stamp in (sign.stamp, *told))
