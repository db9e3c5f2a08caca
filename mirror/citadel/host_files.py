"""Files of a server that are written on its own machine: room files with their times, system messages.

A server's protocol can neither set a file's time nor write its system messages as they were.  Whoever runs the server
may have put links anywhere in its directories, and a room's directory is just a name that came from elsewhere: nothing
is written through a link or out of its directory, and all of it belongs to the owner of the directory it is in.
"""

import os
import socket
import stat
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mirror.citadel.bootstrap import ADMIN_SOCKET
from mirror.formats.errors import CitadelError

ROOM_FILES, SYSTEM_MESSAGES = "files", "messages"
NOTES = "filedir"
"""The file in a room's directory in which the server keeps types and comments, a line each."""
_CREDENTIALS = struct.Struct("3i")
_UNSAFE_NAMES = ("", ".", "..")


class CannotWrite(CitadelError):
    """A file cannot be written into a server's directories."""


def home_of(directory: Path) -> Path:
    """Return the directory in which a server's own directories are that has its sockets in ``directory``.

    It is the one that the process works in which listens there; ``directory`` where that cannot be told.
    """
    with socket.socket(socket.AF_UNIX) as asking, suppress(OSError):
        asking.connect(str(directory / ADMIN_SOCKET))
        told = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        process, _, _ = _CREDENTIALS.unpack(told)
        return Path(os.readlink(f"/proc/{process}/cwd"))
    return directory


def is_plain_name(name: str) -> bool:
    """Tell whether something is a name in a directory, and no path."""
    return name not in _UNSAFE_NAMES and "/" not in name and "\0" not in name


@contextmanager
def directory_at(path: Path, name: str | None = None) -> Iterator[int]:
    """Give a server's directory, or one in it that is made where it is missing.  Raises CannotWrite."""
    descriptors: list[int] = []
    try:
        descriptors.append(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
        if name is not None:
            _require_plain(name)
            with suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=descriptors[0])
                _give(name, descriptors[0], descriptors[0])
            descriptors.append(os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptors[0]))
        yield descriptors[-1]
    except OSError as error:
        raise CannotWrite(f"{path / (name or '')} cannot be written: {error.strerror}") from None
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def is_as(directory: int, name: str, size: int, seconds: int) -> bool:
    """Tell whether a file is there with a size and a time (Unix seconds)."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and (found.st_size, int(found.st_mtime)) == (size, seconds)


def write_at(directory: int, name: str, blocks: Iterable[bytes], seconds: int | None = None) -> int:
    """Write a file, in one step; returns how many bytes.  ``seconds`` is its time.  Raises CannotWrite, OSError."""
    _require_plain(name)
    partial = f".{name[:40]}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    size = 0
    with suppress(FileNotFoundError):
        os.unlink(partial, dir_fd=directory)
    try:
        with os.fdopen(os.open(partial, flags, 0o644, dir_fd=directory), "wb") as file:
            for block in blocks:
                size += file.write(block)
            file.flush()
            os.fsync(file.fileno())
        _give(partial, directory, directory)
        if seconds is not None:
            os.utime(partial, (seconds, seconds), dir_fd=directory, follow_symlinks=False)
        os.rename(partial, name, src_dir_fd=directory, dst_dir_fd=directory)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(partial, dir_fd=directory)
    return size


def read_at(directory: int, name: str, limit: int) -> bytes:
    """Return a file's first bytes; nothing where it is not there."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit)


def _require_plain(name: str) -> None:
    if not is_plain_name(name):
        raise CannotWrite(f"{name!r} names no file in a directory")


def _give(name: str, within: int, owner_of: int) -> None:
    """Have something belong to the owner of a directory, where who runs this may say so."""
    if os.geteuid() == 0:
        owner = os.fstat(owner_of)
        os.chown(name, owner.st_uid, owner.st_gid, dir_fd=within, follow_symlinks=False)
