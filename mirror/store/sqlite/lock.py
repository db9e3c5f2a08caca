"""One process a store: an advisory lock on a file beside it that names its holder."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from mirror.owned import open_owned
from mirror.store.errors import StoreError, StoreInUse

BRIEF = "ctdlmirror,"
"""How the purpose of a holder begins that has the lock for as long as one command asks something."""
AGAIN_S = 0.05
SETTLED_S = 0.5
"""Seconds after which the name in the file is that of its holder: it is written just after the lock was got."""


class StoreLock:
    """Holds the lock from construction to ``release``; the kernel releases it when the process dies."""

    def __init__(self, path: Path, purpose: str, wait_s: float = 0) -> None:
        """Wait for up to ``wait_s`` seconds for a command that is done soon.

        Raises StoreInUse, naming the process that has it: at once if that will have it for long.
        """
        try:
            self._descriptor = open_owned(path, os.O_RDWR)
        except OSError as error:
            raise StoreError(f"{path} cannot be opened for writing: {error.strerror}") from error
        try:
            self._take(path, time.monotonic() + wait_s)
        except BaseException:
            os.close(self._descriptor)
            raise
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{purpose}, process {os.getpid()}\n".encode(), 0)

    def _take(self, path: Path, deadline: float) -> None:
        held_since = time.monotonic()
        while not self._taken():
            holder = os.pread(self._descriptor, 200, 0).decode("utf-8", "replace").strip()
            now = time.monotonic()
            if now >= deadline or (not holder.startswith(BRIEF) and now - held_since > SETTLED_S):
                raise StoreInUse(
                    f"the store {path.parent} is in use by {holder or 'another process'}; "
                    "stop it first, or use a command that talks to it"
                )
            time.sleep(AGAIN_S)  # the kernel tells nobody that a lock is free, but who is blocked by it

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give the lock back; further calls do nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "StoreLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
