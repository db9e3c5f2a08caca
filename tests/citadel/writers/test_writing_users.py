"""Users, rooms and floors that were made elsewhere are made, changed and deleted on a made-up server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from made_administered import AIDE, AdministeredServer
from made_follower import Follower, feed_end, here, post, there
from made_live import HungUp
from made_writable import SERVICE, imap

from mirror.citadel.following.identity import pair_anew
from mirror.citadel.looks.remembered import Identity
from mirror.citadel.meaning.keys import Pair
from mirror.citadel.propose import CannotPair
from mirror.citadel.writers.base import taken_by
from mirror.model.fields import fields_at, values_of
from mirror.model.record import Record
from mirror.peer.channel import ConnectionLost
from mirror.service.folders import Owner, delete_folder, make_folder, rename_folder
from mirror.service.kept import Kept
from mirror.service.rights import Rights
from mirror.service.rooms import Rooms
from mirror.store.base import Store
from mirror.store.check import check_store

BOB, CHAT, BOX = "beta:7", "beta:60", "beta:61"


@pytest.fixture
def server() -> Iterator[AdministeredServer]:
    server = AdministeredServer()
    server.user(1, "admin")
    server.user(2, "Ann", u_password="secret")
    server.user(SERVICE, "mirror", u_password="pw")
    server.room(1, "Lobby")
    server.room(2, "Talk")
    server.room(3, "0000000002.Mail", QRflags="16390")
    server.post(1, "one")
    server.now += 100
    with imap(server):
        yield server


def put(store: Store, collection: str, key: str, **fields: str) -> None:
    """Write fields of a thing as another node's clients do, or make it."""
    held = store.read(lambda reader: reader.get(collection, key))
    if held is not None and not held.dead:
        store.write(lambda writer: writer.set_fields(collection, key, dict(fields)))
    else:
        store.write(lambda writer: writer.put(Record(collection, key, 1, "m", 1, head=fields_at(fields, 1, "m"))))


def user(store: Store, key: str, name: str, number: int, **more: str) -> None:
    plain = {"u_password": "pw", "u_flags": "10768", "u_axlevel": "4", "u_USuserpurge": "0", "u_emailaddrs": ""}
    put(store, "users", key, **{**plain, "u_fullname": name, "u_usernum": str(number), "u_lastcall": "5", **more})


def room(store: Store, key: str, name: str, **more: str) -> None:
    plain = {"QRflags": "2", "QRpasswd": "", "QRdirname": "", "QRfloor": "0", "QRorder": "5", "QRdefaultview": "0"}
    others = {"QRflags2": "0", "QRroomaide": "-1", "QRexpire_mode": "0", "QRexpire_value": "0"}
    put(store, "rooms", key, **{**plain, **others, "QRname": name, "QRnumber": "7", **more})


def delete(store: Store, collection: str, key: str) -> None:
    store.write(lambda writer: writer.delete(collection, key))


def named(server: AdministeredServer, name: str) -> dict[str, str]:
    return next((one for one in server.users.values() if one["u_fullname"] == name), {})


def room_named(server: AdministeredServer, name: str) -> dict[str, str]:
    return next((one for one in server.rooms.values() if one["QRname"] == name), {})


def field(store: Store, collection: str, key: str, name: str) -> object:
    return values_of(store.read(lambda reader: reader.get(collection, key))).get(name)


def settled(follower: Follower) -> Iterator[None]:
    """Look until what was made was looked at and filled."""
    for _ in range(6):
        follower.time += 400
        yield


