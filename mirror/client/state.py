"""What is remembered of a pair, in a file of its own: folders, what both sides agreed on of each item, conflicts.

A file of SQLite.  A transaction is one batch of items, written once what it speaks of is durable on both sides; a round
in which nothing happened writes nothing.  What was agreed of an item is opaque here (mirror.client.keeping).
"""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mirror.model.errors import MirrorError

_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE folders (
    room TEXT PRIMARY KEY, folder TEXT NOT NULL UNIQUE, name TEXT NOT NULL, identity TEXT NOT NULL,
    complete INTEGER NOT NULL, held INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE items (
    room TEXT NOT NULL, name TEXT NOT NULL, tag TEXT NOT NULL, marks TEXT NOT NULL, key TEXT NOT NULL,
    crc INTEGER NOT NULL, agreed BLOB NOT NULL,
    PRIMARY KEY (room, name)
) WITHOUT ROWID;
CREATE UNIQUE INDEX items_by_key ON items (key, room);
CREATE TABLE conflicts (
    number INTEGER PRIMARY KEY AUTOINCREMENT, room TEXT NOT NULL, folder TEXT NOT NULL, name TEXT NOT NULL,
    key TEXT NOT NULL, seconds INTEGER NOT NULL, mine BLOB, theirs BLOB, kept TEXT NOT NULL
);
"""
_FOLDERS = "SELECT room, folder, name, identity, complete, held FROM folders"
_VERSION = 1
_HALF = 1 << 63
_A_QUERY = 500
"""Values in one query at most."""
_LAST = "\U0010ffff"


class BadState(MirrorError):
    """A state file that cannot be used; the text names it."""

    exit_code = 5


class Folder(NamedTuple):
    """The folder of a room: its name in the pair's directory, the room's name when last seen, which directory it is.

    ``complete`` once all of the room was taken; ``held`` is how many deletions wait to be accepted.
    """

    room: str
    folder: str
    name: str
    identity: str = ""
    complete: bool = False
    held: int = 0


class Row(NamedTuple):
    """An item of a folder: its file and that's tag and marks, the key and CRC of the record, what was agreed.

    An empty tag says that it is to be looked at anew; with nothing agreed that the two never were in step.
    """

    name: str
    tag: str
    marks: str
    key: str
    crc: int
    agreed: bytes


class Conflict(NamedTuple):
    """Two versions of one item, each as a file; None for one that is deleted.  ``kept`` is which of them stands."""

    number: int
    room: str
    folder: str
    name: str
    key: str
    seconds: int
    mine: bytes | None
    theirs: bytes | None
    kept: str


class PairState:
    """The state of one pair."""

    def __init__(self, path: Path) -> None:
        """Open it, and make it where it is missing.  Raises BadState."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        is_new = not path.exists()
        if is_new:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA synchronous=FULL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={_VERSION}; COMMIT;")
        except sqlite3.Error as error:
            raise BadState(f"{path} cannot be used: {error}; 'ctdlmirror client reset' makes it anew") from None
        if version > _VERSION:
            raise BadState(f"{path} was written by a newer version of this program: upgrade it")

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Have all that is written within be written as one, or not at all.  Raises BadState where there is no room."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise BadState(f"{self.path} cannot be written: {error}; the next sync goes on from here") from None
        finally:
            if self._db.in_transaction:  # a full disk has ended it already
                self._db.execute("ROLLBACK")

    # -- the pair -------------------------------------------------------------------------------------

    def about(self, name: str) -> str:
        """Return a value by its name, or an empty text: ``cursor``, ``user``, ``account``."""
        row = self._db.execute("SELECT value FROM about WHERE name=?", (name,)).fetchone()
        return row[0] if row else ""

    def note(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO about VALUES (?,?)", (name, value))

    def forget(self, prefix: str) -> None:
        """Forget the values whose names begin so."""
        self._db.execute("DELETE FROM about WHERE name >= ? AND name < ?", (prefix, prefix + _LAST))

    def folders(self) -> dict[str, Folder]:
        """Return all folders by their rooms."""
        return {row[0]: _folder(row) for row in self._db.execute(f"{_FOLDERS} ORDER BY folder")}

    def folder(self, room: str) -> Folder | None:
        """Return the folder of a room."""
        row = self._db.execute(f"{_FOLDERS} WHERE room=?", (room,)).fetchone()
        return _folder(row) if row is not None else None

    def put_folder(self, folder: Folder) -> None:
        self._db.execute("INSERT OR REPLACE INTO folders VALUES (?,?,?,?,?,?)", folder)

    # -- items ----------------------------------------------------------------------------------------

    def listing(self, room: str) -> dict[str, tuple[str, str]]:
        """Return the tag and marks of all items of a room by their names."""
        rows = self._db.execute("SELECT name, tag, marks FROM items WHERE room=?", (room,))
        return {name: (tag, marks) for name, tag, marks in rows}

    def count(self, room: str) -> int:
        return int(self._db.execute("SELECT count(*) FROM items WHERE room=?", (room,)).fetchone()[0])

    def rows(self, room: str, names: Iterable[str]) -> dict[str, Row]:
        """Return what is known of items by their names."""
        return self._some("name", room, names)

    def rows_by_key(self, room: str, keys: Iterable[str]) -> dict[str, Row]:
        """Return what is known of items by the keys of their records."""
        return self._some("key", room, keys)

    def _some(self, column: str, room: str, values: Iterable[str]) -> dict[str, Row]:
        found = {}
        wanted = list(values)
        for start in range(0, len(wanted), _A_QUERY):
            some = wanted[start : start + _A_QUERY]
            query = f"SELECT name, tag, marks, key, crc, agreed, {column} FROM items WHERE room=? AND {column} IN "
            for row in self._db.execute(f"{query} ({','.join('?' * len(some))})", (room, *some)):
                found[row[6]] = _row(row)
        return {value: found[value] for value in wanted if value in found}

    def rows_beginning(self, room: str, prefix: str) -> list[Row]:
        """Return what is known of items whose keys begin so."""
        return [row for one, row in self._between(prefix, prefix + _LAST) if one == room]

    def rows_anywhere(self, key: str) -> list[tuple[str, Row]]:
        """Return what is known of items of a message's plain key, whatever text is behind it, with their rooms."""
        return [*self._between(key, key + "\0"), *self._between(f"{key}#", f"{key}$")]

    def _between(self, lower: str, upper: str) -> Iterator[tuple[str, Row]]:
        query = "SELECT room, name, tag, marks, key, crc, agreed FROM items WHERE key >= ? AND key < ?"
        for room, *values in self._db.execute(query, (lower, upper)):
            yield room, _row(values)

    def keys(self, room: str) -> dict[str, str]:
        """Return the names of all items of a room by the keys of their records."""
        return dict(self._db.execute("SELECT key, name FROM items WHERE room=?", (room,)))

    def crcs(self, room: str) -> dict[str, int]:
        """Return the CRCs of the versions that were agreed on, by the keys of their records."""
        rows = self._db.execute("SELECT key, crc FROM items WHERE room=?", (room,))
        return {key: crc + _HALF for key, crc in rows}

    def put(self, room: str, rows: Iterable[Row]) -> None:
        """Remember items; what was known under the same key or name is replaced."""
        values = ((room, *row[:4], row.crc - _HALF, row.agreed) for row in rows)
        self._db.executemany("INSERT OR REPLACE INTO items VALUES (?,?,?,?,?,?,?)", values)

    def drop(self, room: str, names: Iterable[str]) -> None:
        self._db.executemany("DELETE FROM items WHERE room=? AND name=?", ((room, name) for name in names))

    # -- conflicts ------------------------------------------------------------------------------------

    def add_conflict(
        self, folder: Folder, name: str, key: str, mine: bytes | None, theirs: bytes | None, kept: str
    ) -> None:
        values = (folder.room, folder.folder, name, key, int(time.time()), mine, theirs, kept)
        self._db.execute(
            "INSERT INTO conflicts (room, folder, name, key, seconds, mine, theirs, kept) VALUES (?,?,?,?,?,?,?,?)",
            values,
        )

    def conflicts(self) -> list[Conflict]:
        """Return all conflicts that nobody resolved, oldest first."""
        return [Conflict(*row) for row in self._db.execute("SELECT * FROM conflicts ORDER BY number")]

    def drop_conflict(self, number: int) -> None:
        self._db.execute("DELETE FROM conflicts WHERE number=?", (number,))


def _row(row: Sequence[Any]) -> Row:
    return Row(row[0], row[1], row[2], row[3], row[4] + _HALF, row[5])


def _folder(row: tuple[str, str, str, str, int, int]) -> Folder:
    return Folder(row[0], row[1], row[2], row[3], bool(row[4]), row[5])


def marks_text(marks: Iterable[str]) -> str:
    """Return marks as one text, the same for the same marks."""
    return " ".join(sorted(marks))


Listing = Mapping[str, tuple[str, str]]
"""By name, the tag and marks of an item."""
