"""The first copy from another node, as one call: over socket pairs, to a node in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from exports import IMPORTED
from gevent import socket

from mirror.citadel.migr.importer import Importer
from mirror.config.settings import Config
from mirror.model.record import Record
from mirror.peer.bootstrap import NodeStage, copy_node
from mirror.peer.channel import Channel, ConnectionLost
from mirror.peer.remote import ChannelRemote
from mirror.server.commands import TABLE
from mirror.server.node import Node
from mirror.server.session import Session
from mirror.server.single_user import Mode
from mirror.service.party import Party
from mirror.store.base import PAGE_RECORDS, Pinned
from mirror.store.errors import StoreError
from mirror.store.green import GreenStore, open_green
from mirror.sync.scope import EVERYTHING

Dial = Callable[[], ChannelRemote]


@pytest.fixture
def node(tmp_path: Path, export: Path) -> Iterator[Node]:
    """A node that holds what the sample export does."""
    (tmp_path / "alpha").mkdir()
    store = open_green(tmp_path / "alpha", "alpha")
    store.run(lambda inner: Importer(inner, "x").run([export.read_bytes()]))
    yield Node(Config(tmp_path / "alpha", "alpha"), {}, store)
    store.close()


@pytest.fixture
def dial(node: Node) -> Iterator[Dial]:
    """Gives connections to the node, on which the peer beta is logged in."""
    channels: list[Channel] = []
    greenlets: list[gevent.Greenlet] = []

    def start() -> ChannelRemote:
        ours, theirs = socket.socketpair()
        session = Session(node, Channel(theirs, "beta"), TABLE, local=True, party=Party("peer", "beta", EVERYTHING))
        greenlets.append(gevent.spawn(session.run))
        channels.append(Channel(ours, "alpha", 20))
        channels[-1].read_reply()
        return ChannelRemote(channels[-1])

    yield start
    for channel in channels:
        channel.close()
    gevent.joinall(greenlets, timeout=10)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GreenStore]:
    """The store that is to become the copy."""
    (tmp_path / "beta").mkdir()
    made = open_green(tmp_path / "beta", "beta")
    yield made
    made.close()


@pytest.fixture
def pinned_in(node: Node, monkeypatch: pytest.MonkeyPatch) -> list[Mode]:
    """The modes that the node was in whenever its state was pinned."""
    modes: list[Mode] = []
    pin = node.store.pin

    def note() -> Pinned:
        modes.append(node.single_user.mode)
        return pin()

    monkeypatch.setattr(node.store, "pin", note)
    return modes


def test_a_copy_is_complete_verified_and_told(store: GreenStore, dial: Dial) -> None:
    told: list[tuple[NodeStage, int, int | None]] = []
    copied = copy_node(store, dial, "alpha", wait_s=5, progress=lambda *step: told.append(step))
    assert (copied.written, copied.records, copied.unequal, copied.resumed) == (IMPORTED, IMPORTED, [], False)
    assert told[:2] == [(NodeStage.SINGLE_USER, 0, 5), (NodeStage.RECORDS, 0, IMPORTED)]
    assert told[-1] == (NodeStage.RECORDS, IMPORTED, IMPORTED)
    assert copied.received_bytes > 0


def test_single_user_mode_lasts_until_the_state_is_pinned(
    store: GreenStore, node: Node, dial: Dial, pinned_in: list[Mode]
) -> None:
    modes: list[Mode] = []
    copy_node(store, dial, "alpha", progress=lambda stage, _done, _total: modes.append(node.single_user.mode))
    assert pinned_in == [Mode.SINGLE]
    assert set(modes) == {Mode.MULTI}


def test_without_it_users_stay(store: GreenStore, dial: Dial, pinned_in: list[Mode]) -> None:
    stages: set[NodeStage] = set()
    copy_node(store, dial, "alpha", wait_s=None, progress=lambda stage, _done, _total: stages.add(stage))
    assert (pinned_in, stages) == ([Mode.MULTI], {NodeStage.RECORDS})


def test_a_copy_goes_on_where_it_was_interrupted(store: GreenStore, node: Node, dial: Dial) -> None:
    pages = 3
    node.store.write(
        lambda writer: [
            writer.put(Record("messages/r", f"id:{number}", 1, "x", 1)) for number in range(pages * PAGE_RECORDS)
        ]
    )
    remotes: list[ChannelRemote] = []

    def dial_noted() -> ChannelRemote:
        remotes.append(dial())
        return remotes[-1]

    def interrupt(stage: NodeStage, done: int, _total: int | None) -> None:
        if done:
            raise ConnectionLost("the test pulled the plug")

    with pytest.raises(ConnectionLost):
        copy_node(store, dial_noted, "alpha", wait_s=None, progress=interrupt)
    again = copy_node(store, dial, "alpha", wait_s=None)
    assert (again.resumed, again.unequal) == (True, [])
    assert 0 < again.written <= (pages - 1) * PAGE_RECORDS + IMPORTED
    once_more = copy_node(store, dial, "alpha", wait_s=None)
    assert (once_more.written, once_more.unequal) == (0, [])
    assert [remote.channel.socket.fileno() for remote in remotes] == [-1, -1]


def test_a_store_that_holds_something_is_refused_before_anybody_is_dialled(store: GreenStore, dial: Dial) -> None:
    store.write(lambda writer: writer.put(Record("messages/r", "id:1", 1, "x", 1)))

    def nobody() -> ChannelRemote:
        raise AssertionError("dialled")

    with pytest.raises(StoreError, match="--merge"):
        copy_node(store, nobody, "alpha")
    merged = copy_node(store, dial, "alpha", merge=True)
    assert (merged.written, merged.unequal) == (IMPORTED, [])
    assert store.read(lambda reader: reader.get("messages/r", "id:1")) is not None
