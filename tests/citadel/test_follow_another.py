"""A followed server that is another one by now, made anew or restored from a backup, takes nothing back."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_followed import a_server, backup, restore
from made_follower import TALK, ReadingFollower, feed_end, state, texts
from made_live import HungUp, LiveServer
from made_server import CREATED

from mirror.model.draft import Draft, base_of
from mirror.peer.channel import ConnectionLost
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
Story = Iterator[None]


@pytest.fixture
def server() -> LiveServer:
    return a_server()


@pytest.mark.parametrize("since", [0, 2, 5], ids=["older", "as many messages", "more messages"])
def test_a_server_restored_from_a_backup_takes_nothing_back(
    make_store: Make, server: LiveServer, directory: Path, since: int
) -> None:
    """What came since the backup stays, what was changed since is the mirror's, and what is new there comes."""
    store = make_store("m")
    ReadingFollower(store, directory).tell(iter([None]))
    held = backup(server)
    server.post(1, "lost"), server.post(1, "lost too")
    server.rooms[2]["QRname"] = "Foyer"
    server.delete(1, 1)
    server.visit(1, 2, "1:5")
    ReadingFollower(store, directory).tell(iter([None]))
    lost = state(store)
    restore(server, held)
    for number in range(since):
        server.post(1, f"new {number}", name=f"new-{number}@alpha")
    follower = ReadingFollower(store, directory)

    def story() -> Story:
        assert follower.following.state.another
        assert texts(store) == sorted(["lost", "lost too", "two", "three", *(f"new {one}" for one in range(since))])
        assert state(store)["rooms"] == lost["rooms"]
        assert all(state(store)["visits/alpha:1"][key] == mark for key, mark in lost["visits/alpha:1"].items())
        server.delete(1, 2)
        server.rooms[2]["QRflags"] = "6"
        yield
        yield
        assert "two" not in texts(store) and "lost" in texts(store)
        assert state(store)["rooms"]["alpha:2"] == lost["rooms"]["alpha:2"] | {"QRflags": "6"}

    follower.tell(story())
    again = ReadingFollower(store, directory)
    again.tell(iter([None]))
    assert again.following.state.written == follower.following.state.written
    assert store.read(lambda reader: reader.conflict_count()) == 0


def test_a_server_restored_from_a_backup_since_which_nothing_happened_is_the_one_it_was(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    held = backup(server)
    ReadingFollower(store, directory).tell(iter([None]))
    end = feed_end(store)
    restore(server, held)
    follower = ReadingFollower(store, directory)
    follower.tell(iter([None]))
    assert (feed_end(store), follower.following.state.another, follower.following.state.held) == (end, "", [])


def test_a_visit_that_was_told_by_nothing_before_a_restore_is_not_taken_for_a_new_one(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """How the user viewed the room was how all did then; one in which anything was read is taken."""
    store = make_store("m")
    ReadingFollower(store, directory).tell(iter([None]))
    server.visit(2, 2, "0", v_flags="4")
    server.visit(2, 1, "3")
    held = backup(server)
    server.visits.clear()
    server.rooms[2]["QRdefaultview"] = "3"
    server.post(1, "lost")
    ReadingFollower(store, directory).tell(iter([None]))
    restore(server, held)
    ReadingFollower(store, directory).tell(iter([None]))
    assert state(store)["visits/alpha:2"].keys() == {"alpha:1"}


@pytest.mark.parametrize("field", ["T", "I"])
def test_a_message_of_the_same_key_with_another_time_or_id_is_another_one(
    make_store: Make, server: LiveServer, directory: Path, field: str
) -> None:
    """A number that was given anew: to a message of one id at another time, to an item whose message is another one."""
    store = make_store("m")
    number = server.post(2, "item", euid="ev") if field == "I" else server.post(2, "mail", name="m@alpha")
    ReadingFollower(store, directory).tell(iter([None]))
    again = ReadingFollower(store, directory)
    again.tell(iter([None]))
    assert not again.following.state.another
    data = server.messages[number]
    other = data.replace(b"T%d\0" % (CREATED + 300), b"T%d\0" % (CREATED + 301 if field == "T" else CREATED + 300))
    server.messages[number] = other if field == "T" else data.replace(b"E" + b"ev", b"Iother@alpha\0Eev")
    follower = ReadingFollower(store, directory)
    follower.tell(iter([None]))
    assert follower.following.state.another.startswith(f"its message {number} is another one")


def test_an_item_that_was_changed_here_is_still_the_one_that_is_there(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    server.post(2, "item", euid="ev")
    ReadingFollower(store, directory).tell(iter([None]))
    (key,) = store.read(lambda reader: [one.key for one in reader.scan_all(TALK)])
    (held,) = store.read(lambda reader: [reader.body(one) for one in reader.scan_all(TALK)])
    base = store.read(lambda reader: base_of(reader.get(TALK, key)))
    changed = Draft(TALK, key, base, body=held.replace(b"T%d\0" % (CREATED + 300), b"T%d\0" % (CREATED + 400)))
    store.write(lambda writer: writer.write(changed))
    follower = ReadingFollower(store, directory)
    follower.tell(iter([None]))
    assert not follower.following.state.another


def test_an_item_that_the_server_made_anew_as_it_was_is_still_the_one_that_is_there(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    card = "Content-type: text/x-vcard\n\nBEGIN:VCARD\nUID:c\nFN:Ann\nEND:VCARD\n"
    server.post(2, card, euid="c")
    ReadingFollower(store, directory).tell(iter([None]))
    number = server.post(2, card, euid="c")
    server.messages[number] = server.messages[number].replace(b"Ec\0", b"Ec\0Iother@alpha\0")
    for _ in range(2):
        follower = ReadingFollower(store, directory)
        follower.tell(iter([None, None]))
    assert not follower.following.state.another


def test_pairing_anew_that_is_interrupted_goes_on(make_store: Make, server: LiveServer, directory: Path) -> None:
    store = make_store("m")
    held = backup(server)
    server.post(1, "lost")
    ReadingFollower(store, directory).tell(iter([None]))
    restore(server, held)
    for cut in range(1, 400):
        left = cut

        def fail(_command: bytes) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise HungUp

        server.before = fail
        try:
            ReadingFollower(store, directory).tell(iter([None]))
            break
        except ConnectionLost:
            assert texts(store) == ["lost", "one", "three", "two"]
    assert cut > 10
    assert texts(store) == ["lost", "one", "three", "two"]


def test_a_server_that_was_set_up_anew_deletes_nothing(make_store: Make, server: LiveServer, directory: Path) -> None:
    store = make_store("m")
    ReadingFollower(store, directory).tell(iter([None]))
    fresh = LiveServer(created=server.created + 5)
    fresh.user(1, "admin")
    fresh.room(1, "Lobby")
    for number in range(9):
        fresh.post(1, f"new {number}", name=f"new-{number}@alpha")
    server.created = fresh.created
    restore(server, backup(fresh))
    follower = ReadingFollower(store, directory)
    follower.tell(iter([None]))
    assert "set up" in follower.following.state.another
    assert texts(store) == sorted(["one", "two", "three", *(f"new {number}" for number in range(9))])
    assert store.read(lambda reader: reader.get("users", "alpha:2")).dead is False
