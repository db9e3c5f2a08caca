"""Hearing from the kernel that something changed in some directories (inotify(7)); others look what it was."""

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

from gevent.socket import wait_read

from mirror.client.place import PlaceError

_NONBLOCK, _CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
_ONLY_DIRECTORIES = 0x01000000
_EVENTS = 0x00000008 | 0x00000040 | 0x00000080 | 0x00000100 | 0x00000200 | 0x00000400 | 0x00000800
"""Closed after writing, moved from and to, created, deleted, the directory itself deleted or moved."""
_BLOCK = 65_536


class Inotify:
    """Watches directories; one that is made anew under its path is watched anew."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._checked(self._libc.inotify_init1(_NONBLOCK | _CLOEXEC), "inotify")
        self._watched: dict[Path, int] = {}

    def watch(self, directories: Iterable[Path]) -> None:
        """Watch just these directories, as far as they are there.  Raises PlaceError where the kernel has no room."""
        now: dict[Path, int] = {}
        for directory in directories:
            number = self._libc.inotify_add_watch(self._descriptor, os.fsencode(directory), _EVENTS | _ONLY_DIRECTORIES)
            if number >= 0:
                now[directory] = number
            elif directory.is_dir():
                self._checked(number, str(directory))
        for number in {*self._watched.values()} - {*now.values()}:
            self._libc.inotify_rm_watch(self._descriptor, number)
        self._watched = now

    def wait(self) -> None:
        """Return once something has changed since the last call, or since it was watched."""
        wait_read(self._descriptor)
        try:
            while os.read(self._descriptor, _BLOCK):
                continue
        except BlockingIOError:
            return

    def close(self) -> None:
        os.close(self._descriptor)

    def _checked(self, number: int, what: str) -> int:
        if number < 0:
            error = ctypes.get_errno()
            raise PlaceError(
                f"{what} cannot be watched: {os.strerror(error)} (see /proc/sys/fs/inotify/max_user_watches)"
            )
        return number
