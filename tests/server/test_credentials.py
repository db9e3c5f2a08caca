"""Who may log in as a peer: who has both a table and a secret, and for just as long; of others nothing is told."""

import base64
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from gevent import socket
from scramp import ScramClient
from sessions import sessions_on

from mirror.config.settings import Config, Peer
from mirror.formats.names import ROOM_IN_USE
from mirror.model.record import Record, record_crc
from mirror.model.stamp import make_stamp
from mirror.peer.channel import Channel
from mirror.peer.dial import MECHANISM, NotAuthenticated, authenticate
from mirror.peer.remote import ChannelRemote
from mirror.server import login
from mirror.server.node import Node
from mirror.store.base import Writer
from mirror.store.green import open_green
from mirror.wire.codec import Cursor
from mirror.wire.errors import Refused
from mirror.wire.values import Page

SECRET, OTHER = "a shared secret", "another secret that is shared"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    store = open_green(tmp_path, "m")
    yield Node(Config(tmp_path, "m", peers=[Peer("beta")]), {"beta": SECRET, "gone": SECRET}, store)
    store.close()


@pytest.fixture
def talk(node: Node, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Channel]]:
    monkeypatch.setattr(login, "FAILURE_PAUSE_S", 0.0)
    with sessions_on(node) as start:
        yield start


def first(channel: Channel, name: str) -> tuple[ScramClient, str]:
    """Begin to log in; return what has to go on, and the other side's first message."""
    client = ScramClient([MECHANISM], name, SECRET)
    message = base64.b64encode(client.get_client_first().encode()).decode()
    return client, base64.b64decode(channel.ask(f"AUTH {MECHANISM}|{name}|{message}", 3).text).decode()


def test_a_secret_without_a_table_lets_nobody_in(talk: Callable[[], Channel]) -> None:
    with pytest.raises(NotAuthenticated, match="Unknown node or wrong secret"):
        authenticate(talk(), "gone", SECRET)


def test_an_unknown_name_is_answered_as_a_known_one_with_a_salt_that_stays(talk: Callable[[], Channel]) -> None:
    salts = {}
    for name in ("beta", "gone", "nobody"):
        told = [dict(part.split("=", 1) for part in first(talk(), name)[1].split(",")) for _ in range(2)]
        assert told[0]["s"] == told[1]["s"], name
        assert told[0]["i"] == "4096"
        assert len(base64.b64decode(told[0]["s"])) == 32
        salts[name] = told[0]["s"]
    assert len(set(salts.values())) == 3


@pytest.mark.parametrize(
    ("peers", "secrets"),
    [
        ([], {}),
        ([], {"beta": SECRET}),
        ([Peer("beta")], {"beta": OTHER}),
        ([Peer("beta", kind="share")], {"beta": SECRET}),
    ],
)
def test_a_session_ends_with_the_table_the_secret_or_the_kind_that_let_it_in(
    talk: Callable[[], Channel], node: Node, peers: list[Peer], secrets: dict[str, str]
) -> None:
    channel = talk()
    authenticate(channel, "beta", SECRET)
    node.configure(Config(node.config.directory, "m", peers=peers), secrets)
    assert channel.read_line() is None


def test_a_session_whose_peer_is_as_before_goes_on(talk: Callable[[], Channel], node: Node) -> None:
    channel = talk()
    authenticate(channel, "beta", SECRET)
    node.configure(Config(node.config.directory, "m", peers=[Peer("beta", push="no"), Peer("new")]), {"beta": SECRET})
    assert channel.ask("NOOP").code == 200


def test_a_log_in_that_began_with_another_secret_does_not_end_well(talk: Callable[[], Channel], node: Node) -> None:
    channel = talk()
    channel.ask("IDEN 0|0|0|protocol=2|x")
    client, server_first = first(channel, "beta")
    node.configure(node.config, {"beta": OTHER})
    client.set_server_first(server_first)
    final = base64.b64encode(client.get_client_final().encode()).decode()
    with pytest.raises(Refused, match="Unknown node or wrong secret"):
        channel.ask(f"AUTH {final}")


@pytest.mark.parametrize("iterations", [1, 4095, 100_001, 10_000_000])
def test_who_asks_for_too_little_or_too_much_work_gets_none(iterations: int) -> None:
    ours, theirs = socket.socketpair()

    def be_hostile() -> None:
        channel = Channel(theirs, "client", 20)
        channel.require_line()
        channel.send(b"200 ok\n")
        first = base64.b64decode(channel.require_line().split(b"|")[-1]).decode()
        answer = f"{first.split(',')[3]}theirs,s=c2FsdHNhbHRzYWx0c2FsdA==,i={iterations}"
        channel.send(b"300 " + base64.b64encode(answer.encode()) + b"\n")

    hostile = gevent.spawn(be_hostile)
    with pytest.raises(NotAuthenticated, match=f"must not be < 4096|asks for {iterations} iterations of SCRAM"):
        authenticate(Channel(ours, "hostile", 20), "beta", SECRET)
    hostile.get()
    ours.close()
    theirs.close()


def test_others_go_on_while_a_proof_is_worked_out(talk: Callable[[], Channel], monkeypatch: pytest.MonkeyPatch) -> None:
    hub, ran_in = threading.get_ident(), []
    worked_out = ScramClient.get_client_final

    def note(client: ScramClient) -> str:
        ran_in.append(threading.get_ident())
        return str(worked_out(client))

    monkeypatch.setattr(ScramClient, "get_client_final", note)
    authenticate(talk(), "beta", SECRET)
    assert len(ran_in) == 1
    assert hub not in ran_in


def test_a_user_called_as_a_peer_gets_what_came_from_that_peer(talk: Callable[[], Channel], node: Node) -> None:
    def fill(writer: Writer) -> None:
        writer.set_fields("users", "m:2", {"u_fullname": "beta", "u_usernum": 2, "u_axlevel": 4, "u_password": "x"})
        writer.set_fields("rooms", "m:10", {"QRname": "Open", "QRflags": ROOM_IN_USE})

    node.store.write(fill)
    peer, user = talk(), talk()
    authenticate(peer, "beta", SECRET)
    user.ask("USER beta", 3)
    user.ask("PASS x")
    tail = ChannelRemote(user).tail(Cursor(node.store.epoch, node.store.read(lambda reader: reader.last_sequence())))
    record = Record("messages/m:10", "id:1", make_stamp(1, 0), "x", 1, body=b"x")
    ChannelRemote(peer).offer([Page([record], [record_crc(record)])])
    page = next(tail)
    while not page.records:
        page = next(tail)
    assert [one.key for one in page.records] == ["id:1"]
