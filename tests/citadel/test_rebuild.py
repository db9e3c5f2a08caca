"""A lost server made anew: refused where anything would be lost, all there afterwards, repeated where it was cut."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from exports import small_export
from made_empty import EmptyServer, started

from mirror.citadel.empty import why_not_empty
from mirror.citadel.host_files import CannotWrite, directory_at, home_of, write_at
from mirror.citadel.looked_over import verify_server
from mirror.citadel.migr.importer import Importer
from mirror.citadel.rebuild import MAY_DIFFER, REBUILT, RENUMBERED, NotEmpty, Rebuilding, Rebuilt, State
from mirror.formats.errors import CitadelError
from mirror.formats.mail import MAIL_HEAD, compose_mail
from mirror.formats.message import parse_message, serialize_message
from mirror.model.draft import Draft
from mirror.model.errors import MirrorError
from mirror.model.record import Record, pack_head
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
RECORDINGS = Path(__file__).parent.parent / "recordings"


@pytest.fixture
def store(make_store: Make, export: Path) -> SqliteStore:
    """A store with a recorded server, and files and system messages that no export has."""
    store = make_store("m")
    Importer(store, "x").run([export.read_bytes()])

    def job(writer) -> None:
        head = pack_head({"name": "plan.txt", "type": "text/plain", "comment": "a plan", "bytes": 5})
        writer.put(Record("files/alpha:43", "plan.txt", 1, "", 1, head=head, body=b"plan\n"))
        large = Record(
            "files/alpha:43",
            "large.bin",
            1,
            "",
            1,
            head=pack_head({"name": "large.bin", "type": "x/y", "comment": "", "bytes": 300_000}),
        )
        writer.put(writer.store_body(large, bytes(300_000)))
        writer.put(Record("system-messages", "hello", 1, "", 1, body=b"Welcome to ^humannode\n"))

    store.write(job)
    return store


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmptyServer]:
    home = tmp_path / "citadel"
    home.mkdir()
    with started(home) as server:
        yield server


def rebuilding(store: SqliteStore, server: EmptyServer) -> Rebuilding:
    return Rebuilding(store, "m", server.home, server.home.parent / "state", directory=server.home)


def rebuild(store: SqliteStore, server: EmptyServer) -> Rebuilt:
    return rebuilding(store, server).run()


def differences(store: SqliteStore, server: EmptyServer) -> list[tuple[str, str, str]]:
    beside = server.home.parent
    found = verify_server(store, beside, server.home, node="m", directory=server.home)
    assert found.unseen == []
    return [(one.collection, one.key, one.field) for one in found.differences]


def test_an_empty_server_gets_all_there_is(store: SqliteStore, server: EmptyServer) -> None:
    rebuilt = rebuild(store, server)
    assert rebuilt.refilled.refused == [] and rebuilt.elements["message"] == 79
    done = rebuilt.refilled
    assert (done.texts, done.pictures, done.files, done.bytes, done.banners) == (1, 1, 2, 300_005, 1)
    # The machine's name is the new one's.
    assert differences(store, server) == [("config", "c_fqdn", "value")]
    assert server.settings["c_port_number"] == "504" and server.settings["host_key"] == "fresh"
    assert server.settings["c_fqdn"] == "new.example.org" and server.settings["c_nodename"] == "alpha"
    assert any("the machine's name stays new.example.org" in notice for notice in rebuilt.notices)
    assert not (server.home.parent / "state").exists()


def test_a_file_of_mail_is_there_with_each_header_once(store: SqliteStore, server: EmptyServer) -> None:
    data = b"From: Zoe <zoe@x>\r\nSubject: s\r\nMessage-ID: <1@x>\r\nX-Mine: y\r\n\r\nhello\r\n"
    made = compose_mail(data, 1_700_000_000)
    store.write(lambda writer: writer.write(Draft("messages/alpha:1", made.key, head=MAIL_HEAD, body=made.body)))
    rebuild(store, server)
    told = [one for one in map(parse_message, server.messages.values()) if one.get("I") == b"1@x"]
    assert [one.get("M") for one in told] == [b"X-Mine: y\r\n\r\nhello\r\n"]
    assert [[one.text(letter) for letter in "TAFU"] for one in told] == [["1700000000", "Zoe", "zoe@x", "s"]]
    assert differences(store, server) == [("config", "c_fqdn", "value")]
    (number,) = (one for one, data in server.messages.items() if b"X-Mine" in data)
    server.messages[number] = server.messages[number].replace(b"hello", b"other")
    assert ("messages/alpha:1", "id:1@x", "(the body)") in differences(store, server)


def test_access_that_an_import_got_is_given_back(store: SqliteStore, server: EmptyServer) -> None:
    rebuild(store, server)
    own = {number: visit for (number, user), visit in server.visits.items() if user == 0}
    assert own and all(visit["v_flags"] == "1" for visit in own.values())


def test_files_have_their_times_and_comments_and_belong_to_the_server(store: SqliteStore, server: EmptyServer) -> None:
    rebuild(store, server)
    room = server.home / "files" / server.rooms[43]["QRdirname"]
    assert (room / "plan.txt").read_bytes() == b"plan\n" and (room / "large.bin").read_bytes() == bytes(300_000)
    assert "plan.txt text/plain a plan\n" in (room / "filedir").read_text()
    assert {(one.stat().st_uid, one.stat().st_gid) for one in room.iterdir()} == {
        ((server.home / "files").stat().st_uid, (server.home / "files").stat().st_gid)
    }
    assert (server.home / "messages" / "hello").read_bytes() == b"Welcome to ^humannode\n"


@pytest.mark.parametrize(
    ("fill", "why"),
    [
        (lambda server: server.user(2, "Ann"), "it has 2 users"),
        (lambda server: server.room(9, "Plans"), "rooms that it does not make by itself, as 'Plans'"),
        (lambda server: server.post(1, "hello"), "messages in 'Lobby'"),
    ],
)
def test_a_server_that_holds_anything_is_refused(
    store: SqliteStore, server: EmptyServer, fill: Callable[[EmptyServer], object], why: str
) -> None:
    fill(server)
    with pytest.raises(NotEmpty, match=why):
        rebuild(store, server)
    assert b"MIGR import" not in server.asked and server.settings["c_nodename"] == "fresh"


def test_a_rebuilt_server_is_not_rebuilt_again(store: SqliteStore, server: EmptyServer) -> None:
    rebuild(store, server)
    with pytest.raises(NotEmpty, match="10 users"):
        rebuild(store, server)


def test_an_import_that_was_cut_begins_anew_once_the_server_was_restarted(
    store: SqliteStore, server: EmptyServer
) -> None:
    server.cut_after = 1500
    with pytest.raises(MirrorError):
        rebuild(store, server)
    server.cut_after = None
    with pytest.raises(CitadelError, match="in the middle of an import that was cut: restart the server"):
        rebuild(store, server)
    # Others would say yes and do nothing.
    server.migrating, server.highest = False, 0
    with pytest.raises(CitadelError, match=r"did not take the import .* restart the server"):
        rebuild(store, server)
    server.open_roots = 0
    rebuild(store, server)
    assert differences(store, server) == [("config", "c_fqdn", "value")]


def test_what_was_posted_since_a_cut_import_is_not_erased(store: SqliteStore, server: EmptyServer) -> None:
    server.cut_after = 1500
    with pytest.raises(MirrorError):
        rebuild(store, server)
    server.cut_after, server.open_roots, server.migrating = None, 0, False
    server.highest += 10
    with pytest.raises(NotEmpty):
        rebuild(store, server)


def test_what_was_cut_behind_the_import_goes_on_there(
    store: SqliteStore, server: EmptyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_arguments) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("mirror.citadel.rebuild.refill", killed)
        with pytest.raises(Killed):
            rebuild(store, server)
    file = server.home.parent / "state"
    assert msgspec.json.decode(file.read_bytes(), type=State).imported
    assert file.stat().st_mode & 0o777 == 0o600
    server.post(1, "posted since")
    rebuilt = rebuild(store, server)
    assert not rebuilt.imported and rebuilt.refilled.texts == 1
    assert [one[0] for one in differences(store, server) if one[1] != "c_fqdn"] == ["messages/alpha:1"]


def test_what_is_there_is_not_written_again(store: SqliteStore, server: EmptyServer) -> None:
    rebuild(store, server)
    state = State(str(server.home), str(server.created), server.highest, imported=True)
    (server.home.parent / "state").write_bytes(msgspec.json.encode(state))
    highest = server.highest
    done = rebuild(store, server).refilled
    assert (done.texts, done.pictures, done.files, done.banners) == (0, 0, 0, 0) and server.highest == highest


@pytest.mark.parametrize("name", ["../../elsewhere", "..", "/etc", ""])
def test_a_rooms_directory_that_is_a_path_is_refused(
    store: SqliteStore, server: EmptyServer, tmp_path: Path, name: str
) -> None:
    store.write(lambda writer: writer.set_fields("rooms", "alpha:43", {"QRdirname": name}))
    before = set(tmp_path.rglob("*"))
    done = rebuild(store, server).refilled
    assert done.files == 0 and "names no file in a directory" in done.refused[0]
    assert {one for one in set(tmp_path.rglob("*")) - before if "store" not in one.name} <= {
        server.home / "messages" / "hello",
        server.home / "files",
    } | set((server.home / "files").rglob("*"))
    assert not (tmp_path / "elsewhere").exists()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "files" / "room").symlink_to(tmp_path / "outside")
    with pytest.raises(CannotWrite, match="cannot be written"), directory_at(tmp_path / "files", "room"):
        pass
    with directory_at(tmp_path / "files", "other") as directory:
        (tmp_path / "files" / "other" / "a").symlink_to(tmp_path / "outside" / "target")
        assert write_at(directory, "a", [b"x"], 1_700_000_000) == 1
    assert not (tmp_path / "files" / "other" / "a").is_symlink()
    assert list((tmp_path / "outside").iterdir()) == []
    assert (tmp_path / "files" / "other" / "a").stat().st_mtime == 1_700_000_000


def test_a_servers_home_is_where_it_works(server: EmptyServer, tmp_path: Path) -> None:
    assert home_of(server.home) == Path(os.getcwd()), "it is this very process that listens there"
    assert home_of(tmp_path) == tmp_path


def test_what_was_a_server_of_902_is_one_of_980(make_store: Make, server: EmptyServer) -> None:
    lines = (RECORDINGS / "902-03-migr-export.txt").read_text("utf-8").splitlines()
    store = make_store("m")
    data = "".join(line[3:] + "\n" for line in lines if line.startswith("s: "))
    assert Importer(store, "x").run([data.encode()]).refused == []
    rebuild(store, server)
    found = verify_server(
        store, server.home.parent, server.home, node="m", directory=server.home, declared=REBUILT, things=MAY_DIFFER,
        made_anew=True,
    )  # fmt: skip
    assert found.differences == [] and found.server == "bravo"
    assert any("version 980" in why for why in found.declared)


def test_two_servers_come_into_one(make_store: Make, server: EmptyServer) -> None:
    store = make_store("m")
    for name in (b"alpha", b"beta"):
        data = small_export(seen="10").replace(b">alpha<", b">%s<" % name)
        assert Importer(store, name.decode()).run([data]).refused == []
    rebuilt = rebuild(store, server)
    assert rebuilt.renumbered > 0
    found = verify_server(
        store, server.home.parent, server.home, node="m", directory=server.home, keys=rebuilt.keys,
        declared=RENUMBERED, things=MAY_DIFFER, made_anew=True,
    )  # fmt: skip
    assert found.differences == []
    assert {"messages/alpha:1", "messages/beta:1", "visits/alpha:1", "visits/beta:1"} <= {
        one.collection for one in found.collections
    }
    names = sorted(room["QRname"] for room in server.rooms.values())
    assert names == [
        "Lobby",
        f"Lobby ({'beta' if rebuilt.server == 'alpha' else 'alpha'})",
        "Local System Configuration",
    ]


def test_a_text_of_a_room_that_ends_a_listing_comes_through(store: SqliteStore, server: EmptyServer) -> None:
    body = serialize_message([("I", b"x"), ("M", b"Content-type: text/plain\n\nfirst\n000\nlast\n")], 4)
    store.write(lambda writer: writer.put(Record("room-info", "alpha:1", 1, "", 1, body=body)))
    assert rebuild(store, server).refilled.refused == []
    text = server.messages[int(server.rooms[1]["msgnum_info"])]
    assert b"first\n000 \nlast\n" in text


def test_a_server_that_only_has_its_own_things_is_empty() -> None:
    settings = {"c_baseroom": "Lobby", "c_aideroom": "Aide", "c_twitroom": "Trashcan"}
    own = [b"Lobby", b"Aide", b"Trashcan", b"Global Address Book", b"__CitadelSMTPspoolout__", b"0000000001.Mail"]
    rooms = dict.fromkeys(own)
    counts = {**dict.fromkeys(own, 0), b"Aide": 3, b"__CitadelSMTPspoolout__": 1}
    users = [b"admin|6|1|0|0|0||"]
    assert why_not_empty(settings, users, rooms, counts) == ""  # type: ignore[arg-type]
    assert "messages in '0000000001.Mail'" in why_not_empty(settings, users, rooms, {**counts, b"0000000001.Mail": 1})  # type: ignore[arg-type]
    assert "as '0000000002.Mail'" in why_not_empty(
        settings, users, {**rooms, b"0000000002.Mail": None}, {**counts, b"0000000002.Mail": 0}
    )  # type: ignore[arg-type]
