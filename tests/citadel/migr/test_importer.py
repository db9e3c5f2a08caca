"""Importing the recorded export and made-up ones: complete, repeatable, resumable, and clear about damage."""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from exports import make_export
from made_server import Server

from mirror.citadel.migr.importer import Importer
from mirror.citadel.migr.report import Report
from mirror.formats.message import parse_message
from mirror.model.fields import values_of
from mirror.model.record import Record
from mirror.model.stamp import stamp_ms
from mirror.store.check import check_store
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]


def run(store: SqliteStore, data: bytes, source: str = "x", block: int = 65_536) -> Report:
    return Importer(store, source).run(data[at : at + block] for at in range(0, len(data), block))


def test_everything_in_the_recording_arrives(make_store: Make, export: Path) -> None:
    store = make_store("m")
    data = export.read_bytes()
    report = run(store, data)
    assert report.refused == []
    assert report.notices == ["line 36: room #32 shares with other nodes: see 'ctdlmirror netconf import'"]
    for name in ("message", "user", "room", "floor", "visit", "config"):
        assert report.elements[name] == len(re.findall(rb"<%s[ >]" % name.encode(), data)), name
    assert check_store(store).problems == []

    def job(reader) -> None:
        alice = values_of(reader.get("users", "alpha:3"))
        raw = re.search(rb"<u_usernum>3</u_usernum>", data)
        assert raw is not None and alice["u_usernum"] == "3"
        rooms = {values_of(r)["QRname"]: r.key for r in reader.scan_all("rooms")}
        assert {"Lobby", "Drop Box", "Team Calendar"} <= set(rooms)
        for number in (32, 40):
            names = [r.key for r in reader.scan_all(f"messages/alpha:{number}")]
            assert names, f"room {number} is empty"

    store.read(job)


def test_every_message_of_the_recording_is_kept_byte_for_byte(make_store: Make, export: Path) -> None:
    import base64

    store = make_store("m")
    data = export.read_bytes()
    run(store, data)
    bodies = set()
    for name in store.read(lambda reader: reader.digests()):
        for record in store.read(lambda reader, name=name: list(reader.scan_all(name))):
            bodies.add(store.read(lambda reader, record=record: reader.body(record)))
    texts = re.findall(rb"<msg_text>(.*?)</msg_text>", data, re.DOTALL)
    missing = [
        message
        for message in (base64.b64decode(text) for text in texts)
        if message not in bodies and not _is_setting(store, message)
    ]
    assert missing == []


def _is_setting(store: SqliteStore, message: bytes) -> bool:
    text = parse_message(message).text("M")
    return any(
        values_of(record).get("text") == text for record in store.read(lambda reader: list(reader.scan_all("config")))
    )


def test_repeating_an_import_changes_nothing(make_store: Make, export: Path) -> None:
    store = make_store("m")
    first = run(store, export.read_bytes())
    root = store.read(lambda reader: reader.root())
    committed = store.read(lambda reader: reader.committed_ms())
    second = run(store, export.read_bytes())
    assert second.applied.written == 0 and first.applied.written >= second.applied.already_held > 0
    assert store.read(lambda reader: reader.root()) == root
    assert store.read(lambda reader: reader.committed_ms()) == committed, "there was nothing to commit"


def test_two_nodes_that_import_the_same_server_agree_at_once(make_store: Make, export: Path) -> None:
    stores = [make_store("m"), make_store("n")]
    run(stores[0], export.read_bytes())
    run(stores[1], export.read_bytes(), block=997)
    assert len({store.read(lambda reader: reader.root()).digest for store in stores}) == 1


def test_plain_xml_is_read_as_well(make_store: Make, export: Path) -> None:
    data = export.read_bytes()
    plain = data[data.index(b"<?xml") : data.rindex(b"000")]
    one, two = make_store("m"), make_store("n")
    run(one, data)
    assert run(two, plain).refused == []
    assert len({store.read(lambda reader: reader.root()).digest for store in (one, two)}) == 1


def test_marks_are_kept_per_message(make_store: Make) -> None:
    visit = (
        b"<visit><v_roomnum>1</v_roomnum><v_roomgen>0</v_roomgen><v_usernum>2</v_usernum><v_seen>*:6</v_seen>"
        b"<v_answered>6</v_answered><v_flags>2</v_flags><v_view>0</v_view></visit>\n"
    )
    data = b"".join(make_export(20)).replace(b"<message>", visit + b"<message>", 1)
    store = make_store("m")
    run(store, data)
    marks = store.read(lambda reader: {r.key: values_of(r) for r in reader.scan_all("visits/big:1", "big:2 ")})
    assert {key.partition(" ")[2].partition("@")[0]: value for key, value in marks.items()} == {
        f"id:{1700000001:08X}-00000001": {"seen": True},
        f"id:{1700000006:08X}-00000006": {"seen": True, "answered": True},
    }


