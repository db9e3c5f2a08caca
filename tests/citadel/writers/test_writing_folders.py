"""Mailboxes and folders that were made elsewhere are their owners' on a made-up server, and one of each name."""

import pytest
from made_administered import AdministeredServer
from made_elsewhere import BOB, BOX, delete, field, named, put, room, room_named, user
from made_follower import Follower, here, post, settled, there

from mirror.service.folders import Owner, delete_folder, make_folder, rename_folder
from mirror.service.kept import Kept
from mirror.service.rights import Rights
from mirror.service.rooms import Rooms
from mirror.store.base import Store
from mirror.store.check import check_store


def test_a_mailbox_made_elsewhere_is_its_owners_and_one_of_each_name(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    def story():
        yield
        room(store, BOX, "0000000007.Mail", QRflags="16390")
        room(store, "beta:62", "0000000007.Work", QRflags="16390")
        post(store, f"messages/{BOX}", "a@beta", "hello\n")
        yield
        assert len(server.rooms) == 5
        user(store, BOB, "Bob", 7)
        yield from settled(follower)
        number = int(named(server, "Bob")["u_usernum"])
        assert room_named(server, f"{number:010d}.Work")["QRflags"] == "16390"
        mail = room_named(server, f"{number:010d}.Mail")
        assert there(server, int(mail["QRnumber"])) == [("a@beta", "hello")]
        names = [one["QRname"] for one in server.rooms.values()]
        assert len(names) == len(set(names))
        assert field(store, "rooms", BOX, "QRname") == "0000000007.Mail"

    follower.tell(story())


def test_a_folder_that_a_user_from_elsewhere_made_there_is_renamed_and_killed(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    def story():
        yield
        user(store, BOB, "Bob", 7)
        yield from settled(follower)
        server.room(60, f"{int(named(server, 'Bob')['u_usernum']):010d}.Own", QRflags="16390")
        yield from settled(follower)
        assert field(store, "rooms", "beta:alpha.60", "QRname") == "0000000007.Own"
        put(store, "rooms", "beta:alpha.60", QRname="0000000007.Mine")
        yield from settled(follower)
        assert server.rooms[60]["QRname"].partition(".")[2] == "Mine"
        delete(store, "rooms", "beta:alpha.60")
        yield from settled(follower)
        assert 60 not in server.rooms

    follower.tell(story())


def test_a_folder_that_its_owner_makes_on_a_node_is_made_renamed_and_killed_there(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    rights = Rights("alpha:2", Kept("rooms", Rooms))

    def owner() -> Owner:
        return store.read(lambda reader: Owner(rights.at(reader), reader.last_sequence()))

    def story():
        yield
        now = owner()
        key = store.write(lambda writer: make_folder(writer, now, "Work/2026", 1))
        post(store, f"messages/{key}", "a@m", "hello\n")
        yield from settled(follower)
        made = room_named(server, "0000000002.Work/2026")
        assert there(server, int(made["QRnumber"])) == [("a@m", "hello")]
        now = owner()
        assert now.scope.rooms[key].own and len(now.scope.rooms) == 4
        store.write(lambda writer: rename_folder(writer, now, key, "Old"))
        yield from settled(follower)
        assert server.rooms[int(made["QRnumber"])]["QRname"] == "0000000002.Old"
        now = owner()
        store.write(lambda writer: delete_folder(writer, now, key, None))
        yield from settled(follower)
        assert int(made["QRnumber"]) not in server.rooms

    follower.tell(story())


def test_a_folder_that_the_server_makes_by_itself_is_the_one_that_is_here(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    def story():
        yield
        room(store, BOX, "0000000002.Calendar", QRflags="16390")
        server.room(50, "0000000002.Calendar", QRflags="16390")
        # Who made it first is not known: it is beta's under alpha's user.
        yield from settled(follower)

    room(store, "alpha:beta.5", "0000000002.Notes", QRflags="16390", QRname="0000000002.Notes")
    server.room(51, "0000000002.Notes", QRflags="16390")
    post(store, "messages/alpha:beta.5", "a@beta", "note\n")
    follower.tell(story())
    assert there(server, 51) == [("a@beta", "note")]
    assert store.read(lambda reader: reader.get("rooms", "alpha:51")) is None


@pytest.mark.parametrize(("other", "kept"), [("alpha:0beta.5", "alpha:0beta.5"), ("alpha:beta.5", "alpha:50")])
def test_folders_that_both_servers_made_at_once_are_one_under_the_lesser_key(
    store: Store, server: AdministeredServer, follower: Follower, other: str, kept: str
) -> None:
    def story():
        server.room(50, "0000000002.Notes", QRflags="16390")
        server.post(50, "alpha's", name="a@alpha")
        yield
        room(store, other, "0000000002.Notes", QRflags="16390")
        post(store, f"messages/{other}", "b@beta", "beta's\n")
        yield from settled(follower)
        names = [one["QRname"] for one in server.rooms.values()]
        assert (len(names), follower.state.left_there, follower.state.behind_there) == (len(set(names)), [], False)
        said = ["a@alpha", "b@beta"] if kept == other else ["a@alpha"]
        assert [name for name, _ in there(server, 50)] == said
        assert sorted(here(store, f"messages/{kept}")) == [f"id:{name}" for name in said]
        assert field(store, "rooms", kept, "QRname") == "0000000002.Notes"

    follower.tell(story())
    assert check_store(store).problems == []
