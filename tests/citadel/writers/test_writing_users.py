"""Users that were made elsewhere are made, changed and deleted on a made-up server."""

from collections.abc import Iterator

import pytest
from made_administered import AdministeredServer
from made_elsewhere import BOB, delete, field, living_users, named, put, room_named, user
from made_follower import Follower, feed_end, settled, there
from made_live import HungUp
from made_writable import SERVICE

from mirror.citadel.writers.base import taken_by
from mirror.citadel.writers.later import ROUNDS
from mirror.peer.channel import ConnectionLost
from mirror.store.base import Store
from mirror.store.check import check_store


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


@pytest.mark.parametrize(
    ("days", "purge", "own", "is_kept"),
    [(100, "0", "0", True), (100, "120", "0", True), (100, "30", "0", False), (100, "30", "200", True)],
)
def test_making_a_user_is_no_call_unless_the_server_would_throw_the_account_away(
    store: Store, server: AdministeredServer, follower: Follower, days: int, purge: str, own: str, is_kept: bool
) -> None:
    called = str(server.now - days * 86400)
    server.settings["c_userpurge"] = purge

    def story():
        yield
        user(store, BOB, "Bob", 7, u_lastcall=called, u_USuserpurge=own)
        yield from settled(follower)
        made = named(server, "Bob")["u_lastcall"]
        assert (made == called) is is_kept and int(called) <= int(made)
        assert field(store, "users", BOB, "u_lastcall") == made

    follower.tell(story())


def test_whom_a_node_makes_that_dies_just_then_has_not_called_either(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    called = str(server.now - 100 * 86400)

    def dead(_command: bytes) -> None:
        raise HungUp

    def cut(command: bytes) -> None:
        if command == b"AGUP Bob" and named(server, "Bob"):
            server.before = dead
            raise HungUp

    def story():
        yield
        server.before = cut
        user(store, BOB, "Bob", 7, u_lastcall=called)
        yield

    follower.tell(story(), ConnectionLost)
    server.before = lambda _command: None
    assert named(server, "Bob")["u_lastcall"] == str(server.now)

    def again():
        yield from settled(follower)
        assert (named(server, "Bob")["u_lastcall"], field(store, "users", BOB, "u_lastcall")) == (called, called)

    follower.tell(again())


def test_who_is_made_there_by_somebody_just_then_has_called(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    def make(command: bytes) -> None:
        if command.startswith(b"CREU Bob"):
            server.user(30, "Bob", server.now)

    def story():
        yield
        server.before = make
        user(store, BOB, "Bob", 7, u_lastcall=str(server.now - 100 * 86400))
        yield
        server.before = lambda _command: None
        yield from settled(follower)
        assert named(server, "Bob") == server.users[30]
        assert named(server, "Bob")["u_lastcall"] == str(server.now)

    follower.tell(story())


def test_who_calls_just_as_the_account_is_made_has_called(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    asked: list[bytes] = []

    def calls(command: bytes) -> None:
        asked.extend([command] if command == b"AGUP Bob" and named(server, "Bob") else [])
        if len(asked) == 2:  # once it was made and looked at, and before it is written
            named(server, "Bob")["u_lastcall"] = moment

    def story():
        yield
        server.before = calls
        user(store, BOB, "Bob", 7, u_lastcall="1690000000")
        yield from settled(follower)
        assert named(server, "Bob")["u_lastcall"] == moment

    moment = str(server.now + 5)
    follower.tell(story())


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
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    server.user(10, "Zo M ller", u_password="hers")

    def story():
        yield
        user(store, BOB, "Zoë Müller", 7)
        user(store, "beta:8", "A-NN", 8)
        yield
        assert sorted(follower.state.left_there) == [
            f"user A-NN: beta:8: {taken_by('users', 2, 'beta:8')}",
            f"user Zoë Müller: beta:7: {taken_by('users', 10, 'beta:7')}",
        ]
        assert (len(server.users), server.users[10]["u_password"]) == (4, "hers")

    follower.tell(story())


def test_a_name_that_a_server_takes_for_the_one_before_is_written(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    def story():
        yield
        put(store, "users", "alpha:2", u_fullname="A. NN")
        yield from settled(follower)
        assert server.users[2]["u_fullname"] == field(store, "users", "alpha:2", "u_fullname") == "A. NN"
        assert (follower.state.left_there, server.told()) == ([], [])

    follower.tell(story())


@pytest.mark.parametrize("at_work", ["Ann", "Bob"])
def test_who_is_logged_in_is_renamed_later(
    store: Store, server: AdministeredServer, follower: Follower, at_work: str
) -> None:
    server.user(10, "Bob")

    def story():
        yield
        server.at_work.add(at_work)
        put(store, "users", "alpha:2", u_fullname="Bob")
        put(store, "users", "alpha:10", u_fullname="Ann")
        yield
        assert any("is currently logged in" in line for line in follower.state.left_there)
        server.at_work.clear()
        for _ in range(ROUNDS + 2):
            yield
        assert [server.users[number]["u_fullname"] for number in (2, 10)] == ["Bob", "Ann"]
        assert [field(store, "users", f"alpha:{number}", "u_fullname") for number in (2, 10)] == ["Bob", "Ann"]
        assert follower.state.left_there == []

    follower.tell(story())


def test_what_a_server_makes_of_a_name_is_no_edit(store: Store, server: AdministeredServer, follower: Follower) -> None:
    def story():
        yield
        user(store, BOB, "Zoë Müller", 7)
        yield from settled(follower)
        assert named(server, "Zo M ller")
        assert field(store, "users", BOB, "u_fullname") == "Zoë Müller"

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


def test_very_many_users_that_are_deleted_wait(store: Store, server: AdministeredServer, follower: Follower) -> None:
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
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
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
        assert "alpha:2" in living_users(store)

    follower.tell(story())


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
