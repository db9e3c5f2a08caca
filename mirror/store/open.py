"""Opening a store by its URL: which backend keeps it is decided here, and known to nobody above.

``sqlite:`` is a file in the node's directory, and the default.  Stores in memory are for simulations, and have no URL.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from mirror.model.stamp import DEFAULT_MAX_AHEAD_MS
from mirror.store.base import Backend, Pinned
from mirror.store.errors import UnknownStore
from mirror.store.sqlite.copies import back_up_file, files_in, put_back_file
from mirror.store.sqlite.memory import FULL, IO_ERROR, DiskFault, Memory, MemoryStore
from mirror.store.sqlite.store import SqliteStore, pin_file

__all__ = [
    "DEFAULTS",
    "DEFAULT_URL",
    "FULL",
    "IO_ERROR",
    "DiskFault",
    "Memory",
    "Options",
    "back_up",
    "check_url",
    "files_in",
    "open_in_memory",
    "open_store",
    "pin_store",
    "put_back",
    "system_now_ms",
]

DEFAULT_URL = "sqlite:"
T = TypeVar("T")


def system_now_ms() -> int:
    """Unix milliseconds by this machine's clock."""
    return time.time_ns() // 1_000_000


class Options(NamedTuple):
    """How a store is opened, whatever keeps it.

    ``purpose`` is told to whoever finds the store in use.  ``durable=False`` leaves the disk to the system: for
    simulations that throw the store away.  ``create=False`` makes no store where there is none, for its disk may not be
    mounted.  ``wait_s`` seconds are waited for a command that has the store open and is done soon.
    """

    purpose: str = "ctdlmirror"
    now_ms: Callable[[], int] = system_now_ms
    max_ahead_ms: int = DEFAULT_MAX_AHEAD_MS
    durable: bool = True
    new_epoch: Callable[[], str] = lambda: secrets.token_hex(8)
    create: bool = True
    wait_s: float = 0


DEFAULTS = Options()


def open_store(
    directory: Path, node: str | None = None, url: str = DEFAULT_URL, options: Options = DEFAULTS
) -> Backend:
    """Open the store of the node in ``directory``; with a ``node`` name a new one is created if there is none.

    Raises StoreInUse, or StoreError when it cannot be opened or the URL names no store.
    """
    check_url(url)
    return SqliteStore(directory, node, **options._asdict())


def pin_store(directory: Path, url: str = DEFAULT_URL) -> Pinned:
    """Pin the present state of the store of the node in ``directory``; it is only read, and a daemon may have it open.

    Raises StoreError where there is none, where it cannot be read, or the URL names no store.
    """
    check_url(url)
    return pin_file(directory)


def open_in_memory(memory: Memory, node: str, options: Options) -> Backend:
    """Open the store in a memory, for simulations; an empty one becomes the store of ``node``.  Raises StoreError."""
    return MemoryStore(
        memory, node, now_ms=options.now_ms, max_ahead_ms=options.max_ahead_ms, new_epoch=options.new_epoch
    )


def back_up(directory: Path, destination: Path, files: Mapping[str, bytes], url: str = DEFAULT_URL) -> None:
    """Copy the store of the node in ``directory``, and files by name, to one new file; consistent while others write.

    The store is only read, and a daemon may have it open.  Raises StoreExists, StoreError.
    """
    check_url(url)
    back_up_file(directory, destination, files)


def put_back(directory: Path, backup: Path, prove: Callable[[Path], T], url: str = DEFAULT_URL) -> T:
    """Make a copy of a backup the store of the node in ``directory``, in one step; the backup stays as it is.

    ``prove`` is given a directory in which the copy is the store, and may change it; returns what that returns.  Raises
    StoreInUse, StoreExists when there is a store already, StoreError when the copy cannot be made, or what ``prove``
    raises; then nothing is left behind.
    """
    check_url(url)
    return put_back_file(directory, backup, prove)


def check_url(url: str) -> None:
    """Raise UnknownStore unless a URL names a store that there is."""
    scheme, _, rest = url.partition(":")
    if scheme != "sqlite" or rest:
        raise UnknownStore(f"{url!r} names no store; 'sqlite:' is the one there is")
