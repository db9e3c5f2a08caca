"""A user's session ends with the account, and rights are those of now, whatever is pinned."""

from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from sessions import logged_in, sessions_on

from mirror.config.settings import Config
from mirror.formats.names import ROOM_IN_USE
from mirror.model.draft import Base, Draft
from mirror.model.fields import Value, values_of
from mirror.model.nodes import Horizon
from mirror.model.record import pack_head
from mirror.peer.remote import ChannelRemote
from mirror.server import login
from mirror.server.accounts import Accounts
from mirror.server.node import Node
from mirror.server.session import Session
from mirror.store.base import Writer
from mirror.store.green import open_green
from mirror.wire.errors import Refused

ANN, BOB = "m:2", "m:3"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    store = open_green(tmp_path, "m")

    def fill(writer: Writer) -> None:
        for key, name in ((ANN, "Ann"), (BOB, "Bob")):
            values = {"u_fullname": name, "u_usernum": int(key[2:]), "u_axlevel": 4, "u_password": "x"}
            writer.set_fields("users", key, {**values})
        writer.set_fields("rooms", "m:10", {"QRname": "Open", "QRflags": ROOM_IN_USE})

    store.write(fill)
    made = Node(Config(tmp_path, "m"), {}, store)
    watching = gevent.spawn(Accounts(made).run)
    yield made
    watching.kill()
    store.close()


@pytest.fixture
def log_in(node: Node) -> Iterator[Callable[[str], ChannelRemote]]:
    with sessions_on(node) as start:
        yield lambda name: logged_in(start(), name)


def change(node: Node, key: str, **values: Value) -> None:
    node.store.write(lambda writer: writer.set_fields("users", key, values))


def delete(writer: Writer) -> None:
    writer.delete("users", ANN)


ENDS: dict[str, Callable[[Writer], object]] = {
    "deleted": delete,
    "level 0": lambda writer: writer.set_fields("users", ANN, {"u_axlevel": 0}),
    "another password": lambda writer: writer.set_fields("users", ANN, {"u_password": "y"}),
}


@pytest.mark.parametrize("tailing", [False, True])
@pytest.mark.parametrize("end", ENDS)
def test_a_session_ends_with_its_users_account(
    node: Node, log_in: Callable[[str], ChannelRemote], end: str, tailing: bool
) -> None:
    ann, bob = log_in("ann"), log_in("bob")
    if tailing:
        ann.channel.ask("SYNC all|tail|" + str(ann.info().cursor), 1)
    node.store.write(ENDS[end])
    while ann.channel.fill():
        pass  # the tail may have had time to say why it ends
    assert bob.channel.ask("NOOP").code == 200


def test_a_change_of_anything_else_ends_no_session(node: Node, log_in: Callable[[str], ChannelRemote]) -> None:
    ann, bob = log_in("ann"), log_in("bob")
    change(node, ANN, u_axlevel=2, u_fullname="Anna")
    node.store.write(lambda writer: writer.delete("users", BOB))
    assert not bob.channel.fill()
    assert ann.channel.ask("NOOP").code == 200


def test_deletions_that_were_forgotten_before_they_were_read_end_sessions(
    node: Node, log_in: Callable[[str], ChannelRemote]
) -> None:
    ann, bob = log_in("ann"), log_in("bob")

    def forget(writer: Writer) -> None:
        delete(writer)
        writer.advance_horizon(Horizon(writer.clock.tick(), (writer.origin(),)))

    node.store.write(forget)
    assert not ann.channel.fill()
    assert bob.channel.ask("NOOP").code == 200


def test_who_logs_in_while_the_account_goes_is_not_let_in(
    node: Node, log_in: Callable[[str], ChannelRemote], monkeypatch: pytest.MonkeyPatch
) -> None:
    def matches_and_then_changes(*_given: object) -> bool:
        change(node, ANN, u_password="y")
        gevent.sleep(0)
        return True

    monkeypatch.setattr(login, "password_matches", matches_and_then_changes)
    with pytest.raises(Refused, match="540"):
        log_in("ann")


def test_who_administers_no_more_reads_nothing_pinned_and_writes_nothing(
    node: Node, log_in: Callable[[str], ChannelRemote]
) -> None:
    change(node, ANN, u_axlevel=6)
    ann = log_in("ann")
    ann.pin()
    change(node, ANN, u_axlevel=4)
    for line in ("SYNC users|getall", "SYNC all|info", f"SYNC users|get|{ANN}", "SYNC all|newest"):
        ann.channel.send(line.encode() + b"\n")
        assert ann.channel.require_line().startswith((b"571 what is pinned is for administrators", b"512")), line
    draft = Draft("users", ANN, Base(1, "m"), head=pack_head({"u_axlevel": 6}))
    with pytest.raises(Refused, match="571"):
        ann.draft([draft])
    ann.channel.ask("SYNC all|unpin")
    with pytest.raises(Refused, match="571"):
        ann.draft([draft])
    assert values_of(node.store.read(lambda reader: reader.get("users", ANN)))["u_axlevel"] == 4


def test_lines_that_take_their_time_are_those_of_an_aide_by_then(
    node: Node, log_in: Callable[[str], ChannelRemote]
) -> None:
    node.store.write(lambda writer: writer.set_fields("rooms", "m:10", {"QRroomaide": 2}))
    channel = log_in("ann").channel
    channel.ask("GOTO Open")
    channel.ask("SNET", 4)
    node.store.write(lambda writer: writer.set_fields("rooms", "m:10", {"QRroomaide": 3}))
    channel.send(b"mirror_share|beta\n000\n")
    assert channel.require_line().startswith(b"550")
    assert node.store.read(lambda reader: reader.scan("netconf/m:10")) == []
    channel.send(b"GNET\n")
    assert channel.require_line().startswith(b"550")


def test_a_listing_of_what_is_pinned_ends_where_its_reader_administers_no_more(
    node: Node, log_in: Callable[[str], ChannelRemote]
) -> None:
    change(node, ANN, u_axlevel=6)
    ann = log_in("ann")
    ann.pin()
    session = next(iter(node.sessions))
    assert isinstance(session, Session)
    pages = session.responder().scan("users")
    change(node, ANN, u_axlevel=4)
    with pytest.raises(Exception, match="what is pinned is for administrators"):
        next(pages)


def test_a_commit_has_a_node_read_nothing_while_no_user_is_logged_in(
    node: Node, log_in: Callable[[str], ChannelRemote], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    after = node.changes.after
    monkeypatch.setattr(node.changes, "after", lambda sequence: reads.append(sequence) or after(sequence))
    accounts = Accounts(node)
    for _ in range(2):
        accounts.look()
    assert reads == []
    log_in("Ann")
    for _ in range(2):
        accounts.look()
    assert reads == [node.store.read(lambda reader: reader.last_sequence())]
