"""The names of what a server has, by collections, and of what it said last and has no more: on disk, in order.

A scratch database, so memory stays flat.  Knows no store, and not what is done about anything.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from mirror.model.status import Status
from mirror.store.base import PAGE_RECORDS
from mirror.sync.foreign.plan import gone

_NAMES_AT_ONCE = 1000
_SCRATCH = """
CREATE TABLE heap (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE listed (heap INTEGER, name TEXT, PRIMARY KEY (heap, name)) WITHOUT ROWID;
CREATE TABLE missing (heap INTEGER, name TEXT, PRIMARY KEY (heap, name)) WITHOUT ROWID;
"""


class Heaps:
    """The names of one look."""

    def __init__(self) -> None:
        self._scratch = sqlite3.connect("", isolation_level=None)
        self._scratch.execute("PRAGMA journal_mode=OFF")
        self._scratch.executescript(_SCRATCH + "BEGIN;")
        self._heaps: dict[str, int] = {}
        self._names: list[tuple[int, str]] = []

    def close(self) -> None:
        self._scratch.close()

    def has(self, collection: str, foreign: Iterable[str]) -> None:
        """Say of things that the server has them, whatever is in them."""
        heap = self._heap(collection)
        self._names += [(heap, one) for one in foreign]
        if len(self._names) >= _NAMES_AT_ONCE:
            self.write_names()

    def write_names(self) -> None:
        """Have all that was said to be there count."""
        self._scratch.executemany("INSERT OR IGNORE INTO listed VALUES (?,?)", self._names)
        self._names.clear()

    def numbers(self, collection: str) -> list[int]:
        """Return the numbers that are listed of a collection of messages, in order."""
        rows = self._scratch.execute("SELECT name FROM listed WHERE heap = ?", (self._heap(collection),))
        return sorted(int(name) for (name,) in rows)

    def note_missing(self, collection: str, told: Sequence[Status]) -> bool:
        """Note what is missing of a stretch of a collection; tells whether anything is."""
        heap = self._heap(collection)
        missing = [(heap, status.foreign) for status in gone(told, self._listed_among(told))]
        self._scratch.executemany("INSERT OR IGNORE INTO missing VALUES (?,?)", missing)
        return bool(missing)

    def _listed_among(self, told: Sequence[Status]) -> list[str]:
        """Return what is listed of a collection between the first and the last of what was told of it, in order."""
        rows = self._scratch.execute(
            "SELECT name FROM listed WHERE heap = ? AND name BETWEEN ? AND ? ORDER BY name",
            (self._heap(told[0].collection), told[0].foreign, told[-1].foreign),
        )
        return [name for (name,) in rows.fetchall()]

    def is_listed(self, status: Status) -> bool:
        """Tell whether the server has what it said that of."""
        row = (self._heap(status.collection), status.foreign)
        return self._scratch.execute("SELECT 1 FROM listed WHERE heap = ? AND name = ?", row).fetchone() is not None

    def missing(self, collection: str) -> Iterator[str]:
        """Yield the names of what is missing of a collection, in order; what was yielded may be let off."""
        query, after = "SELECT name FROM missing WHERE heap = ? AND name > ? ORDER BY name LIMIT ?", ""
        while rows := self._scratch.execute(query, (self._heap(collection), after, PAGE_RECORDS)).fetchall():
            yield from (name for (name,) in rows)
            after = rows[-1][0]

    def not_missing(self, collection: str, missing: Iterable[Status]) -> None:
        """Have things not be missing any more."""
        names = [(self._heap(collection), status.foreign) for status in missing]
        self._scratch.executemany("DELETE FROM missing WHERE heap = ? AND name = ?", names)

    def _heap(self, collection: str) -> int:
        number = self._heaps.get(collection)
        if number is None:
            self._scratch.execute("INSERT OR IGNORE INTO heap (name) VALUES (?)", (collection,))
            (number,) = self._scratch.execute("SELECT id FROM heap WHERE name = ?", (collection,)).fetchone()
            self._heaps[collection] = int(number)
        return int(number)
