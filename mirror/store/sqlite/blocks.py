"""Sums over stretches of each collection's order, kept in the transaction of the records they sum up.

Reconciliation compares sums over ranges of (stamp, key).  With a block for every few hundred records it
reads some thousand rows of a collection of a million, instead of all.
"""

import sqlite3
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable

from mirror.model.digest import MASK, signed, unsigned
from mirror.store.base import BLOCK_RECORDS
from mirror.store.values import Block, Listing, Place

LIMIT = 256
"""Records in a block at most; one more and it is split."""

Entries = Iterable[tuple[Place, int]]
"""Places with CRCs."""


class Blocks:
    """Keeps the blocks of all collections; lives with a writer and is reset when a transaction is undone."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._starts: dict[int, list[Place]] = {}

    def reset(self) -> None:
        """Forget what may have been rolled back."""
        self._starts.clear()

    def change(self, collection: int, added: Entries, removed: Entries) -> None:
        """Take records in and out.  They are in their table already; the collection's digest is still the old one."""
        starts = self._load(collection)
        changes: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
        for sign, entries in ((1, added), (-1, removed)):
            for place, crc in entries:
                change = changes[bisect_right(starts, place) - 1]
                change[0] += sign
                change[1] += sign * crc
        for at in sorted(changes, reverse=True):  # from behind, so that splits don't move what is still to do
            self._update(collection, starts, at, *changes[at])

    def _load(self, collection: int) -> list[Place]:
        starts = self._starts.get(collection)
        if starts is not None:
            return starts
        rows = self._connection.execute(
            "SELECT stamp, key FROM block WHERE collection = ? ORDER BY 1, 2", (collection,)
        )
        starts = rows.fetchall()
        if not starts:
            # All that was there before is in the first block, whose sums are the collection's own.
            self._connection.execute(
                "INSERT INTO block SELECT id, 0, '', count, total FROM collection WHERE id = ?", (collection,)
            )
            starts = [(0, "")]
        self._starts[collection] = starts
        return starts

    def _update(self, collection: int, starts: list[Place], at: int, count: int, total: int) -> None:
        row = (collection, *starts[at])
        held = self._connection.execute(
            "SELECT count, total FROM block WHERE collection = ? AND stamp = ? AND key = ?", row
        ).fetchone()
        count += held[0]
        self._connection.execute(
            "UPDATE block SET count = ?, total = ? WHERE collection = ? AND stamp = ? AND key = ?",
            (count, signed((unsigned(held[1]) + total) & MASK), *row),
        )
        if count > LIMIT:
            self._split(collection, starts, at)

    def _split(self, collection: int, starts: list[Place], at: int) -> None:
        upper = starts[at + 1] if at + 1 < len(starts) else None
        entries = read_entries(self._connection, collection, starts[at], upper)
        blocks = []
        for first in range(0, len(entries), BLOCK_RECORDS):
            part = entries[first : first + BLOCK_RECORDS]
            start = starts[at] if first == 0 else part[0][:2]
            blocks.append((collection, *start, len(part), signed(sum(crc for _, _, crc in part) & MASK)))
        self._connection.executemany("INSERT OR REPLACE INTO block VALUES (?,?,?,?,?)", blocks)
        starts[at : at + 1] = [(stamp, key) for _, stamp, key, _, _ in blocks]


def read_entries(
    connection: sqlite3.Connection, collection: int | None, lower: Place = (0, ""), upper: Place | None = None
) -> list[Listing]:
    """Return the records from ``lower`` up to but without ``upper``, from the index alone."""
    below = "" if upper is None else "AND (stamp, key) < (?, ?)"
    rows = connection.execute(
        "SELECT stamp, key, crc FROM record INDEXED BY record_order "
        f"WHERE collection = ? AND (stamp, key) >= (?, ?) {below} ORDER BY stamp, key",
        (collection, *lower, *(upper or ())),
    )
    return [Listing(stamp, key, crc & MASK) for stamp, key, crc in rows.fetchall()]


def read_blocks(connection: sqlite3.Connection, collection: int | None) -> list[Block]:
    """Return a collection's blocks in order; none for one that was not written since they exist."""
    rows = connection.execute(
        "SELECT stamp, key, count, total FROM block WHERE collection = ? ORDER BY stamp, key", (collection,)
    )
    return [Block((stamp, key), count, unsigned(total)) for stamp, key, count, total in rows.fetchall()]
