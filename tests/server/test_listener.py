"""The doors of a node: whatever ends a connection, the log has a line of it once, and the next one is taken."""

import errno
import resource
import socket as plain_socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer

from mirror.addresses import Address
from mirror.config.settings import Config, ListenSettings
from mirror.peer.channel import Channel, ConnectionLost, connect
from mirror.peer.tls import make_certificate, server_context
from mirror.server import session
from mirror.server.descriptors import allowed, needed, raise_limit
from mirror.server.doors import MIN_STRANGERS
from mirror.server.listener import Listener
from mirror.server.node import Node
from mirror.server.session import Session
from mirror.store.green import open_green

ANY_PORT = Address("127.0.0.1", 0)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node that listens in clear at its first address, with TLS at its second, and bears one user."""
    store = open_green(tmp_path, "m")
    settings = ListenSettings(addresses=[ANY_PORT], tls_addresses=[ANY_PORT], max_sessions=1)
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
    def breaks(session: Session, _secure: bool) -> None:
        session.channel.close()
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(Session, "run", breaks)
    assert all(ended(dialled(node)) for _ in range(5))
    (told,) = caplog.records
    assert told.message == "listener: a session ended with an unexpected ZeroDivisionError: odd" and told.exc_info
    assert capfd.readouterr().err == ""


def test_there_is_room_for_one_more_who_wants_to_log_in(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    held = [dialled(node) for _ in range(MIN_STRANGERS)]
    assert {channel.read_reply().code for channel in held} == {200}
    new = [dialled(node) for _ in range(3)]
    assert {channel.read_reply().code for channel in new} == {200}
    assert [ended(channel) for channel in held[:3]] == [True] * 3
    for channel in (*held[3:], *new):
        channel.ask("NOOP")
    assert [record.message for record in caplog.records] == [
        "listener: too many connections without a log-in: one from 127.0.0.1 ends"
    ]


def test_very_many_who_come_at_once_have_no_more_places(node: Node) -> None:
    at_once = 200  # fewer than may wait to be taken
    host, port = node.addresses[0].split(":")
    held = [plain_socket.create_connection((host, int(port))) for _ in range(at_once)]  # none is taken meanwhile
    last = dialled(node)
    assert last.read_reply().code == 200
    gevent.idle()
    strangers = [one for one in node.sessions if one.party is None]
    assert len(strangers) <= MIN_STRANGERS + 1
    assert last.ask("NOOP").code == 200
    for one in held:
        one.close()


def test_a_connection_for_which_there_is_no_file_is_told_of_once(
    node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    tries: list[int] = []

    def accept(server: StreamServer) -> object:
        tries.append(1)
        if len(tries) <= 3:
            raise OSError(errno.EMFILE, "Too many open files")
        return real(server)

    real = StreamServer.do_read
    monkeypatch.setattr(StreamServer, "do_read", accept)
    assert dialled(node).read_reply().code == 200
    assert len(tries) > 3
    assert [record.message for record in caplog.records] == ["listener: a connection waits: Too many open files"]
    assert capfd.readouterr().err == ""


def test_a_handshake_that_never_ends_takes_a_place_for_a_while_and_no_more(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOGIN_TIMEOUT_S", 0.2)
    silent = [dialled(node, 1) for _ in range(3)]
    dialled(node).read_reply()  # the others are taken by now
    assert len(node.sessions) == 4
    assert [ended(channel) for channel in silent] == [True] * 3


def test_an_http_request_is_told_to_go_away(node: Node) -> None:
    channel = dialled(node)
    channel.send(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nUSER admin\nPASS citadel\nNOOP\n")
    told = b""
    while (line := channel.read_line()) is not None:
        told += line + b"\n"
    assert b"HTTP/1.1 400 Bad Request" in told
    assert told.endswith(b"it does not speak HTTP.\n")


def test_the_limit_of_open_files_says_how_many_users_there_may_be(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    set_to = []
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (1024, 1024))
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, limits: set_to.append(limits))
    assert raise_limit(100) == 100
    assert caplog.records == []
    enough = raise_limit(1000)
    assert 600 < enough < 1000
    assert needed(enough) <= 1024 < needed(enough + 2)
    assert "1024 open files are allowed and 1506 needed" in caplog.text
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (1024, 4096))
    assert raise_limit(1000) == 1000
    assert set_to[-1] == (1506, 4096)


@pytest.mark.parametrize(("max_sessions", "enough"), [(10, 10), (616, 615), ((1 << 53) - 1, 615)])
def test_connections_that_there_are_files_for_are_found_however_many_were_wanted(
    max_sessions: int, enough: int
) -> None:
    assert needed(615) == 1024
    assert allowed(max_sessions, 1024) == enough
    assert allowed(max_sessions, 5) == 1


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
