"""Files and system messages the second time: what changed on the server is fetched, what is gone there goes.

The recorded server lists four files, and tells of two what is in them.
"""

import tracemalloc
from collections.abc import Callable

import pytest
from recorded_server import Recording

from mirror.citadel.looks.decided import Decision, HeldBack, Verdict
from mirror.citadel.migr.importer import Importer
from mirror.citadel.migr.leftovers import Fetched, FileRoom, fetch_leftovers
from mirror.citadel.protocol.client import CitadelClient
from mirror.peer.channel import Channel
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
Server = Callable[..., Channel]
FILES, BANNERS = "files/alpha:43", "system-messages"
LISTED = ("Drop Box", "", "RDIR")
ROOMS = [FileRoom(43, "Drop Box", "", 482)]


@pytest.fixture
def store(make_store: Make, server: Server) -> SqliteStore:
    """A store that took over all of a server."""
    store = make_store("m")
    client = CitadelClient(server())
    importer = Importer(store, "server")
    importer.run(client.export())
    assert importer.file_rooms == ROOMS
    fetch_leftovers(client, store, "alpha", importer.file_rooms)
    client.quit()
    return store


def again(store: SqliteStore, server: Server, **options: Decision) -> Fetched:
    client = CitadelClient(server())
    fetched = fetch_leftovers(client, store, "alpha", ROOMS, **options)
    client.quit()
    return fetched


def names(store: SqliteStore, collection: str = FILES) -> list[str]:
    return store.read(lambda reader: [record.key for record in reader.scan_all(collection)])


def sequence(store: SqliteStore) -> int:
    return store.read(lambda reader: reader.last_sequence())


def without(recording: Recording, *lines: bytes) -> None:
    listed = recording.answers[LISTED].splitlines(keepends=True)
    recording.answers[LISTED] = b"".join(line for line in listed if not line.startswith(lines))


def test_what_is_the_same_is_neither_fetched_nor_written(store: SqliteStore, server: Server) -> None:
    before = sequence(store), store.read(lambda reader: reader.committed_ms())
    fetched = again(store, server)
    assert (fetched.files, fetched.unchanged, fetched.applied.written) == (0, 2, 0)
    assert (sequence(store), store.read(lambda reader: reader.committed_ms())) == before


def test_a_file_that_is_gone_is_deleted_and_those_of_a_room_that_cannot_be_listed_stay(
    store: SqliteStore, server: Server, recording: Recording
) -> None:
    whole = recording.answers[LISTED]
    recording.answers[LISTED] = b"540 no\n"
    assert "room 'Drop Box': 540 no" in again(store, server).refused
    assert sorted(names(store)) == ["big.bin", "small.bin"]
    recording.answers[LISTED] = whole
    without(recording, b"small.bin|")
    fetched = again(store, server)
    assert (fetched.deleted, fetched.files) == (1, 0)
    assert names(store) == ["big.bin"]


def test_a_file_that_was_replaced_is_this_nodes_edit_and_fetched_once(
    store: SqliteStore, server: Server, recording: Recording
) -> None:
    place = ("Drop Box", "", "OPEN small.bin")
    recording.answers[place] = recording.answers[place].replace(b"1795476280", b"1795476299")
    assert again(store, server).files == 1
    at = sequence(store)
    fetched = again(store, server)
    assert (fetched.files, fetched.unchanged, sequence(store)) == (0, 2, at)


def test_a_file_changed_here_stands_whatever_else_changes_there(
    store: SqliteStore, server: Server, recording: Recording
) -> None:
    held = store.read(lambda reader: reader.get(FILES, "small.bin"))
    store.write(lambda writer: writer.put(writer.store_body(held, b"ours")))
    without(recording, b"big.bin|")
    assert again(store, server).deleted == 1
    assert store.read(lambda reader: reader.get(FILES, "small.bin").body) == b"ours"


def test_a_system_message_as_it_is_told_is_compared_with_what_was_told(
    store: SqliteStore, server: Server, recording: Recording
) -> None:
    name = names(store, BANNERS)[0]
    held = store.read(lambda reader: reader.get(BANNERS, name))
    store.write(lambda writer: writer.put(writer.store_body(held, b"ours")))
    at = sequence(store)
    again(store, server)
    assert sequence(store) == at, "what was changed here was taken for a change there"
    recording.answers["", "", f"MESG {name}"] = b"100 it\nanother text\n000\n"
    again(store, server)
    assert store.read(lambda reader: reader.get(BANNERS, name).body) == b"another text\n"
    assert [one.loser.body for one in store.read(lambda reader: reader.conflicts())] == [b"ours"]


def test_very_many_files_that_are_gone_wait(store: SqliteStore, server: Server, recording: Recording) -> None:
    lines = b"".join(b"file %d|1|x/y| \n" % number for number in range(12))
    recording.answers[LISTED] = recording.answers[LISTED].replace(b"000\n", lines + b"000\n")
    for number in range(12):
        recording.answers["Drop Box", "", f"OPEN file {number}"] = b"200 1|1795476280|x|x/y\n"
        recording.answers["Drop Box", f"file {number}", "READ 0"] = b"600 1\nx"
    assert again(store, server).files == 12
    without(recording, b"file ")
    assert again(store, server).held == [HeldBack(FILES, 12, 14)]
    assert len(names(store)) == 14
    assert again(store, server, decision=Decision(Verdict.DELETE)).deleted == 12


def test_a_long_file_is_not_held_in_memory(store: SqliteStore, server: Server, recording: Recording) -> None:
    block, count = bytes(range(256)) * 256, 256
    size = len(block) * count
    line = b"long.bin|%d|x/y| \n" % size
    recording.answers[LISTED] = recording.answers[LISTED].replace(b"000\n", line + b"000\n")
    recording.answers["Drop Box", "", "OPEN long.bin"] = b"200 %d|1795476280|x|x/y\n" % size
    answer = b"600 %d\n" % len(block) + block
    for number in range(count):
        recording.answers["Drop Box", "long.bin", f"READ {number * len(block)}"] = answer
    tracemalloc.start()
    fetched = again(store, server)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (fetched.files, fetched.bytes) == (1, size)
    assert peak < size // 2
    held = store.read(lambda reader: reader.get(FILES, "long.bin"))
    assert held.size == size and store.read(lambda reader: reader.body(held)) == block * count
    assert again(store, server).unchanged == 3
