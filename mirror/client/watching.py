"""Keeping pairs equal all the time: the node tells what changes there, the kernel what changes in the folders.

A round follows whatever is told, and nothing is done while nothing is.  A connection that is lost is dialled again.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import gevent
from gevent.event import Event

from mirror.client.connection import Connection
from mirror.client.inotify import Inotify
from mirror.client.pairs import Pair
from mirror.client.place import PlaceError
from mirror.client.report import Report
from mirror.client.server import RoomList
from mirror.model.errors import MirrorError
from mirror.peer.channel import ConnectionLost
from mirror.wire.errors import Refused
from mirror.wire.lines import Code

_PASSING = (Code.INTERNAL, Code.TOO_MANY, Code.BUSY)
"""Refusals that are none any more later: a node in single-user mode, say."""
SETTLE_S = 0.02
"""Programs write a file in several steps: this long is waited for more of them."""
RETRY_MIN_S, RETRY_MAX_S = 1.0, 60.0
LOOK_S = 240.0
"""Seconds after which all is looked at though nothing was told: another machine's file system tells nothing.

A node closes a connection that is silent for longer (its idle_timeout_s)."""

Told = Callable[[str, Report], None]
"""Hears of each round of a pair."""
Lost = Callable[[MirrorError, float], None]
"""Hears that the connection was lost, and in how many seconds it is dialled again."""


class Watcher:
    """Keeps some pairs equal until it is stopped."""

    def __init__(self, pairs: Sequence[Pair], dial: Callable[[], Connection], told: Told, lost: Lost) -> None:
        """``dial`` returns a connection that is logged in."""
        self._pairs = pairs
        self._dial = dial
        self._told = told
        self._lost = lost
        self._wanted = Event()
        self._stopped = False

    def stop(self) -> None:
        """Have ``run`` return soon."""
        self._stopped = True
        self._wanted.set()

    def run(self) -> None:
        """Keep the pairs equal.  Raises what dialling again does not help against: NotLoggedIn, Refused, PlaceError."""
        inotify = Inotify()
        heard = gevent.spawn(self._hear, inotify)
        retry = RETRY_MIN_S
        try:
            while not self._stopped:
                begun = time.monotonic()
                try:
                    self._keep(inotify)
                except (ConnectionLost, Refused) as error:
                    if isinstance(error, Refused) and error.code not in _PASSING:
                        raise
                    retry = RETRY_MIN_S if time.monotonic() - begun > RETRY_MAX_S else min(retry * 2, RETRY_MAX_S)
                    self._lost(error, retry)
                    self._wait_stopped(retry)
        finally:
            heard.kill()
            inotify.close()

    def _wait_stopped(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._stopped and (left := deadline - time.monotonic()) > 0:
            self._wanted.clear()
            self._wanted.wait(left)

    def _hear(self, inotify: Inotify) -> None:
        while True:
            inotify.wait()
            self._wanted.set()

    def _keep(self, inotify: Inotify) -> None:
        """Keep the pairs equal as long as a connection lasts.  Raises ConnectionLost."""
        connection = self._dial()
        try:
            while not self._stopped:
                self._wanted.clear()
                listed = connection.rooms()
                self._round(connection, inotify)
                self._wait(connection, listed)
        finally:
            connection.close()

    def _wait(self, connection: Connection, listed: RoomList) -> None:
        """Wait until something has changed on either side since rooms were listed.  Raises ConnectionLost."""
        tail = gevent.spawn(self._listen, connection, listed)
        try:
            if self._wanted.wait(LOOK_S):
                gevent.sleep(SETTLE_S)
            connection.end_tail()
            error = tail.get()
            if error is not None:
                raise error
            connection.tail_ended()
        finally:
            tail.kill()

    def _round(self, connection: Connection, inotify: Inotify) -> None:
        # What changes while a round looks is told again, so the directories are watched before.
        inotify.watch(path for pair in self._pairs for path in _directories(pair))
        for pair in self._pairs:
            self._told(pair.name, pair.round(connection, _no_progress))
        inotify.watch(path for pair in self._pairs for path in _directories(pair))

    def _listen(self, connection: Connection, listed: RoomList) -> MirrorError | None:
        """Want a round for each change that the node tells; returns why it tells no more, None where it was ended."""
        try:
            for count in connection.tail(listed):
                if count:
                    self._wanted.set()
        except MirrorError as error:
            return error
        finally:
            self._wanted.set()
        return None


def _directories(pair: Pair) -> list[Path]:
    root = pair.settings.root
    try:
        folders = [path for folder in pair.tree.folders() for path in pair.tree.place(folder).watched()]
    except (OSError, PlaceError):
        folders = []
    return [root, *folders]


def _no_progress(_what: str, _done: int, _of: int | None) -> None:
    return
