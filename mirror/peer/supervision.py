"""Work that is begun again whenever it ends, and workers of which the first that ends ends all.

Knows nothing of what the work is.  The clock, the pause and the random numbers are handed in, so tests decide them.
"""

import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import gevent
import msgspec
from gevent.event import Event
from gevent.pool import Group

from mirror.model.errors import MirrorError

WAITING = "waiting"
"""The phase of work between two tries."""
MAX_DOUBLINGS = 20

log = logging.getLogger("mirror.link")


class Health(msgspec.Struct):
    """How supervised work is: its phase since when (Unix seconds), what ended it last, and how often in a row."""

    phase: str = WAITING
    since: float = 0.0
    error: str = ""
    failures: int = 0


class Pauses(NamedTuple):
    """Seconds between two tries: doubling from the least to the greatest with each failure.

    Each pause is drawn between half and all of that, so that a hundred who lost the same peer don't return at once.
    """

    least_s: float
    greatest_s: float

    def limit(self, failures: int) -> float:
        """Return the longest pause after so many failures in a row."""
        return min(self.greatest_s, self.least_s * 2.0 ** min(failures, MAX_DOUBLINGS))


class Supervisor:
    """Has one piece of work done again and again, for as long as ``run`` runs."""

    def __init__(
        self,
        name: str,
        pauses: Pauses,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = gevent.sleep,
        chance: random.Random | None = None,
    ) -> None:
        """``name`` is what messages call the work.

        ``clock`` returns seconds that only go forward, ``now`` Unix seconds; ``sleep`` takes seconds.
        """
        self.health = Health()
        self._name = name
        self._pauses = pauses
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._chance = chance or random.Random()

    def run(self, work: Callable[[], None]) -> None:
        """Begin the work, and again after a pause when it ended, until killed."""
        while True:
            started = self._clock()
            self._try(work)
            if self._clock() - started > self._pauses.greatest_s:
                self.health.failures = 1  # it did well for a while
            self._sleep(self.pause())

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except MirrorError as error:
            log.debug("%s was lost", self._name, exc_info=True)
            self._failed(str(error))
        except Exception as error:  # whatever it is, the work must go on; it is told in full
            log.exception("%s: unexpected %s", self._name, type(error).__name__)
            self._failed(f"{type(error).__name__}: {error}")

    def _failed(self, error: str) -> None:
        if error != self.health.error:
            log.warning("%s: %s", self._name, error)
        self.health.error = error
        self.health.failures += 1
        self.enter(WAITING)

    def enter(self, phase: str) -> None:
        """Note that the work has come to a phase."""
        if phase != self.health.phase:
            self.health.phase = phase
            self.health.since = self._now()

    def succeeded(self) -> None:
        """Note that the work got to where it goes on by itself: what failed before no longer counts."""
        self.health.error, self.health.failures = "", 0

    def pause(self) -> float:
        """Return how many seconds to wait before the next try."""
        return self._pauses.limit(self.health.failures) * self._chance.uniform(0.5, 1.0)


def run_together(workers: Sequence[Callable[[], None]]) -> None:
    """Run workers side by side in greenlets; when the first ends, all end.  Raises what ended it."""
    group = Group()
    ended = Event()
    greenlets = [group.spawn(worker) for worker in workers]
    for greenlet in greenlets:
        greenlet.link(lambda _greenlet: ended.set())
    try:
        ended.wait()
        for greenlet in greenlets:
            if greenlet.ready():
                greenlet.get()
    finally:
        group.kill()
