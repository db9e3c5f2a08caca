"""A node that follows a made-up server: what happens there is here, and where nothing does nothing is written."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_followed import a_server, refuse_exports
from made_follower import TALK, ReadingFollower, feed_end, state, texts
from made_live import HungUp, LiveServer

from mirror.citadel.bootstrap import copy_server
from mirror.citadel.following.followed import Settings
from mirror.citadel.rehearsal import dry_run
from mirror.model.fields import values_of
from mirror.peer.channel import ConnectionLost
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
Story = Iterator[None]


@pytest.fixture
def server() -> LiveServer:
    return a_server()


def test_what_is_posted_there_is_here_after_the_next_look(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store, other = make_store("m"), make_store("n")
    follower = ReadingFollower(store, directory)

    def story() -> Story:
        assert texts(store) == ["one", "three", "two"]
        server.post(1, "four")
        yield
        assert texts(store) == ["four", "one", "three", "two"]
        assert (follower.following.state.phase, follower.following.state.behind) == ("following", False)

    follower.tell(story())
    copy_server(other, directory)
    assert state(store) == state(other)


def test_records_are_counted_for_as_long_as_a_server_is_followed(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    first = ReadingFollower(store, directory)
    first.tell(iter([None]))
    assert first.following.state.written > 5 and first.following.state.deleted == 0

    def story() -> Story:
        server.now += 10
        server.delete(1, 1)
        server.post(1, "four")
        for _ in range(12):
            yield

    second = ReadingFollower(store, directory)
    second.tell(story())
    assert (second.following.state.looks, second.following.state.exports) == (13, 0)
    third = ReadingFollower(store, directory)
    third.tell(iter([None]))
    counted = (third.following.state.written, third.following.state.deleted)
    assert counted == (first.following.state.written + 3, 2), "a mark went with the message"


def test_at_rest_nothing_is_written_and_no_transaction_is_made(
    make_store: Make, server: LiveServer, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store("m")

    def story() -> Story:
        yield
        end = feed_end(store)
        monkeypatch.setattr(store, "write", None)
        for _ in range(60):
            server.now += 1
            yield
        assert feed_end(store) == end

    follower = ReadingFollower(store, directory, Settings(export_s=10))
    follower.tell(story())
    assert follower.following.state.wholes >= 5


@pytest.mark.parametrize("change", ["setting", "room", "renamed", "gone", "user", "level"])
def test_what_is_no_message_needs_no_export_either(
    make_store: Make, server: LiveServer, directory: Path, change: str
) -> None:
    store, other = make_store("m"), make_store("n")
    follower = ReadingFollower(store, directory)
    changes: dict[str, Callable[[], object]] = {
        "setting": lambda: server.settings.update(c_humannode="Omega"),
        "room": lambda: server.room(3, "New"),
        "renamed": lambda: server.rooms[2].update(QRname="Foyer"),
        "gone": lambda: server.rooms.pop(2),
        "user": lambda: server.user(3, "Bob"),
        "level": lambda: server.users[2].update(u_axlevel="6"),
    }

    def story() -> Story:
        yield
        before = state(store)
        server.asked.clear()
        changes[change]()
        yield
        assert state(store) != before

    follower.tell(story())
    assert not [command for command in server.asked if command.startswith(b"MIGR")]
    copy_server(other, directory)
    expected = state(other)
    expected["rooms"].get("alpha:3", {}).pop("QRgen", None)  # no question tells it
    assert state(store) == expected


@pytest.mark.parametrize("mode", ["0", "1"])
def test_a_user_who_was_made_since_has_what_each_user_of_the_server_itself_has(
    make_store: Make, server: LiveServer, directory: Path, mode: str
) -> None:
    """Where users are the host's, the number there is told by exports alone."""
    store = make_store("m")
    server.version, server.settings["c_auth_mode"] = "980", mode

    def story() -> Story:
        refuse_exports(server)
        server.user(7, "New")
        yield
        yield

    ReadingFollower(store, directory).tell(story())
    new, ann = (
        store.read(lambda reader, key=key: values_of(reader.get("users", key))) for key in ("alpha:7", "alpha:2")
    )
    told = (new.get("u_uid"), new.get("u_version"))
    assert told == (("4294967295", "980") if mode == "0" else (None, None))
    assert "u_uid" not in ann, "of who was there before it is what an export told"


