"""Sessions on a node over socket pairs: what a daemon's listener makes of a connection, without a port."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
from gevent import socket

from mirror.peer.channel import Channel
from mirror.peer.remote import ChannelRemote
from mirror.server.commands import TABLE
from mirror.server.node import Node
from mirror.server.session import Session
from mirror.server.table import Table
from mirror.service.party import Party


@contextmanager
def sessions_on(node: Node) -> Iterator[Callable[..., Channel]]:
    """Give what opens sessions on a node and returns the client's end, greeted; in the end all are closed and ended."""
    channels: list[Channel] = []
    greenlets: list[gevent.Greenlet] = []

    def start(
        party: Party | None = None,
        *,
        table: Table = TABLE,
        local: bool = True,
        host: str = "",
        secure: bool = False,
        silence_s: float = 20,
    ) -> Channel:
        """``secure``: as if it had gone on encrypted.  A server silent for ``silence_s`` seconds is given up."""
        ours, theirs = socket.socketpair()
        session = Session(node, Channel(theirs, "client"), table, local=local, party=party, host=host)
        session.secure = secure
        greenlets.append(gevent.spawn(session.run))
        channels.append(Channel(ours, "node", silence_s))
        assert channels[-1].read_reply().code == 200
        return channels[-1]

    yield start
    for channel in channels:
        channel.close()
    gevent.joinall(greenlets, timeout=10)


def logged_in(channel: Channel, name: str, password: str = "x") -> ChannelRemote:
    """Log a user in over a session, and return what asks it."""
    channel.ask(f"USER {name}", 3)
    channel.ask(f"PASS {password}")
    return ChannelRemote(channel)
