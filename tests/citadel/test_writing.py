"""What comes from elsewhere is written into a made-up server: once, where nothing acts on it, and stays there."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_follower import LOBBY, MAIL, TALK, Follower, delete, feed_end, here, post, there
from made_live import HungUp
from made_writable import TRANSIT, WritableServer, written_into

from mirror.citadel.following.identity import pair_anew
from mirror.citadel.looks.remembered import Identity
from mirror.citadel.meaning.homes import settle
from mirror.citadel.meaning.keys import Keys, read_keys
from mirror.citadel.protocol.client import LoginFailed
from mirror.citadel.writers.not_written import KEPT, NOT_WRITTEN
from mirror.formats.errors import CitadelError
from mirror.formats.mail import MAIL_HEAD, compose_mail
from mirror.formats.message import parse_message
from mirror.model.draft import Draft
from mirror.model.record import Record
from mirror.peer.channel import ConnectionLost
from mirror.store.base import Store
from mirror.store.check import check_store
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]


@pytest.fixture
def server() -> Iterator[WritableServer]:
    server = WritableServer()
    server.user(2, "Ann")
    server.room(1, "Lobby")
    server.room(2, "Talk")
    server.room(3, "0000000002.Mail", QRflags="16390")
    for text in ("one", "two", "three"):
        server.post(1, text)
    with written_into(server):
        yield server


PLAIN = "Content-type: text/plain\n\nhello\n"


def test_what_is_posted_elsewhere_is_there_once_and_does_not_come_back(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        yield
        post(store, LOBBY, "a@beta", PLAIN, R=b"x@beta", W=b"r@beta|q@beta")
        post(store, LOBBY, "b@beta", "flowing text\n", 0)
        post(store, MAIL, "c@beta", PLAIN)
        end = feed_end(store)
        yield
        assert there(server, 1)[3:] == [
            ("a@beta", "Content-type: text/plain\n\n\nhello"),
            ("b@beta", "Content-type: text/plain; charset=UTF-8; format=flowed\n"
             "Content-transfer-encoding: 8bit\n\n\nflowing text"),
        ]  # fmt: skip
        assert [name for name, _ in there(server, 3)] == ["c@beta"]
        told = store.read(lambda reader: reader.scan_statuses("citadel:alpha", LOBBY))
        assert [int(one.foreign) for one in told] == server.lists[1]
        told = parse_message(server.messages[server.lists[1][3]])
        said = [told.text(letter) for letter in "TARWUF"]
        assert said == [
            "1690000500",
            "Bob",
            "x@beta",
            "r@beta|q@beta",
            "s",
            "bob@beta",
        ]
        asked = len(server.asked)
        yield
        yield
        assert (feed_end(store), follower.state.written_there, follower.state.left_there) == (end, 3, [])
        assert not any(one.startswith((b"MOVE", b"DELE")) for one in server.asked[asked:])

    follower.tell(story())
    assert server.appended == 3
    assert server.lists[max(server.rooms)] == []
    assert check_store(store).problems == []


def test_where_nothing_came_the_keys_of_what_the_server_has_are_not_read(
    store: Store, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []

    def counted(reader, place: str, node: str) -> Keys:
        reads.append(place)
        return read_keys(reader, place, node)

    monkeypatch.setattr("mirror.citadel.writing.read_keys", counted)

    def story():
        yield
        yield
        reads.clear()
        for _ in range(3):
            yield
        assert reads == []
        post(store, LOBBY, "a@beta", PLAIN)
        yield
        assert reads == ["citadel:alpha"]
        yield
        assert (reads, follower.state.written_there) == (["citadel:alpha"], 1)

    follower.tell(story())


FILED = (
    b"Received: from x by y\nFrom: =?utf-8?q?Zo=C3=AB?= <zoe@beta>\nTo: ann@alpha\n"
    b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nMessage-ID: <f@beta>\n"
    b"References: <r@beta>\nContent-Type: text/plain; charset=utf-8\nX-Mine: y\n\nhello\n"
)


def test_a_file_of_mail_is_there_with_each_header_once_and_stays_a_file_here(
    server: WritableServer, store: Store, directory: Path
) -> None:
    made = compose_mail(FILED)

    def held() -> Record | None:
        return store.read(lambda reader: reader.get(MAIL, made.key))

    def story():
        yield
        store.write(lambda writer: writer.write(Draft(MAIL, made.key, head=MAIL_HEAD, body=made.body)))
        before = held()
        yield
        (number,) = server.lists[3]
        told = parse_message(server.messages[number])
        assert told.get("M") == b"Content-Type: text/plain; charset=utf-8\nX-Mine: y\n\n\nhello\n"
        assert [told.text(one) for one in "IARW"] == ["f@beta", "Zoë", "ann@alpha", "r@beta"]
        assert told.text("U") == "=?utf-8?b?R3LDvMOfZQ==?="
        end = feed_end(store)
        yield
        # Its number is forgotten, as where it was written just before a node was killed.
        store.write(lambda writer: writer.drop_statuses("citadel:alpha", MAIL, [str(number)]))
        yield
        yield
        assert held() == before and here(store, MAIL) == [made.key] and feed_end(store) == end

    Follower(store, directory).tell(story())
    assert server.appended == 1 and len(server.lists[3]) == 1


@pytest.mark.parametrize("at", [b"IMAP APPEND", b"MOVE", b"after MOVE"])
def test_a_node_that_loses_the_server_in_the_middle_writes_it_once(
    store: Store, server: WritableServer, directory: Path, at: bytes
) -> None:
    def cut(command: bytes) -> None:
        verb = b"ECHO" if at.startswith(b"after") and server.lists[1][3:] else at
        if (command.startswith(verb) and not at.startswith(b"after")) or (verb == b"ECHO" and command.startswith(verb)):
            server.before = lambda _command: None
            raise HungUp

    def story():
        yield
        for name in ("a@beta", "b@beta"):
            post(store, LOBBY, name, "fixed\n", 1)
        server.before = cut
        yield

    Follower(store, directory).tell(story(), ConnectionLost)
    end = feed_end(store)

    def again():
        yield
        yield

    Follower(store, directory).tell(again())
    assert [name for name, _ in there(server, 1)[3:]] == ["a@beta", "b@beta"]
    assert sorted(here(store))[3:] == ["id:a@beta", "id:b@beta"]
    assert feed_end(store) == end


def test_what_is_deleted_and_moved_elsewhere_is_there(server: WritableServer, follower: Follower) -> None:
    store = follower.store

    def story():
        yield
        first, second, _ = here(store)
        held = store.read(lambda reader: reader.get(LOBBY, second))
        delete(store, LOBBY, first, second)
        store.write(lambda writer: writer.put(Record(TALK, second, 1, "m", 1, body=held.body)))
        end = feed_end(store)
        yield
        assert (server.lists[1], server.lists[2], server.appended) == ([3], [2], 0)
        yield
        assert feed_end(store) == end
        assert follower.state.written_there == 2

    follower.tell(story())


def test_a_message_that_was_changed_of_place_or_gone_there_meanwhile_is_no_error(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        yield
        gone = here(store)[0]
        delete(store, LOBBY, gone)
        server.before = lambda command: server.lists[1].remove(1) if command == b"DELE 1" else None
        yield
        server.before = lambda _command: None
        assert server.lists[1] == [2, 3]
        yield
        assert follower.state.left_there == []

    follower.tell(story())


def test_very_many_deletions_of_a_room_wait_until_they_are_approved(server: WritableServer, follower: Follower) -> None:
    store = follower.store
    for number in range(17):
        server.post(1, f"more {number}")

    def story():
        yield
        delete(store, LOBBY, *here(store)[:12])
        yield
        post(store, TALK, "a@beta", PLAIN)
        yield
        assert follower.state.held_there == {LOBBY: 12}
        assert (len(server.lists[1]), len(server.lists[2])) == (20, 1)
        follower.following.approve()
        yield
        assert len(server.lists[1]) == 8
        yield
        assert follower.state.held_there == {}

    follower.tell(story())


def test_very_many_deletions_that_are_refused_stay_there(server: WritableServer, follower: Follower) -> None:
    store = follower.store
    for number in range(17):
        server.post(1, f"more {number}")

    def story():
        yield
        delete(store, LOBBY, *here(store)[:12])
        yield
        assert follower.state.held_there == {LOBBY: 12}
        follower.following.refuse()
        post(store, LOBBY, "a@beta", PLAIN)
        end = feed_end(store)
        yield
        yield
        assert follower.state.held_there == {}
        assert (len(server.lists[1]), feed_end(store)) == (21, end)

    follower.tell(story())


def test_a_room_that_cannot_be_entered_keeps_nothing_waiting_and_is_told_after_a_while(
    server: WritableServer, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.citadel.writers.later.TRIES", 3)
    monkeypatch.setattr("mirror.citadel.writers.later.ROUNDS", 4)
    store = follower.store

    def story():
        yield
        server.locked.add("Talk")
        post(store, TALK, "a@beta", PLAIN)
        post(store, LOBBY, "b@beta", PLAIN)
        yield
        assert follower.state.left_there == []
        assert [name for name, _ in there(server, 1)[3:]] == ["b@beta"]
        yield
        yield
        assert follower.state.left_there == ["Talk: id:a@beta: it cannot be entered"]
        server.locked.clear()
        for _ in range(4):
            yield
        assert ([name for name, _ in there(server, 2)], follower.state.left_there) == (["a@beta"], [])

    follower.tell(story())


def test_what_was_left_is_written_once_it_can_be_though_the_node_was_down_meanwhile(
    store: Store, server: WritableServer, directory: Path
) -> None:
    server.netconfigs[2] = ["listrecp|x@example.net"]
    store.write(lambda writer: settle(writer, "rooms", "alpha:2", "citadel:beta"))

    def story():
        yield
        post(store, TALK, "a@beta", PLAIN)
        yield
        yield
        assert server.appended == 0

    Follower(store, directory).tell(story())
    server.netconfigs.clear()
    follower = Follower(store, directory)

    def again():
        yield
        assert ([name for name, _ in there(server, 2)], follower.state.left_there) == (["a@beta"], [])
        end = feed_end(store)
        yield
        yield
        assert (server.appended, feed_end(store)) == (1, end)

    follower.tell(again())


def test_nothing_is_put_where_something_would_act_on_it(store: Store, server: WritableServer, directory: Path) -> None:
    server.netconfigs[2] = ["listrecp|x@example.net"]
    server.room(5, "0000000002.My Citadel Config", QRflags="16390")
    number = server.post(5, "Content-type: application/x-citadel-sieve-config\n\nrule|0|vacation")
    server.messages[number] = server.messages[number].replace(b"Us\0", b"Uinbox rules configuration\0")
    follower = Follower(store, directory)
    store.write(lambda writer: settle(writer, "rooms", "alpha:2", "citadel:beta"))

    def story():
        yield
        first = here(store)[0]
        held = store.read(lambda reader: reader.get(LOBBY, first))
        delete(store, LOBBY, first)
        store.write(lambda writer: writer.put(Record(TALK, first, 1, "m", 1, body=held.body)))
        post(store, TALK, "a@beta", PLAIN)
        post(store, MAIL, "b@beta", PLAIN)
        post(store, LOBBY, "c é@beta", PLAIN)
        yield
        assert (server.lists[2], server.lists[3], server.appended) == ([], [], 0)
        assert [line.rpartition(": ")[2] for line in sorted(follower.state.left_there)] == [
            "its owner has inbox rules, which would act on it",
            "its message id is none that a server keeps",
            "it mails what is posted there",
            "it mails what is posted there",
            "listrecp|x@example.net is in force there, too, besides its home",
        ]

    follower.tell(story())


def test_what_is_to_be_moved_into_a_room_that_is_renamed_just_then_is_there_after_the_next_look(
    store: Store, server: WritableServer, follower: Follower
) -> None:
    def story():
        yield
        post(store, TALK, "a@beta", "wanted")
        server.once_before(b"MOVE", lambda: server.rename(2, "Renamed"))
        for _ in range(4):
            yield
        assert [name for name, _ in there(server, 2)] == ["a@beta"]
        assert (follower.state.left_there, follower.state.behind_there) == ([], False)

    follower.tell(story())


def test_what_a_room_refuses_is_told_and_thrown_away(store: Store, server: WritableServer, directory: Path) -> None:
    server.closed.add(2)
    follower = Follower(store, directory)

    def story():
        yield
        post(store, TALK, "a@beta", PLAIN)
        yield
        assert follower.state.left_there == ["Talk: id:a@beta: it cannot be moved there"]
        assert server.lists[max(server.rooms)] == []
        assert "id:a@beta" in here(store, TALK)
        yield
        assert server.appended == 1

    follower.tell(story())


def test_what_the_server_keeps_is_read_back_before_it_is_in_its_room(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        yield
        server.instead = {"I": b"another@alpha"}
        post(store, LOBBY, "a@beta", PLAIN)
        yield
        assert len(there(server, 1)) == 3
        server.instead = {"A": b"Somebody else"}
        post(store, LOBBY, "b@beta", PLAIN)
        yield
        assert [name for name, _ in there(server, 1)[3:]] == ["b@beta"]
        assert [line.rpartition(": ")[0] for line in follower.state.left_there] == [
            "Lobby: id:a@beta",
            "Lobby: id:b@beta: it is written, but not as it is here",
        ]

    follower.tell(story())


def test_one_mail_that_came_to_both_at_once_is_there_once(server: WritableServer, follower: Follower) -> None:
    store = follower.store

    def arrive(command: bytes) -> None:
        if command == b"IMAP APPEND" and len(server.lists[3]) == 0:
            number = server.post(3, PLAIN, name="a@beta")
            server.messages[number] = store.read(lambda reader: reader.body(reader.get(MAIL, "id:a@beta")))

    def story():
        yield
        post(store, MAIL, "a@beta", PLAIN)
        server.before = arrive
        yield
        assert [name for name, _ in there(server, 3)] == ["a@beta"]
        yield

    follower.tell(story())
    assert [name for name, _ in there(server, 3)] == ["a@beta"]


def test_of_two_mails_of_one_id_that_came_to_one_each_at_once_both_are_there(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        yield
        post(store, LOBBY, "one@elsewhere", "one text")
        server.once_before(b"IMAP APPEND", lambda: server.post(1, "another text", name="one@elsewhere"))
        for _ in range(3):
            yield
        assert sorted(text for _, text in there(server, 1) if text.endswith("text")) == ["another text", "one text"]
        assert follower.state.left_there == []

    follower.tell(story())


def test_a_restored_server_gets_what_came_since_again_and_twice_nothing(
    store: Store, server: WritableServer, directory: Path
) -> None:
    def story():
        yield
        post(store, LOBBY, "a@beta", PLAIN)
        post(store, LOBBY, "b@beta", PLAIN)
        yield

    Follower(store, directory).tell(story())
    server.lists[1] = server.lists[1][:-1]
    end = feed_end(store)
    pair_anew(store, "alpha", Identity(str(server.created), server.highest), "restored", lambda: None)

    def again():
        yield
        yield
        yield

    Follower(store, directory).tell(again())
    assert [name for name, _ in there(server, 1)[3:]] == ["a@beta", "b@beta"]
    assert feed_end(store) == end


def test_a_node_that_takes_over_does_not_take_what_was_written_for_others(
    make_store: Make, server: WritableServer, directory: Path
) -> None:
    store, other = make_store("m"), make_store("o")

    def story():
        yield
        post(store, LOBBY, "a@beta", "flowing\n", 0)
        yield

    Follower(store, directory).tell(story())
    post(other, LOBBY, "a@beta", "flowing\n", 0)

    def again():
        yield
        yield

    Follower(other, directory).tell(again())
    assert len(here(other)) == 4
    assert len(server.lists[1]) == 4


def test_who_cannot_log_in_is_told_and_what_server_is_not_written_into(
    make_store: Make, server: WritableServer, directory: Path
) -> None:
    def story():
        yield

    Follower(make_store("m"), directory, "wrong").tell(story(), LoginFailed)
    server.settings["c_journal_pubmsgs"] = "1"
    Follower(make_store("j"), directory).tell(story(), CitadelError)
    server.settings |= {"c_journal_pubmsgs": "0", "c_imap_port": "-1"}
    Follower(make_store("o"), directory).tell(story(), CitadelError)
    assert not any(room["QRname"].endswith(TRANSIT) for room in server.rooms.values())


def test_what_is_kept_and_what_is_not_written_stands_in_the_manual() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "citadel.md").read_text()
    for table in (KEPT, NOT_WRITTEN):
        assert "".join(f"| {' | '.join(row)} |\n" for row in table) in manual
