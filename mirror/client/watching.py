"""Keeping pairs equal all the time: the node tells what changes there, the kernel what changes in the folders.

A round follows whatever is told, and nothing is done while nothing is.  A connection that is lost is dialled again.
A pair whose folder cannot be worked on, for its disk is full say, waits, longer each time, and stops no other.
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
from mirror.client.retrying import RETRY_MAX_S, RETRY_MIN_S, Retries
from mirror.client.server import RoomList
from mirror.client.state import BadState
from mirror.model.errors import BadRecord, MirrorError
from mirror.peer.channel import ConnectionLost
from mirror.wire.errors import ProtocolError, Refused
from mirror.wire.lines import Code

_PASSING = (Code.INTERNAL, Code.TOO_MANY, Code.BUSY)
"""Refusals that are none any more later: a node in single-user mode, say."""
SETTLE_S = 0.02
"""Programs write a file in several steps: this long is waited for more of them."""
LOOK_S = 240.0
"""Seconds after which all is looked at though nothing was told: another machine's file system tells nothing.

A node closes a connection that is silent for longer (its idle_timeout_s)."""

Told = Callable[[str, Report], None]
"""Hears of each round of a pair."""
Lost = Callable[[MirrorError, float], None]
"""Hears that the connection was lost, and in how many seconds it is dialled again."""
Failed = Callable[[str, Exception, float], None]
"""Hears why a pair cannot be kept equal now, and in how many seconds that is tried again."""


class Watcher:
    """Keeps some pairs equal until it is stopped."""

    def __init__(
        self, pairs: Sequence[Pair], dial: Callable[[], Connection], told: Told, lost: Lost, failed: Failed
    ) -> None:
        """``dial`` returns a connection that is logged in."""
        self._pairs = pairs
        self._dial = dial
        self._told = told
        self._lost = lost
        self._failed = failed
        self._retries = Retries()
        self._wanted = Event()
        self._stopped = False

    def stop(self) -> None:
        """Have ``run`` return soon."""
        self._stopped = True
        self._wanted.set()

    def run(self) -> None:
        """Keep the pairs equal.  Raises what trying again does not help against: NotLoggedIn, NotTrusted, Refused."""
        inotify = Inotify()
        heard = gevent.spawn(self._hear, inotify)
        retry = RETRY_MIN_S
        try:
            while not self._stopped:
                begun = time.monotonic()
                try:
                    self._keep(inotify)
                except (ConnectionLost, Refused, ProtocolError, BadRecord) as error:
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
                if self._round(connection, inotify):
                    self._wait(connection, listed)
                else:  # what was being told to the pair that broke off may not be read to its end
                    connection.close()
                    connection = self._dial()
        finally:
            connection.close()

    def _wait(self, connection: Connection, listed: RoomList) -> None:
        """Wait until something has changed on either side since rooms were listed.  Raises ConnectionLost."""
        tail = gevent.spawn(self._listen, connection, listed)
        try:
            if self._wanted.wait(min(LOOK_S, self._retries.due_s())):
                gevent.sleep(SETTLE_S)
            connection.end_tail()
            error = tail.get()
            if error is not None:
                raise error
            connection.tail_ended()
        finally:
            tail.kill()

    def _round(self, connection: Connection, inotify: Inotify) -> bool:
        """Keep those pairs equal that do not wait; tell whether none broke off, after which no other is looked at."""
        # What changes while a round looks is told again, so the directories are watched before.
        inotify.watch(path for pair in self._pairs for path in _directories(pair))
        for pair in self._pairs:
            if self._retries.is_due(pair.name) and not self._keep_pair(pair, connection):
                return False
        inotify.watch(path for pair in self._pairs for path in _directories(pair))
        return True

    def _keep_pair(self, pair: Pair, connection: Connection) -> bool:
        try:
            report = pair.round(connection, _no_progress)
        except (PlaceError, BadState, OSError) as error:
            self._failed(pair.name, error, self._retries.failed(pair.name))
            return False
        self._retries.succeeded(pair.name)
        self._told(pair.name, report)
        return True

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
