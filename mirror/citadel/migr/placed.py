"""Under which number each message stands in an export, and in which rooms: a scratch database, so memory stays flat.

A message that had a number at the server whose numbers are kept goes on having it, unless another message has that.
All others get new ones above all; the same bytes are one message, in however many rooms they are.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

NOWHERE = 0
"""In place of a room's number: no room lists it."""
BATCH = 1000
_SCRATCH = """
CREATE TABLE member (
    collection TEXT, key TEXT, room INTEGER,
    digest BLOB,                    -- of its bytes
    was INTEGER,                    -- the number it had, 0 for none
    number INTEGER,                 -- NULL until it has one
    PRIMARY KEY (collection, key)
) WITHOUT ROWID;
CREATE INDEX member_room ON member (room, number);
CREATE INDEX member_number ON member (number);
CREATE INDEX member_digest ON member (digest);
"""


class Placed(NamedTuple):
    """A message of the export: its number, in how many rooms it is, and one record that holds it."""

    number: int
    references: int
    collection: str
    key: str


class Placing:
    """Use once: ``put`` all, ``give_new``, then ask."""

    def __init__(self) -> None:
        self._scratch = sqlite3.connect("", isolation_level=None)
        self._scratch.execute("PRAGMA journal_mode=OFF")
        self._scratch.executescript(_SCRATCH + "BEGIN;")

    def close(self) -> None:
        self._scratch.close()

    def put(self, collection: str, key: str, room: int, digest: bytes, was: int, kept: bool) -> None:
        """Say what is in a room; ``kept``, where the number that it had is to stay."""
        number = was if kept and was > 0 and self._free(was, digest) else None
        self._scratch.execute("INSERT INTO member VALUES (?,?,?,?,?,?)", (collection, key, room, digest, was, number))

    def _free(self, number: int, digest: bytes) -> bool:
        row = self._scratch.execute("SELECT digest FROM member WHERE number = ? LIMIT 1", (number,)).fetchone()
        return row is None or row[0] == digest

    def give_new(self, above: int) -> int:
        """Give numbers to all that have none, and return the highest of all; ``above`` is one that is not given."""
        (highest,) = self._scratch.execute("SELECT max(number) FROM member").fetchone()
        highest = max(highest or 0, above)
        waiting = "SELECT collection, key, digest FROM member WHERE number IS NULL ORDER BY collection, key LIMIT ?"
        while rows := self._scratch.execute(waiting, (BATCH,)).fetchall():
            for collection, key, digest in rows:
                known = "SELECT number FROM member WHERE digest = ? AND number IS NOT NULL LIMIT 1"
                row = self._scratch.execute(known, (digest,)).fetchone()
                if row is None:
                    highest += 1
                number = highest if row is None else row[0]
                self._scratch.execute(
                    "UPDATE member SET number = ? WHERE collection = ? AND key = ?", (number, collection, key)
                )
        return int(highest)

    # -- questions --------------------------------------------------------------------------------

    def number(self, collection: str, key: str) -> int:
        """Return a message's number; 0 where it is not in the export."""
        query = "SELECT number FROM member WHERE collection = ? AND key = ?"
        row = self._scratch.execute(query, (collection, key)).fetchone()
        return int(row[0]) if row is not None else 0

    def listed(self, room: int) -> Iterator[int]:
        """Yield the messages that a room lists, in order."""
        rows = self._scratch.execute("SELECT DISTINCT number FROM member WHERE room = ? ORDER BY number", (room,))
        return (number for (number,) in rows)

    def highest(self, room: int) -> int:
        """Return the highest number in a room; 0 in an empty one."""
        (number,) = self._scratch.execute("SELECT max(number) FROM member WHERE room = ?", (room,)).fetchone()
        return int(number or 0)

    def count_in(self, room: int, ranges: Iterable[tuple[int, int]]) -> int:
        """Return how many of a room's messages have numbers within ranges that have none in common."""
        query = "SELECT count(DISTINCT number) FROM member WHERE room = ? AND number BETWEEN ? AND ?"
        return sum(self._scratch.execute(query, (room, *one)).fetchone()[0] for one in ranges)

    def count(self) -> int:
        """Return how many messages there are."""
        (count,) = self._scratch.execute("SELECT count(DISTINCT number) FROM member").fetchone()
        return int(count)

    def all(self) -> Iterator[Placed]:
        """Yield all messages in the order of their numbers."""
        rows = self._scratch.execute(
            "SELECT number, count(DISTINCT nullif(room, 0)), collection, min(key) FROM "
            "(SELECT number, room, collection, key FROM member) GROUP BY number ORDER BY number"
        )
        return (Placed(*row) for row in rows)

    def renumbered(self) -> Iterator[tuple[str, str, int, int]]:
        """Yield collection, key, old and new number of what had a number that it has no more."""
        return self._scratch.execute(
            "SELECT collection, key, was, number FROM member WHERE was > 0 AND was != number ORDER BY collection, key"
        )
