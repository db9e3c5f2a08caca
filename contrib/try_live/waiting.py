"""Waiting for what no event tells: it is looked at again and again.  Knows nothing of Citadel."""

import time
from collections.abc import Callable

from try_live.errors import TrialFailed

LOOK_S = 0.05
"""Between two looks."""


def look_until(come: Callable[[], object], seconds: float, why: Callable[[], str], look_s: float = LOOK_S) -> None:
    """Wait until something has come.  Raises TrialFailed with the reason where it has not after so many seconds."""
    deadline = time.monotonic() + seconds
    while not come():
        if time.monotonic() > deadline:
            raise TrialFailed(why())
        time.sleep(look_s)
