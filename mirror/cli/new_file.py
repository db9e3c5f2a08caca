"""A file that is there as a whole or not at all, and never in the place of another one."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mirror.config.errors import ConfigError


def require_new(path: Path) -> None:
    """Raise ConfigError where there is something under a name already."""
    if path.exists() or path.is_symlink():
        raise ConfigError(f"{path} exists: name another file, or move it away first")


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write to, which only its owner may read; it has its name once all of it is on the disk.

    Raises ConfigError where the name is taken, meanwhile too, or the file cannot be written; then nothing is left.
    """
    require_new(path)
    partial = path.with_name(f".{path.name[:40]}.{os.getpid()}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.link(partial, path)  # unlike a rename it replaces nothing
        finally:
            os.unlink(partial)
    except FileExistsError:
        raise ConfigError(f"{path} exists: name another file, or move it away first") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def write_new(path: Path, blocks: Iterable[bytes]) -> int:
    """Write a new file and return how many bytes it has.  Raises ConfigError."""
    size = 0
    with new_file(path) as file:
        for block in blocks:
            size += file.write(block)
    return size


def same_as(path: Path, blocks: Iterable[bytes]) -> bool:
    """Tell whether a file holds just these bytes.  Raises ConfigError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return all(file.read(len(block)) == block for block in blocks) and not file.read(1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