def test_an_interrupted_import_goes_on_where_it_was(make_store: Make) -> None:
    data = b"".join(make_export(5000, 200))
    whole, parts = make_store("m"), make_store("n")
    run(whole, data)

    def broken():
        for at in range(0, len(data) * 2 // 3, 65_536):
            yield data[at : at + 65_536]
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        Importer(parts, "x").run(broken())
    before = parts.read(lambda reader: reader.root()).digest.count
    report = run(parts, data)
    assert before > 1000
    assert report.applied.written + before == whole.read(lambda reader: reader.root()).digest.count
    assert len({store.read(lambda reader: reader.root()).digest for store in (whole, parts)}) == 1


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b"<msg_msgnum>3</msg_msgnum>", b"<msg_msgnum>x</msg_msgnum>", r"line \d+: <message>: msg_msgnum is 'x'"),
        (b"<msg_text>/0E", b"<msg_text>!!!", r"<message>: message 1: its base64 is broken"),
        (b"<msg_text>/0E", b"<msg_text>AAA", r"<message>: message 1: a message does not begin with 0xFF"),
        (b"<FRmsglist>1,", b"<FRmsglist>99,1,", r"<room_messages>: room 'Room 1' lists message 99, which is absent"),
        (b"<FRname>Room 2", b"<FRname>Nowhere", r"<room_messages>: room 'Nowhere' is not in the export"),
        (b"<u_fullname>User 1</u_fullname>", b"<u_fullname>User 1</u_other>", r"<user>: broken XML"),
        (b"</citadel_migrate_data>", b"", r"ends before its end tag"),
    ],
)
def test_what_is_refused_is_named_and_the_rest_is_kept(
    make_store: Make, old: bytes, new: bytes, complaint: str
) -> None:
    data = b"".join(make_export(10))
    assert old in data
    report = run(make_store("m"), data.replace(old, new, 1))
    assert any(re.search(complaint, line) for line in report.refused), report.refused
    assert report.applied.written >= 19


def test_empty_input_and_other_files_are_refused(make_store: Make) -> None:
    from mirror.formats.errors import CitadelError

    for data in (b"", b"hello world\n", b"\0" * 100_000):
        with pytest.raises(CitadelError, match="no MIGR export"):
            run(make_store("m"), data)


def test_a_hundred_thousand_messages_arrive(make_store: Make) -> None:
    store = make_store("m")
    report = Importer(store, "x").run(make_export(100_000, 60))
    assert (report.elements["message"], report.refused, report.notices) == (100_000, [], [])
    assert store.read(lambda reader: reader.root()).digest.count == 100_010
    counts = [store.read(lambda r, n=n: r.digest(f"messages/big:{n}").count) for n in range(1, 6)]
    assert counts == [20_000] * 5


def test_a_change_on_the_server_does_not_silently_replace_an_edit_made_on_the_mirror(make_store: Make) -> None:
    """Even when the mirror's node has the server's name: the edit is in the conflict log."""
    store = make_store("big")
    data = b"".join(make_export(3))
    run(store, data)
    store.write(lambda writer: writer.set_fields("users", "big:1", {"u_fullname": "Mirror's name"}))
    later = data.replace(b"<u_lastcall>1700001000", b"<u_lastcall>2700001000", 1).replace(
        b">User 1<", b">Server's name<"
    )
    store.clock.max_ahead_ms = 1 << 40
    run(store, later, "later")
    assert values_of(store.read(lambda reader: reader.get("users", "big:1")))["u_fullname"] == "Server's name"
    (conflict,) = store.read(lambda reader: reader.conflicts())
    assert values_of(conflict.loser) == {"u_fullname": "Mirror's name"}


NOW_MS = 1_764_000_000_000
FUTURE = 1_900_000_000
AHEAD = """<?xml version="1.0" encoding="UTF-8" ?>
<citadel_migrate_data>
<version>980</version>
<config key="c_nodename">alpha</config>
<config key="c_config_created_or_migrated">1690000000</config>
<user><u_usernum>2</u_usernum><u_lastcall>%(lastcall)d</u_lastcall><u_fullname>Ann</u_fullname></user>
<room><QRname>Lobby</QRname><QRgen>1</QRgen><QRflags>2</QRflags><QRnumber>1</QRnumber><QRmtime>%(mtime)d</QRmtime></room>
<room_messages><FRname>Lobby</FRname><FRmsglist>10,11</FRmsglist></room_messages>
<message><msg_msgnum>10</msg_msgnum><msg_text>%(future)s</msg_text></message>
<message><msg_msgnum>11</msg_msgnum><msg_text>%(past)s</msg_text></message>
</citadel_migrate_data>
"""


