"""The first copy from a live server, as one call."""

from collections.abc import Callable
from pathlib import Path

import pytest
from recorded_server import Recording

from mirror.addresses import Address
from mirror.citadel.bootstrap import ServerStage, copy_server, require_private_line
from mirror.citadel.migr.leftovers import Fetched
from mirror.citadel.migr.report import Accepted
from mirror.citadel.protocol.banners import MAX_BANNER
from mirror.citadel.protocol.client import LoginFailed
from mirror.config.errors import ConfigError
from mirror.config.settings import Config, ListenSettings
from mirror.model.record import Record
from mirror.peer.channel import ConnectionLost
from mirror.store.check import check_store
from mirror.store.errors import StoreError
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.copying import unfinished
from mirror.wire.errors import Refused

Make = Callable[..., SqliteStore]
Listen = Callable[..., Address]


def test_all_of_a_server_is_taken_over_and_told(listen: Listen, make_store: Make) -> None:
    store = make_store("m")
    told: list[tuple[ServerStage, int]] = []
    taken = copy_server(store, listen(), "admin", "citadel", progress=lambda stage, done: told.append((stage, done)))
    assert (taken.report.node, taken.report.elements["message"], taken.report.refused) == ("alpha", 81, [])
    assert taken.fetched.files > 0
    assert check_store(store).problems == []
    stages = list(dict.fromkeys(stage for stage, _ in told))
    assert stages == [ServerStage.EXPORT, ServerStage.FILES]
    assert told[0] == (ServerStage.EXPORT, 0)
    assert told[-1] == (ServerStage.FILES, taken.fetched.bytes)


def test_an_interrupted_copy_goes_on_and_a_complete_one_changes_nothing(
    listen: Listen, make_store: Make, recording: Recording
) -> None:
    store = make_store("m")
    address = listen(200_000)
    with pytest.raises(ConnectionLost):
        copy_server(store, address, "admin", "citadel")
    listen()
    assert copy_server(store, address, "admin", "citadel").report.applied.written > 0
    digest = store.read(lambda reader: reader.root()).digest
    listen()
    again = copy_server(store, address, "admin", "citadel")
    assert (again.report.applied.written, again.fetched.files) == (0, 0)
    assert store.read(lambda reader: reader.root()).digest == digest
    commands = [command.partition(" ")[0] for command in recording.asked]
    last = len(commands) - 1 - commands[::-1].index("MIGR")
    assert commands[last + 1] == "IDEN", "the export was read to its end, though nothing was new"
    assert "MSG0" not in commands


def test_a_server_that_exports_is_waited_for_and_one_that_is_full_is_not(
    listen: Listen, make_store: Make, recording: Recording
) -> None:
    recording.turned_away = [0, 0]
    assert copy_server(make_store("m"), listen(), "admin", "citadel").report.elements["message"] == 81
    recording.turned_away = [5, 0]
    with pytest.raises(Refused, match=r"127.0.0.1:\d+ lets nobody in: .*maximum is 5"):
        copy_server(make_store("n"), listen(), "admin", "citadel")
    assert recording.turned_away == [0]


def test_what_a_server_dates_in_the_future_is_taken_over_and_named(listen: Listen, make_store: Make) -> None:
    store = make_store("m", now_ms=lambda: 1_700_000_000_000)  # the recorded server is of a later year
    taken = copy_server(store, listen(), "admin", "citadel")
    assert (taken.report.elements["message"], taken.report.refused) == (81, [])
    files = [notice for notice in taken.fetched.notices if "which has not come yet: kept without a time" in notice]
    assert len(files) == taken.fetched.files > 0
    assert store.read(lambda reader: reader.digest("")).newest <= store.clock.limit()
    listen()
    again = copy_server(store, listen(), "admin", "citadel")
    assert (again.report.applied.written, again.fetched.files) == (0, 0)


