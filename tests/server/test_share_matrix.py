"""Peers that rooms are shared with: every direction x what x action, in every room, against rules worked out here.

The expectation is made of the line's own words and the imported data, not with the server's code.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from reading import answers_alike, read_by
from sessions import sessions_on

from mirror.citadel.migr.importer import Importer
from mirror.config.settings import Config, Peer
from mirror.model.record import Record, record_crc
from mirror.peer.remote import ChannelRemote
from mirror.server.node import Node
from mirror.service.party import Party
from mirror.store.green import open_green
from mirror.sync.share.rules import NETCONF_KEY
from mirror.wire.errors import Refused
from mirror.wire.values import Page

ROOM, FILES_ROOM, MAILBOX = "alpha:32", "alpha:43", "alpha:25"
"""Support, Drop Box and somebody's mailbox, all of the recorded server."""
DIRECTIONS = ("push", "pull", "both")
WHATS = ("messages", "messages,deletions", "marks", "files", "settings", "messages,deletions,marks,files,settings")
KIND_OF = {"messages": "messages", "files": "files", "marks": "visits"}
ACTIONS = ("since", "getall", "get", "newest", "ranges")


class World(NamedTuple):
    node: Node
    collections: list[str]
    records: dict[tuple[str, str], Record]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with make_world(tmp_path_factory.mktemp("share-matrix")) as made:
        yield made


