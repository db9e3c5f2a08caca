"""Two nodes of one name on the connections of a third: who is asked whether it lives, who is ended, who is refused."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import msgspec
import pytest
from gevent import socket
from gevent.event import Event

from mirror.config.settings import Config, Peer, PeerKind, ReplicationSettings
from mirror.model.record import Record
from mirror.peer import link as link_module
from mirror.peer import presence
from mirror.peer.channel import Channel, ConnectionLost
from mirror.peer.dial import authenticate
from mirror.peer.link import Link
from mirror.peer.remote import ChannelRemote
from mirror.server.commands import TABLE
from mirror.server.node import Node
from mirror.server.session import Session
from mirror.service.party import ADMIN
from mirror.store.green import open_green
from mirror.sync.exchange import MirrorExchange
from mirror.sync.recent import Recent
from mirror.sync.twins import TwoOfOneName
from mirror.wire.codec import Cursor
from mirror.wire.errors import Refused
from mirror.wire.status import NodeStatus, parse_json
from mirror.wire.values import Greeting, Identity

SECRET = "a shared secret"
PATIENCE_S = 20.0
Pair = Callable[[], tuple[socket.socket, socket.socket]]


def over_tcp() -> tuple[socket.socket, socket.socket]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        ours = socket.create_connection(listening.getsockname())
        return ours, listening.accept()[0]


class Doors:
    """Nodes in this process, and connections to them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.nodes: list[Node] = []
        self.running: list[gevent.Greenlet] = []
        self._channels: list[Channel] = []

    def node(self, name: str, peer: str) -> Node:
        directory = self._directory / f"{name}-{len(self.nodes)}"
        directory.mkdir()
        config = Config(directory, name, replication=ReplicationSettings(keepalive_s=5), peers=(Peer(peer),))
        self.nodes.append(Node(config, {peer: SECRET}, open_green(directory, name)))
        return self.nodes[-1]

    def connect(self, node: Node, pair: Pair = socket.socketpair) -> Channel:
        ours, theirs = pair()
        session = Session(node, Channel(theirs, "who dials"), TABLE, local=True)
        self.running.append(gevent.spawn(session.run))
        channel = Channel(ours, node.config.node, PATIENCE_S)
        self._channels.append(channel)
        channel.read_reply()
        return channel

    def log_in(self, node: Node, told: Identity, pair: Pair = socket.socketpair, name: str = "beta") -> ChannelRemote:
        channel = self.connect(node, pair)
        authenticate(channel, name, SECRET, identify=lambda: told)
        return ChannelRemote(channel)

    def tail(self, remote: ChannelRemote) -> None:
        """Have a connection tailed, and all that comes read, from its first page on."""
        pages = remote.tail(Cursor("", 0))
        remote.sign_of_life()  # answered by a page, also where nothing is shared
        next(pages)
        self.running.append(gevent.spawn(lambda: list(pages)))

    def close(self) -> None:
        for channel in self._channels:
            channel.close()
        gevent.killall(self.running)
        for node in self.nodes:
            node.store.close()


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    made = Doors(tmp_path)
    yield made
    made.close()