def _export_ahead(mtime: int, lastcall: int = 1690000100) -> bytes:
    def message(posted: int, text: str) -> str:
        data = b"\xffA\x04I%08X-00000001@alpha\0T1690000300\0AAnn\0OLobby\0Us\0M%s\0" % (posted, text.encode())
        return base64.b64encode(data).decode()

    told = {"mtime": mtime, "lastcall": lastcall}
    texts = {"future": message(FUTURE, "from 2030"), "past": message(1690001408, "all right")}
    return (AHEAD % {**told, **texts}).encode()


def _stamps(store: SqliteStore, collection: str) -> list[int]:
    return store.read(lambda reader: sorted(stamp_ms(record.stamp) for record in reader.scan_all(collection)))


def test_a_message_from_the_future_is_filed_as_of_its_rooms_last_change_and_named(make_store: Make) -> None:
    store = make_store("m", now_ms=lambda: NOW_MS)
    report = run(store, _export_ahead(1690000200))
    assert report.refused == []
    assert report.notices == [
        "line 9: <message>: the id of message 10 says 2030-03-17T17:46:40.000Z, which has not come yet: "
        "filed as of 2023-07-22T04:30:00.000Z"
    ]
    assert _stamps(store, "messages/alpha:1") == [1690000200_000, 1690001408_000]
    bodies = store.read(lambda reader: [record.body for record in reader.scan_all("messages/alpha:1")])
    assert any(b"I%08X-" % FUTURE in body for body in bodies), "the message itself was changed"


def test_where_the_room_was_changed_in_the_future_as_well_the_servers_creation_stands_in(make_store: Make) -> None:
    store, other = make_store("m", now_ms=lambda: NOW_MS), make_store("n", now_ms=lambda: NOW_MS + 86_400_000)
    report = run(store, _export_ahead(FUTURE, FUTURE))
    assert [notice.partition(" says ")[0] for notice in report.notices] == [
        "line 6: <user>: u_lastcall of user 2",
        "line 7: <room>: QRmtime of room 1",
        "line 9: <message>: the id of message 10",
    ]
    assert _stamps(store, "messages/alpha:1") == [1690000000_000, 1690001408_000]
    assert _stamps(store, "rooms") == _stamps(store, "users") == [1690000000_000]
    run(other, _export_ahead(FUTURE, FUTURE))
    assert len({one.read(lambda reader: reader.root()).digest for one in (store, other)}) == 1


def small_export(*messages: bytes, room: str = "Lobby", gone: int = 0) -> bytes:
    """Return an export of one room with these messages, numbered from 10, but for one that is gone."""
    numbered = [(number, body) for number, body in enumerate(messages, 10) if number != gone]
    listed = ",".join(str(number) for number, _ in numbered)
    told = "".join(
        f"<message><msg_msgnum>{number}</msg_msgnum><msg_text>{base64.b64encode(body).decode()}</msg_text></message>\n"
        for number, body in numbered
    )
    return f"""<?xml version="1.0" encoding="UTF-8" ?>
<citadel_migrate_data>
<version>980</version>
<config key="c_nodename">alpha</config>
<config key="c_config_created_or_migrated">1690000000</config>
<user><u_fullname>Ann</u_fullname><u_axlevel>4</u_axlevel><u_usernum>2</u_usernum></user>
<room><QRname>{room}</QRname><QRgen>1</QRgen><QRflags>2</QRflags><QRnumber>1</QRnumber><QRmtime>1690000200</QRmtime></room>
<room_messages><FRname>{room}</FRname><FRmsglist>{listed}</FRmsglist></room_messages>
{told}</citadel_migrate_data>
""".encode()


@pytest.mark.parametrize("letter", [b"E", b"I"])
def test_two_long_ids_of_one_beginning_are_two_records(make_store: Make, letter: bytes) -> None:
    store = make_store("m")
    bodies = [b"\xffA\x04" + letter + b"p" * 950 + end + b"\0T1690000000\0Mtext " + end + b"\0" for end in (b"1", b"2")]
    assert run(store, small_export(*bodies)).refused == []
    held = store.read(lambda reader: list(reader.scan_all("messages/alpha:1")))
    assert sorted(record.body for record in held) == bodies
    assert store.read(lambda reader: reader.conflict_count()) == 0