def test_a_store_that_holds_something_else_is_refused_before_anybody_is_asked(make_store: Make) -> None:
    store = make_store("m")
    store.write(lambda writer: writer.put(Record("messages/r", "id:1", 1, "x", 1)))
    nobody = Address("127.0.0.1", 1)
    with pytest.raises(StoreError, match="--merge"):
        copy_server(store, nobody, "admin", "citadel")
    with pytest.raises(ConnectionLost):
        copy_server(store, nobody, "admin", "citadel", merge=True)


def test_a_copy_that_was_never_begun_opens_no_store_to_the_next(listen: Listen, make_store: Make) -> None:
    store = make_store("m")
    address = listen()
    with pytest.raises(LoginFailed):
        copy_server(store, address, "admin", "wrong")
    store.write(lambda writer: writer.put(Record("messages/r", "id:1", 1, "x", 1)))
    with pytest.raises(StoreError, match="--merge"):
        copy_server(store, address, "admin", "citadel")


def test_a_password_goes_to_another_machine_only_where_that_is_allowed(tmp_path: Path) -> None:
    far, near = Address("mail.example.org", 504), Address("127.0.0.1", 504)
    require_private_line(Config(tmp_path, "m"), near)
    require_private_line(Config(tmp_path, "m", ListenSettings(plaintext=True)), far)
    with pytest.raises(ConfigError, match=r"plaintext = true in \[listen\] of .*mirror.toml"):
        require_private_line(Config(tmp_path, "m"), far)


HELLO = "Welcome to ^humannode!\n"


def _banner(store: SqliteStore, name: str) -> bytes:
    record = store.read(lambda reader: reader.get("system-messages", name))
    assert record is not None, name
    return record.body


def _write_messages(directory: Path) -> None:
    messages = directory / "messages"
    messages.mkdir()
    (messages / "hello").write_text(HELLO)
    (messages / "of the site").write_bytes(b"ein Gru\xdf\r\nwithout an end")
    (messages / ".swp").write_text("an editor's")
    (messages / "folder").mkdir()
    (messages / "long").write_bytes(b"x" * (MAX_BANNER + 1))


def test_an_administrators_socket_is_asked_without_a_log_in(
    server_directory: Path, recording: Recording, make_store: Make
) -> None:
    store = make_store("m")
    taken = copy_server(store, server_directory)
    assert (taken.report.elements["message"], taken.report.refused, taken.fetched.files) == (81, [], 2)
    assert not [command for command in recording.asked if command[:4] in ("USER", "PASS")]


def test_an_administrator_may_log_in_there_too(server_directory: Path, recording: Recording, make_store: Make) -> None:
    copy_server(make_store("m"), server_directory, "admin", "citadel")
    assert recording.asked[1:3] == ["USER admin", "PASS citadel"]


def test_a_directory_without_a_server_is_named(tmp_path: Path, make_store: Make) -> None:
    with pytest.raises(ConnectionLost, match=r"citadel-admin.socket cannot be reached: .* where a running server has"):
        copy_server(make_store("m"), tmp_path)


def test_rooms_are_entered_as_a_passing_visitor(listen: Listen, recording: Recording, make_store: Make) -> None:
    """Without the last field an administrator would have access to rooms with files for good."""
    copy_server(make_store("m"), listen(), "admin", "citadel")
    entered = [command for command in recording.asked if command.startswith("GOTO ")]
    assert entered == ["GOTO Drop Box||1"]


def test_system_messages_are_the_files_where_they_can_be_read(
    server_directory: Path, recording: Recording, make_store: Make
) -> None:
    _write_messages(server_directory)
    store = make_store("m")
    taken = copy_server(store, server_directory, directory=server_directory)
    assert _banner(store, "hello") == HELLO.encode()
    assert _banner(store, "of the site") == b"ein Gru\xdf\r\nwithout an end"
    assert (taken.fetched.banners, taken.fetched.notices) == (2, [])
    # Two of the recorded server's four files were never opened in the recording, so it does not give them.
    assert taken.fetched.refused[2:] == ["system message 'long': it has 1048577 bytes, 1048576 are the most"]
    assert taken.why_incomplete == "3 room files, directories or system messages could not be had"
    assert not [command for command in recording.asked if command.startswith("MESG")]


