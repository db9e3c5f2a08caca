"""The default store: one SQLite file in WAL mode, one writer, commits durable before they are acknowledged.

``SqliteStore`` runs every job in the calling thread.  A daemon uses mirror.store.green, which runs the
same jobs in threads and groups what is written at the same time into one commit.
"""

import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mirror.model.stamp import DEFAULT_MAX_AHEAD_MS, HybridClock
from mirror.owned import open_owned
from mirror.store.base import Reader, Writer
from mirror.store.errors import StoreError
from mirror.store.ledger.moving import KEYS_MOVED, move_keys
from mirror.store.sqlite.copies import FILE as FILE
from mirror.store.sqlite.copies import LOCK_FILE, check_there, copy_to, open_to_read
from mirror.store.sqlite.lock import StoreLock
from mirror.store.sqlite.reader import SqliteReader
from mirror.store.sqlite.schema import check_current, migrate
from mirror.store.sqlite.tables import SqliteWriter
from mirror.store.sqlite.wrong import told

T = TypeVar("T")

PAGE_BYTES = 16 * 1024
"""Bytes in a page of a new store: a record and its body fit on one, so bodies are rarely spread over more."""
CHECKPOINT_BYTES = 16 * 1024 * 1024
"""Bytes of WAL after which they are moved into the main file."""
MAX_IDLE_WAL = 64 * 1024 * 1024
"""Bytes that the WAL is cut back to once it was emptied: a pinned state lets it grow."""
MAX_IDLE_READERS = 8


def system_now_ms() -> int:
    """Unix milliseconds by this machine's clock."""
    return time.time_ns() // 1_000_000


def _connect(path: Path, durable: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30, cached_statements=256)
    for pragma in (
        f"page_size={PAGE_BYTES}",  # counts only where the file is made
        "journal_mode=WAL",
        f"journal_size_limit={MAX_IDLE_WAL}",
        f"synchronous={'FULL' if durable else 'OFF'}",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "cache_size=-16384",
    ):
        connection.execute(f"PRAGMA {pragma}")
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_BYTES // page_bytes}")
    return connection


