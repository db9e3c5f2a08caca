"""Which messages a server's rooms, users and settings name by their numbers, and which of them have to be read.

Messages come last in an export and don't say where they are, so what comes before them is kept in a scratch database
on disk.  What was known when the server was looked at last is not wanted again.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

BATCH = 1000
"""Numbers of messages that are written down together."""
_SCRATCH = """
CREATE TABLE member (
    number INTEGER, room INTEGER, line INTEGER,
    wanted INTEGER,                 -- 0 where the message is known, or none of ours in this room
    PRIMARY KEY (number, room)
) WITHOUT ROWID;
CREATE INDEX member_room ON member (room);
CREATE TABLE reference (
    number INTEGER, collection TEXT, key TEXT, stamp INTEGER, field TEXT, line INTEGER, wanted INTEGER
);
CREATE INDEX reference_number ON reference (number);
CREATE TABLE arrived (number INTEGER PRIMARY KEY);
"""


NOWHERE = ""
"""As collection of a reference: the message is known by it, and is not taken over."""


class Reference(NamedTuple):
    """What is kept in a message of its own: a setting's text, which is a ``field``, or a record's body.

    ``stamp`` is that of who names it; ``line`` the one of the export that does.
    """

    number: int
    collection: str
    key: str
    stamp: int
    field: str
    line: int
    wanted: bool = True


class Absent(NamedTuple):
    """A message that is named and did not come: by a room, or by the record of ``collection`` and ``key``."""

    number: int
    line: int
    room: int = 0
    collection: str = ""
    key: str = ""


class Listed:
    """What the elements before the messages say of them."""

    def __init__(self) -> None:
        self._scratch = sqlite3.connect("", isolation_level=None)
        self._scratch.execute("PRAGMA journal_mode=OFF")
        self._scratch.executescript(_SCRATCH + "BEGIN;")
        self._arrived: list[tuple[int]] = []
        self._referred: set[int] = set()

    def close(self) -> None:
        self._scratch.close()

    # -- what is said -----------------------------------------------------------------------------

    def in_room(self, room: int, numbers: Iterable[int], line: int, wanted: bool) -> None:
        """Note which messages a room lists; ``wanted``, where they are ours."""
        rows = [(number, room, line, wanted) for number in numbers]
        if rows:
            self._scratch.executemany("INSERT OR IGNORE INTO member VALUES (?,?,?,?)", rows)

    def refer(self, reference: Reference) -> None:
        """Note which message holds something."""
        self._referred.add(reference.number)
        self._scratch.execute("INSERT INTO reference VALUES (?,?,?,?,?,?,?)", reference)

    def arrived(self, number: int) -> None:
        """Note that a message came."""
        self._arrived.append((number,))
        if len(self._arrived) >= BATCH:
            self._write_arrived()

    def _write_arrived(self) -> None:
        self._scratch.executemany("INSERT OR IGNORE INTO arrived VALUES (?)", self._arrived)
        self._arrived.clear()

    # -- what is known ----------------------------------------------------------------------------

    def known(self, room: int, numbers: Iterable[int]) -> set[int]:
        """Have messages of a room not be wanted; returns those of the numbers that the room lists."""
        rows = self._scratch.execute(
            "UPDATE member SET wanted = 0 WHERE room = ? AND number IN (SELECT value FROM json_each(?)) "
            "RETURNING number",
            (room, json.dumps(list(numbers))),
        )
        return {number for (number,) in rows.fetchall()}

    def hold_what_is_named(self, room: int) -> None:
        """Have messages of a room not be wanted for its sake that hold what others name."""
        self._scratch.execute(
            "UPDATE member SET wanted = 0 WHERE room = ? AND number IN (SELECT number FROM reference)", (room,)
        )

    def known_reference(self, reference: Reference) -> None:
        """Have what a reference names not be wanted."""
        self._scratch.execute(
            "UPDATE reference SET wanted = 0 WHERE number = ? AND collection = ? AND key = ?", reference[:3]
        )

    # -- questions --------------------------------------------------------------------------------

    def rooms_of(self, number: int) -> list[tuple[int, bool]]:
        """Return the rooms that list a message, and whether it is wanted for them."""
        rows = self._scratch.execute("SELECT room, wanted FROM member WHERE number = ?", (number,))
        return [(room, wanted == 1) for room, wanted in rows.fetchall()]

    def numbers_of(self, room: int) -> list[int]:
        """Return the messages that a room lists."""
        rows = self._scratch.execute("SELECT number FROM member WHERE room = ?", (room,))
        return [number for (number,) in rows.fetchall()]

    def counts(self) -> dict[int, int]:
        """Return how many messages each room lists; those with none are left out."""
        return dict(self._scratch.execute("SELECT room, count(*) FROM member GROUP BY room").fetchall())

    def unreferenced(self, room: int) -> list[int]:
        """Return the messages of a room that hold nothing else."""
        rows = self._scratch.execute(
            "SELECT number FROM member WHERE room = ? AND number NOT IN (SELECT number FROM reference)", (room,)
        )
        return [number for (number,) in rows.fetchall()]

    def references_of(self, number: int) -> list[Reference]:
        """Return what a message holds."""
        if number not in self._referred:
            return []
        rows = self._scratch.execute("SELECT * FROM reference WHERE number = ?", (number,))
        return [Reference(*row) for row in rows.fetchall()]

    def references(self) -> Iterator[Reference]:
        """Yield all that messages hold, collection by collection."""
        return (Reference(*row) for row in self._scratch.execute("SELECT * FROM reference ORDER BY collection, key"))

    def count(self) -> int:
        """Return how many messages rooms list, each as often as it is listed."""
        (count,) = self._scratch.execute("SELECT count(*) FROM member").fetchone()
        return int(count)

    def messages(self) -> int:
        """Return how many messages are named in all."""
        rows = "SELECT number FROM member UNION SELECT number FROM reference"
        (count,) = self._scratch.execute(f"SELECT count(*) FROM ({rows})").fetchone()
        return int(count)

    def wanted(self) -> list[tuple[int, int | None]]:
        """Return all messages that have to be read, each with a room that lists it, None where none does."""
        rows = self._scratch.execute(
            "SELECT number, (SELECT min(room) FROM member WHERE member.number = named.number) FROM "
            "(SELECT number FROM member WHERE wanted UNION SELECT number FROM reference WHERE wanted) AS named"
        )
        return [(number, room) for number, room in rows.fetchall()]

    def absent(self) -> Iterator[Absent]:
        """Yield what was named and did not come, first by rooms."""
        self._write_arrived()
        missing = "NOT EXISTS (SELECT 1 FROM arrived WHERE arrived.number = named.number) ORDER BY line, number"
        rows = self._scratch.execute(f"SELECT number, line, room FROM member AS named WHERE wanted AND {missing}")
        yield from (Absent(*row) for row in rows)
        columns = "number, line, 0, collection, key"
        rows = self._scratch.execute(f"SELECT {columns} FROM reference AS named WHERE wanted AND {missing}")
        yield from (Absent(*row) for row in rows)
