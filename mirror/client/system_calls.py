"""What Linux can do with files that Python has no name for.  A quiet round does not import it.

Knows nothing of what the files are.
"""

import ctypes
import errno
import os
from collections.abc import Callable
from functools import cache

NO_REPLACE, EXCHANGE = 1, 2
"""Of renamed: nothing may have the new name yet; two files swap their names."""
_HERE = -100
_NOT_KNOWN = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)


def renamed(one: str, other: str, flags: int) -> bool:
    """Rename by renameat2(2); returns False where this kernel or file system cannot.  Raises OSError."""
    rename = _renameat2()
    if rename is None:
        return False
    if rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), flags) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NOT_KNOWN:
        return False
    raise OSError(number, os.strerror(number), other)


@cache
def _renameat2() -> Callable[[int, bytes, int, bytes, int], int] | None:
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def sync_file_system(descriptor: int, path: str) -> None:
    """Return once all that the file system of an open file has in memory is on the disk.  Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