@pytest.fixture
def main(doors: Doors) -> Node:
    node = doors.node("main", "beta")
    node.store.write(lambda writer: writer.set_fields("config", "c", {"a": 1}))
    return node


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not answer is given up soon."""
    monkeypatch.setattr(presence, "ANSWER_S", 0.2)


def status(doors: Doors, node: Node) -> NodeStatus:
    ours, theirs = socket.socketpair()
    session = Session(node, Channel(theirs, "admin"), TABLE, local=True, party=ADMIN)
    doors.running.append(gevent.spawn(session.run))
    channel = Channel(ours, "node", PATIENCE_S)
    channel.read_reply()
    channel.ask("SYNC all|status", 1)
    (line,) = channel.read_listing()
    channel.close()
    return parse_json(line, NodeStatus)


def is_ended(remote: ChannelRemote) -> bool:
    try:
        while remote.channel.read_line() is not None:
            pass
    except ConnectionLost:
        pass
    return True


@pytest.mark.parametrize("kind", ["mirror", "share"])
def test_who_tails_answers_and_another_one_is_refused_at_once(
    doors: Doors, main: Node, caplog: pytest.LogCaptureFixture, kind: PeerKind
) -> None:
    main.configure(msgspec.structs.replace(main.config, peers=(Peer("beta", kind=kind),)), main.secrets)
    doors.tail(doors.log_in(main, Identity("i1", "e")))
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(TwoOfOneName, match="two nodes call themselves beta: another one is connected to main"):
            doors.log_in(main, Identity("i2", "e"))
    assert time.monotonic() - began < presence.ANSWER_S
    assert "noticed 3 times" in status(doors, main).twins[0]
    (told,) = [record.message for record in caplog.records if "two nodes call themselves beta" in record.message]
    assert told.startswith("peer beta: refused at who dials: ")
    doors.log_in(main, Identity("i1", "e"))


@pytest.mark.usefixtures("short")
def test_who_tails_and_does_not_answer_is_ended(doors: Doors, main: Node) -> None:
    older = doors.log_in(main, Identity("i1", "e"))
    pages = older.tail(Cursor("", 0))
    next(pages)
    doors.tail(doors.log_in(main, Identity("i2", "e")))
    assert is_ended(older)
    with pytest.raises(TwoOfOneName):
        doors.log_in(main, Identity("i1", "e"))


def test_who_was_killed_and_starts_again_is_let_in_at_once(doors: Doors, main: Node) -> None:
    older = doors.log_in(main, Identity("i1", "e"), over_tcp)
    pages = older.tail(Cursor("", 0))
    next(pages)
    older.channel.close()
    began = time.monotonic()
    doors.log_in(main, Identity("i2", "e"))
    assert time.monotonic() - began < presence.ANSWER_S


@pytest.mark.usefixtures("short")
def test_on_a_connection_that_cannot_be_asked_its_machine_answers(
    doors: Doors, main: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "ANSWER_S", 1.5)  # a kernel asks after a second
    older = doors.log_in(main, Identity("i1", "e"), over_tcp)
    with pytest.raises(Refused, match="552 an earlier connection of beta to main does not answer, but is open still"):
        doors.log_in(main, Identity("i2", "e"))
    older.info()


@pytest.mark.usefixtures("short")
def test_of_a_process_that_hangs_its_machine_answers_for_a_while_only(
    doors: Doors, main: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "ANSWER_S", 1.5)
    older = doors.log_in(main, Identity("i1", "e"), over_tcp)
    pages = older.tail(Cursor("", 0))
    next(pages)
    with pytest.raises(Refused, match="does not answer, but is open still"):
        doors.log_in(main, Identity("i2", "e"))
    monkeypatch.setattr(presence, "SILENT_S", 1.0)
    doors.log_in(main, Identity("i2", "e"))
    assert is_ended(older)


def test_an_identity_that_is_none_is_refused(doors: Doors, main: Node) -> None:
    channel = doors.connect(main)
    with pytest.raises(Refused, match="where a number was expected"):
        authenticate(channel, "beta", SECRET, identify=lambda: Identity("i", "e", "many"))  # type: ignore[arg-type]


# -- by a link ----------------------------------------------------------------------------------------


@pytest.fixture
def link(doors: Doors, main: Node, monkeypatch: pytest.MonkeyPatch) -> Callable[[Node], Link]:
    """Begins the link of main to one of the nodes named beta."""

    def start(other: Node, kind: PeerKind = "mirror") -> Link:
        def dial(*arguments: object) -> tuple[Channel, Greeting]:
            channel = doors.connect(other)
            identify: Callable[[], Identity] = arguments[-1]  # type: ignore[assignment]
            return channel, authenticate(channel, "main", SECRET, identify=identify)

        monkeypatch.setattr(link_module, "dial_peer", dial)
        exchange = MirrorExchange(main.store, "beta")
        made = Link(
            main.store,
            main.config,
            Peer("beta", kind=kind),
            SECRET,
            Recent(),
            lambda: None,
            exchange,
            twins=main.twins,
            identify=main.identity,
        )
        doors.running.append(gevent.spawn(made.run))
        return made

    return start


class Said(logging.Handler):
    """What the log is told, to be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._told: list[str] = []
        self._more = Event()

    def emit(self, record: logging.LogRecord) -> None:
        self._told.append(record.getMessage())
        self._more.set()

    def wait(self, text: str) -> str:
        with gevent.Timeout(PATIENCE_S):
            while not (found := [told for told in self._told if text in told]):
                self._more.clear()
                self._more.wait()
        return found[0]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[Said]:
    caplog.set_level(logging.INFO)
    handler = Said()
    logging.getLogger("mirror").addHandler(handler)
    yield handler
    logging.getLogger("mirror").removeHandler(handler)


