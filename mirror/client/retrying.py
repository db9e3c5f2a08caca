"""When what failed is tried again: longer each time.  Whatever happens meanwhile hurries nothing.

What is told of a folder may come from the very try that failed, as of files that a full disk had no room for.
"""

import time
from collections.abc import Callable, Hashable

RETRY_MIN_S, RETRY_MAX_S = 1.0, 60.0


class Retries:
    """What failed, and when it is tried again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` returns seconds that only go forward."""
        self._clock = clock
        self._waits: dict[Hashable, tuple[float, float]] = {}
        """By name, for how many seconds it waits, and until when."""

    def failed(self, name: Hashable) -> float:
        """Note that something failed; returns in how many seconds it is tried again."""
        seconds = min(self._waits[name][0] * 2, RETRY_MAX_S) if name in self._waits else RETRY_MIN_S
        self._waits[name] = seconds, self._clock() + seconds
        return seconds

    def succeeded(self, name: Hashable) -> None:
        self._waits.pop(name, None)

    def is_due(self, name: Hashable) -> bool:
        """Tell whether something may be tried now."""
        return name not in self._waits or self._waits[name][1] <= self._clock()

    def due_s(self) -> float:
        """Return in how many seconds the next of what failed is tried again; infinity where nothing did."""
        now = self._clock()
        return max(0.0, min((until for _, until in self._waits.values()), default=float("inf")) - now)
