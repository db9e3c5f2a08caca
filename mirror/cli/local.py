"""Talking to this machine's own node with the same protocol as everybody: through the daemon's admin
socket while it runs, else through a session in this process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import gevent
from gevent import socket

from mirror.config.errors import ConfigError
from mirror.config.files import ADMIN_SOCKET
from mirror.config.reading import load_config
from mirror.config.secrets import load_secrets
from mirror.config.settings import MIRROR, Config
from mirror.model.errors import MirrorError
from mirror.model.record import Record
from mirror.peer.channel import MAX_JSON_LINE, Channel, ConnectionLost, connect_unix
from mirror.peer.clocks import SYSTEM
from mirror.peer.remote import ChannelRemote
from mirror.store.base import Store
from mirror.store.errors import StoreInUse
from mirror.sync.clock import ClockGuard, Heard
from mirror.wire.codec import ContentRequest
from mirror.wire.errors import ProtocolError, Refused
from mirror.wire.lines import format_line
from mirror.wire.status import SharingStatus, parse_json
from mirror.wire.values import Identity

if TYPE_CHECKING:
    from mirror.server.node import Node

T = TypeVar("T")

ASK_TIMEOUT_S = 10.0
"""Seconds that a mirror gets to say what time it is."""
START_WAIT_S = 15.0
"""Seconds that a daemon gets which is starting, and a command that is before us."""
AGAIN_S = 0.05
SESSION_TIMEOUT_S = 3600.0
"""A check of a large store may be silent for long."""


def daemon_channel(directory: Path) -> Channel | None:
    """Return a connection to the running daemon, or None when there is none."""
    path = directory / ADMIN_SOCKET
    if not path.exists():
        return None
    try:
        return connect_unix(str(path), SESSION_TIMEOUT_S)
    except ConnectionLost:
        return None  # left behind by a daemon that was killed


@contextmanager
def local_node(directory: Path) -> Iterator[ChannelRemote]:
    """Give a remote on this machine's node: its daemon, also one that is starting, or the store itself.

    Raises ConfigError, StoreError.
    """
    deadline = time.monotonic() + START_WAIT_S
    while True:
        channel = daemon_channel(directory)
        if channel is not None:
            break
        try:
            node = _open_node(directory)
        except StoreInUse:
            if time.monotonic() > deadline:
                raise
            gevent.sleep(AGAIN_S)
            continue
        with _session_on(node) as remote:
            yield remote
        return
    try:
        yield greeted(channel)
    finally:
        channel.close()


def _open_node(directory: Path) -> "Node":
    """Open the store of a node that no daemon serves; all that is imported for it is there before the lock is taken."""
    from mirror.server.commands import TABLE as TABLE
    from mirror.server.node import Node
    from mirror.store.green import open_green
    from mirror.store.open import Options

    config, secrets = load_config(directory), load_secrets(directory)
    options = Options(max_ahead_ms=config.max_ahead_ms, create=False)
    return Node(config, secrets, open_green(directory, config.node, config.store.url, options))


@contextmanager
def _session_on(node: "Node") -> Iterator[ChannelRemote]:
    """Give a remote on a session in this process, which has all that a daemon has but links; then close the store."""
    from mirror.server.commands import TABLE
    from mirror.server.session import Session
    from mirror.service.party import ADMIN

    ours, theirs = socket.socketpair()
    session = gevent.spawn(Session(node, Channel(theirs, "this command"), TABLE, local=True, party=ADMIN).run)
    channel = Channel(ours, "this node", SESSION_TIMEOUT_S)
    try:
        yield greeted(channel)
    finally:
        channel.close()
        session.join()
        node.store.close()


def ask_peers(config: Config) -> dict[str, Heard]:
    """Return, by name, what the clocks of those mirrors say that can be dialled and answer."""
    from mirror.peer.dial import ask_time

    heard: dict[str, Heard] = {}
    for peer in config.peers:
        if peer.kind == MIRROR and peer.address is not None:
            try:
                theirs_ms = ask_time(peer.address, peer.trust, ASK_TIMEOUT_S)
            except MirrorError:
                continue  # it cannot confirm anything, and who asks says that nobody did
            heard[peer.name] = Heard(theirs_ms, SYSTEM.now_ms())
    return heard


def guard_clock(store: Store, config: Config) -> ClockGuard:
    """Have nothing written to a store while this machine's clock is doubted; the mirrors are asked if it is."""
    has_mirrors = any(peer.kind == MIRROR for peer in config.peers)
    last_ms = store.read(lambda reader: reader.committed_ms())
    guard = ClockGuard(store.clock, SYSTEM.elapsed_ms, last_ms, lambda: has_mirrors)
    if guard.doubt():
        for name, heard in ask_peers(config).items():
            guard.hear(name, *heard)
    store.clock.check = guard.check
    return guard


def identity_of(remote: ChannelRemote) -> Identity:
    """Return which one of its name this machine's node is: a command beside a daemon is the same to its peers."""
    return remote.server_info().identity


def reload_daemon(directory: Path) -> list[str] | None:
    """Have the running daemon take its files over; returns what to know of them, None where no daemon runs.

    Raises ConfigError where they are not good: then it goes on as before.
    """
    channel = daemon_channel(directory)
    if channel is None:
        return None
    try:
        greeted(channel).channel.ask("SYNC all|reload", 1)
        return list(channel.read_listing())
    except Refused as error:
        raise ConfigError(f"not reloaded, the daemon goes on as before: {error.text}") from None
    finally:
        channel.close()


def greeted(channel: Channel) -> ChannelRemote:
    """Return a remote on a node over a connection that was just made."""
    channel.read_reply()
    return ChannelRemote(channel)


def record_at(remote: ChannelRemote, collection: str, key: str) -> Record | None:
    """Return what is under a key now, maybe a tombstone, or None."""
    records = [record for page in remote.get(collection, [key]) for record in page.records]
    return records[0] if records else None


def body_of(remote: ChannelRemote, record: Record) -> bytes:
    """Return a record's body wherever it is kept."""
    if not record.content:
        return record.body
    return b"".join(part.data for part in remote.body([ContentRequest(record.content)]))


def ask_values(remote: ChannelRemote, command: str, kind: type[T]) -> list[T]:
    """Return a listing of JSON lines as the values of mirror.wire.status that they are.  Raises Refused."""
    remote.channel.send(format_line(command))
    return read_values(remote.channel, kind)


def read_values(channel: Channel, kind: type[T]) -> list[T]:
    """Read a reply and the listing of JSON lines that follows it.  Raises Refused."""
    if channel.read_reply().kind != 1:
        raise ProtocolError(f"{channel.peer} sent no listing where one was due")
    return [parse_json(line, kind) for line in channel.read_listing(MAX_JSON_LINE)]


def sharing_status(remote: ChannelRemote) -> SharingStatus:
    """Return all rooms that have lines, and how it is with the peers that rooms are shared with."""
    return ask_values(remote, "SYNC shares|status", SharingStatus)[0]


def ask_json(remote: ChannelRemote, command: str) -> list[Any]:
    """Return a listing of JSON lines."""
    remote.channel.send(format_line(command))
    return remote.channel.read_json_listing()
