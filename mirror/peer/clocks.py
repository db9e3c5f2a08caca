"""This machine's two clocks, read: what time it is, and one that only goes forward."""

import time
from collections.abc import Callable
from typing import NamedTuple


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


def elapsed_ms() -> int:
    """Milliseconds that only go forward, those in suspend included where the system counts them."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000_000


class Clocks(NamedTuple):
    """Two clocks, in milliseconds, as those who need them are handed them."""

    now_ms: Callable[[], int]
    elapsed_ms: Callable[[], int]


SYSTEM = Clocks(now_ms, elapsed_ms)
