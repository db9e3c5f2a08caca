"""A store in memory: the same tables and rules, for simulations that make thousands of stores and throw them away.

What is committed outlives the store in its ``Memory``, as a file outlives a process that is killed; and the disk that
the memory stands for may fail at any statement.  One thread at a time, one connection for reading and writing: no WAL,
no files and no locks, which the tests of SqliteStore are for.
"""

import sqlite3
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from mirror.store.base import Reader
from mirror.store.errors import StoreError
from mirror.store.sqlite.reader import SqliteReader
from mirror.store.sqlite.schema import migrate
from mirror.store.sqlite.store import PinnedReading, SqliteStore

T = TypeVar("T")


class DiskFault(NamedTuple):
    """What SQLite says of a disk that failed it; it may have ``rolled_back`` the transaction by itself."""

    text: str
    rolled_back: bool = False


FULL = "database or disk is full"
IO_ERROR = "disk I/O error"


class _FailingConnection(sqlite3.Connection):
    """A connection to a disk that is asked before each statement whether it fails."""

    fault: Callable[[], DiskFault | None]

    def _check(self) -> None:
        fault = self.fault()
        if fault is None:
            return
        if fault.rolled_back and self.in_transaction:
            super().execute("ROLLBACK")
        raise sqlite3.OperationalError(fault.text)

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        if not arguments[0].startswith("ROLLBACK"):  # which takes away, and needs no room
            self._check()
        return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        self._check()
        return super().executemany(*arguments)


def _connect(image: bytes, fault: Callable[[], DiskFault | None] | None = None) -> sqlite3.Connection:
    kind = sqlite3.Connection if fault is None else _FailingConnection
    connection = sqlite3.connect(
        ":memory:", isolation_level=None, check_same_thread=False, cached_statements=256, factory=kind
    )
    connection.deserialize(image)
    sqlite3.Connection.execute(connection, "PRAGMA foreign_keys=ON")
    if isinstance(connection, _FailingConnection) and fault is not None:
        connection.fault = fault
    return connection


def _make_empty() -> bytes:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA page_size=4096")  # little is kept, and it is copied as a whole
    migrate(connection)
    image = connection.serialize()
    connection.close()
    return image


class Memory:
    """Where the committed state of one store is, whether it is open or not, and a copy as a backup makes it."""

    _empty: bytes = b""

    def __init__(self, image: bytes = b"", fault: Callable[[], DiskFault | None] | None = None) -> None:
        """``image`` is another memory's, as ``image()`` returns it; ``fault`` is asked before each statement."""
        Memory._empty = Memory._empty or _make_empty()
        self._fault = fault
        self.connection = _connect(image or Memory._empty, fault)
        self._backup = b""

    def image(self) -> bytes:
        """Return all that is committed, as who copies a machine gets it.  Not called within a transaction."""
        return self.connection.serialize()

    def back_up(self) -> None:
        """Keep a copy of what is committed."""
        self._backup = self.image()

    def put_back(self) -> None:
        """Go back to that copy; the store is closed."""
        self.connection.close()
        self.connection = _connect(self._backup, self._fault)


class MemoryStore(SqliteStore):
    """An open store in memory.  Not thread-safe."""

    def __init__(
        self,
        memory: Memory,
        node: str,
        *,
        now_ms: Callable[[], int],
        max_ahead_ms: int,
        new_epoch: Callable[[], str],
    ) -> None:
        """Open the store in a memory; an empty one becomes the store of ``node``.  Raises StoreError."""
        self._path = f"of {node} in memory"  # type: ignore[assignment]  # what errors name it by
        self._new_epoch = new_epoch
        self._begin(memory.connection, node, now_ms, max_ahead_ms)
        self._reader = SqliteReader(memory.connection, self.node, self.epoch)
        self._readers.append(self._reader)

    def read(self, job: Callable[[Reader], T]) -> T:
        """Run ``job`` with a Reader: one thread, so nothing changes meanwhile."""
        try:
            return job(self._reader)
        except sqlite3.Error as error:
            raise StoreError(f"the store {self._path} cannot be read: {error}") from error

    def pin(self) -> PinnedReading:
        """Copy the present state."""
        reader = SqliteReader(_connect(self._connection.serialize()), self.node, self.epoch)
        return PinnedReading(reader, lambda pinned: pinned.connection.close())

    def close(self) -> None:
        """Leave what is committed in the memory."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._readers.clear()