def test_what_was_deleted_under_a_cut_key_is_not_imported_again(make_store: Make) -> None:
    store = make_store("m")
    uid = b"p" * 950
    cut = Record("messages/alpha:1", ("euid:" + uid.decode())[:400], 10, "citadel:alpha", 1, body=b"text")
    store.write(lambda writer: writer.apply([cut]))
    store.write(lambda writer: writer.delete(cut.collection, cut.key))
    run(store, small_export(b"\xffA\x04E" + uid + b"\0T1690000000\0Mtext\0"))
    assert store.read(lambda reader: list(reader.scan_all("messages/alpha:1"))) == []


REPEATED = [
    b"\xffA\0Idup@example.org\0T1690000300\0AAnn\0M" + text + b"\0" for text in (b"one", b"quite another", b"a third")
]


def test_messages_of_one_message_id_are_all_there_and_importing_again_changes_nothing(make_store: Make) -> None:
    one, two = make_store("m"), make_store("n")
    run(one, small_export(*REPEATED))
    held = one.read(lambda reader: list(reader.scan_all("messages/alpha:1")))
    assert sorted(record.body for record in held) == sorted(REPEATED)
    assert one.read(lambda reader: reader.conflict_count()) == 0
    again = run(one, small_export(*REPEATED), "again")
    assert (again.applied.written, again.refused, again.notices) == (0, [], [])
    run(two, small_export(*REPEATED), block=97)
    assert len({store.read(lambda reader: reader.root()).digest for store in (one, two)}) == 1


def test_each_of_them_has_its_own_marks(make_store: Make) -> None:
    visit = (
        b"<visit><v_roomnum>1</v_roomnum><v_roomgen>1</v_roomgen><v_usernum>2</v_usernum><v_seen>10,12</v_seen>"
        b"<v_answered>12</v_answered><v_flags>2</v_flags><v_view>0</v_view></visit>\n"
    )
    store = make_store("m")
    run(store, small_export(*REPEATED).replace(b"<message>", visit + b"<message>", 1))
    held = store.read(lambda reader: list(reader.scan_all("messages/alpha:1")))
    number = {record.key: REPEATED.index(record.body) for record in held}
    marks = store.read(lambda reader: list(reader.scan_all("visits/alpha:1", "alpha:2 ")))
    assert {number[mark.key.partition(" ")[2]]: values_of(mark) for mark in marks} == {
        0: {"seen": True},
        2: {"seen": True, "answered": True},
    }


@pytest.mark.parametrize("gone", [10, 11, 12])
@pytest.mark.parametrize("mirrored", [False, True])
def test_one_of_them_that_is_gone_on_the_server_is_deleted_alone(make_store: Make, gone: int, mirrored: bool) -> None:
    """Also where another node's message of that id got the plain key meanwhile."""
    store = make_store("m")
    run(store, small_export(*REPEATED))
    others = [] if not mirrored else [b"first of all by its text 1", b"another one that is there"]
    for number, text in enumerate(others):
        other = Record("messages/alpha:1", "id:dup@example.org", 20 + number, "n", 20 + number, body=text)
        store.write(lambda writer, other=other: writer.apply([other]))
    before = store.read(lambda reader: reader.get("messages/alpha:1", "id:dup@example.org"))
    assert before is not None
    assert mirrored == (before.body in others)
    assert run(store, small_export(*REPEATED), "same").applied.written == 0
    run(store, small_export(*REPEATED, gone=gone), "later")
    held = store.read(lambda reader: list(reader.scan_all("messages/alpha:1")))
    left = [body for number, body in enumerate(REPEATED, 10) if number != gone]
    assert sorted(record.body for record in held) == sorted([*left, *others])
    assert store.read(lambda reader: reader.conflict_count()) == 0


def test_messages_of_one_id_that_no_room_lists_are_all_kept_and_go_one_by_one(make_store: Make) -> None:
    store, server = make_store("m"), Server()
    server.room(1, "Lobby")
    for text in ("one", "two"):
        server.post(1, text, name="same@alpha")

    def orphans() -> list[str]:
        data = server.export().replace(b"<FRmsglist>1,\n2<", b"<FRmsglist><").replace(b"<FRmsglist>2<", b"<FRmsglist><")
        written = Importer(store, "x").run([data]).applied.written
        assert Importer(store, "x").run([data]).applied.written == 0 < written

        def texts(reader) -> list[str]:
            return sorted(parse_message(reader.body(one)).text("M") for one in reader.scan_all("orphans"))

        return store.read(texts)

    assert orphans() == ["one", "two"]
    server.lists[1].remove(1)
    assert orphans() == ["two"]
    assert store.read(lambda reader: reader.conflict_count()) == 0
