"""The doors of a node: whatever ends a connection, the log has a line of it once, and the next one is taken."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from gevent import socket

from mirror.config import Address, Config, ListenSettings
from mirror.peer.channel import Channel, ConnectionLost, connect
from mirror.peer.tls import make_certificate, server_context
from mirror.server.listener import Listener
from mirror.server.node import Node
from mirror.server.session import Session
from mirror.store.green import open_green

ANY_PORT = Address("127.0.0.1", 0)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node that listens in clear at its first address, with TLS at its second, and bears two connections."""
    store = open_green(tmp_path, "m")
    settings = ListenSettings(addresses=[ANY_PORT], tls_addresses=[ANY_PORT], max_sessions=2)
    node = Node(Config(tmp_path, "m", settings), {}, store)
    make_certificate(tmp_path, "m", ["127.0.0.1"])
    node.tls = server_context(tmp_path)
    listener = Listener(node)
    listener.open()
    yield node
    listener.close()
    store.close()


def dialled(node: Node, which: int = 0) -> Channel:
    host, port = node.addresses[which].split(":")
    return connect(host, int(port), 20)


def ended(channel: Channel) -> bool:
    return not channel.fill()


def test_a_session_that_breaks_is_told_of_once(
    node: Node,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def breaks(session: Session) -> None:
        session.channel.close()
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(Session, "run", breaks)
    assert all(ended(dialled(node)) for _ in range(5))
    (told,) = caplog.records
    assert told.message == "listener: a session ended with an unexpected ZeroDivisionError: odd" and told.exc_info
    assert capfd.readouterr().err == ""


def test_too_many_connections_are_told_of_once(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    held = [dialled(node) for _ in range(2)]
    assert [channel.read_reply().code for channel in held] == [200, 200]
    for _ in range(5):
        assert dialled(node).require_line().startswith(b"551 ")
    assert [record.message for record in caplog.records] == ["listener: 2 connections are open: 127.0.0.1 was refused"]


def test_garbage_where_tls_was_due_prints_nothing(
    node: Node, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(5):
        channel = dialled(node, 1)
        channel.send(b"GET / HTTP/1.1\r\n\r\n" * 10)
        channel.socket.shutdown(socket.SHUT_WR)
        with suppress(ConnectionLost):  # a reset ends it as well
            while not ended(channel):
                continue
    assert (caplog.records, capfd.readouterr().err) == ([], "")
