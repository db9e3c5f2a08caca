"""What a server has for itself is read for what it says, and is no room, setting or field of the mirror's."""

import base64
from collections.abc import Callable
from pathlib import Path

from exports import small_export

from mirror.citadel.migr.importer import Importer
from mirror.citadel.migr.report import Report
from mirror.formats.server_own import OWN_FIELDS, Use, is_own_setting, use_of_room
from mirror.model.fields import values_of
from mirror.model.record import unpack_head
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.share.rules import lines_to_confirm

Make = Callable[..., SqliteStore]
OLD = Path(__file__).parents[2] / "recordings" / "902-03-migr-export.txt"


def run(store: SqliteStore, data: bytes, source: str = "x") -> Report:
    return Importer(store, source).run([data])


def old_export() -> bytes:
    lines = OLD.read_text("utf-8").splitlines()
    return "".join(line[3:] + "\n" for line in lines if line.startswith("s: ")).encode()


def fields(store: SqliteStore, collection: str) -> list[dict[str, object]]:
    return store.read(lambda reader: [dict(values_of(record)) for record in reader.scan_all(collection)])


def test_no_record_of_the_recording_holds_a_value_of_that_server_alone(make_store: Make, export: Path) -> None:
    for number, data in enumerate((export.read_bytes(), old_export())):
        store = make_store(f"m{number}")
        run(store, data)
        names = set().union(*OWN_FIELDS.values())
        for collection in store.read(lambda reader: list(reader.digests())):
            for record in store.read(lambda reader, name=collection: list(reader.scan_all(name))):
                assert not names & set(unpack_head(record.head)), record
        assert not any(is_own_setting(key) for key in store.read(lambda r: [one.key for one in r.scan_all("config")]))
        rooms = fields(store, "rooms")
        assert {use_of_room(str(room["QRname"]), str(room["QRdefaultview"])) for room in rooms} == {Use.PEOPLE}
        assert "" not in {user["u_fullname"] for user in fields(store, "users")}
        assert not any(b"lastsent" in record.body for record in netconfs(store))


def netconfs(store: SqliteStore) -> list:
    names = store.read(lambda reader: reader.collections("netconf/"))
    return [store.read(lambda reader, name=name: reader.get(name, "netconf")) for name in names]


def test_what_the_configuration_rooms_say_is_kept(make_store: Make, export: Path) -> None:
    store = make_store("m")
    assert run(store, export.read_bytes()).refused == []

    def body(collection: str, key: str) -> bytes:
        return store.read(lambda reader: reader.get(collection, key)).body

    assert b"I am the first user." in body("bios", "alpha:2")
    assert b"image/png" in body("pictures", "user alpha:2")
    assert b"Everything about support." in body("room-info", "alpha:32")
    assert b"begin:vcard" in body(
        "user-settings", "alpha:2 euid:Citadel vCard: personal card for Alice Liddell at alpha"
    )
    setting = store.read(lambda reader: reader.get("config", "application/x-citadel-internet-config"))
    assert "example.org|localhost" in values_of(setting)["text"]
    assert "value" not in values_of(setting)  # the number of the message that holds it


def test_settings_that_902_keeps_as_messages_are_the_last_of_their_type(make_store: Make) -> None:
    store = make_store("m")
    run(store, old_export())
    (setting,) = [one for one in fields(store, "config") if "ignet" in str(one.get("text", ""))]
    assert "alpha|s3cret|127.0.0.1|15701" in str(setting["text"])


def test_messages_of_queues_and_killed_rooms_alone_are_passed_over_and_counted(make_store: Make) -> None:
    store = make_store("m")
    killed = small_export().replace(b"Lobby<", b"9999999999.6B04CB34.0001.Lobby<")
    report = run(store, killed)
    assert (report.refused, report.why_incomplete) == ([], "")
    assert report.notices == ["2 messages of queues and of killed rooms are left out"]
    held = store.read(lambda reader: list(reader.digests()))
    assert held == ["config", "users"]


def test_visits_and_lines_of_rooms_that_are_not_ours_are_left_out(make_store: Make) -> None:
    lines = base64.b64encode(b"listrecp|a@example.org\n").decode()
    setting = f'<config key="c_netconfig_0000000001">{lines}</config>\n<user>'.encode()
    data = small_export(seen="10").replace(b"<user>", setting, 1)
    store, other = make_store("m"), make_store("n")
    run(store, data)
    assert {"netconf/alpha:1", "visits/alpha:1"} <= set(store.read(lambda reader: reader.digests()))
    run(other, data.replace(b"Lobby<", b"__CitadelQueue__<"))
    assert list(other.read(lambda reader: reader.digests())) == ["config", "users"]


def test_lines_of_a_room_that_is_not_in_the_export_are_named(make_store: Make) -> None:
    setting = b'<config key="c_netconfig_0000000077">bGlzdHJlY3B8YQo=</config>\n<user>'
    report = run(make_store("m"), small_export().replace(b"<user>", setting, 1))
    assert report.notices == ["line 6: <config>: room #77 is not in the export; its lines are left out"]


def _lines(number: int) -> bytes:
    text = base64.b64encode(f"lastsent|{number}\nignet_push_share|bravo\n".encode())
    setting = b'<config key="c_netconfig_0000000001">' + text + b"</config>\n<user>"
    return small_export().replace(b"<user>", setting, 1)


def test_how_far_a_server_has_sent_a_room_is_no_change_and_where_new_begins_once_confirmed(make_store: Make) -> None:
    store = make_store("m")
    run(store, _lines(10))
    held = store.read(lambda reader: reader.get("netconf/alpha:1", "netconf"))
    assert held.body == b"ignet_push_share|bravo\n"
    assert lines_to_confirm(held, held.body) == b"lastsent|10\nignet_push_share|bravo\n"
    assert run(store, _lines(11), "later").applied.written == 0
    assert store.read(lambda reader: reader.get("netconf/alpha:1", "netconf")) == held


def test_importing_902_again_writes_nothing(make_store: Make) -> None:
    store = make_store("m")
    run(store, old_export())
    assert run(store, old_export(), "again").applied.written == 0
