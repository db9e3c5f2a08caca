"""Telling the service manager how the daemon is, as sd_notify(3) describes: up, stopping, and alive each so often.

Without a manager that listens nothing is told.  Knows nothing of what the daemon does.
"""

import logging
from collections.abc import Mapping

import gevent
from gevent import socket

log = logging.getLogger("mirror.daemon")

READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"


class Manager:
    """Who started the daemon, if that wants to hear of it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """``environment`` names the manager's socket, and the microseconds within which it wants to hear something."""
        self._path = environment.get("NOTIFY_SOCKET", "")
        microseconds = environment.get("WATCHDOG_USEC", "")
        self._every_s = int(microseconds) / 2_000_000 if microseconds.isdecimal() else 0.0

    def tell(self, state: str) -> None:
        """Tell one state; a manager that cannot be told changes nothing."""
        if not self._path:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            try:
                told.sendto(state.encode(), self._path.replace("@", "\0", 1) if self._path[0] == "@" else self._path)
            except OSError as error:
                log.warning("the service manager cannot be told of %s: %s", state, error)

    def keep_alive(self) -> None:
        """Tell that the daemon's green threads run, twice in the time that the manager gives, until killed."""
        while self._every_s:
            self.tell(ALIVE)
            gevent.sleep(self._every_s)
