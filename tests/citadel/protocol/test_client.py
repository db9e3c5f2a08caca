"""The client of a Citadel server's own protocol, against a scripted server."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_followed import a_server
from made_live import listening
from recorded_server import Recording

from mirror.citadel.bootstrap import log_in
from mirror.citadel.migr.importer import Importer
from mirror.citadel.migr.leftovers import fetch_leftovers
from mirror.citadel.protocol.client import CitadelClient, LoginFailed
from mirror.formats.errors import CitadelError
from mirror.peer.channel import Channel, ConnectionLost
from mirror.store.check import check_store
from mirror.store.sqlite.store import SqliteStore
from mirror.wire.errors import Refused

Make = Callable[..., SqliteStore]


def test_a_whole_server_is_taken_over(server: Callable[..., Channel], make_store: Make) -> None:
    store = make_store("m")
    client = CitadelClient(server())
    client.log_in("admin", "citadel")
    importer = Importer(store, "server")
    report = importer.run(client.export())
    fetched = fetch_leftovers(client, store, report.node, importer.file_rooms)
    client.quit()
    assert (report.elements["message"], report.refused) == (81, [])
    files = store.read(lambda reader: {record.key: record for record in reader.scan_all("files/alpha:18")})
    if not files:
        names = store.read(lambda reader: [name for name in reader.digests() if name.startswith("files/")])
        files = store.read(lambda reader: {record.key: record for record in reader.scan_all(names[0])})
    assert files["big.bin"].size == 300_000
    assert len(files["small.bin"].body) == 1000
    assert fetched.files == len(files)
    assert check_store(store).problems == []
    again = CitadelClient(server())
    again.log_in("admin", "citadel")
    assert fetch_leftovers(again, store, report.node, importer.file_rooms).files == 0


@pytest.mark.parametrize("answer", [b"600 0\n", b"571 not there any more\n"])
def test_a_file_that_ends_too_early_is_refused_alone(
    server: Callable[..., Channel], recording: Recording, answer: bytes
) -> None:
    recording.answers["Drop Box", "big.bin", "READ 4096"] = answer
    client = CitadelClient(server())
    client.enter_room("Drop Box")
    with pytest.raises(Refused, match="571 "):
        list(client.read_file(client.open_file("big.bin").size))
    assert len(b"".join(client.read_file(client.open_file("small.bin").size))) == 1000
    asked = [command for command in recording.asked if command[:4] in ("OPEN", "CLOS")]
    assert asked == ["OPEN big.bin", "CLOS", "OPEN small.bin", "CLOS"]  # the server keeps one file open, no more


def test_a_wrong_password_is_told(server: Callable[..., Channel]) -> None:
    with pytest.raises(LoginFailed, match="Wrong password"):
        CitadelClient(server()).log_in("admin", "wrong")


@pytest.mark.parametrize("cut_after", [10, 100, 100_000, 500_000])
def test_a_lost_connection_is_told_and_the_next_try_completes(
    server: Callable[..., Channel], make_store: Make, export: Path, cut_after: int
) -> None:
    store, whole = make_store("m"), make_store("n")
    Importer(whole, "file").run([export.read_bytes()])

    def take(channel: Channel) -> None:
        client = CitadelClient(channel)
        client.log_in("admin", "citadel")
        Importer(store, "server").run(client.export())

    with pytest.raises(ConnectionLost):
        take(server(cut_after))
    take(server())
    assert len({one.read(lambda reader: reader.root()).digest for one in (store, whole)}) == 1


def test_commands_that_are_answered_in_one_line_are_told_apart_by_nothing_else_and_any_other_ends_it(
    tmp_path: Path,
) -> None:
    with listening(a_server(), tmp_path):
        client = log_in(tmp_path, "", "")
        assert client.ask_briefly([b"NOOP", b"GOTO Nowhere||1"]) == [b"200 Ok", b"550 no such room"]
        with pytest.raises(CitadelError, match="more than one line"):
            client.ask_briefly([b"INFO", b"NOOP"])
        client.channel.close()
