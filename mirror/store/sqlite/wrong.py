"""What SQLite says when it cannot, and what that means for who runs the machine."""

import os
from pathlib import Path


def told(error: Exception, path: Path | str) -> str:
    """Return what an error says of a file, and that no space is left where it is, which SQLite may call otherwise.

    What is kept in memory alone has a name in place of a path.
    """
    if isinstance(path, str):
        return f"{error}"
    try:
        left = os.statvfs(path.parent).f_bavail
    except OSError:
        left = 1  # then it is something else that is wrong
    return f"{error}" if left else f"no space is left on its disk ({error})"
