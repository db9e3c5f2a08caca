"""Files of a node: private from their first byte on, and its owner's also where root makes them.

Who runs a command as root in a service's directory leaves nothing behind that the service cannot read.  Knows nothing
of what the files are.
"""

import os
from pathlib import Path


def open_owned(path: Path, flags: int) -> int:
    """Open a file in a node's directory, and make it where it is missing; returns its descriptor.  Raises OSError."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.geteuid() == 0:
            owner = os.stat(path.parent)
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def replace_owned(path: Path, text: str) -> None:
    """Replace a file of a node's directory in one step; what is there is whole, and on the disk.  Raises OSError."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)  # of a command that was killed
    try:
        with os.fdopen(open_owned(temporary, os.O_WRONLY | os.O_EXCL), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def make_private(path: Path, data: bytes) -> None:
    """Make a file that only who runs this may read; nothing that is there is touched.  Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
