"""Virtual time and the tasks that live in it: what runs next is decided by the clock, and ties by the seed.

Tasks are plain greenlets; one gives way only by sleeping, so a schedule replays exactly.  Knows no stores.
"""

import heapq
import random
from collections.abc import Callable, Sequence
from functools import partial

from greenlet import getcurrent, greenlet


class Killed(BaseException):
    """Thrown into tasks of a node that has crashed; no ``except Exception`` may hold it."""


class World:
    """Time in milliseconds, and what happens when."""

    def __init__(self, seed: int, start_ms: int) -> None:
        self.random = random.Random(seed)
        self.now = start_ms
        self._due: list[tuple[int, float, greenlet, Callable[[], bool]]] = []
        self._alive: dict[greenlet, Callable[[], bool]] = {}
        self._hub = getcurrent()
        self.failure: BaseException | None = None

    def spawn(self, task: Callable[[], None], alive: Callable[[], bool] = lambda: True) -> None:
        """Start a task soon; it is killed at its next step once ``alive`` says no."""

        def body() -> None:
            try:
                task()
            except Killed:
                return
            except BaseException as error:
                self.failure = error

        created = greenlet(body, self._hub)
        self._alive[created] = alive
        self._schedule(created, self.random.randint(0, 50))

    def _schedule(self, task: greenlet, delay: int) -> None:
        heapq.heappush(self._due, (self.now + delay, self.random.random(), task, self._alive[task]))

    def sleep(self, milliseconds: int) -> None:
        """Give way for some time.  Called within a task."""
        self._schedule(getcurrent(), milliseconds)
        self._hub.switch()

    def together(
        self, workers: Sequence[Callable[[], None]], alive: Callable[[], bool], ends: tuple[type[Exception], ...]
    ) -> None:
        """Run workers side by side until the first of them ends, and raise what ended it if it is one of ``ends``.

        Called within a task, whose ``alive`` holds for them too.  The others end at their next step.
        """
        ended: list[Exception | None] = []

        def guarded(worker: Callable[[], None]) -> None:
            try:
                worker()
            except ends as error:
                ended.append(error)
            else:
                ended.append(None)

        for worker in workers:
            self.spawn(partial(guarded, worker), lambda: not ended and alive())
        while not ended:
            self.sleep(self.random.randint(20, 400))
        if ended[0] is not None:
            raise ended[0]

    def run(self, until: int) -> None:
        """Let everything happen up to a moment.  Raises what a task failed with."""
        while self._due and self._due[0][0] <= until:
            self.now, _, task, alive = heapq.heappop(self._due)
            if alive():
                task.switch()
            else:
                _kill(task)
            if task.dead or not alive():
                self._alive.pop(task, None)
            if self.failure is not None:
                failure, self.failure = self.failure, None
                raise failure
        self.now = until

    def end(self) -> None:
        """Kill all tasks."""
        for task in list(self._alive):
            _kill(task)
        self._alive.clear()
        self._due.clear()


def _kill(task: greenlet) -> None:
    if task:  # one that has not begun has nothing to end
        task.throw(Killed)
