"""Digests: what two nodes compare to learn, in O(1), whether a collection is equal.

A digest is (count, newest stamp, sum mod 2^64 of record CRCs), tombstones included: order-independent,
and kept up to date by adding what comes and subtracting what goes.
"""

from collections.abc import Iterable
from typing import NamedTuple

from mirror.model.record import Record, record_crc

MASK = (1 << 64) - 1


class Digest(NamedTuple):
    """``count`` records, the ``newest`` stamp among them, and the ``total`` of their CRCs mod 2^64."""

    count: int = 0  # type: ignore[assignment]  # a tuple has a method of that name
    newest: int = 0
    total: int = 0

    def same(self, other: "Digest") -> bool:
        """Tell whether two digests are of equal records; the newest stamp follows from those."""
        return (self.count, self.total) == (other.count, other.total)

    def __str__(self) -> str:
        return f"{self.count}:{self.newest:x}:{self.total:016x}"


def digest_of(records: Iterable[Record]) -> Digest:
    """Return the digest of records that are all of one collection."""
    count = newest = total = 0
    for record in records:
        count += 1
        newest = max(newest, record.stamp)
        total = (total + record_crc(record)) & MASK
    return Digest(count, newest, total)


def add_digests(digests: Iterable[Digest]) -> Digest:
    """Return the digest over several collections, or several parts of one."""
    count = newest = total = 0
    for digest in digests:
        count, newest, total = count + digest.count, max(newest, digest.newest), (total + digest.total) & MASK
    return Digest(count, newest, total)


def signed(value: int) -> int:
    """Return an unsigned 64-bit value as the signed one that SQL databases store."""
    return value - (1 << 64) if value >= 1 << 63 else value


def unsigned(value: int) -> int:
    """Return what ``signed`` was given."""
    return value & MASK


class Bulk(NamedTuple):
    """How much is alive in a collection: records, and bytes of their bodies."""

    records: int
    size: int
