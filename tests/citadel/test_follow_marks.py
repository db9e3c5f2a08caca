"""What users of a made-up server have read and answered is here, and nobody is asked for who need not be."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_followed import a_server, refuse_exports
from made_follower import ReadingFollower, Told, state, texts
from made_live import HungUp, LiveServer, Session
from made_server import CREATED

from mirror.citadel.bootstrap import copy_server
from mirror.citadel.following.followed import Settings
from mirror.citadel.following.mark_looks import SAVED_S, Pending, write_pending
from mirror.citadel.protocol.client import CitadelClient
from mirror.formats.message import parse_message
from mirror.model.fields import Value, values_of
from mirror.peer.channel import ConnectionLost
from mirror.store.base import Store
from mirror.store.sqlite.store import SqliteStore
from mirror.wire.errors import Refused

Make = Callable[..., SqliteStore]
Story = Iterator[None]


@pytest.fixture
def server() -> LiveServer:
    return a_server()


def test_answered_marks_come_with_the_next_export(make_store: Make, server: LiveServer, directory: Path) -> None:
    store, other = make_store("m"), make_store("n")
    follower = ReadingFollower(store, directory, Settings(export_s=10))

    def story() -> Story:
        server.visit(1, 2, "1:2", "2")
        for _ in range(12):
            yield

    follower.tell(story())
    copy_server(other, directory)
    assert state(store) == state(other)


def keep_list(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a server list its users as they are now, whatever becomes of them."""
    listed = server._list("", Session())
    monkeypatch.setattr(server, "_list", lambda *_: listed)


def marks(store: Store, room: str = "alpha:1") -> dict[str, list[str]]:
    """Return which messages of a room users have read, by texts, by the users' keys."""

    def job(reader) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for record in reader.scan_all(f"visits/{room}"):
            user, _, key = record.key.partition(" ")
            if key and values_of(record).get("seen"):
                message = parse_message(reader.body(reader.get(f"messages/{room}", key)))
                found.setdefault(user, []).append(message.text("M").strip())
        return {user: sorted(read) for user, read in found.items()}

    return store.read(job)


