"""Comparing with a peer that dials us: it is asked to where it follows our feed, and tells what it found.

Nobody is dialled for that and nobody's commands are served: who dials does what it does every night, and says so.
"""

import secrets as random_names
import time
from collections.abc import Callable
from typing import NamedTuple

from gevent.event import AsyncResult

from mirror.wire.errors import Refused
from mirror.wire.lines import Code
from mirror.wire.status import ComparisonStatus

ANSWER_S = 300.0
"""Seconds within which the outcome comes."""
LOOK_S = 1.0
"""Seconds between two looks at whether the peer is still there."""


class _Waiting(NamedTuple):
    peer: str
    outcome: AsyncResult


class Comparing:
    """Comparisons that peers were asked for and have not told the outcome of."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

    def ask(self, peer: str, ask: Callable[[str], None], stays: Callable[[], bool]) -> ComparisonStatus:
        """Have a peer compare, and return what it found, as this node has it.

        ``ask`` is called with the name of the comparison, ``stays`` tells whether the peer still follows.  Raises
        Refused where it goes or does not answer in time.
        """
        name, outcome, began = random_names.token_hex(8), AsyncResult(), time.monotonic()
        self._waiting[name] = _Waiting(peer, outcome)
        try:
            ask(name)
            while outcome.wait(LOOK_S) is None:
                if not stays():
                    raise Refused(Code.NOT_FOUND, f"{peer} was lost while it compared: try again")
                if time.monotonic() - began > ANSWER_S:
                    raise Refused(Code.BUSY, f"{peer} has not answered in {ANSWER_S:g} s; an older version cannot")
        finally:
            del self._waiting[name]
        found: ComparisonStatus = outcome.get()
        return found.turned()

    def told(self, peer: str, name: str, found: ComparisonStatus) -> None:
        """Take what a peer found.  Raises Refused unless it was asked for that."""
        waiting = self._waiting.get(name)
        if waiting is None or waiting.peer != peer:
            raise Refused(Code.NOT_FOUND, "nobody waits for that comparison")
        waiting.outcome.set(found)
