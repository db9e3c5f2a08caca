"""Copies of a store as one file: a backup is written beside its place and proved before it is put back.

A backup is private from its first byte on, and has its name only once it is whole and on the disk.  Files that belong
to the store travel in it as an SQLite archive (table ``sqlar``, https://sqlite.org/sqlar.html), which ``sqlite3 -A``
lists and unpacks.  Knows nothing of what these files are.
"""

import fcntl
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from mirror.store.errors import StoreError, StoreExists, StoreMissing
from mirror.store.sqlite.lock import StoreLock

FILE = "store.sqlite"
LOCK_FILE = "lock"
BESIDE = "restoring-"
"""How a directory begins in which a backup is proved before it is put back."""
PARTIAL = ".partial"
"""How a file ends that is to be a backup."""
OLD = ".old"
"""How the log of a store ends that another one was put in the place of."""
T = TypeVar("T")


def back_up_file(directory: Path, destination: Path, files: Mapping[str, bytes]) -> None:
    """Copy the store in a directory, and files beside it, to one new file; consistent while others write.

    The store is only read, and may be another process'.  Raises StoreExists, StoreError.
    """
    with closing(open_to_read(directory)) as connection:
        copy_to(connection, destination, files)


def check_there(directory: Path) -> None:
    """Raise StoreMissing where a directory has no store, or an empty file in its place."""
    begin = "'ctdlmirror restore' puts a backup back, 'ctdlmirror init --new-store' begins an empty one"
    path = directory / FILE
    if not path.exists():
        raise StoreMissing(f"there is no store in {directory}: is its disk mounted?  {begin}")
    if not path.stat().st_size:
        raise StoreMissing(f"{path} is empty: move it away; then {begin}")


def open_to_read(directory: Path) -> sqlite3.Connection:
    """Open the store in a directory, which may be another process', to read it.  Raises StoreMissing, StoreError."""
    check_there(directory)
    try:
        url = f"file:{quote(str(directory / FILE))}?mode=ro"
        return sqlite3.connect(url, uri=True, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise StoreError(f"the store {directory / FILE} cannot be read: {error}") from error


def copy_to(connection: sqlite3.Connection, destination: Path, files: Mapping[str, bytes]) -> None:
    """Copy the database of a connection, and files, to one new file.  Raises StoreExists, StoreError."""
    if os.path.lexists(destination):
        raise StoreExists(f"{destination} exists already; a backup never replaces a file")
    try:
        _remove_left(destination)
        descriptor, name = tempfile.mkstemp(PARTIAL, f".{destination.name}.", destination.parent)
    except OSError as error:
        raise StoreError(f"the backup {destination} cannot be written: {error.strerror}") from error
    beside = Path(name)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        connection.execute("VACUUM INTO ?", (str(beside),))
        _pack(beside, files)
        os.fsync(descriptor)
        os.rename(beside, destination)
        _sync_directory(destination.parent)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"the backup {destination} cannot be written: {error}") from error
    finally:
        beside.unlink(missing_ok=True)
        os.close(descriptor)


def _remove_left(destination: Path) -> None:
    """Remove what was to be this backup and was killed; one that is being written is locked."""
    for left in destination.parent.iterdir():
        if left.name.startswith(f".{destination.name}.") and left.name.endswith(PARTIAL):
            descriptor = os.open(left, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
            except BlockingIOError:
                pass
            finally:
                os.close(descriptor)


def _pack(copy: Path, files: Mapping[str, bytes]) -> None:
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=OFF")  # nobody reads the copy before it is whole
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE sqlar (name TEXT PRIMARY KEY, mode INT, mtime INT, sz INT, data BLOB)")
        rows = [(name, 0o100600, int(time.time()), len(data), data) for name, data in files.items()]
        connection.executemany("INSERT INTO sqlar VALUES (?, ?, ?, ?, ?)", rows)
        connection.execute("COMMIT")


def files_in(backup: Path) -> dict[str, bytes]:
    """Return the files that travel in a backup, by name; those of 0.1.0 have none.  Raises StoreError."""
    if not backup.is_file():
        raise StoreError(f"{backup} cannot be put back: it is no file")
    try:
        with closing(sqlite3.connect(f"file:{quote(str(backup))}?mode=ro&immutable=1", uri=True)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlar'").fetchone():
                return {}
            return {str(name): bytes(data) for name, data in connection.execute("SELECT name, data FROM sqlar")}
    except sqlite3.Error as error:
        raise StoreError(f"{backup} cannot be put back: {error}") from error


def put_back_file(directory: Path, backup: Path, prove: Callable[[Path], T]) -> T:
    """Make a copy of a backup the store in a directory, once ``prove`` has seen it in a directory of its own beside it.

    Returns what that returns.  Raises StoreInUse, StoreExists, StoreError when it cannot be copied, or what ``prove``
    raises; then nothing was changed.
    """
    if not backup.stat().st_size:
        raise StoreError(f"{backup} cannot be put back: it is empty, and holds no store")
    with StoreLock(directory / LOCK_FILE, "ctdlmirror restore"):
        if (directory / FILE).exists():
            raise StoreExists(f"{directory / FILE} exists: move it away first, a restore never replaces a store")
        for left in directory.glob(f"{BESIDE}*"):  # of one that was killed
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=BESIDE, dir=directory) as beside:
            copy = Path(beside) / FILE
            try:
                _copy(backup, copy)
                proved = prove(Path(beside))
                _set_log_aside(directory)
                os.replace(copy, directory / FILE)
                _sync_directory(directory)
            except (sqlite3.Error, OSError) as error:
                raise StoreError(f"{backup} cannot be put back: {error}") from error
            return proved


def _copy(backup: Path, copy: Path) -> None:
    """Copy a backup to where it is proved, without the files that travel in it."""
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    shutil.copyfile(backup, copy)
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete=ON")  # secrets are among them
        connection.execute("DROP TABLE IF EXISTS sqlar")
    descriptor = os.open(copy, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _set_log_aside(directory: Path) -> None:
    """Move away the log of a store that is there no more: SQLite would take it for that of the one put back."""
    (directory / f"{FILE}-shm").unlink(missing_ok=True)
    log = directory / f"{FILE}-wal"
    if log.exists():
        os.replace(log, log.with_name(log.name + OLD))


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
