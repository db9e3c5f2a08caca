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
from gevent.event import AsyncResult
from gevent.pool import Group

from mirror.faults import Faults
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
        faults: Faults | None = None,
    ) -> None:
        """``name`` is what messages call the work; ``faults`` knows what the log was told of it before.

        ``clock`` returns seconds that only go forward, ``now`` Unix seconds; ``sleep`` takes seconds.
        """
        self._health = Health()
        self._began = clock()
        self._name = name
        self._pauses = pauses
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._chance = chance or random.Random()
        self._faults = faults or Faults(clock)
        self._telling = True  # whether the log is told when the work succeeds: it does not know that it does

    @property
    def health(self) -> Health:
        """How the work is now."""
        if self._health.phase != WAITING:
            self._forgive()
        return self._health

    def run(self, work: Callable[[], None]) -> None:
        """Begin the work, and again after a pause when it ended, until killed."""
        while True:
            self._began = self._clock()
            self._try(work)
            self._sleep(self.pause())

    def _forgive(self) -> None:
        """Forget earlier failures once the work has gone on for longer than the longest pause: it does well."""
        if self._clock() - self._began > self._pauses.greatest_s:
            self._health.failures = 0

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except MirrorError as error:
            log.debug("%s was lost", self._name, exc_info=True)
            self._telling |= self._faults.tell(log, self._name, str(error))
            self._failed(str(error))
        except Exception as error:  # whatever it is, the work must go on; it is told in full
            kind = type(error).__name__
            self._telling |= self._faults.tell(log, self._name, f"unexpected {kind}: {error}", logging.ERROR, error)
            self._failed(f"{kind}: {error}")

    def _failed(self, error: str) -> None:
        self._forgive()
        self._health.error = error
        self._health.failures += 1
        self.enter(WAITING)

    def enter(self, phase: str) -> None:
        """Note that the work has come to a phase."""
        if phase != self._health.phase:
            self._health.phase = phase
            self._health.since = self._now()

    def succeeded(self, how: str) -> None:
        """Note that the work got to where it goes on by itself.

        How often it failed still counts, until it has gone on for longer than the longest pause: what always fails
        right after this would be begun again at once for ever.  The log is told ``how`` the first time, and after each
        fault that it was told of.
        """
        self._health.error = ""
        if self._telling:
            log.info("%s is up%s", self._name, how)
        self._telling = False

    def pause(self) -> float:
        """Return how many seconds to wait before the next try."""
        return self._pauses.limit(self._health.failures) * self._chance.uniform(0.5, 1.0)


def run_together(workers: Sequence[Callable[[], None]]) -> None:
    """Run workers side by side in greenlets; when the first ends, all end.  Raises what ended it."""
    group = Group()
    ended: AsyncResult = AsyncResult()
    for worker in workers:
        group.spawn(_run_until_end, worker, ended)
    try:
        ended.get()
    finally:
        group.kill()


def _run_until_end(worker: Callable[[], None], ended: AsyncResult) -> None:
    """Run a worker, and hand on how it ended: a greenlet that fails by itself would print that."""
    try:
        worker()
    except Exception as error:
        if not ended.ready():
            ended.set_exception(error)
    else:
        ended.set(None)
