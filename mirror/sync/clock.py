"""Whether this machine's clock can be believed: what it says is held against what others saw.

The witnesses are the last commit's time, the peers' clocks, and while the node runs a clock that only goes forward and
goes on in suspend.  Where the clock is a day off what they say, and the node has mirrors to disagree with, nothing is
written until one of them confirms it or an administrator does: what a wrong clock stamps, every other node refuses.
Both clocks are handed in.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

from mirror.model.errors import MirrorError
from mirror.model.stamp import HybridClock, format_stamp, make_stamp

log = logging.getLogger("mirror.clock")

DOUBTFUL_MS = 86_400_000
"""Milliseconds that the clock may be off what it should say, before it is doubted."""


class ClockDoubted(MirrorError):
    """Nothing is written, since nobody knows whether this machine's clock is right."""


class Heard(NamedTuple):
    """What a peer's clock said, and what this node's said then (Unix milliseconds)."""

    theirs_ms: int
    ours_ms: int

    @property
    def apart_ms(self) -> int:
        return abs(self.theirs_ms - self.ours_ms)


def format_ms(milliseconds: int) -> str:
    """Return a moment in Unix milliseconds as people read it."""
    return format_stamp(make_stamp(milliseconds))


def _nothing() -> None:
    """Tell nobody."""


class ClockGuard:
    """Holds up all writing of one store while its clock is doubted.

    ``elapsed_ms`` returns milliseconds that only go forward, ``last_ms`` is when the store was last written (Unix
    milliseconds, 0 for never), ``has_mirrors`` tells whether there are nodes that a wrong clock could lock out.
    """

    def __init__(
        self,
        clock: HybridClock,
        elapsed_ms: Callable[[], int],
        last_ms: int,
        has_mirrors: Callable[[], bool],
    ) -> None:
        self.heard: dict[str, Heard] = {}
        self.believed: Callable[[], None] = _nothing
        """Called when the clock is no longer doubted since somebody confirmed it."""
        self._clock = clock
        self._elapsed_ms = elapsed_ms
        self._has_mirrors = has_mirrors
        self._since = "the last commit" if last_ms else ""
        self._known_ms, self._known_at = last_ms or clock.now_ms(), elapsed_ms()
        self._told = ""

    def now_ms(self) -> int:
        """Unix milliseconds, as this machine's clock has them."""
        return self._clock.now_ms()

    def doubt(self) -> str:
        """Return in a line why the clock is doubted, or an empty string.

        It may be set by less than a day at a time: that is what it goes on from.
        """
        now_ms, elapsed_ms = self.now_ms(), self._elapsed_ms()
        due_ms = self._known_ms + elapsed_ms - self._known_at
        if abs(now_ms - due_ms) <= DOUBTFUL_MS or not self._has_mirrors():
            self._believe(now_ms)
            return ""
        since = f"going by {self._since or 'what it said before'} it should be {format_ms(due_ms)} or so"
        return (
            f"this machine's clock says {format_ms(now_ms)}, {since}: nothing is written until a mirror confirms it, "
            "or 'ctdlmirror clock accept'"
        )

    def check(self) -> None:
        """Raise ClockDoubted while the clock is doubted."""
        if doubt := self.doubt():
            raise ClockDoubted(doubt)

    def watch(self) -> None:
        """Log once that the clock is doubted, and once that it no longer is."""
        doubt = self.doubt()
        if bool(doubt) != bool(self._told):
            log.warning("%s", doubt or "this machine's clock is believed again")
        self._told = doubt

    def accept(self) -> None:
        """Believe the clock from now on, whatever it says."""
        self._believe(self.now_ms())
        self.watch()
        self.believed()

    def hear(self, peer: str, theirs_ms: int, ours_ms: int, mirror: bool = True) -> None:
        """Take note of what a peer's clock said; that of a mirror which says the same confirms ours."""
        if not theirs_ms:
            return
        self.heard[peer] = heard = Heard(theirs_ms, ours_ms)
        if mirror and heard.apart_ms <= self._clock.max_ahead_ms and self.doubt():
            log.warning("%s confirms this machine's clock", peer)
            self.accept()

    def notes(self) -> list[str]:
        """Return what an administrator should know of this node's clock and its peers', a line each."""
        found = [self.doubt(), *self.stamps_ahead()]
        for peer, heard in sorted(self.heard.items()):
            if heard.apart_ms > self._clock.max_ahead_ms:
                found.append(
                    f"the clock of {peer} said {format_ms(heard.theirs_ms)} when ours said {format_ms(heard.ours_ms)}"
                )
        return [note for note in found if note]

    def stamps_ahead(self) -> list[str]:
        """Return a line that says so where stamps of this store are ahead of the clock."""
        if self._clock.last <= self._clock.limit():
            return []
        return [
            f"the newest stamp here, {format_stamp(self._clock.last)}, is ahead of this machine's clock, "
            f"{format_ms(self.now_ms())}: no other node takes it; if the clock is right by now, stop the daemon "
            "and run 'ctdlmirror clock repair'"
        ]

    def _believe(self, now_ms: int) -> None:
        self._known_ms, self._known_at, self._since = now_ms, self._elapsed_ms(), ""