def up(doors: Doors, main: Node, link: Callable[[Node], Link], said: Said) -> tuple[Node, Link]:
    """Return a node that main tails by a link, and the link."""
    beta = doors.node("beta", "main")
    made = link(beta)
    said.wait("link to beta is up")
    changed = Event()
    main.store.watch(changed.set)
    beta.store.write(lambda writer: writer.put(Record("messages/r", "id:1", 1, "x", 1)))
    with gevent.Timeout(PATIENCE_S):
        while main.store.read(lambda reader: reader.get("messages/r", "id:1")) is None:
            changed.wait()
            changed.clear()
    return beta, made


def test_who_is_dialled_answers_and_another_one_that_dials_is_refused(
    doors: Doors, main: Node, link: Callable[[Node], Link], said: Said
) -> None:
    beta, made = up(doors, main, link, said)
    with pytest.raises(TwoOfOneName):
        doors.log_in(main, Identity("i2", "e"))
    doors.log_in(main, beta.identity())
    assert made.status.error == ""


def test_who_dials_and_meets_another_one_hangs_up_and_says_why(
    doors: Doors, main: Node, link: Callable[[Node], Link], said: Said
) -> None:
    doors.tail(doors.log_in(main, Identity("i1", "e")))
    beta = doors.node("beta", "main")
    made = link(beta)
    said.wait("link to beta: two nodes call themselves beta")
    assert "two nodes call themselves beta: another one is connected to main and answers" in made.status.error
    said.wait("peer main: hung up: two nodes call themselves beta")
    assert status(doors, beta).twins == beta.twins.notes()
    assert beta.twins.notes()[0].startswith("main has refused this node: two nodes call themselves beta: another one")
    assert status(doors, main).twins


@pytest.mark.parametrize(("kind", "stops"), [("mirror", True), ("share", False)])
def test_who_is_refused_by_a_mirror_exchanges_nothing_more(
    doors: Doors, main: Node, link: Callable[..., Link], said: Said, kind: PeerKind, stops: bool
) -> None:
    beta = doors.node("beta", "main")
    doors.tail(doors.log_in(beta, Identity("i1", "e"), name="main"))
    link(beta, kind)
    said.wait("link to beta: two nodes call themselves main")
    assert bool(main.twins.notes()) == stops
    if stops:
        with pytest.raises(Refused, match="552 beta has refused this node"):
            doors.log_in(main, Identity("i3", "e"))


@pytest.mark.parametrize(("kind", "stops"), [("mirror", True), ("share", False)])
def test_who_is_hung_up_on_by_a_mirror_exchanges_nothing_more(
    doors: Doors, main: Node, kind: PeerKind, stops: bool
) -> None:
    main.configure(msgspec.structs.replace(main.config, peers=(Peer("beta", kind=kind),)), main.secrets)
    doors.log_in(main, Identity("i1", "e")).channel.ask("QUIT 578|two nodes call themselves main")
    assert main.twins.notes() == (["beta has refused this node: two nodes call themselves main"] if stops else [])


@pytest.mark.usefixtures("short")
def test_a_link_whose_other_end_does_not_answer_makes_way_for_who_dials(
    doors: Doors, main: Node, link: Callable[[Node], Link], said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    up(doors, main, link, said)
    monkeypatch.setattr("mirror.server.tail._send_keepalive", lambda *_: gevent.sleep(PATIENCE_S))
    doors.tail(doors.log_in(main, Identity("i2", "e")))
    said.wait("link to beta: ")