def test_the_server_names_the_directory_of_its_system_messages(
    server_directory: Path, recording: Recording, make_store: Make, tmp_path: Path
) -> None:
    (tmp_path / "etc").mkdir()
    _write_messages(tmp_path / "etc")
    recording.answers["", "", "MIGR listdirs"] = f"100 go\nmessages|{tmp_path}/etc/messages\n000\n".encode()
    store = make_store("m")
    copy_server(store, server_directory, directory=server_directory)
    assert _banner(store, "hello") == HELLO.encode()


@pytest.mark.parametrize("named", [True, False])
def test_elsewhere_all_that_the_server_lists_are_asked_for_and_that_they_are_expanded_is_said(
    listen: Listen, make_store: Make, tmp_path: Path, named: bool
) -> None:
    store = make_store("m")
    taken = copy_server(store, listen(), "admin", "citadel", directory=tmp_path / "no" if named else None)
    assert _banner(store, "hello") == b"New here? Read the Lobby.\n"
    assert taken.fetched.banners == 1  # the recorded server lists seven, and was asked for this one
    (notice,) = taken.fetched.notices
    why = "/no/messages cannot be read: No such file or directory" if named else "--server-dir names its directory"
    assert "with its names in place of ^humannode" in notice
    assert why in notice


def test_what_was_read_from_the_files_stays_when_it_is_told_later(
    server_directory: Path, recording: Recording, listen: Listen, make_store: Make
) -> None:
    (server_directory / "messages").mkdir()
    (server_directory / "messages" / "hello").write_text("New here? Read the ^humannode.\n")
    store = make_store("m")
    copy_server(store, server_directory, directory=server_directory)
    copy_server(store, listen(), "admin", "citadel", merge=True)
    assert _banner(store, "hello") == b"New here? Read the ^humannode.\n"
    recording.answers["", "", "MESG hello"] = b"100 hello\nGr\xfc\xdfe\n000\n"  # no UTF-8 either
    copy_server(store, listen(), "admin", "citadel", merge=True)
    assert _banner(store, "hello") == b"Gr\xfc\xdfe\n"


@pytest.mark.parametrize(("user", "flags", "refused"), [("", 226, 1), ("", 482, 0), ("admin", 226, 0)])
def test_a_room_whose_directory_is_shown_to_no_one_asks_for_a_log_in_and_one_without_a_directory_for_nothing(
    server_directory: Path, recording: Recording, export: Path, make_store: Make, user: str, flags: int, refused: int
) -> None:
    data = export.read_bytes()
    assert data.count(b"<QRflags>482<") == 1
    recording.answers["", "", "MIGR export"] = data.replace(b"<QRflags>482<", b"<QRflags>%d<" % flags)
    recording.answers["Drop Box", "", "RDIR"] = b"550 not here.\n"
    fetched = copy_server(make_store("m"), server_directory, user, "citadel").fetched
    assert isinstance(fetched, Fetched)
    assert (fetched.files, len(fetched.refused)) == (0, refused)
    assert not refused or fetched.refused[0].endswith("name an administrator in the URL")


def test_a_server_is_the_same_by_whichever_door(
    listen: Listen, server_directory: Path, recording: Recording, make_store: Make
) -> None:
    store = make_store("m")
    copy_server(store, listen(), "admin", "citadel")
    assert copy_server(store, server_directory).report.applied.written == 0
    recording.answers["", "", "INFO"] = b"100 Server info:\n1\nbravo\n000\n"
    with pytest.raises(StoreError, match="--merge"):
        copy_server(store, listen(), "admin", "citadel")


def test_a_copy_that_is_not_whole_is_told_until_it_is_or_is_accepted_so(listen: Listen, make_store: Make) -> None:
    store = make_store("m")
    taken = copy_server(store, listen(), "admin", "citadel")
    assert taken.why_incomplete == "2 room files, directories or system messages could not be had"
    assert list(store.read(unfinished)) == ["citadel:alpha"]
    copy_server(store, listen(), "admin", "citadel", accepted=Accepted(incomplete=True))
    assert list(store.read(unfinished)) == []
