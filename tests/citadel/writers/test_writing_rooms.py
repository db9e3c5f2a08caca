"""Rooms that were made elsewhere are made, changed and killed on a made-up server."""

from pathlib import Path

from made_administered import AIDE, AdministeredServer
from made_elsewhere import CHAT, delete, put, room, room_named
from made_follower import Follower, feed_end, post, settled, there

from mirror.citadel.following.identity import pair_anew
from mirror.citadel.looks.remembered import Identity
from mirror.citadel.writers.base import taken_by
from mirror.store.base import Store


def test_a_room_made_elsewhere_is_there_with_what_is_in_it(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    server.floor(3, "Upstairs")

    def story():
        yield
        post(store, f"messages/{CHAT}", "a@beta", "hello\n")
        aided = {"QRroomaide": "-1", "QRexpire_mode": "3", "QRexpire_value": "30"}
        room(store, CHAT, "Dépôt", QRflags="14", QRpasswd="sesame1234567", QRfloor="3", QRdefaultview="1", **aided)
        yield from settled(follower)
        made = room_named(server, "Dépôt")
        names = ("QRflags", "QRpasswd", "QRfloor", "QRdefaultview", "QRorder", "QRexpire_mode", "QRexpire_value")
        assert [made[name] for name in names] == ["14", "sesame1234", "3", "1", "5", "3", "30"]
        number = int(made["QRnumber"])
        assert there(server, number) == [("a@beta", "hello")]
        end = feed_end(store)
        yield from settled(follower)
        assert feed_end(store) == end
        assert server.told() == []
        assert len(server.rooms) == 6

    follower.tell(story())


def test_a_room_whose_name_is_taken_is_not_written(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    def story():
        yield
        room(store, CHAT, "TALK")
        yield
        assert follower.state.left_there == [f"room TALK: {CHAT}: {taken_by('rooms', 2, CHAT)}"]
        assert len(server.rooms) == 5

    follower.tell(story())


def test_a_name_in_other_case_beyond_ascii_is_another_name(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    server.room(4, "Über")

    def story():
        yield
        room(store, CHAT, "über")
        yield from settled(follower)
        assert follower.state.left_there == []
        assert room_named(server, "über")["QRnumber"] != room_named(server, "Über")["QRnumber"]

    follower.tell(story())


def test_rooms_are_renamed_changed_and_killed(store: Store, server: AdministeredServer, follower: Follower) -> None:
    server.room(4, "Old")
    server.post(4, "gone with it")
    server.room(5, "0000000002.Work", QRflags="16390")

    def story():
        yield
        called = server.users[2]["u_lastcall"]
        put(store, "rooms", "alpha:2", QRname="Chat", QRroomaide="2", QRorder="9")
        delete(store, "rooms", "alpha:4")
        delete(store, "rooms", "alpha:5")
        yield
        assert [server.rooms[2][name] for name in ("QRname", "QRroomaide", "QRorder")] == ["Chat", "2", "9"]
        assert sorted(server.rooms) == [1, 2, 3, AIDE, max(server.rooms)]
        assert (server.users[2]["u_lastcall"], server.told()) == (called, [])
        assert b"DELE 2" not in server.asked
        yield from settled(follower)
        assert follower.state.left_there == []

    follower.tell(story())


def test_rooms_with_an_aide_are_changed_without_a_list_of_all_users_for_each(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    for number in range(4, 12):
        server.room(number, f"Room {number}", QRroomaide="2")

    def lists_asked_for(order: str, numbers: range):
        for number in numbers:
            put(store, "rooms", f"alpha:{number}", QRorder=order)
        asked = len(server.asked)
        yield
        assert {server.rooms[number]["QRorder"] for number in numbers} == {order}
        assert {server.rooms[number]["QRroomaide"] for number in numbers} == {"2"}
        return server.asked[asked:].count(b"LIST")

    def story():
        yield
        one = yield from lists_asked_for("9", range(4, 5))
        assert (yield from lists_asked_for("10", range(4, 12))) == one

    follower.tell(story())


def test_a_room_that_is_renamed_there_while_it_is_killed_elsewhere_is_killed(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    server.room(4, "Old")

    def before(command: bytes) -> None:
        if command.startswith(b"GOTO Aide") and delete_now:
            delete_now.clear()
            server.rooms[4]["QRname"] = "New"  # looked at already, and not killed yet

    delete_now: list[bool] = []

    def story():
        yield
        delete(store, "rooms", "alpha:4")
        delete_now.append(True)
        server.before = before
        yield
        assert not delete_now
        yield from settled(follower)
        assert 4 not in server.rooms
        assert follower.state.left_there == []
        assert not follower.state.behind_there

    follower.tell(story())


def test_a_room_that_was_killed_there_is_not_killed_again_until_it_is_purged(
    store: Store, server: AdministeredServer, directory: Path
) -> None:
    server.room(50, "Old")

    def killed():
        yield
        server.rooms[50]["QRname"] = "9999999999.6B0C0000.0001.Old"
        server.touch(50)
        yield

    Follower(store, directory).tell(killed())
    pair_anew(store, "alpha", Identity(str(server.created), server.highest), "restored", lambda: None)
    follower = Follower(store, directory)
    follower.tell(settled(follower))
    assert (follower.state.left_there, follower.state.behind_there) == ([], False)
    assert 50 in server.rooms
