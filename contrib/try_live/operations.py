"""The table of what can be done to a server: every kind of change that it knows, by name.

The modules beside this one fill the table; a kind belongs to a row of what a mirror has to notice.
"""

from collections.abc import Callable
from typing import NamedTuple

from try_live.world import World

Operation = Callable[[World], None]
"""Does one change.  Raises NotNow where nothing is there to do it with, Refused where the server does not want it."""


class Kind(NamedTuple):
    """One kind of change: its name, the row of changes that it belongs to, how often it is drawn, and the deed."""

    name: str
    row: str
    weight: int
    run: Operation


KINDS: dict[str, Kind] = {}


def kind(name: str, row: str, weight: int = 1) -> Callable[[Operation], Operation]:
    """Put an operation into the table."""

    def put(run: Operation) -> Operation:
        if name in KINDS:
            raise ValueError(f"{name!r} is in the table already")
        KINDS[name] = Kind(name, row, weight, run)
        return run

    return put