class SqliteStore:
    """An open store.  Thread-safe: writes are serialised, reads run beside them."""

    _create = True

    def __init__(
        self,
        directory: Path,
        node: str | None = None,
        *,
        purpose: str = "ctdlmirror",
        now_ms: Callable[[], int] = system_now_ms,
        max_ahead_ms: int = DEFAULT_MAX_AHEAD_MS,
        durable: bool = True,
        new_epoch: Callable[[], str] = lambda: secrets.token_hex(8),
        create: bool = True,
        wait_s: float = 0,
    ) -> None:
        """Open the store in ``directory``; with a ``node`` name and ``create`` a new one is made if there is none.

        ``durable=False`` leaves the disk to the system: for simulations that throw the store away.  ``wait_s`` seconds
        are waited for a command that has the store open and is done soon.

        Raises StoreInUse, or StoreError when it cannot be opened.
        """
        self._path = directory / FILE
        self._durable = durable
        self._new_epoch = new_epoch
        self._create = create and node is not None
        if not self._create:
            check_there(directory)
        self._lock_file = StoreLock(directory / LOCK_FILE, purpose, wait_s)
        try:
            self._open(node, now_ms, max_ahead_ms)
        except (sqlite3.Error, OSError) as error:
            self._lock_file.release()
            raise StoreError(f"the store {self._path} cannot be opened: {told(error, self._path)}") from error
        except BaseException:
            self._lock_file.release()
            raise

    def _open(self, node: str | None, now_ms: Callable[[], int], max_ahead_ms: int) -> None:
        os.close(open_owned(self._path, os.O_RDWR))  # SQLite would make it as the umask says
        connection = _connect(self._path, self._durable)
        self._begin(connection, node, now_ms, max_ahead_ms)

    def _begin(
        self, connection: sqlite3.Connection, node: str | None, now_ms: Callable[[], int], max_ahead_ms: int
    ) -> None:
        """Get ready to write by a connection, whatever its database is kept in."""
        self._connection = connection
        migrate(connection)
        known = SqliteReader(connection, node or "", "")
        if not known.meta_text("epoch"):
            if node is None or not self._create:
                raise StoreError(f"{self._path} holds no store")
            self._initialise(node)
        self.node = known.meta_text("node")
        self.epoch = known.meta_text("epoch")
        if node is not None and node != self.node:
            raise StoreError(f"the store {self._path} belongs to node {self.node!r}, not to {node!r}")
        newest = max(known.meta_number("clock"), known.digest("").newest)
        self.clock = HybridClock(now_ms, newest, max_ahead_ms)
        self._writer = SqliteWriter(self._connection, self.node, self.epoch, self.clock)
        if not known.meta_number(KEYS_MOVED):
            self._move_keys()
        self._write_lock = threading.Lock()
        self._commits = 0  # begun and ended ones, so it is odd while one is under way
        self._idle: list[SqliteReader] = []
        self._readers: list[SqliteReader] = []
        self._watchers: dict[int, Callable[[], None]] = {}
        self._watcher_number = 0

    def _initialise(self, node: str) -> None:
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(
                "INSERT INTO meta (name, value) VALUES (?, ?)",
                [("node", node), ("epoch", self._new_epoch()), (KEYS_MOVED, 1)],
            )

    def _move_keys(self) -> None:
        """Bring an older store's keys up to date; no commit of its node, which would tell what its clock says."""
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._writer.begin_job()
            move_keys(self._writer)

    # -- reading ----------------------------------------------------------------------------------

    @property
    def generation(self) -> int | None:
        """A number that stays the same for as long as every read finds the same state; None while that may change."""
        commits = self._commits
        return None if commits % 2 else commits

    def read(self, job: Callable[[Reader], T]) -> T:
        """Run ``job`` with a Reader on one consistent state."""
        reader = self._idle.pop() if self._idle else self._new_reader()
        try:
            reader.connection.execute("BEGIN")
            try:
                return job(reader)
            finally:
                reader.connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(f"the store {self._path} cannot be read: {told(error, self._path)}") from error
        finally:
            if len(self._idle) < MAX_IDLE_READERS:
                self._idle.append(reader)
            else:
                self._close_reader(reader)

    def _new_reader(self) -> SqliteReader:
        reader = SqliteReader(_connect(self._path, self._durable), self.node, self.epoch)
        reader.connection.execute("PRAGMA query_only=ON")
        self._readers.append(reader)
        return reader

    def _close_reader(self, reader: SqliteReader) -> None:
        self._readers.remove(reader)
        reader.connection.close()

    def pin(self) -> "PinnedReading":
        """Pin the present state: its reads see it unchanged until it is closed."""
        return PinnedReading(self._new_reader(), self._close_reader)

    # -- writing ----------------------------------------------------------------------------------

    def write(self, job: Callable[[Writer], T]) -> T:
        """Run ``job`` with a Writer in a transaction of its own; durable on return."""
        result = self.write_group([job])[0]
        if isinstance(result, BaseException):
            raise result
        return result  # type: ignore[no-any-return]

    def write_group(self, jobs: Sequence[Callable[[Writer], Any]]) -> list[Any]:
        """Run jobs in one transaction, each undone alone if it fails.

        Returns each one's result or its exception, in order, once all that succeeded is durable.  Raises what the clock
        does while it is doubted, and then nothing is written at all.
        """
        with self._write_lock:
            self.clock.check()
            self._commits += 1
            try:
                results = self._run_group(jobs)
            except sqlite3.Error as error:
                self._abandon()
                raise StoreError(f"the store {self._path} cannot be written: {told(error, self._path)}") from error
            except BaseException:
                self._abandon()
                raise
            finally:
                self._commits += 1
        for callback in list(self._watchers.values()):
            callback()
        return results

    def _run_group(self, jobs: Sequence[Callable[[Writer], Any]]) -> list[Any]:
        self._connection.execute("BEGIN IMMEDIATE")
        if len(jobs) == 1:
            return [self._run_alone(jobs[0])]
        results = [self._run_beside(job) for job in jobs]
        self._commit()
        return results

    def _run_alone(self, job: Callable[[Writer], Any]) -> Any:
        """Run the only job of a transaction, and commit or undo that as a whole; return its result or exception.

        So most commits need no savepoint, for which SQLite keeps a copy of every page as it was.
        """
        self._writer.begin_job()
        try:
            result = job(self._writer)
        except sqlite3.Error:
            raise
        except Exception as error:  # handed to the caller whose job it is
            self._abandon()
            return error
        self._commit()
        return result

    def _run_beside(self, job: Callable[[Writer], Any]) -> Any:
        """Run one job of several in a transaction; if it fails, it alone is undone."""
        self._connection.execute("SAVEPOINT job")
        self._writer.begin_job()
        try:
            result = job(self._writer)
        except sqlite3.Error:
            raise
        except Exception as error:  # handed to the caller whose job it is
            self._connection.execute("ROLLBACK TO job")
            self._writer.reset()
            result = error
        self._connection.execute("RELEASE job")
        return result

    def _commit(self) -> None:
        self._writer.note_commit(self.clock.last, self.clock.now_ms())
        self._connection.execute("COMMIT")

    def _abandon(self) -> None:
        self._writer.reset()
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called after each commit, in the committing thread; returns what ends that."""
        self._watcher_number += 1
        number = self._watcher_number
        self._watchers[number] = callback
        return lambda: self._watchers.pop(number, None) and None

    # -- the whole file ---------------------------------------------------------------------------

    def backup(self, destination: Path) -> None:
        """Copy the store to one new file, consistent while others write.  Raises StoreExists, StoreError."""
        reader = self._new_reader()
        try:
            reader.connection.execute("PRAGMA query_only=OFF")  # VACUUM INTO counts as writing
            copy_to(reader.connection, destination, {})
        finally:
            self._close_reader(reader)

    def renew_epoch(self, also: Callable[[Writer], Any] | None = None) -> str:
        """Give the store a new epoch, so that peers don't trust cursors into its former life.

        ``also`` is done in the same transaction, under the new origin.
        """

        def job(_writer: Writer) -> str:
            writer = self._writer
            epoch = self._new_epoch()
            writer.set_meta("epoch", epoch)
            # What was written here after the backup may live on elsewhere, and this store has not seen it: from now
            # on it writes as somebody else, so that nobody takes its versions for successors of those.
            writer.rename_origin(f"{writer.node}~{epoch[:8]}")
            writer.forget_cursors()
            if also is not None:
                also(writer)
            return epoch

        self.epoch = self._writer.epoch = self.write(job)
        for reader in self._readers:
            reader.epoch = self.epoch  # those opened before would go on telling of the former life
        return self.epoch

    def close(self) -> None:
        """Close all connections and give the lock back."""
        for reader in self._readers:
            reader.connection.close()
        self._readers.clear()
        self._idle.clear()
        self._connection.close()
        self._lock_file.release()


class PinnedReading:
    """One state of a store, kept by an open read transaction (which keeps the WAL from shrinking)."""

    generation = 0

    def __init__(self, reader: SqliteReader, close: Callable[[SqliteReader], None]) -> None:
        """Pin what the reader's database holds now."""
        reader.connection.execute("BEGIN")
        reader.last_sequence()  # the state is chosen by the first read, not by BEGIN
        self._reader = reader
        self._close = close
        self._lock = threading.Lock()

    def read(self, job: Callable[[Reader], T]) -> T:
        with self._lock:
            try:
                return job(self._reader)
            except sqlite3.Error as error:
                raise StoreError(f"a pinned state of the store cannot be read: {error}") from error

    def close(self) -> None:
        self._close(self._reader)


def pin_file(directory: Path) -> PinnedReading:
    """Pin the present state of the store in a directory, which another process may have open and go on writing.

    Raises StoreMissing, StoreError where an older version wrote it and its daemon has yet to bring it up to date.
    """
    connection = open_to_read(directory)
    try:
        check_current(connection)
        known = SqliteReader(connection, "", "")
        reader = SqliteReader(connection, known.meta_text("node"), known.meta_text("epoch"))
        return PinnedReading(reader, lambda held: held.connection.close())
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(f"the store {directory / FILE} cannot be read: {error}") from error
    except BaseException:
        connection.close()
        raise
