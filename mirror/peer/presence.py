"""Whether who is at the other end of connections lives: it is asked, and gets seconds to answer.

Who is tailed can be asked at any time, and who tails us.  On other connections nobody may speak out of turn, so there
the other machine's kernel is asked, by TCP keepalives.  That shows a machine that is gone, not a process that hangs: so
of who could have answered itself, the kernel's word counts for a while only.
"""

import time
from collections.abc import Callable, Sequence

from gevent.event import Event

from mirror.model.errors import MirrorError
from mirror.peer.channel import Channel
from mirror.sync.twins import Life

ANSWER_S = 3.0
"""Seconds within which who lives answers."""
SILENT_S = 60.0
"""Seconds for which a kernel's word counts for a process that could answer, from the first question that it did not:
it may be at work, or wait."""


def nothing() -> None:
    """Ask nothing."""


class Presence:
    """One connection with a node, as mirror.sync.twins sees it."""

    def __init__(self, instance: str, channel: Channel) -> None:
        """``instance`` is which run of a daemon is at the other end."""
        self.instance = instance
        self.channel = channel
        self.ask: Callable[[], None] = nothing
        """Has the other side asked for a sign of life, where that is possible now."""
        self.unanswered: float | None = None
        """Since when the process has not answered, though the machine has (seconds)."""

    def end(self) -> None:
        self.channel.hang_up()


def ask(asked: Sequence[Presence], clock: Callable[[], float] = time.monotonic) -> Life:
    """Find out whether who is at the other end of these connections lives; takes up to ANSWER_S seconds."""
    heard, began = Event(), clock()
    for one in asked:
        one.channel.awaited.add(heard)
        one.channel.probe(True)
    try:
        for one in asked:
            _ask(one)
        answered = heard.wait(ANSWER_S)
        reached = any(one.channel.reached_within(clock() - began) for one in asked)
    finally:
        for one in asked:
            one.channel.awaited.discard(heard)
            one.channel.probe(False)
    could_answer = [one for one in asked if one.ask is not nothing]
    for one in could_answer:
        one.unanswered = None if answered else one.unanswered or began
    if answered:
        return Life.ANSWERS
    believed = reached and all(began - (one.unanswered or began) < SILENT_S for one in could_answer)
    return Life.REACHED if believed else Life.GONE


def _ask(one: Presence) -> None:
    try:
        one.ask()
    except MirrorError:
        return  # it cannot be asked any more, so it will not answer either
