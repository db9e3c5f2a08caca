"""Everybody against everything: what each party can read and write, by every action, is what the rules say.

The expectation is worked out here from the imported data alone, not with the server's own code.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from reading import answers_alike, read_by
from sessions import logged_in, sessions_on

from mirror.citadel.migr.importer import Importer
from mirror.config.settings import Config
from mirror.model.fields import values_of
from mirror.model.record import Record
from mirror.peer.remote import ChannelRemote
from mirror.server.node import Node
from mirror.service.party import ADMIN, Party
from mirror.store.base import Reader
from mirror.store.green import open_green
from mirror.sync.scope import EVERYTHING
from mirror.wire.errors import Refused

IN_USE, PRIVATE, READ_ONLY, MAILBOX = 2, 4, 8192, 16384
LOCKED_OUT, GRANTED = 2, 4
USERS = ("Alice Liddell", "Bob Stone", "Dmitri", "admin")
PARTIES = (*USERS, "peer", "local")


class World(NamedTuple):
    node: Node
    collections: list[str]
    users: dict[str, Record]
    rooms: dict[str, Record]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("access")
    export = Path(__file__).parents[2] / "mirror" / "data" / "alpha-980.xml"
    store = open_green(directory, "m")
    store.run(lambda inner: Importer(inner, "x").run([export.read_bytes()]))
    store.write(lambda writer: writer.beat())

    def job(reader: Reader) -> tuple[list[str], dict[str, Record], dict[str, Record]]:
        users = {str(values_of(record)["u_fullname"]): record for record in reader.scan_all("users")}
        return sorted(reader.digests()), users, {record.key: record for record in reader.scan_all("rooms")}

    node = Node(Config(directory, "m"), {}, store)
    yield World(node, *store.read(job))
    store.close()


@pytest.fixture
def connect(world: World) -> Iterator[Callable[[str], ChannelRemote]]:
    with sessions_on(world.node) as start:

        def start_as(name: str) -> ChannelRemote:
            party = {"peer": Party("peer", "beta", EVERYTHING), "local": ADMIN}.get(name)
            if party is not None:
                return ChannelRemote(start(party))
            return logged_in(start(), name, str(values_of(world.users[name])["u_password"]))

        yield start_as


def may_enter(world: World, name: str, room: str) -> bool:
    """Work out from the data whether a user may enter a room, or administers everything."""
    user, record = values_of(world.users[name]), values_of(world.rooms[room])
    flags, number = int(record["QRflags"]), int(user["u_usernum"])
    if not flags & IN_USE:
        return False
    if flags & MAILBOX:
        return str(record["QRname"]).startswith(f"{number:010d}.")
    visit = world.node.store.read(lambda reader: reader.get(f"visits/{room}", world.users[name].key))
    access = int(values_of(visit).get("v_flags", 0)) if visit is not None else 0
    return not access & LOCKED_OUT and (not flags & PRIVATE or bool(access & GRANTED))


def may_read(world: World, party: str, collection: str) -> bool:
    if party in ("peer", "local") or int(values_of(world.users[party])["u_axlevel"]) >= 6:
        return True
    kind, _, room = collection.partition("/")
    return kind in ("messages", "files", "visits") and may_enter(world, party, room)


def may_see(world: World, party: str, collection: str, key: str) -> bool:
    if not may_read(world, party, collection):
        return False
    if party in ("peer", "local") or int(values_of(world.users[party])["u_axlevel"]) >= 6:
        return True
    return not collection.startswith("visits/") or key.split(" ")[0] == world.users[party].key


def expected(world: World, party: str) -> set[tuple[str, str]]:
    found = set()
    for collection in world.collections:
        for record in world.node.store.read(lambda reader: reader.scan(collection, limit=10_000)):  # noqa: B023
            if may_see(world, party, collection, record.key):
                found.add((collection, record.key))
    return found


@pytest.mark.parametrize("action", ["since", "getall", "get", "newest", "ranges"])
@pytest.mark.parametrize("party", PARTIES)
def test_what_can_be_read(party: str, action: str, world: World, connect: Callable[[str], ChannelRemote]) -> None:
    wanted = expected(world, party)
    found = read_by(connect(party), action, world.node, world.collections)
    assert found - wanted == set()
    if action == "ranges":
        return  # long collections are answered with fingerprints of ranges, so not all is listed at once
    alive = {
        (collection, record.key)
        for collection in world.collections
        for record in world.node.store.read(lambda reader: reader.scan(collection, limit=10_000))  # noqa: B023
        if not record.dead
    }
    assert found >= wanted & alive


@pytest.mark.parametrize("party", PARTIES)
def test_digests_are_told_of_what_can_be_read(
    party: str, world: World, connect: Callable[[str], ChannelRemote]
) -> None:
    told = set(connect(party).info().collections or {})
    assert told - {name for name in world.collections if may_read(world, party, name)} == set()


@pytest.mark.parametrize("party", USERS)
def test_a_hidden_room_is_not_told_apart_from_one_that_does_not_exist(
    party: str, world: World, connect: Callable[[str], ChannelRemote]
) -> None:
    remote = connect(party)
    hidden = [name for name in world.collections if not may_read(world, party, name)]
    if not hidden:
        assert int(values_of(world.users[party])["u_axlevel"]) >= 6
        return
    for name in hidden:
        assert answers_alike(remote, name), name


@pytest.mark.parametrize("party", USERS)
def test_what_can_be_written(party: str, world: World, connect: Callable[[str], ChannelRemote]) -> None:
    remote = connect(party)
    aide = int(values_of(world.users[party])["u_axlevel"]) >= 6
    for collection in (*world.collections, "messages/nowhere:1"):
        kind, _, room = collection.partition("/")
        allowed = aide and collection != "nodes"
        if kind in ("messages", "files") and room in world.rooms:
            flags = int(values_of(world.rooms[room])["QRflags"])
            allowed = allowed or (may_enter(world, party, room) and not (flags & READ_ONLY and not flags & MAILBOX))
        before = world.node.store.read(lambda reader: reader.digest(collection))  # noqa: B023
        key = f"id:matrix of {party}"  # what each has signed and deleted is a message of its own
        draft = Record(collection, key, 1, "x", 1, body=b"\xffA\0Mx\0" if kind == "messages" else b"")
        try:
            remote.overwrite([draft])
        except Refused as error:
            assert not allowed, f"{party} may write {collection}: {error}"
            assert error.code == 571
            assert world.node.store.read(lambda reader: reader.digest(collection)) == before  # noqa: B023
        else:
            assert allowed, f"{party} wrote {collection}"
            remote.overwrite([Record(collection, key, 1, "x", 1, dead=True)])
