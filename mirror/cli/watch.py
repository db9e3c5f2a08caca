"""Waiting for something to become true of nodes on this machine: asked again after each change of their stores.

The nodes' own tails tell of changes, so nothing is polled and nothing is missed.  Knows nothing of processes.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import gevent
from gevent.event import Event

from mirror.cli.local import daemon_channel, greeted
from mirror.model.errors import MirrorError
from mirror.peer.remote import ChannelRemote
from mirror.wire.codec import Cursor


class Watch:
    """Changes of some nodes' stores, as an event."""

    def __init__(self) -> None:
        self._changed = Event()
        self._lost: list[MirrorError] = []

    def follow(self, remote: ChannelRemote) -> gevent.Greenlet:
        """Note what changes on a node from now on; the connection is used for nothing else then."""
        cursor = remote.info().cursor
        return gevent.spawn(self._tail, remote, cursor)

    def _tail(self, remote: ChannelRemote, cursor: Cursor) -> None:
        try:
            for _ in remote.tail(cursor):
                self._changed.set()
        except MirrorError as error:
            self._lost.append(error)
            self._changed.set()

    def until(self, holds: Callable[[], bool], timeout: float) -> bool:
        """Return whether a condition comes to hold within seconds.  Raises what ended a node's tail."""
        deadline = time.monotonic() + timeout
        while True:
            self._changed.clear()
            if holds():
                return True
            if self._lost:
                raise self._lost[0]
            if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                return holds()


@contextmanager
def watching(directories: Sequence[Path]) -> Iterator[Watch]:
    """Give a watch on the nodes in these directories whose daemons run.  Raises ConnectionLost."""
    watch = Watch()
    channels = [channel for path in directories if (channel := daemon_channel(path)) is not None]
    tails: list[gevent.Greenlet] = []
    try:
        tails += [watch.follow(greeted(channel)) for channel in channels]
        yield watch
    finally:
        gevent.killall(tails)
        for channel in channels:
            channel.close()
