"""A pinned state that is given back unless it is read: while it is pinned, no log of the store is cut behind it.

A session's signs of life do not count, for those cost nobody anything.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import gevent

from mirror.store.base import Reader
from mirror.store.green import GreenPinned

T = TypeVar("T")


class Lease:
    """Reads a pinned state, and tells once it was not read for a while."""

    def __init__(
        self,
        pinned: GreenPinned,
        idle_s: float,
        ended: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``ended`` is called in the hub after ``idle_s`` seconds without a read, by ``clock``."""
        self.generation = pinned.generation
        self._pinned = pinned
        self._idle_s = idle_s
        self._ended = ended
        self._clock = clock
        self._read = clock()
        self._reading = 0
        self._watch = gevent.spawn(self._wait)

    def read(self, job: Callable[[Reader], T]) -> T:
        """Read the pinned state; a read that takes its time is no silence."""
        self._reading += 1
        try:
            return self._pinned.read(job)
        finally:
            self._reading -= 1
            self._read = self._clock()

    def _wait(self) -> None:
        while self._reading or self._left() > 0:
            gevent.sleep(max(self._left(), self._idle_s / 10))
        self._ended()

    def _left(self) -> float:
        return self._read + self._idle_s - self._clock()

    def close(self) -> None:
        """Give it back."""
        self._watch.kill(block=False)
        self._pinned.close()
