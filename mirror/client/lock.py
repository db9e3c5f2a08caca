"""One client at a time in a folder: a lock on the directory itself, so nothing is left in it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mirror.client.place import InUse, Missing


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a directory within the block.  Raises InUse while another client does, Missing where it is none."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise Missing(f"{directory} is no folder: nothing is taken for deleted") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise InUse(f"{directory} is kept equal by another client at this moment: end that one, or wait") from None
    try:
        yield
    finally:
        os.close(descriptor)
