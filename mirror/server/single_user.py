"""Single-user mode: multi-user, draining, single-user, and back.

Only an initial bootstrap asks for it, and only until its snapshot is pinned.  It ends by ``ESNG``, or
``expire`` seconds after its holder was last heard of; a holder that reconnects before then still holds it.
"""

import enum
import logging
import time
from collections.abc import Callable

import gevent
from gevent.event import Event

from mirror.wire.errors import Refused
from mirror.wire.lines import Code

log = logging.getLogger("mirror.session")

MAX_SECONDS = 86_400


class Mode(enum.Enum):
    MULTI = "multi-user"
    DRAINING = "draining"
    SINGLE = "single-user"


class SingleUser:
    """The mode of one node.  ``users_left`` returns how many users are logged in."""

    def __init__(self, users_left: Callable[[], int], now: Callable[[], float] = time.monotonic) -> None:
        self.mode = Mode.MULTI
        self.holder = ""
        self._users_left = users_left
        self._now = now
        self._expire = 0
        self._heard = 0.0
        self._somebody_left = Event()
        self._open = Event()
        self._open.set()
        self._timer: gevent.Greenlet | None = None

    def enter(self, holder: str, wait: int, expire: int, notify: Callable[[str], None]) -> None:
        """Drain for up to ``wait`` seconds and go single-user for ``holder``.  Raises Refused."""
        if self.mode is not Mode.MULTI and self.holder != holder:
            raise Refused(Code.BUSY, f"{self.holder} holds single-user mode already")
        self._heard, self._expire = self._now(), expire
        if self.mode is Mode.SINGLE:
            return
        self.mode, self.holder = Mode.DRAINING, holder
        self._open.clear()
        notify(f"{holder} asks for single-user mode: please finish and log out within {wait} seconds")
        try:
            left = self._drain(self._now() + wait)
        except BaseException:
            self._end()
            raise
        if self.holder != holder or self.mode is not Mode.DRAINING:
            raise Refused(Code.BUSY, "single-user mode was ended by this machine's administrator")
        if left:
            self._end()
            raise Refused(Code.BUSY, f"{left} users are still logged in after {wait} seconds; back to multi-user")
        self.mode, self._heard = Mode.SINGLE, self._now()
        log.info("single-user mode for %s, for %d seconds after its last command at most", holder, expire)
        self._timer = gevent.spawn(self._watch)

    def _drain(self, deadline: float) -> int:
        while self.holder and (left := self._users_left()) and (remaining := deadline - self._now()) > 0:
            self._somebody_left.clear()
            self._somebody_left.wait(remaining)
        return left if self.holder else 0

    def _watch(self) -> None:
        while (remaining := self._heard + self._expire - self._now()) > 0:
            gevent.sleep(remaining)
        self._timer = None
        self._end()

    def left(self) -> None:
        """Told whenever a user has logged out."""
        self._somebody_left.set()

    def heard(self, party: str) -> None:
        """Told of every command; the holder's keep the mode from expiring."""
        if party == self.holder:
            self._heard = self._now()

    def leave(self, party: str, *, anyway: bool = False) -> None:
        """End it.  Raises Refused when ``party`` doesn't hold it, unless it is to be ended ``anyway``."""
        if self.mode is Mode.MULTI:
            raise Refused(Code.ILLEGAL, "not in single-user mode")
        if party != self.holder and not anyway:
            raise Refused(Code.ACCESS, f"{self.holder} holds single-user mode")
        self._end()

    def lose(self, party: str) -> None:
        """Told of who may come in no more: what such a party held ends."""
        if self.mode is not Mode.MULTI and party == self.holder:
            self._end()

    def _end(self) -> None:
        log.info("multi-user mode; it was %s for %s", self.mode.value, self.holder)
        self.mode, self.holder = Mode.MULTI, ""
        self._open.set()
        self._somebody_left.set()  # who waited for users to leave waits no more
        if self._timer is not None:
            self._timer.kill(block=False)
            self._timer = None

    def check_open(self, party: str = "") -> None:
        """Raise Refused when nothing may come in now from anybody but the holder."""
        if self.mode is not Mode.MULTI and (not party or party != self.holder):
            raise Refused(Code.BUSY, f"this node is {self.mode.value} for {self.holder}; try again later")

    def wait_open(self) -> None:
        """Wait for multi-user mode."""
        self._open.wait()
