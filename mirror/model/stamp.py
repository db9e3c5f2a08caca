"""Stamps: 64-bit hybrid logical clock values, and the clock that issues them.

A stamp is 48 bits of Unix milliseconds and 16 bits of counter (Kulkarni et al., "Logical Physical
Clocks", 2014).  This module must not read any clock itself: the caller hands it one, so that tests and
the simulation decide what time it is.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from mirror.model.errors import StampAhead

COUNTER_BITS = 16
MAX_STAMP = (1 << 63) - 1
DEFAULT_MAX_AHEAD_MS = 60_000
MAX_WAIT_MS = 120_000
"""For how long a stamp that is ahead makes a link wait (milliseconds); what is further ahead is set aside."""


def make_stamp(milliseconds: int, counter: int = 0) -> int:
    """Return the stamp of a moment in Unix milliseconds."""
    return (milliseconds << COUNTER_BITS) | counter


def stamp_ms(stamp: int) -> int:
    """Return the Unix milliseconds of a stamp."""
    return stamp >> COUNTER_BITS


def format_stamp(stamp: int) -> str:
    """Return a stamp as people read it: ISO 8601 in UTC with milliseconds, and the counter if any."""
    try:
        moment = datetime.fromtimestamp(stamp_ms(stamp) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"stamp {stamp}"
    text = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    counter = stamp & ((1 << COUNTER_BITS) - 1)
    return f"{text}+{counter}" if counter else text


def _believed() -> None:
    """Raise nothing: nobody doubts the clock."""


class HybridClock:
    """Issues stamps that never go back and always lie after every stamp observed.

    ``now_ms`` returns Unix milliseconds; ``last`` is the greatest stamp issued or observed before a
    restart.  Thread-safe.
    """

    def __init__(self, now_ms: Callable[[], int], last: int = 0, max_ahead_ms: int = DEFAULT_MAX_AHEAD_MS) -> None:
        self._now_ms = now_ms
        self._last = last
        self._lock = threading.Lock()
        self.max_ahead_ms = max_ahead_ms
        self.check: Callable[[], None] = _believed
        """Called before anything is written; raises what forbids it while nobody knows what time it is."""

    @property
    def last(self) -> int:
        """The greatest stamp issued or observed."""
        return self._last

    def now_ms(self) -> int:
        """Unix milliseconds, as the clock that this one was handed tells them; may go back."""
        return self._now_ms()

    def tick(self) -> int:
        """Issue the next stamp."""
        with self._lock:
            self._last = max(self._last + 1, make_stamp(self._now_ms()))
            return self._last

    def limit(self) -> int:
        """The greatest stamp that may be accepted from outside now."""
        return make_stamp(self._now_ms() + self.max_ahead_ms)

    def observe(self, stamp: int) -> None:
        """Take note of a stamp from elsewhere.

        Raises StampAhead when it is more than ``max_ahead_ms`` ahead of this node's clock.
        """
        if stamp > self.limit():
            raise StampAhead(describe_ahead(stamp, self))
        with self._lock:
            self._last = max(self._last, stamp)

    def set_back(self, last: int) -> None:
        """Go on from an earlier stamp; for who writes all later versions anew, before they are."""
        with self._lock:
            self._last = last

    def reach(self, stamp: int) -> None:
        """Issue no stamp up to this one, which is known to be no later than may be."""
        with self._lock:
            self._last = max(self._last, stamp)


def describe_ahead(stamp: int, clock: HybridClock) -> str:
    """Return what is wrong with a stamp that lies further ahead than a clock allows."""
    ahead = (stamp_ms(stamp) - clock.now_ms()) // 1000
    return (
        f"stamp {format_stamp(stamp)} is {ahead} s ahead of this node's clock "
        f"(at most {clock.max_ahead_ms // 1000} s is accepted); set the clocks, and if they are right by now, "
        "run 'ctdlmirror clock repair' where that was written"
    )
