"""How often a server is asked for what costs much: the more it cost, the less often.  Reads no clock."""

from typing import NamedTuple

NEVER = float("inf")
"""Seconds between two times of what is never asked."""


class Share(NamedTuple):
    """So many seconds pass for each second that a question took, and for each in which the server let nobody in."""

    took: float
    blocked: float


BUSY, IDLE = Share(20, 200), Share(100, 1000)
"""Where something is known to have changed, and where nothing is."""
LEAST_S = 5.0
"""Seconds that pass at least before what nobody is known to have changed is asked for again."""


class Pace:
    """When one costly question is due; times are seconds of any clock that only goes forward."""

    def __init__(self, every_s: float) -> None:
        """``every_s``: so often at least it is asked."""
        self._every_s = every_s
        self._began = self._ended = self._took = self._blocked = 0.0
        self._asked = False
        self.wanted = False
        """Whether something is known to have changed that only this question tells."""
        self.at_once = False
        """Whether somebody waits for the answer, whatever it costs."""

    def due(self, now: float) -> bool:
        """Tell whether it is time to ask."""
        if self._every_s == NEVER:
            return False
        return self.at_once or not self._asked or now - self._ended >= min(self._wait(), self._every_s)

    def _wait(self) -> float:
        share = BUSY if self.wanted else IDLE
        wait = max(self._took * share.took, self._blocked * share.blocked)
        return wait if self.wanted else max(wait, LEAST_S)

    def begin(self, now: float) -> None:
        """Say that it is asked now: what is found to be wanted from here on is not answered by that."""
        self._began, self.wanted, self.at_once = now, False, False

    def end(self, now: float, blocked: float = 0.0) -> None:
        """Say that it was asked, and for how many seconds of that the server let nobody in."""
        self._asked = True
        self._ended, self._took, self._blocked = now, max(0.0, now - self._began), blocked
