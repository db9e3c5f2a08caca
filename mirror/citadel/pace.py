"""How often a server is asked for what costs much: the longer it took, the less often.  Reads no clock."""

BUSY, IDLE = 20, 100
"""A question that took one second is asked again after so many: where something is known to have changed, and where
nothing is."""
LEAST_S = 5.0
"""Seconds that pass at least before what nobody is known to have changed is asked for again."""


class Pace:
    """When one costly question is due; times are seconds of any clock that only goes forward."""

    def __init__(self, every_s: float) -> None:
        """``every_s``: so often at least it is asked."""
        self._every_s = every_s
        self._ended = self._took = 0.0
        self._asked = False
        self.wanted = False
        """Whether something is known to have changed that only this question tells."""

    def due(self, now: float) -> bool:
        """Tell whether it is time to ask."""
        if not self._asked:
            return True
        wait = self._took * BUSY if self.wanted else max(self._took * IDLE, LEAST_S)
        return now - self._ended >= min(wait, self._every_s)

    def asked(self, began: float, ended: float) -> None:
        """Say that it was asked."""
        self._asked, self.wanted = True, False
        self._ended, self._took = ended, max(0.0, ended - began)