def test_a_rooms_aide_is_who_it_was_whatever_users_are_called_and_nobody_once_deleted(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """Rooms tell their aides by name, and do not move when users change theirs or go."""
    store = make_store("m")
    server.user(3, "Bob")
    server.rooms[1]["QRroomaide"] = "2"

    def aide() -> object:
        return values_of(store.read(lambda reader: reader.get("rooms", "alpha:1"))).get("QRroomaide")

    def story() -> Story:
        refuse_exports(server)
        server.now += 10
        server.users[2]["u_fullname"], server.users[3]["u_fullname"] = "Bob", "Ann"
        yield
        yield
        assert aide() == "2"
        server.now += 10
        del server.users[2]
        yield
        yield
        assert aide() == "-1"

    ReadingFollower(store, directory).tell(story())


def test_messages_that_are_new_gone_moved_copied_or_replaced_need_no_export(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """With their marks: those of the room that they are in, as the visitors' sets were told last."""
    store, other = make_store("m"), make_store("n")
    item = server.post(2, "item", euid="ev")
    server.visit(2, 2, f"1:{item}")
    server.visit(1, 1, "1,3")
    follower = ReadingFollower(store, directory)
    follower.let_exports_take(server, 10)

    def story() -> Story:
        first, second, third = server.lists[1]
        refuse_exports(server)
        yield
        server.post(1, "four")
        server.delete(1, first)
        server.now += 1
        yield
        server.move(1, 2, second)
        server.now += 1
        yield
        server.lists[2].append(third)
        server.touch(2)
        server.now += 1
        yield
        server.post(2, "another item", euid="ev")
        yield
        server.before = lambda _command: None

    follower.tell(story())
    copy_server(other, directory)
    assert state(store) == state(other)
    assert texts(store) == ["four", "three"] and texts(store, TALK) == ["another item", "three", "two"]
    assert follower.following.state.exports == 1


def test_a_move_is_one_act(make_store: Make, server: LiveServer, directory: Path) -> None:
    store = make_store("m")
    transactions: list[tuple[list[str], list[str]]] = []
    follower = ReadingFollower(store, directory)

    def story() -> Story:
        store.watch(lambda: transactions.append((texts(store), texts(store, TALK))))
        server.move(1, 2, server.lists[1][0])
        yield

    follower.tell(story())
    assert transactions and all(seen == (["three", "two"], ["one"]) for seen in transactions)


def test_a_room_that_changes_again_in_the_second_of_a_look_is_looked_at_again(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")

    def story() -> Story:
        refuse_exports(server)
        server.post(1, "four")
        yield
        server.post(1, "five")
        server.highest -= 1  # nothing but the list of the room shows it
        yield
        assert texts(store) == ["five", "four", "one", "three", "two"]
        server.highest += 1

    ReadingFollower(store, directory).tell(story())


def test_two_rooms_that_swap_names_are_told_apart(make_store: Make, server: LiveServer, directory: Path) -> None:
    store, other = make_store("m"), make_store("n")

    def story() -> Story:
        server.rooms[1]["QRname"], server.rooms[2]["QRname"] = "Talk", "Lobby"
        server.touch(1, 2)
        server.post(1, "four")
        yield
        yield

    ReadingFollower(store, directory).tell(story())
    copy_server(other, directory)
    assert state(store) == state(other)
    assert texts(store) == ["four", "one", "three", "two"]


@pytest.mark.parametrize("change", ["password", "aide"])
def test_what_shows_in_no_list_is_found(make_store: Make, server: LiveServer, directory: Path, change: str) -> None:
    """A password by the sweep of accounts, an aide by what the room tells of itself."""
    store = make_store("m")

    def make_aide() -> None:
        server.rooms[1]["QRroomaide"] = "2"
        server.touch(1)

    def set_password() -> None:
        server.users[2]["u_password"] = "new"

    changes = {"password": set_password, "aide": make_aide}

    def story() -> Story:
        server.now += 10
        yield
        before = (follower.following.state.wholes, state(store))
        changes[change]()
        yield
        yield
        assert follower.following.state.wholes == before[0] + 1
        assert state(store) != before[1]

    follower = ReadingFollower(store, directory, Settings(users_s=1))
    follower.tell(story())
    assert follower.following.state.exports == 1


def test_a_node_that_meets_a_server_again_needs_no_export(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """All that happened meanwhile, but marks, is told by the questions; users that are not listed are asked for."""
    store, other = make_store("m"), make_store("n")
    server.user(3, "Bob", u_password="pw")
    server.room(3, "Closed", QRflags="14", QRpasswd="sesame")
    server.post(3, "secret")
    ReadingFollower(store, directory).tell(iter([None]))
    refuse_exports(server)
    server.now += 10
    server.move(1, 2, server.lists[1][0])
    server.delete(3, server.lists[3][0])
    server.post(3, "secret too")
    server.users[2].update(u_fullname="Anna", u_emailaddrs="anna@alpha|a@alpha")
    server.users[3]["u_axlevel"] = "0"
    server.rooms[1].update(QRname="Foyer", QRroomaide="2")
    server.floor(2, "Upstairs")
    server.settings["c_humannode"] = "Omega"
    follower = ReadingFollower(store, directory)
    follower.tell(iter([None]))
    assert follower.following.state.exports == 0
    server.before = lambda _command: None
    copy_server(other, directory)
    assert state(store) == state(other)
    assert "Bob" in [user["u_fullname"] for user in state(store)["users"].values()]
    del server.users[3]
    ReadingFollower(store, directory).tell(iter([None]))
    assert "Bob" not in [user["u_fullname"] for user in state(store)["users"].values()]


@pytest.mark.parametrize("at", [b"MSGS ALL|0|0|4", b"GOTO Talk||1"])
def test_a_room_that_is_renamed_just_when_it_is_listed_has_what_was_posted_there(
    make_store: Make, server: LiveServer, directory: Path, at: bytes
) -> None:
    """Before it is entered for that, when it is known by its old name still, or before what it lists is read there."""
    store = make_store("m")
    ReadingFollower(store, directory).tell(iter([None]))

    def rename(command: bytes) -> None:
        if command == at and b"MSGS ALL|0|0|4" in server.asked:
            server.before = lambda _command: None
            server.rooms[2]["QRname"] = "Chat"
            server.touch(2)

    def story() -> Story:
        for _ in range(4):
            server.now += 10
            yield

    server.post(2, "new")
    server.now += 10
    server.asked.clear()
    server.before = rename
    follower = ReadingFollower(store, directory)
    follower.tell(story())
    assert texts(store, TALK)[-1:] == ["new"] and not follower.state.behind


def test_a_room_is_looked_at_by_its_new_name_alone_where_the_old_one_still_enters_it(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """A server heeds no case.  The name changes after rooms that moved were noted, while the server exports."""
    store = make_store("m")

    def rename(command: bytes) -> None:
        if command == b"MIGR export":
            server.before = lambda _command: None
            server.rooms[2]["QRname"] = "TALK"
            server.post(2, "new")

    def story() -> Story:
        for _ in range(4):
            server.now += 10
            yield

    server.touch(2)
    server.before = rename
    follower = ReadingFollower(store, directory)
    follower.tell(story())
    assert texts(store, TALK)[-1:] == ["new"] and not follower.state.behind
    assert state(store)["rooms"]["alpha:2"]["QRname"] == "TALK"


def test_a_room_that_cannot_be_entered_is_not_taken_for_gone(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    ReadingFollower(store, directory).tell(iter([None]))
    server.rooms[2]["QRpasswd"] = "sesame"
    ReadingFollower(store, directory).tell(iter([None]))
    assert "alpha:2" in state(store)["rooms"]


def test_files_are_swept(make_store: Make, server: LiveServer, directory: Path) -> None:
    store = make_store("m")

    def story() -> Story:
        server.banners["hello"] = "Welcome"
        refuse_exports(server)
        for _ in range(7):
            yield
        assert store.read(lambda reader: reader.get("system-messages", "hello")) is not None

    follower = ReadingFollower(store, directory, Settings(sweep_s=5))
    follower.let_exports_take(server, 10)
    follower.tell(story())


def test_files_are_swept_where_each_look_is_one_at_all(make_store: Make, server: LiveServer, directory: Path) -> None:
    store = make_store("m")

    def story() -> Story:
        server.banners["hello"] = "Welcome"
        refuse_exports(server)
        for _ in range(7):
            yield
        assert store.read(lambda reader: reader.get("system-messages", "hello")) is not None

    ReadingFollower(store, directory, Settings(look_s=10)).tell(story())


def test_people_are_turned_away_only_until_the_messages_begin(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """All that is new is fetched by itself, however much it is."""
    store, other = make_store("m"), make_store("n")
    server.room(5, "0000000002.My Citadel Config")
    server.post(1, "long " * 200_000)  # more than a socket holds, so the server notices who hangs up
    follower = ReadingFollower(store, directory, Settings(export_s=1))

    def story() -> Story:
        for text in range(100):
            server.post(2, f"talk {text}")
        server.lists[5].append(server.hold("bio"))
        server.users[2]["u_msgnum_bio"] = str(server.highest)
        yield
        assert "bios" in state(store)

    follower.tell(story())
    assert (follower.following.state.exports, server.exported) == (2, 1)
    copy_server(other, directory)
    assert state(store) == state(other)


def test_only_rooms_of_the_patterns_are_followed_and_others_stay_as_they_were(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store, other = make_store("m"), make_store("n")
    server.post(2, "talk")
    only = Settings(rooms=("l*",))
    ReadingFollower(store, directory, only).tell(iter([None]))
    assert (texts(store), texts(store, TALK)) == (["one", "three", "two"], [])
    assert store.read(lambda reader: reader.get("rooms", "alpha:2")) is None
    copy_server(other, directory)
    follower = ReadingFollower(other, directory, only)

    def story() -> Story:
        server.delete(2, server.lists[2][0])
        server.post(2, "another")
        server.rooms[2]["QRname"] = "Foyer"
        server.post(1, "four")
        yield

    follower.tell(story())
    assert (texts(other), texts(other, TALK)) == (["four", "one", "three", "two"], ["talk"])


def test_a_connection_that_is_lost_at_any_command_loses_nothing(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """Cut after few commands, after more, and so on, until a story of changes ends before the cut."""
    store, other = make_store("m"), make_store("n")

    def changes() -> Story:
        yield
        server.now += 5
        server.move(1, 2, server.post(1, "moved"))
        yield
        server.delete(2, server.lists[2][0])
        server.visit(1, 2, f"1:{server.highest}")
        server.post(1, f"text {server.highest}")
        for _ in range(7):
            yield

    for cut in (number * (number + 13) // 4 for number in range(100)):
        left = cut

        def fail(_command: bytes) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise HungUp

        server.before = fail
        follower = ReadingFollower(store, directory, Settings(export_s=2))
        try:
            follower.tell(changes())
            break
        except ConnectionLost:
            continue
    else:
        pytest.fail("the story never came to its end")
    assert cut > 30
    server.before = lambda _command: None
    copy_server(other, directory)
    assert state(store) == state(other)


def test_a_dry_run_tells_what_would_be_written_and_writes_nothing(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    before = (feed_end(store), store.read(lambda reader: reader.is_empty()))
    told, _ = dry_run(store, directory)
    assert (feed_end(store), store.read(lambda reader: reader.is_empty())) == before
    assert told.report.applied.written == copy_server(store, directory).report.applied.written
    server.post(1, "four")
    assert dry_run(store, directory)[0].report.applied.written == 1
    assert texts(store) == ["one", "three", "two"]