def test_a_user_made_elsewhere_is_there_and_nobody_is_told(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    def story():
        yield
        user(store, BOB, "Bob", 7, u_emailaddrs="bob@alpha|bob@beta", u_flags="64", u_axlevel="5", u_USuserpurge="30")
        yield from settled(follower)
        bob = named(server, "Bob")
        told = [bob[name] for name in ("u_password", "u_flags", "u_axlevel", "u_USuserpurge", "u_emailaddrs")]
        assert told == ["pw", "64", "5", "30", "bob@alpha"]
        assert server.told() == []
        end = feed_end(store)
        yield from settled(follower)
        assert (feed_end(store), len(server.users)) == (end, 4)
        assert field(store, "users", BOB, "u_emailaddrs") == "bob@alpha|bob@beta"

    follower.tell(story())
    assert check_store(store).problems == []


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


@pytest.mark.parametrize(("wanted", "number"), [(21, 21), (30, 21), (700, 700), (7, 21)])
def test_a_number_is_kept_where_the_server_never_had_it(
    store: Store, server: AdministeredServer, follower: Follower, wanted: int, number: int
) -> None:
    def story():
        yield
        user(store, f"beta:{wanted}", "Bob", wanted)
        yield
        assert server.users[number]["u_fullname"] == "Bob"
        assert server.settings["MMnextuser"] == str(number)

    follower.tell(story())


def test_what_is_changed_of_a_user_on_both_sides_is_on_both(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    def story():
        yield
        put(store, "users", "alpha:2", u_password="new", u_fullname="Anna")
        server.users[2]["u_flags"] = "32"  # not looked at yet
        yield
        assert [server.users[2][name] for name in ("u_fullname", "u_password", "u_flags")] == ["Anna", "new", "32"]
        yield from settled(follower)
        assert field(store, "users", "alpha:2", "u_flags") == "32"
        assert field(store, "users", "alpha:2", "u_password") == "new"

    follower.tell(story())


def test_a_password_that_is_changed_while_another_field_is_written_stays(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    def before(command: bytes) -> None:
        if command == b"AGUP Ann":
            server.users[2]["asked"] = str(int(server.users[2].get("asked", "0")) + 1)
            if server.users[2]["asked"] == "2":
                server.users[2]["u_password"] = "by herself"

    def story():
        yield
        server.users[2]["asked"] = "0"
        put(store, "users", "alpha:2", u_flags="64")
        server.before = before
        yield
        server.before = lambda _command: None
        assert (server.users[2]["u_flags"], server.users[2]["u_password"]) == ("64", "by herself")

    follower.tell(story())


def test_the_user_that_a_server_is_itself_is_left_alone(server: AdministeredServer, follower: Follower) -> None:
    store = follower.store
    server.user(0, "SYS_Citadel")
    listed = server._list
    server._list = lambda rest, session: b"".join(
        line for line in listed(rest, session).splitlines(True) if b"SYS_Citadel" not in line
    )

    def story():
        yield
        user(store, "alpha:0", "SYS_Citadel", 0, u_flags="1")
        yield
        assert (follower.state.left_there, follower.state.behind_there) == ([], False)

    follower.tell(story())


def test_a_user_whose_name_is_taken_is_not_written_and_nobody_is_renamed(
    store: Store, server: AdministeredServer, directory: Path
) -> None:
    follower = Follower(store, directory)
    server.user(10, "Zo M ller", u_password="hers")

    def story():
        yield
        user(store, BOB, "Zoë Müller", 7)
        user(store, "beta:8", "ANN", 8)
        yield
        assert sorted(follower.state.left_there) == [
            f"user ANN: beta:8: {taken_by('users', 2, 'beta:8')}",
            f"user Zoë Müller: beta:7: {taken_by('users', 10, 'beta:7')}",
        ]
        assert (len(server.users), server.users[10]["u_password"]) == (4, "hers")

    follower.tell(story())


def test_what_a_server_makes_of_a_name_is_no_edit(store: Store, server: AdministeredServer, follower: Follower) -> None:
    def story():
        yield
        user(store, BOB, "Zoë Müller", 7)
        yield from settled(follower)
        assert named(server, "Zo M ller")
        assert field(store, "users", BOB, "u_fullname") == "Zoë Müller"

    follower.tell(story())


def test_swapped_names_are_swapped(store: Store, server: AdministeredServer, directory: Path) -> None:
    follower = Follower(store, directory)
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


def test_a_deleted_user_is_deleted_and_the_service_is_left_alone(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    def story():
        yield
        delete(store, "users", "alpha:2")
        delete(store, "users", f"alpha:{SERVICE}")
        yield
        assert sorted(server.users) == [1, SERVICE]
        assert server.told() == []

    follower.tell(story())


def test_a_level_that_would_delete_a_user_is_not_written(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    def story():
        yield
        put(store, "users", "alpha:2", u_axlevel="0", u_flags="64")
        yield
        assert (server.users[2]["u_axlevel"], server.users[2]["u_flags"]) == ("4", "64")

    follower.tell(story())


def test_a_room_made_elsewhere_is_there_with_what_is_in_it(
    store: Store, server: AdministeredServer, directory: Path
) -> None:
    follower = Follower(store, directory)
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


def test_rooms_are_renamed_changed_and_killed(store: Store, server: AdministeredServer, directory: Path) -> None:
    follower = Follower(store, directory)
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
    store: Store, server: AdministeredServer, directory: Path
) -> None:
    follower = Follower(store, directory)
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


def test_floors_are_made_renamed_and_killed(store: Store, server: AdministeredServer, directory: Path) -> None:
    follower = Follower(store, directory)
    server.floor(2, "Empty")

    def story():
        yield
        put(store, "floors", "beta:4", f_num="4", f_name="Attic", f_flags="1")
        put(store, "floors", "0", f_name="Ground")
        put(store, "floors", "2", f_flags="0")
        room(store, CHAT, "High", QRfloor="beta:4")
        yield from settled(follower)
        floors = {number: one["f_name"] for number, one in server.floors.items() if int(one["f_flags"]) & 1}
        assert sorted(floors.values()) == ["Attic", "Ground"]
        assert floors[int(room_named(server, "High")["QRfloor"])] == "Attic"
        end = feed_end(store)
        yield from settled(follower)
        assert feed_end(store) == end

    follower.tell(story())


def test_what_expires_on_a_floor_is_so_there_once_a_room_is_on_it(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    expires = {"f_ep_expire_mode": "3", "f_ep_expire_value": "30"}

    def told(number: int) -> dict[str, str]:
        return {name: server.floors[number][name] for name in expires}

    def story():
        yield
        put(store, "floors", "0", **expires)
        put(store, "floors", "beta:4", f_num="4", f_name="Attic", f_flags="1", **expires)
        yield
        (attic,) = [number for number, one in server.floors.items() if one["f_name"] == "Attic"]
        assert (told(0), told(attic)["f_ep_expire_mode"]) == (expires, "0")
        room(store, CHAT, "High", QRfloor="beta:4")
        for _ in range(4):
            server.now += 10
            yield
        assert told(attic) == expires
        end, written = feed_end(store), follower.state.written_there
        for _ in range(3):
            server.now += 10
            yield
        assert (feed_end(store), follower.state.written_there, follower.state.left_there) == (end, written, [])

    follower.tell(story())


def test_a_floor_made_there_is_in_use_whatever_numbers_others_have(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    def story():
        yield
        put(store, "floors", "beta:2", f_num="2", f_name="Attic", f_flags="1")
        yield from settled(follower)
        server.floor(2, "Upstairs")
        yield from settled(follower)
        assert (field(store, "floors", "2", "f_name"), field(store, "floors", "2", "f_flags")) == ("Upstairs", "1")
        assert server.floors[2]["f_name"] == "Upstairs"

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


@pytest.mark.parametrize("floor", ["0", "3"])
def test_a_floor_is_killed_once_its_rooms_are_elsewhere(
    store: Store, server: AdministeredServer, follower: Follower, floor: str
) -> None:
    server.floor(2, "Upstairs")
    server.floor(3, "Attic")
    server.rooms[2]["QRfloor"] = "2"

    def story():
        yield
        put(store, "floors", "2", f_flags="0")
        put(store, "rooms", "alpha:2", QRfloor=floor)
        yield from settled(follower)
        assert (server.rooms[2]["QRfloor"], server.floors[2]["f_name"]) == (floor, "")
        assert field(store, "rooms", "alpha:2", "QRfloor") == floor

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
    living = store.read(lambda reader: [one.key for one in reader.scan_all("users") if not one.dead])
    assert sorted(living) == ["alpha:1", "alpha:2", f"alpha:{SERVICE}", BOB]
    assert sum(one["f_name"] == "Attic" for one in server.floors.values()) == 1


def test_very_many_users_that_are_deleted_wait(store: Store, server: AdministeredServer, directory: Path) -> None:
    follower = Follower(store, directory)
    for number in range(30, 45):
        server.user(number, f"User {number}")

    def story():
        yield
        for number in range(30, 45):
            delete(store, "users", f"alpha:{number}")
        yield
        yield
        assert (follower.state.held_there, len(server.users)) == ({"users": 15}, 18)
        follower.following.approve()
        yield
        assert len(server.users) == 3

    follower.tell(story())


def test_a_user_deleted_there_while_changed_here_is_made_anew_with_what_is_in_the_mailbox(
    store: Store, server: AdministeredServer, directory: Path
) -> None:
    follower = Follower(store, directory)
    server.post(3, "hers", name="h@alpha")
    server.room(5, "0000000002.Work", QRflags="16390")
    server.post(5, "work", name="w@alpha")

    def story():
        yield
        del server.users[2]
        yield from settled(follower)
        user(store, "alpha:2", "Ann", 2)  # as another node has it, where it was changed at the same time
        yield from settled(follower)
        number = int(named(server, "Ann")["u_usernum"])
        assert number != 2
        assert there(server, int(room_named(server, f"{number:010d}.Mail")["QRnumber"])) == [("h@alpha", "hers")]
        assert there(server, int(room_named(server, f"{number:010d}.Work")["QRnumber"])) == [("w@alpha", "work")]
        living = store.read(lambda reader: [one.key for one in reader.scan_all("users") if not one.dead])
        assert "alpha:2" in living

    follower.tell(story())


def test_what_has_a_taken_name_is_one_with_it_once_somebody_says_so(
    store: Store, server: AdministeredServer, directory: Path
) -> None:
    follower = Follower(store, directory)
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
        living = store.read(lambda reader: [one.key for one in reader.scan_all("users") if not one.dead])
        assert sorted(living) == ["alpha:1", f"alpha:{SERVICE}", BOB]

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


def test_a_damaged_account_is_written_anew_only_when_somebody_said_so_and_what_is_left_of_it_is_gone(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    following = follower.following

    def story() -> Iterator[None]:
        yield
        server.damage(2)
        yield from settled(follower)
        assert [one.collection for one in following.state.held] == ["users"] and not named(server, "Ann")
        following.refuse()
        yield from settled(follower)
        assert following.state.held == [] and not named(server, "Ann")
        user(store, "alpha:2", "Ann", 2, u_flags="1")
        yield from settled(follower)
        assert any("damaged account has that name there" in line for line in following.state.left_there)
        server.damaged.clear()
        user(store, "alpha:2", "Ann", 2, u_flags="2")
        yield from settled(follower)
        assert named(server, "Ann")["u_flags"] == "2"
        assert field(store, "users", "alpha:2", "u_fullname") == "Ann"

    follower.tell(story())


def test_a_damaged_account_is_not_written_while_nobody_said_what_becomes_of_it(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    """Not even where it was deleted there since, nor where the user is changed here."""

    def story() -> Iterator[None]:
        yield
        server.damage(2)
        yield from settled(follower)
        server.damaged.clear()
        user(store, "alpha:2", "Ann", 2, u_flags="1")
        yield from settled(follower)
        assert [one.collection for one in follower.following.state.held] == ["users"]
        assert not named(server, "Ann") and field(store, "users", "alpha:2", "u_flags") == "1"

    follower.tell(story())