def test_what_was_read_is_here_without_an_export_and_what_was_marked_unread_again(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """Where somebody is; where nobody was yet; and of what is posted after that, by the sets as they are told now."""
    store, other = make_store("m"), make_store("n")

    def story() -> Story:
        refuse_exports(server)
        assert marks(store) == {"alpha:2": ["one", "two"]}
        server.visit(1, 2, "1,3")
        server.visit(2, 2, "4:5")
        server.now += 10
        yield
        yield
        assert marks(store) == {"alpha:2": ["one", "three"]}
        server.post(2, "talk")
        yield
        assert marks(store, "alpha:2") == {"alpha:2": ["talk"]}

    follower = ReadingFollower(store, directory, Settings(marks_s=1))
    follower.tell(story())
    assert follower.following.state.exports == 1
    server.before = lambda _command: None
    copy_server(other, directory)
    expected = state(other)
    for name in ("v_flags", "v_roomgen"):  # of a room where nobody was yet, no question tells it
        expected["visits/alpha:2"]["alpha:2"].pop(name)
    assert state(store) == expected


def test_who_marked_all_unread_again_has_seen_nothing_however_that_is_told(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store, other = make_store("m"), make_store("n")

    def story() -> Story:
        server.visit(1, 2, "0")
        yield
        yield

    ReadingFollower(store, directory, Settings(marks_s=1)).tell(story())
    copy_server(other, directory)
    assert marks(store) == {}
    assert state(store)["visits/alpha:1"]["alpha:2"] == state(other)["visits/alpha:1"]["alpha:2"]


def users_asked(server: LiveServer) -> list[bytes]:
    return [command for command in server.asked if command.startswith(b"USER") and b"SYS_" not in command]


def test_who_logged_in_while_nobody_followed_is_asked_for_and_nobody_else(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    server.somebody = False
    server.user(3, "Bob", server.now - 50)
    ReadingFollower(store, directory, Settings(marks_s=1)).tell(iter([None, None, None]))
    server.now += 1000
    server.users[2]["u_lastcall"] = str(server.now - 500)
    server.visit(1, 2, "1:3")
    server.asked.clear()
    ReadingFollower(store, directory, Settings(marks_s=1)).tell(iter([None, None, None]))
    assert marks(store) == {"alpha:2": ["one", "three", "two"]}
    assert set(users_asked(server)) == {b"USER Ann"}


def test_who_was_there_when_the_server_was_lost_is_asked_for_when_it_is_met_again(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    server.user(3, "Bob")
    ReadingFollower(store, directory, Settings(marks_s=1)).tell(iter([None, None, None]))
    server.somebody = False
    server.now += 1000
    server.visit(1, 2, "1:3")
    server.asked.clear()
    ReadingFollower(store, directory, Settings(marks_s=1)).tell(iter([None, None, None]))
    assert marks(store) == {"alpha:2": ["one", "three", "two"]}
    assert set(users_asked(server)) == {b"USER Ann"}


def test_rooms_where_somebody_has_been_come_first_and_while_nobody_is_there_others_take_their_time(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    for number in range(3, 700):
        server.room(number, f"Room {number}")
    server.visit(699, 2, "3")
    server.now += 10
    server.somebody = False
    ReadingFollower(store, directory, Settings(marks_s=1)).tell(iter([None]))
    server.now += 1000
    server.users[2]["u_lastcall"] = str(server.now - 500)
    server.asked.clear()
    ReadingFollower(store, directory, Settings(marks_s=1)).tell(iter([None] * 3))
    asked = [server.asked[at + 1] for at, command in enumerate(server.asked) if command == b"USER Ann"]
    assert (asked[0], asked[1]) == (b"GOTO Lobby||1", b"GOTO Talk||1")
    first = server.asked[: server.asked.index(b"USER SYS_Citadel")]
    assert b"GOTO Room 699||1" in first and b"GOTO Talk||1" not in first[first.index(b"USER Ann") :]
    assert server.asked.count(b"GTSN") < 500


def test_what_was_read_in_a_room_before_it_was_known_is_here(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """Whoever read there has left, and all other rooms of that user were asked for."""
    store = make_store("m")
    listed = server._lkra("", Session())

    def story() -> Story:
        yield
        server._lkra = lambda *_: listed  # not listed yet
        server.now += 10
        server.room(3, "New")
        server.post(3, "four")
        server.visit(3, 2, "4")
        server.somebody = False
        for _ in range(8):
            yield
        del server._lkra
        server.now += 10
        server.touch(3)
        for _ in range(4):
            yield
        assert marks(store, "alpha:3") == {"alpha:2": ["four"]}

    ReadingFollower(store, directory, Settings(marks_s=1, idle_look_s=1)).tell(story())


@pytest.mark.parametrize("outage", [False, True])
def test_where_all_were_made_to_forget_a_room_nobody_has_read_anything_there(
    make_store: Make, server: LiveServer, directory: Path, outage: bool
) -> None:
    """The room moves, and no message of it; nobody has to log in for that."""
    store = make_store("m")
    server.somebody = False

    def story() -> Story:
        if not outage:
            yield
            forget()
        yield
        yield
        assert marks(store) == {}

    def forget() -> None:
        server.now += 100
        server.visits.clear()
        server.touch(1)

    if outage:
        ReadingFollower(store, directory, Settings(marks_s=1)).tell(iter([None, None]))
        assert marks(store) == {"alpha:2": ["one", "two"]}
        forget()
    ReadingFollower(store, directory, Settings(marks_s=1, idle_look_s=1)).tell(story())


def test_of_a_store_where_it_was_not_kept_who_is_to_be_asked_for_it_is_who_logged_in_lately(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    server.somebody = False
    server.user(3, "Bob", CREATED + 200_000)
    server.now = CREATED + 300_000
    ReadingFollower(store, directory, Settings(marks_s=1)).tell(iter([None]))
    store.write(lambda writer: write_pending(writer, "citadel:alpha", Pending()))
    server.users[2]["u_lastcall"] = str(CREATED + 100_000)
    server.visit(1, 2, "1:3")
    server.asked.clear()
    follower = ReadingFollower(store, directory, Settings(marks_s=1))
    follower.tell(iter([None, None, None]))
    assert marks(store) == {"alpha:2": ["one", "three", "two"]}
    assert set(users_asked(server)) == {b"USER Ann", b"USER Bob"} and follower.following.state.marks > 0
    turns = len(users_asked(server))
    assert server.asked.count(b"USER SYS_Citadel") == turns, "after each turn the session is nobody's again"


def test_what_an_export_just_told_is_not_asked_for_again(make_store: Make, server: LiveServer, directory: Path) -> None:
    server.somebody = False
    ReadingFollower(make_store("m"), directory, Settings(marks_s=1)).tell(iter([None, None, None]))
    assert not [command for command in server.asked if command.startswith(b"USER")]


def test_who_logs_in_again_within_the_second_of_a_look_is_asked_for_again(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    server.somebody = False

    def story() -> Story:
        server.users[2]["u_lastcall"] = str(server.now)
        yield
        yield
        server.visit(1, 2, "1:3")
        yield
        yield
        assert marks(store) == {"alpha:2": ["one", "three", "two"]}

    ReadingFollower(store, directory, Settings(marks_s=1, idle_look_s=1)).tell(story())


@pytest.mark.parametrize("why", ["never", "host"])
def test_nobody_is_asked_for_where_that_is_not_wanted_or_would_make_a_user(
    make_store: Make, server: LiveServer, directory: Path, why: str
) -> None:
    if why == "host":
        server.settings["c_auth_mode"] = "1"
    follower = ReadingFollower(make_store("m"), directory, Settings(marks_s=0.0 if why == "never" else 1.0))
    follower.tell(iter([None, None, None]))
    assert not [command for command in server.asked if command.startswith(b"USER")]


def test_a_server_that_lets_no_second_session_in_is_followed_all_the_same(
    make_store: Make, server: LiveServer, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store("m")

    def full() -> CitadelClient:
        raise Refused(551, "too many users are already online (maximum is 2)")

    def story() -> Story:
        yield
        following = follower.following
        following._marks._client = None
        monkeypatch.setattr(following._marks, "_connect", full)
        server.visit(1, 2, "1:3")
        server.post(1, "four")
        yield
        assert texts(store) == ["four", "one", "three", "two"] and marks(store) == {"alpha:2": ["one", "two"]}
        monkeypatch.undo()
        yield
        yield
        assert marks(store) == {"alpha:2": ["one", "three", "two"]}

    follower = ReadingFollower(store, directory, Settings(marks_s=1))
    follower.tell(story())


def test_who_was_renamed_since_users_were_listed_is_asked_for_again(
    make_store: Make, server: LiveServer, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store("m")

    def story() -> Story:
        yield
        yield
        server.somebody = False
        keep_list(server, monkeypatch)
        server.users[2]["u_fullname"] = "Anna"
        server.visit(1, 2, "1:3")
        yield
        assert marks(store) == {"alpha:2": ["one", "two"]}
        monkeypatch.undo()
        yield
        yield
        assert marks(store) == {"alpha:2": ["one", "three", "two"]}

    ReadingFollower(store, directory, Settings(marks_s=1, idle_look_s=1)).tell(story())


def test_marks_of_a_name_that_is_another_user_by_now_are_not_taken_over(
    make_store: Make, server: LiveServer, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store("m")

    def story() -> Story:
        yield
        asked = server.asked.count(b"USER Ann")
        keep_list(server, monkeypatch)
        del server.users[2]
        server.user(3, "Ann")
        server.visit(1, 3, "1:3")
        yield
        assert server.asked.count(b"USER Ann") > asked
        assert marks(store) == {"alpha:2": ["one", "two"]}

    ReadingFollower(store, directory, Settings(marks_s=1, idle_look_s=1e6, users_s=1e6)).tell(story())


def test_a_mark_that_is_taken_back_there_leaves_those_that_a_server_does_not_keep(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    server.visit(1, 2, "1:2")

    def flag(message: str) -> None:
        store.write(lambda writer: writer.set_fields("visits/alpha:1", f"alpha:2 {message}", {"flagged": True}))

    def held(message: str) -> dict[str, Value]:
        record = store.read(lambda reader: reader.get("visits/alpha:1", f"alpha:2 {message}"))
        return values_of(record) if record is not None and not record.dead else {}

    def story() -> Story:
        server.users[2]["u_lastcall"] = str(server.now)
        yield
        yield
        read, unread = (
            [record.key for record in store.read(lambda reader: list(reader.scan_all("messages/alpha:1")))][at]
            for at in (0, -1)
        )
        assert (held(read), held(unread)) == ({"seen": True}, {})
        flag(read)
        flag(unread)
        for sets, expected in (("0", (False, None)), ("1:3", (True, True))):
            server.visit(1, 2, sets)
            server.users[2]["u_lastcall"] = str(server.now)
            yield
            yield
            assert [held(one).get("seen") for one in (read, unread)] == list(expected)
            assert held(read)["flagged"] is held(unread)["flagged"] is True

    ReadingFollower(store, directory, Settings(marks_s=1, idle_look_s=1)).tell(story())


def view(store: Store) -> Value | None:
    """Return how Ann views the second room, None where that is not known."""
    visit = store.read(lambda reader: reader.get("visits/alpha:2", "alpha:2"))
    return values_of(visit).get("v_view") if visit is not None else None


def view_otherwise(server: LiveServer) -> None:
    """Have the second room be viewed as a mailbox by all who were never there."""
    server.rooms[2]["QRdefaultview"] = "1"
    server.now += 10
    server.touch(2)


def test_who_was_in_a_room_before_it_was_viewed_otherwise_by_all_views_it_as_before(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """That said nothing until then, so nothing is known of it; and nobody logs in."""
    store, other = make_store("m"), make_store("n")
    server.somebody = False

    def story() -> Story:
        refuse_exports(server)
        server.visit(2, 2, "0")
        server.now += 10
        yield
        view_otherwise(server)
        server.post(2, "talk")  # so that rooms are looked at, though nobody is there
        yield
        assert view(store) == "0"
        server.asked.clear()
        yield
        assert not users_asked(server)

    follower = ReadingFollower(store, directory, Settings(marks_s=1))
    follower.tell(story())
    server.before = lambda _command: None
    copy_server(other, directory)
    assert state(store)["visits/alpha:2"]["alpha:2"].keys() <= state(other)["visits/alpha:2"]["alpha:2"].keys()


@pytest.mark.parametrize("known", [False, True])
def test_how_a_room_was_viewed_before_is_asked_for_again_where_the_server_was_lost_meanwhile(
    make_store: Make, server: LiveServer, directory: Path, known: bool
) -> None:
    """The room is changed while nobody follows, or it is ``known`` already, and the server is lost before it tells."""
    store = make_store("m")
    server.somebody = False
    follower = ReadingFollower(store, directory, Settings(marks_s=1))

    def story() -> Story:
        server.visit(2, 2, "0")
        server.now += 10
        yield
        view_otherwise(server)
        if known:
            server.once_before(b"USER Ann", hang_up)
            server.post(2, "talk")  # so that rooms are looked at, though nobody is there
            yield

    follower.tell(story(), ConnectionLost if known else Told)
    assert view(store) is None
    ReadingFollower(store, directory, Settings(marks_s=1)).tell(iter([None, None, None]))
    assert view(store) == "0"


def hang_up() -> None:
    raise HungUp


def test_what_was_read_in_a_room_that_was_not_known_yet_when_the_server_was_lost_is_here(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """Looks at all cost so much that the room waits for the next one, and whoever read there has left long ago."""
    store = make_store("m")
    follower = ReadingFollower(store, directory, Settings(marks_s=1))

    def story() -> Story:
        server.now += 10
        server.room(3, "New")
        server.post(3, "four")
        server.visit(3, 2, "4")
        yield
        server.somebody = False
        server.now += 1000
        for _ in range(int(SAVED_S) + 2):
            yield
        assert "alpha:3" not in state(store)["rooms"]

    follower.let_exports_take(server, 1000)
    follower.tell(story())
    server.before = lambda _command: None
    ReadingFollower(store, directory, Settings(marks_s=1)).tell(iter([None, None, None]))
    assert marks(store, "alpha:3") == {"alpha:2": ["four"]}


def test_what_was_read_by_a_user_who_was_just_made_is_here_once_the_user_is(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """It may have been made under another key than that of its number, which the next look at all tells."""
    store = make_store("m")
    follower = ReadingFollower(store, directory, Settings(marks_s=1))

    def story() -> Story:
        server.now += 10
        server.user(3, "Bob", u_lastcall=str(server.now))
        server.visit(1, 3, "1:3")
        yield
        server.somebody = False
        server.now += 1000
        for _ in range(30):
            yield
        assert "alpha:3" not in state(store)["users"] and "alpha:3" not in marks(store)
        assert not follower.following.state.marks, "not all marks are here"
        for _ in range(80):
            yield
        assert marks(store)["alpha:3"] == ["one", "three", "two"]
        assert follower.following.state.marks

    follower.let_exports_take(server, 5)
    follower.tell(story())


def test_what_was_read_in_rooms_that_swapped_their_names_is_of_each_what_was_read_there(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """Looks at all cost so much that both are known by their old names for a while."""
    store = make_store("m")
    follower = ReadingFollower(store, directory, Settings(marks_s=1))
    server.post(2, "four")

    def story() -> Story:
        server.now += 10
        server.rename(1, "Foyer")
        server.rename(2, "Lobby")
        server.rename(1, "Talk")
        server.visit(1, 2, "1:3")
        for _ in range(10):
            yield
        assert values_of(store.read(lambda reader: reader.get("rooms", "alpha:1")))["QRname"] == "Lobby"
        assert marks(store) == {"alpha:2": ["one", "three", "two"]}
        assert marks(store, "alpha:2") == {}

    follower.let_exports_take(server, 5)
    follower.tell(story())


def test_what_was_read_in_a_room_that_is_known_by_another_name_is_here_before_the_new_one(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """Looks at all cost so much that the new name waits for the next one; whoever read there has left by then."""
    store = make_store("m")
    follower = ReadingFollower(store, directory, Settings(marks_s=1))

    def story() -> Story:
        server.now += 10
        server.rename(1, "Hall")
        server.visit(1, 2, "1:3")
        yield
        server.somebody = False
        server.now += 1000
        for _ in range(30):
            yield
        assert values_of(store.read(lambda reader: reader.get("rooms", "alpha:1")))["QRname"] == "Lobby"
        assert marks(store) == {"alpha:2": ["one", "three", "two"]}
        assert follower.following.state.marks

    follower.let_exports_take(server, 5)
    follower.tell(story())