@pytest.fixture(scope="module")
def world_to_write(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world apart for what writes: the others read what was there when theirs was made, in whatever order."""
    with make_world(tmp_path_factory.mktemp("share-matrix-to-write")) as made:
        yield made


@contextmanager
def make_world(directory: Path) -> Iterator[World]:
    export = Path(__file__).parents[2] / "mirror" / "data" / "alpha-980.xml"
    store = open_green(directory, "m")
    store.run(lambda inner: Importer(inner, "x").run([export.read_bytes()]))
    for room in (ROOM, FILES_ROOM, MAILBOX):
        draft = Record(f"files/{room}", "f.txt", 1, "x", 1, body=b"file")
        store.write(lambda writer, draft=draft: writer.put(draft))
    store.write(lambda writer: writer.delete(f"messages/{ROOM}", next(writer.scan_all(f"messages/{ROOM}")).key))
    store.write(lambda writer: writer.beat())
    node = Node(Config(directory, "m", peers=[Peer("beta", kind="share")]), {}, store)
    names = sorted(store.read(lambda reader: reader.digests()))
    records = {
        (name, record.key): record
        for name in names
        for record in store.read(lambda reader, name=name: reader.scan(name, limit=10_000))
    }
    yield World(node, names, records)
    store.close()


@pytest.fixture
def connect(world: World) -> Iterator[Callable[[], ChannelRemote]]:
    with connected(world) as connect:
        yield connect


@contextmanager
def connected(world: World) -> Iterator[Callable[[], ChannelRemote]]:
    with sessions_on(world.node) as start:
        yield lambda: ChannelRemote(start(Party("share", "beta", world.node.sharing.of("beta").scope)))


@pytest.fixture
def connect_to_write(world_to_write: World) -> Iterator[Callable[[], ChannelRemote]]:
    with connected(world_to_write) as connect:
        yield connect


def share(world: World, rooms: tuple[str, ...], line: str) -> None:
    """Give these rooms, and no others, a line."""

    def job(writer: object) -> None:
        for room in (ROOM, FILES_ROOM, MAILBOX):
            body = f"{line}\n".encode() if room in rooms else b"listrecp|x@y\n"
            writer.put(Record(f"netconf/{room}", NETCONF_KEY, 1, "x", 1, body=body))  # type: ignore[attr-defined]

    world.node.store.write(job)
    world.node.sharing.configure(["beta"])


def readable(world: World, rooms: tuple[str, ...], direction: str, what: str, action: str) -> set[tuple[str, str]]:
    """Work out from the line's words what the peer may read."""
    if direction == "pull":
        return set()
    words = what.split(",")
    found = set()
    for (collection, key), record in world.records.items():
        kind, _, room = collection.partition("/")
        if room in rooms:
            word = next((word for word, name in KIND_OF.items() if name == kind), "")
            if word in words and (kind != "visits" or " " in key) and (not record.dead or "deletions" in words):
                found.add((collection, key))
        elif "settings" in words and (collection, key) in {
            place for room in rooms for place in (("rooms", room), ("room-info", room), ("pictures", f"room {room}"))
        }:
            found.add((collection, key))
    return {(name, key) for name, key in found if action != "newest" or not world.records[name, key].dead}


CASES = list(itertools.product(DIRECTIONS, WHATS))


@pytest.mark.parametrize(("direction", "what"), CASES)
@pytest.mark.parametrize("rooms", [(ROOM,), (ROOM, FILES_ROOM), (MAILBOX,)], ids=["one", "two", "mailbox"])
def test_what_can_be_read(
    rooms: tuple[str, ...], direction: str, what: str, world: World, connect: Callable[[], ChannelRemote]
) -> None:
    share(world, rooms, f"mirror_share|beta||direction={direction}|what={what}")
    shared = tuple(room for room in rooms if room != MAILBOX)  # a mailbox is never shared, whatever its lines say
    for action in ACTIONS:
        found = read_by(connect(), action, world.node, world.collections)
        wanted = readable(world, shared, direction, what, action)
        if action == "ranges":
            assert found - wanted == set(), action
        else:
            assert found == wanted, action
    told = set(connect().info().collections or {})
    assert told == {collection for collection, _ in readable(world, shared, direction, what, "info")}


def test_a_room_is_told_without_what_is_not_its_settings(world: World, connect: Callable[[], ChannelRemote]) -> None:
    share(world, (ROOM,), "mirror_share|beta||what=settings")
    (page,) = connect().get("rooms", [ROOM, FILES_ROOM, MAILBOX])
    (record,) = page.records
    from mirror.model.fields import values_of

    assert set(values_of(record)) == {"QRdefaultview", "QRexpire_mode", "QRexpire_value", "QRorder", "QRflags2"}


@pytest.mark.parametrize(("direction", "what"), CASES)
def test_what_can_be_written(
    direction: str, what: str, world_to_write: World, connect_to_write: Callable[[], ChannelRemote]
) -> None:
    share(world_to_write, (ROOM,), f"mirror_share|beta||direction={direction}|what={what}")
    words = what.split(",")
    for collection in (*world_to_write.collections, "messages/nowhere:1"):
        kind, _, room = collection.partition("/")
        key = {"visits": "alpha:2 id:matrix", "rooms": ROOM, "room-info": ROOM}.get(kind, "id:matrix")
        word = next((word for word, name in KIND_OF.items() if name == kind), "")
        allowed = direction != "push" and (
            (room == ROOM and word in words) or (kind in ("rooms", "room-info") and "settings" in words)
        )
        record = Record(collection, key, 5, "beta", 1)
        before = world_to_write.node.store.read(lambda reader, name=collection: reader.digest(name))
        try:
            connect_to_write().offer([Page([record], [record_crc(record)])])
        except Refused as error:
            assert not allowed, f"{collection}: {error}"
            assert error.code == 571
            assert world_to_write.node.store.read(lambda reader, name=collection: reader.digest(name)) == before
        else:
            assert allowed, f"beta wrote {collection} under direction={direction}|what={what}"


@pytest.mark.parametrize(
    "line",
    ["SNGL 1|1", "SYNC all|pin", "SYNC all|status", "SYNC all|conflicts", "SYNC all|restore|1", "SYNC all|check",
     "SYNC shares|status", "SYNC netconf/alpha:32|preview", "SYNC nodes|heard", "GNET", "SNET",
     "GOTO Support", "SYNC mailboxes|info"],
)  # fmt: skip
def test_administration_is_not_for_them(line: str, world: World, connect: Callable[[], ChannelRemote]) -> None:
    share(world, (ROOM,), "mirror_share|beta")
    channel = connect().channel
    channel.send(line.encode() + b"\n")
    with pytest.raises(Refused):
        channel.read_reply()


def test_a_hidden_room_is_not_told_apart_from_one_that_does_not_exist(
    world: World, connect: Callable[[], ChannelRemote]
) -> None:
    share(world, (ROOM,), "mirror_share|beta")
    remote = connect()
    shown = {collection for collection, _ in readable(world, (ROOM,), "both", "messages,deletions", "get")}
    for name in set(world.collections) - shown:
        assert answers_alike(remote, name), name


def test_a_mirror_peer_is_told_of_no_shares(world: World) -> None:
    share(world, (ROOM,), "mirror_share|beta")
    assert [room.key for room in world.node.sharing.of("beta").rooms] == [ROOM]
    assert world.node.sharing.of("stranger").rooms == []


def test_what_one_connection_read_behind_a_filter_serves_the_next(
    world: World, connect: Callable[[], ChannelRemote], monkeypatch: pytest.MonkeyPatch
) -> None:
    share(world, (ROOM,), "mirror_share|beta||max_size=9M")
    told = connect().info().collections
    assert told

    def fails(record: Record) -> int:
        raise AssertionError(f"{record.key} was read again")

    monkeypatch.setattr("mirror.sync.derived.record_crc", fails)
    assert connect().info().collections == told
