"""One process a store: an advisory lock on a file beside it that names its holder."""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from mirror.owned import open_owned
from mirror.store.base import StoreError, StoreInUse


class StoreLock:
    """Holds the lock from construction to ``release``; the kernel releases it when the process dies."""

    def __init__(self, path: Path, purpose: str) -> None:
        """Raises StoreInUse, naming the process that has it."""
        try:
            self._descriptor = open_owned(path, os.O_RDWR)
        except OSError as error:
            raise StoreError(f"{path} cannot be opened for writing: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._descriptor, 200, 0).decode("utf-8", "replace").strip()
            os.close(self._descriptor)
            raise StoreInUse(
                f"the store {path.parent} is in use by {holder or 'another process'}; "
                "stop it first, or use a command that talks to it"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{purpose}, process {os.getpid()}\n".encode(), 0)

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
