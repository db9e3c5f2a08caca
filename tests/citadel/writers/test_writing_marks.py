"""Read and answered marks from elsewhere are set in a made-up server as their user, and nothing else shows of it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_follower import Follower, feed_end, here
from made_live import HungUp
from made_writable import WritableServer, written_into

from mirror.model.draft import Draft
from mirror.model.drafting import deletion_of
from mirror.model.record import pack_head
from mirror.peer.channel import ConnectionLost
from mirror.store.base import Store
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
ANN, BOB, NOBODY = 2, 3, 4
CALLED = 1690000100
VISITS, MAIL_VISITS = "visits/alpha:1", "visits/alpha:2"


@pytest.fixture
def server() -> Iterator[WritableServer]:
    server = WritableServer()
    server.user(ANN, "Ann", CALLED, u_password="secret|"[:-1])
    server.user(BOB, "Bob", CALLED, u_password="other")
    server.user(NOBODY, "Nobody", CALLED)
    server.room(1, "Lobby")
    server.room(2, "0000000002.Mail", QRflags="16390")
    for text in ("one", "two", "three"):
        server.post(1, text)
    server.post(2, "mail")
    server.visit(1, ANN, "1")
    server.visit(2, ANN, "")
    with written_into(server):
        yield server


def mark(store: Store, user: int, message: str, visits: str = VISITS, **marks: bool) -> None:
    """Have marks be here as some node wrote them."""
    key = f"alpha:{user} {message}"
    store.write(lambda writer: writer.write(Draft(visits, key, head=pack_head(marks))))


def unmark(store: Store, user: int, message: str) -> None:
    store.write(lambda writer: writer.write(deletion_of(writer.get(VISITS, f"alpha:{user} {message}"))))


def seen(server: WritableServer, user: int = ANN, room: int = 1) -> list[int]:
    return sorted(server.marked(room, user, "v_seen"))


def answered(server: WritableServer, user: int = ANN, room: int = 1) -> list[int]:
    return sorted(server.marked(room, user, "v_answered"))


def tag(store: Store, visits: str = VISITS, user: int = ANN) -> str:
    (status,) = store.read(lambda reader: reader.statuses("citadel:alpha", visits, [f"alpha:{user}"]))
    return status.tag


def test_marks_are_set_and_taken_back_as_their_user_whose_last_call_stays(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        yield
        first, second, third = here(store)
        mark(store, ANN, second, seen=True, answered=True)
        mark(store, ANN, third, seen=True)
        mark(store, ANN, here(store, "messages/alpha:2")[0], MAIL_VISITS, seen=True)
        mark(store, BOB, third, answered=True)
        end = feed_end(store)
        yield
        assert (seen(server), answered(server), seen(server, ANN, 2)) == ([1, 2, 3], [2], [4])
        assert (seen(server, BOB), answered(server, BOB)) == ([], [3])
        assert {server.users[user]["u_lastcall"] for user in (ANN, BOB)} == {str(CALLED)}
        assert (tag(store), tag(store, MAIL_VISITS)) == ("1:3|2", "4|")
        asked = len(server.asked)
        yield
        assert not any(one.startswith(b"ASUP") for one in server.asked[asked:])
        mark(store, ANN, second, seen=False, answered=False)
        unmark(store, ANN, first)
        yield
        assert (seen(server), answered(server), tag(store)) == ([3], [], "3|")
        assert feed_end(store) == end + 2
        assert follower.state.left_there == []

    follower.tell(story())


def test_marks_of_a_room_that_is_renamed_just_then_are_set_after_the_next_look(
    server: WritableServer, follower: Follower
) -> None:
    def story():
        yield
        mark(follower.store, ANN, here(follower.store)[2], seen=True)
        server.once_before(b"IMAP SELECT", lambda: server.rename(1, "Foyer"))
        for _ in range(3):
            yield
        assert seen(server) == [1, 3]
        assert (follower.state.left_there, follower.state.behind_there) == ([], False)

    follower.tell(story())


def test_marks_of_a_user_who_is_renamed_just_then_are_set_after_the_next_look(
    server: WritableServer, follower: Follower
) -> None:
    def rename(command: bytes) -> None:
        if command == b"AGUP Ann" and server.asked[-2] == b"LIST":  # who writes looks up the name first
            server.before = lambda _command: None
            server.users[ANN]["u_fullname"] = "Anna"

    def story():
        yield
        mark(follower.store, ANN, here(follower.store)[2], seen=True)
        server.before = rename
        yield
        assert server.users[ANN]["u_fullname"] == "Anna" and seen(server) == [1]
        yield
        yield
        assert seen(server) == [1, 3]
        assert (follower.state.left_there, follower.state.behind_there) == ([], False)

    follower.tell(story())


def test_what_was_read_is_marked_in_a_room_that_imap_cannot_name_and_answers_are_told(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        yield
        server.rename(1, "Dépôt 📦")
        server.visits[1, ANN]["v_answered"] = "3"
        yield
        first, second, third = here(store)
        mark(store, ANN, first, seen=False)
        mark(store, ANN, second, seen=True, answered=True)
        mark(store, ANN, third, seen=True)
        yield
        assert (seen(server), answered(server), tag(store)) == ([2, 3], [3], "2:3|")
        assert server.users[ANN]["u_lastcall"] == str(CALLED)
        (left,) = follower.state.left_there
        assert "an answer is marked by IMAP alone, which cannot name the room" in left and second in left

    follower.tell(story())


@pytest.mark.parametrize("name", ["Lobby", "Dépôt 📦"])
def test_who_has_read_nothing_any_more_is_not_told_to_have_read_up_to_where_that_was_last(
    server: WritableServer, follower: Follower, name: str
) -> None:
    """By IMAP, and where that cannot name the room; the server shows that of an empty set."""

    server.read_all(1, ANN, 3)

    def story():
        yield
        server.rename(1, name)
        yield
        for number, message in enumerate(here(follower.store)):
            mark(follower.store, ANN, message, seen=False)
            yield
            assert seen(server) == [2, 3][number:]
        assert follower.state.left_there == []
        yield
        assert seen(server) == []

    follower.tell(story())


def test_marks_of_a_room_with_letters_of_all_kinds_are_set_by_imap(server: WritableServer, follower: Follower) -> None:
    def story():
        yield
        server.rename(1, "Dépôt & Büro")
        yield
        mark(follower.store, ANN, here(follower.store)[1], answered=True)
        yield
        assert (answered(server), follower.state.left_there) == ([2], [])

    follower.tell(story())


def test_marks_that_are_followed_as_well_do_not_come_back(
    make_store: Make, server: WritableServer, follower: Follower, tmp_path: Path
) -> None:
    store = make_store("n")

    def story():
        yield
        mark(store, ANN, here(store)[2], seen=True)
        server.visits[1, ANN]["v_seen"] = "2"
        for _ in range(5):
            yield
        assert seen(server) == [2, 3]
        end = feed_end(store)
        for _ in range(5):
            yield
        assert feed_end(store) == end

    Follower(store, tmp_path / "citadel", marks_s=1.0).tell(story())


def test_marks_of_who_was_never_there_before_are_taken_back(server: WritableServer, follower: Follower) -> None:
    store = follower.store

    def story():
        yield
        (first, *_) = here(store)
        mark(store, BOB, first, seen=True)
        yield
        assert (seen(server, BOB), tag(store, user=BOB)) == ([1], "1|")
        mark(store, BOB, first, seen=False)
        yield
        assert (seen(server, BOB), tag(store, user=BOB)) == ([], "|")

    follower.tell(story())


def test_what_a_user_changed_there_meanwhile_stands(server: WritableServer, follower: Follower) -> None:
    store = follower.store

    def story():
        yield
        first, second, _ = here(store)
        server.mark(1, ANN, "v_seen", "1", False)
        mark(store, ANN, first, seen=True)
        mark(store, ANN, second, seen=True)
        yield
        assert seen(server) == [2]

    follower.tell(story())


def test_marks_of_who_cannot_be_logged_in_are_told(server: WritableServer, follower: Follower) -> None:
    store = follower.store

    def story():
        yield
        (first, *_) = here(store)
        mark(store, NOBODY, first, seen=True)
        mark(store, 7, first, seen=True)
        mark(store, BOB, first, MAIL_VISITS, seen=True)
        yield
        assert [line.rpartition(": ")[2] for line in sorted(follower.state.left_there)] == [
            "the message is not there",
            "its user is not there, or has no password of its own",
            "its user is not there, or has no password of its own",
        ]
        told = {line.partition(": ")[0] for line in follower.state.left_there}
        assert told == {"marks in Lobby", "marks in 0000000002.Mail"}

    follower.tell(story())


def test_a_password_that_was_just_changed_is_not_put_back(server: WritableServer, follower: Follower) -> None:
    store = follower.store

    told = 0

    def changed(command: bytes) -> None:
        nonlocal told
        told += command == b"AGUP Ann"
        if told == 3:  # once to log in, once to put the last call back, and just before that is written
            server.users[ANN]["u_password"] = "newer"

    def story():
        yield
        (_, second, _) = here(store)
        server.users[ANN]["u_password"] = "new"
        mark(store, ANN, second, seen=True)
        yield
        assert seen(server) == [1]  # which the next sweep of accounts tells
        for _ in range(12):
            yield
        assert seen(server) == [1, 2]
        mark(store, ANN, second, seen=False)
        server.before = changed
        yield
        server.before = lambda _command: None
        assert (server.users[ANN]["u_password"], server.users[ANN]["u_lastcall"]) == ("newer", str(CALLED))

    follower.tell(story())


def test_a_last_call_is_put_back_by_the_next_connection_where_a_node_died(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store

    def dead(_command: bytes) -> None:
        raise HungUp

    def cut(command: bytes) -> None:
        if command == b"IMAP UID":
            server.before = dead
            raise HungUp

    def story():
        yield
        mark(store, ANN, here(store)[1], seen=True)
        server.before = cut
        yield

    follower.tell(story(), ConnectionLost)
    server.before = lambda _command: None
    assert server.users[ANN]["u_lastcall"] == str(server.now)

    def again():
        yield
        assert (seen(server), server.users[ANN]["u_lastcall"]) == ([1, 2], str(CALLED))

    follower.tell(again())


def test_marks_that_the_server_has_no_room_for_are_told(
    server: WritableServer, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.citadel.protocol.imap.NUMBERS_AT_ONCE", 50)
    server.highest = 10**12
    for number in range(700):
        server.post(1, f"more {number}")
    store = follower.store

    def story():
        yield
        drafts = [Draft(VISITS, f"alpha:{ANN} {one}", head=pack_head({"seen": True})) for one in here(store)[::2]]
        store.write(lambda writer: [writer.write(draft) for draft in drafts])
        yield
        yield
        told = server.visits[1, ANN]["v_seen"]
        assert 4000 < len(told) < 4096 and told == tag(store).removesuffix("|")
        assert follower.state.left_there == []
        end = feed_end(store)
        yield
        assert feed_end(store) == end

    follower.tell(story())


def test_what_was_never_read_is_not_read_where_a_node_died_while_it_took_the_last_mark_back(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    server.read_up_to[1, ANN] = 3

    def dead(_command: bytes) -> None:
        raise HungUp

    def cut(command: bytes) -> None:
        if command == b"SLRP 0":
            server.before = dead
            raise HungUp

    def story():
        yield
        mark(store, ANN, here(store)[0], seen=False)
        server.before = cut
        yield

    follower.tell(story(), ConnectionLost)
    server.before = lambda _command: None

    def again():
        for _ in range(3):
            yield
        assert seen(server) == []

    follower.tell(again())
