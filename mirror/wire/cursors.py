"""Places in a feed and in a collection, ranges between them, and which contents are wanted: values without a codec.

They stand apart from it since a client that learns that nothing is new decodes no records, and is to begin at once.
"""

from typing import NamedTuple

import msgspec

from mirror.wire.errors import ProtocolError


class Cursor(NamedTuple):
    """A place in a store's feed: everything up to ``sequence`` has been seen."""

    epoch: str
    sequence: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.sequence}"


def parse_cursor(text: str) -> Cursor:
    """Read a cursor.  Raises ProtocolError."""
    epoch, colon, sequence = text.partition(":")
    if not colon or not (sequence.isascii() and sequence.isdigit()) or len(sequence) > 18 or len(epoch) > 64:
        raise ProtocolError(f"{text[:80]!r} is no cursor (epoch:sequence)")
    return Cursor(epoch, int(sequence))


class Bound(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """A place in the order of a collection: records are ordered by (stamp, key)."""

    stamp: int
    key: str


LEAST = Bound(0, "")
GREATEST = Bound((1 << 63) - 1, "")


class Range(msgspec.Struct, array_like=True, gc=False):
    """The records from ``lower`` up to but without ``upper``: how many, and the sum of their CRCs mod 2^64."""

    lower: Bound
    upper: Bound
    count: int
    total: int


class Entry(msgspec.Struct, array_like=True, gc=False):
    """One record as reconciliation lists it."""

    stamp: int
    key: str
    crc: int


class Listed(msgspec.Struct, array_like=True, gc=False):
    """A range that was too small to split: all its entries."""

    lower: Bound
    upper: Bound
    entries: list[Entry]


class ContentRequest(msgspec.Struct, array_like=True, gc=False):
    """A body wanted by its SHA-256, from an offset in bytes."""

    content: bytes
    offset: int = 0
