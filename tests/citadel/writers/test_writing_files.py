"""Files of rooms from elsewhere are written into a made-up server, as a whole or not at all, and nothing is posted."""

from collections.abc import Iterator

import pytest
from made_follower import Follower, delete, feed_end
from made_live import HungUp
from made_writable import WritableServer, written_into

from mirror.model.drafting import draft_over
from mirror.model.record import pack_head
from mirror.peer.channel import ConnectionLost
from mirror.store.base import Store

FILES, DROP = "files/alpha:1", 1


@pytest.fixture
def server() -> Iterator[WritableServer]:
    server = WritableServer()
    server.room(DROP, "Drop Box", QRflags=str(2 | 32 | 256), QRdirname="dropbox")
    server.file(DROP, "old.txt", b"old", comment="as it was")
    with written_into(server):
        yield server


def put(store: Store, name: str, data: bytes, comment: str = "") -> None:
    head = pack_head({"name": name, "type": "text/plain", "comment": comment, "bytes": len(data)})
    store.write(lambda writer: writer.write(draft_over(writer.get(FILES, name), FILES, name, head=head, body=data)))


def there(server: WritableServer) -> dict[str, bytes]:
    return {name: one.data for name, one in server.files[DROP].items()}


def look_at_files(follower: Follower) -> None:
    follower.time += 61


def test_files_are_there_and_do_not_come_back(server: WritableServer, follower: Follower) -> None:
    store = follower.store

    def story():
        yield
        put(store, "new.txt", b"n" * 10_000, "a | new\none")
        put(store, "empty.txt", b"")
        put(store, "old.txt", b"changed")
        end = feed_end(store)
        yield
        assert there(server) == {"new.txt": b"n" * 10_000, "empty.txt": b"", "old.txt": b"changed"}
        assert server.files[DROP]["new.txt"].comment == "a new one"
        assert not any(server.lists.values())
        look_at_files(follower)
        yield
        yield
        assert (feed_end(store), follower.state.written_there, follower.state.left_there) == (end, 3, [])
        delete(store, FILES, "new.txt", "old.txt")
        yield
        assert there(server) == {"empty.txt": b""}

    follower.tell(story())


def test_a_file_that_was_changed_there_meanwhile_is_looked_at_first(server: WritableServer, follower: Follower) -> None:
    store = follower.store

    def story():
        yield
        put(store, "old.txt", b"mine")
        put(store, "new.txt", b"mine")
        server.now += 10
        server.file(DROP, "old.txt", b"theirs")
        server.file(DROP, "new.txt", b"theirs, too")
        yield
        assert there(server) == {"old.txt": b"theirs", "new.txt": b"theirs, too"}
        look_at_files(follower)
        yield
        yield
        assert there(server)["old.txt"] == b"theirs"
        assert len(store.read(lambda reader: reader.conflicts())) == 2

    follower.tell(story())


@pytest.mark.parametrize("at", [b"UOPN", b"WRIT", b"UCLS", b"DELF"])
def test_a_part_of_a_file_is_taken_for_none(server: WritableServer, follower: Follower, at: bytes) -> None:
    store = follower.store

    def dead(_command: bytes) -> None:
        raise HungUp

    def cut(command: bytes) -> None:
        if command.startswith(at):
            server.before = dead
            raise HungUp

    def story():
        yield
        put(store, "old.txt", b"x" * 10_000)
        server.before = cut
        yield

    follower.tell(story(), ConnectionLost)
    server.before = lambda _command: None
    end = feed_end(store)

    def again():
        yield
        look_at_files(follower)
        yield
        yield
        assert (there(server), feed_end(store)) == ({"old.txt": b"x" * 10_000}, end)

    follower.tell(again())


def test_files_that_the_server_cannot_keep_are_told(server: WritableServer, follower: Follower) -> None:
    store = follower.store

    def story():
        yield
        put(store, "filedir", b"x")
        put(store, "a|b", b"x")
        put(store, "n" * 60, b"x")
        yield
        assert sorted(line.rpartition(": ")[2] for line in follower.state.left_there) == [
            "its path is over 63 bytes, and the server could not delete it",
            "the server keeps no file of that name",
            "the server keeps no file of that name",
        ]
        assert list(there(server)) == ["old.txt"]

    follower.tell(story())


def test_files_of_a_room_that_is_renamed_just_then_are_there_after_the_next_look(
    server: WritableServer, follower: Follower
) -> None:
    def story():
        yield
        put(follower.store, "new.txt", b"new")
        server.once_before(b"GOTO Drop Box", lambda: server.rename(DROP, "Renamed"))
        for _ in range(3):
            yield
        assert there(server)["new.txt"] == b"new"
        assert (follower.state.left_there, follower.state.behind_there) == ([], False)

    follower.tell(story())
