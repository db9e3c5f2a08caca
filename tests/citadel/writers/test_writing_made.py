"""Users, rooms and floors together are made once on a made-up server, whatever becomes of it or of the node."""

from pathlib import Path

import pytest
from made_administered import AdministeredServer
from made_elsewhere import BOB, BOX, CHAT, delete, field, living_users, named, put, room, room_named, user
from made_follower import Follower, feed_end, here, post, settled, there
from made_live import HungUp
from made_writable import SERVICE

from mirror.citadel.following.identity import pair_anew
from mirror.citadel.looks.remembered import Identity
from mirror.citadel.meaning.keys import Pair
from mirror.citadel.propose import CannotPair
from mirror.peer.channel import ConnectionLost
from mirror.store.base import Store
from mirror.store.check import check_store


def test_what_is_given_another_number_because_somebody_made_one_just_then_is_known_under_that(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    def made_by_somebody(command: bytes) -> None:
        if command.startswith(b"CREU Bob"):
            server.user(server._next("MMnextuser"), "Somebody")
        elif command.startswith(b"CRE8 1|Chat|"):
            server.room(server._next("MMnextroom"), "Some room")
        elif command.startswith(b"CFLR Upstairs"):
            server.floor(1, "Some floor")

    def story():
        yield
        server.before = made_by_somebody
        put(store, "floors", "beta:1", f_name="Upstairs", f_flags="3")
        user(store, BOB, "Bob", 7)
        room(store, CHAT, "Chat", QRfloor="beta:1")
        post(store, f"messages/{CHAT}", "a@beta", "Content-type: text/plain\n\nhello\n")
        yield from settled(follower)
        (number,) = [number for number, one in server.rooms.items() if one["QRname"] == "Chat"]
        assert (server.rooms[number]["QRfloor"], server.floors[2]["f_name"]) == ("2", "Upstairs")
        assert there(server, number) == [("a@beta", "Content-type: text/plain\n\n\nhello")]
        end, made = feed_end(store), (len(server.users), len(server.rooms))
        yield from settled(follower)
        assert (feed_end(store), (len(server.users), len(server.rooms))) == (end, made)
        put(store, "users", BOB, u_fullname="Robert")
        yield from settled(follower)
        assert named(server, "Robert")["u_usernum"] != named(server, "Somebody")["u_usernum"]

    follower.tell(story())
    assert field(store, "users", BOB, "u_fullname") == "Robert"
    assert check_store(store).problems == []


def test_swapped_names_are_swapped(store: Store, server: AdministeredServer, follower: Follower) -> None:
    server.user(10, "Bob")

    def story():
        yield
        put(store, "users", "alpha:2", u_fullname="Bob")
        put(store, "users", "alpha:10", u_fullname="Ann")
        put(store, "rooms", "alpha:1", QRname="Talk")
        put(store, "rooms", "alpha:2", QRname="Lobby")
        yield from settled(follower)
        assert [server.users[number]["u_fullname"] for number in (2, 10)] == ["Bob", "Ann"]
        assert [server.rooms[number]["QRname"] for number in (1, 2)] == ["Talk", "Lobby"]
        assert [field(store, "users", key, "u_fullname") for key in ("alpha:2", "alpha:10")] == ["Bob", "Ann"]
        assert [field(store, "rooms", key, "QRname") for key in ("alpha:1", "alpha:2")] == ["Talk", "Lobby"]
        assert server.told() == []

    follower.tell(story())


@pytest.mark.parametrize("at", [b"CREU", b"after CREU", b"CRE8", b"after CRE8", b"SETR", b"ASUP", b"CFLR"])
def test_a_node_that_loses_the_server_at_any_step_makes_all_of_it_once(
    store: Store, server: AdministeredServer, directory: Path, at: bytes
) -> None:
    verb = at.removeprefix(b"after ")
    done = []

    def cut(command: bytes) -> None:
        if done or (command.startswith(verb + b" ") and verb == at):
            server.before = lambda _command: None
            raise HungUp
        done.extend([True] * command.startswith(verb + b" "))

    def story():
        yield
        user(store, BOB, "Bob", 7)
        put(store, "floors", "beta:4", f_num="4", f_name="Attic", f_flags="1")
        room(store, CHAT, "High", QRfloor="beta:4")
        room(store, BOX, "0000000007.Mail", QRflags="16390")
        post(store, f"messages/{BOX}", "a@beta", "hello\n")
        server.before = cut
        yield

    Follower(store, directory).tell(story(), ConnectionLost)
    again = Follower(store, directory)
    again.tell(settled(again))
    assert sorted(one["u_fullname"] for one in server.users.values()) == ["Ann", "Bob", "admin", "mirror"]
    names = sorted(one["QRname"] for one in server.rooms.values())
    assert (len(names), len(set(names))) == (7, 7)
    assert room_named(server, "High")["QRflags"] == "2"
    bob = int(named(server, "Bob")["u_usernum"])
    assert there(server, int(room_named(server, f"{bob:010d}.Mail")["QRnumber"])) == [("a@beta", "hello")]
    assert living_users(store) == ["alpha:1", "alpha:2", f"alpha:{SERVICE}", BOB]
    assert sum(one["f_name"] == "Attic" for one in server.floors.values()) == 1


def test_what_has_a_taken_name_is_one_with_it_once_somebody_says_so(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    server.post(3, "hers", name="h@alpha")
    server.post(2, "talked", name="t@alpha")

    def story():
        yield
        user(store, BOB, "Ann", 7, u_password="here")
        room(store, BOX, "0000000007.Mail", QRflags="16390")
        post(store, f"messages/{BOX}", "b@beta", "from beta\n")
        room(store, CHAT, "Talk")
        post(store, f"messages/{CHAT}", "c@beta", "from chat\n")
        yield
        assert len(follower.state.left_there) == 2
        for pair in (Pair("users", 2, "beta:99"), Pair("users", 77, BOB), Pair("users", 2, "alpha:1")):
            with pytest.raises(CannotPair):
                follower.following.pair(pair)
        follower.following.pair(Pair("users", 2, BOB))
        follower.following.pair(Pair("rooms", 2, CHAT))
        yield from settled(follower)
        with pytest.raises(CannotPair):
            follower.following.pair(Pair("users", 2, BOB))
        assert [name for name, _ in there(server, 3)] == ["h@alpha", "b@beta"]
        assert [name for name, _ in there(server, 2)] == ["t@alpha", "c@beta"]
        assert (len(server.users), server.users[2]["u_password"]) == (3, "here")
        assert sorted(here(store, f"messages/{BOX}")) == ["id:b@beta", "id:h@alpha"]
        assert sorted(here(store, f"messages/{CHAT}")) == ["id:c@beta", "id:t@alpha"]
        assert living_users(store) == ["alpha:1", f"alpha:{SERVICE}", BOB]

    follower.tell(story())
    assert check_store(store).problems == []


def test_a_restored_server_gets_again_what_came_since_and_what_was_deleted_since_is_deleted_again(
    store: Store, server: AdministeredServer, directory: Path
) -> None:
    server.user(10, "Kim")
    server.room(11, "Old")
    first = Follower(store, directory)

    def story():
        yield
        user(store, BOB, "Bob", 7)
        room(store, CHAT, "Chat")
        post(store, f"messages/{CHAT}", "a@beta", "hello\n")
        delete(store, "users", "alpha:10")
        delete(store, "rooms", "alpha:11")
        yield from settled(first)

    first.tell(story())
    chat, bob = room_named(server, "Chat")["QRnumber"], named(server, "Bob")["u_usernum"]
    del server.users[int(bob)], server.rooms[int(chat)], server.lists[int(chat)]
    for number in [no for no, one in server.rooms.items() if one["QRname"].startswith(f"{int(bob):010d}.")]:
        del server.rooms[number]
    server.settings |= {"MMnextuser": "20", "MMnextroom": str(max(server.rooms))}
    server.user(10, "Kim")
    server.room(11, "Old")
    pair_anew(store, "alpha", Identity(str(server.created), server.highest), "restored", lambda: None)
    again = Follower(store, directory)
    again.tell(settled(again))
    assert sorted(one["u_fullname"] for one in server.users.values()) == ["Ann", "Bob", "admin", "mirror"]
    assert there(server, int(room_named(server, "Chat")["QRnumber"])) == [("a@beta", "hello")]
    assert not room_named(server, "Old")
    assert again.state.left_there == []
    assert check_store(store).problems == []
