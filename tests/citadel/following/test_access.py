"""Who was let into a room or put out of it is told in the Aide room, and is here with the message that tells it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_followed import a_server, refuse_exports
from made_follower import ReadingFollower
from made_live import LiveServer

from mirror.citadel.bootstrap import copy_server
from mirror.citadel.following.access import Named, read_access
from mirror.formats.message import parse_message
from mirror.model.fields import values_of
from mirror.store.base import Store
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
Story = Iterator[None]
AIDE, VAULT = 5, 6


def told(text: str, author: str = "Citadel", subject: str = "User Admin Message") -> Named | None:
    return read_access(parse_message(f"\xffA\x00A{author}\0U{subject}\0M{text}\0".encode("latin-1")))


def test_who_was_let_in_or_put_out_is_told_by_names_whatever_is_in_them() -> None:
    assert told('Ann has been invited to "Vault" by admin.\n') == Named("Ann", "Vault", True)
    assert told('Eve has been kicked out of "0000000003.My "own" by" by an administrator.') == Named(
        "Eve", '0000000003.My "own" by', False
    )
    assert told(f'Ann has been invited to "{"long " * 20}\nname" by admin.') == Named(
        "Ann", "long " * 20 + "name", True
    )


def test_what_is_about_something_else_or_by_somebody_else_tells_nothing() -> None:
    assert told("New user account <Ann> has been created, from host x.\n") is None
    assert told('Ann has been invited to "Vault" by admin.', author="Ann") is None
    assert told('Ann has been invited to "Vault" by admin.', subject="Room Modification") is None


@pytest.fixture
def server() -> LiveServer:
    server = a_server()
    server.settings["c_aideroom"] = "Aide"
    server.room(AIDE, "Aide")
    server.room(VAULT, "Vault", QRflags="6")
    return server


def tell(server: LiveServer, user: int, let_in: bool, room: int = VAULT, name: str = "") -> None:
    """Let a user into a room or put one out, as the server does it."""
    if (room, user) not in server.visits:
        server.visit(room, user, "0")
    visit = server.visits[room, user]
    flags = int(visit.get("v_flags", "0"))
    visit["v_flags"] = str(flags & ~3 | 4 if let_in else flags & ~4 | 3)
    what = "invited to" if let_in else "kicked out of"
    name = name or server.users[user]["u_fullname"]
    server.keep(AIDE, f'{name} has been {what} "{server.rooms[room]["QRname"]}" by admin.\n', "User Admin Message")


def flags(store: Store, room: int = VAULT) -> dict[str, object]:
    """Return the flags of the visits of a room, by the users' keys."""
    visits = store.read(lambda reader: [*reader.scan_all(f"visits/alpha:{room}")])
    return {one.key: values_of(one).get("v_flags") for one in visits if not one.dead}


def test_who_is_let_in_and_put_out_is_here_without_an_export(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """In the order in which it was told, and what else was known of a visit stays."""
    store, other = make_store("m"), make_store("n")

    def story() -> Story:
        refuse_exports(server)
        tell(server, 2, True)
        tell(server, 1, True, room=1)
        yield
        assert (flags(store), flags(store, 1)["alpha:1"]) == ({"alpha:2": "4"}, "4")
        server.now += 10
        tell(server, 2, False, name="ANN")
        tell(server, 2, False, room=1)
        yield
        assert flags(store) == {"alpha:2": "3"}
        server.now += 10
        tell(server, 2, True)
        yield

    ReadingFollower(store, directory).tell(story())
    server.before = lambda _command: None
    copy_server(other, directory)
    assert (flags(store), flags(store, 1)) == (flags(other), flags(other, 1))
    assert flags(store) == {"alpha:2": "4"}
    (visit,) = [one for one in store.read(lambda reader: [*reader.scan_all("visits/alpha:1")]) if one.key == "alpha:2"]
    assert values_of(visit)["v_seen"] == "1:2"


def test_of_who_or_what_was_renamed_since_it_is_taken_over_all_the_same(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """By the names that were known before: those of before an outage, too."""
    store = make_store("m")

    def rename() -> None:
        tell(server, 2, True)
        server.users[2]["u_fullname"], server.rooms[VAULT]["QRname"] = "Anna", "Safe"

    def story() -> Story:
        refuse_exports(server)
        yield
        rename()
        yield
        yield
        assert flags(store) == {"alpha:2": "4"}
        tell(server, 2, False)
        yield
        assert flags(store) == {"alpha:2": "3"}

    ReadingFollower(store, directory).tell(story())
    server.now += 10
    tell(server, 2, True)
    server.users[2]["u_fullname"], server.rooms[VAULT]["QRname"] = "Ann B.", "Cellar"
    ReadingFollower(store, directory).tell(iter([None]))
    assert flags(store) == {"alpha:2": "4"}


def test_who_is_let_into_a_room_that_was_just_made_waits_until_the_room_is_known(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """But not for one that is gone again."""
    store = make_store("m")

    def story() -> Story:
        refuse_exports(server)
        server.room(7, "Cave", QRflags="6")
        server.touch(7)
        tell(server, 2, True, room=7)
        server.room(8, "Gone")
        tell(server, 2, True, room=8)
        del server.rooms[8]
        server.now += 10
        yield
        yield
        assert flags(store, 7) == {"alpha:2": "4"}
        yield
        assert not follower.following.state.behind
        kept = store.read(lambda reader: reader.digests()[f"messages/alpha:{AIDE}"].count)
        assert kept == 2

    follower = ReadingFollower(store, directory)
    follower.tell(story())
