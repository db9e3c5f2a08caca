"""A store that is gone after a number of writes, as with a process that is killed."""

import itertools
from collections.abc import Callable

from mirror.store.sqlite.store import SqliteStore


class Killed(Exception):
    """The process is gone."""


def is_killed(store: SqliteStore, after: int, act: Callable[[], object]) -> bool:
    """Do something with a store that is gone after a number of writes; tells whether it was gone."""
    write, count = store.write_group, itertools.count()

    def until(jobs):
        if next(count) >= after:
            raise Killed
        return write(jobs)

    store.write_group = until  # type: ignore[method-assign]
    try:
        act()
    except Killed:
        return True
    finally:
        del store.write_group  # type: ignore[method-assign]
    return False
