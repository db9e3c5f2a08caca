"""A second import of a server: what was changed and what is gone there since, no more and no less."""

import itertools
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from killed import is_killed
from made_server import CREATED, Server

from mirror.citadel.looks.decided import HeldBack
from mirror.citadel.looks.remembered import OtherThanLast
from mirror.citadel.migr.importer import Importer
from mirror.citadel.migr.report import Accepted, Report
from mirror.formats.message import parse_message
from mirror.model.containers import KILLED
from mirror.model.draft import Draft, base_of
from mirror.model.fields import values_of
from mirror.model.kinds import MergeRule, kind_of
from mirror.model.record import Record
from mirror.store.base import Store
from mirror.store.check import check_store
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.reconcile import reconcile
from mirror.sync.responder import Responder

Make = Callable[..., SqliteStore]
NONE_OF_OURS = {"My Citadel Config", "Local System Configuration", "__CitadelSMTPspoolout__"}
STORES = Path(__file__).parents[2] / "store" / "data"
LOBBY = "messages/alpha:1"
DAY = 86_400


def take(store: Store, server: Server, *, older: bool = False, deletions: bool = False) -> Report:
    data = server.export()
    accepted = Accepted(older, deletions)
    return Importer(store, "x", accepted=accepted).run(data[at : at + 5000] for at in range(0, len(data), 5000))


def small() -> Server:
    server = Server()
    server.user(1, "admin")
    server.user(2, "Ann")
    server.room(1, "Lobby")
    server.room(2, "Calendar")
    for text in ("one", "two", "three"):
        server.post(1, text)
    server.visit(1, 2, "1:2", "2")
    return server


def texts(store: Store, collection: str = LOBBY) -> list[str]:
    def job(reader) -> list[str]:
        return sorted(parse_message(reader.body(one)).text("M").strip() for one in reader.scan_all(collection))

    return store.read(job)


def fields(store: Store, collection: str, key: str) -> dict[str, object]:
    return dict(values_of(store.read(lambda reader: reader.get(collection, key))))


def alive(store: Store, collection: str) -> list[str]:
    return store.read(lambda reader: [record.key for record in reader.scan_all(collection)])


def marks(store: Store) -> list[dict[str, object]]:
    def job(reader) -> list[dict[str, object]]:
        found = {one.key: {k: v for k, v in values_of(one).items() if v} for one in reader.scan_all("visits/alpha:1")}
        return [found.get(f"alpha:2 {key}", {}) for key in sorted(one.key for one in reader.scan_all(LOBBY))]

    return store.read(job)


def lost(store: Store) -> list[dict[str, object]]:
    return [dict(values_of(one.loser)) for one in store.read(lambda reader: reader.conflicts())]


def state(store: Store) -> dict[str, dict[str, object]]:
    """Return all that is alive, without versions."""

    def said(record: Record) -> object:
        if kind_of(record.collection).rule is MergeRule.FIELDS:
            return {name: value for name, value in values_of(record).items() if value}
        return record.body or record.head

    def job(reader) -> dict[str, dict[str, object]]:
        found = {name: {one.key: said(one) for one in reader.scan_all(name)} for name in reader.digests()}
        return {name: records for name, records in found.items() if records and name != KILLED}

    return store.read(job)


# -- what is the same ---------------------------------------------------------------------------------


def test_a_log_in_and_a_post_write_nothing_but_the_message(make_store: Make) -> None:
    store, server = make_store("m"), small()
    take(store, server)
    server.user(2, "Ann", CREATED + 100 + DAY - 1)
    server.room(1, "Lobby", CREATED + DAY)
    server.post(1, "four")
    assert take(store, server).applied.written == 1
    assert take(store, server).applied.written == 0
    assert texts(store) == ["four", "one", "three", "two"]


def test_the_last_log_in_is_written_once_a_day_and_the_greatest_stays(make_store: Make) -> None:
    store, other, server = make_store("m"), make_store("n"), small()
    take(store, server)
    server.user(2, "Ann", CREATED + 100 + DAY)
    take(other, server)
    assert take(store, server).applied.written == 1
    assert fields(store, "users", "alpha:2")["u_lastcall"] == str(CREATED + 100 + DAY)
    older = small()
    assert take(other, older).applied.written == 0
    assert fields(other, "users", "alpha:2")["u_lastcall"] == str(CREATED + 100 + DAY)
    assert lost(store) == lost(other) == []


def test_two_nodes_that_import_a_server_at_different_times_agree_without_a_conflict(make_store: Make) -> None:
    one, other, server = make_store("m"), make_store("n"), small()
    take(one, server)
    server.user(2, "Ann", CREATED + 5000)
    server.visit(1, 2, "1:3", "2")
    server.room(1, "Foyer", CREATED + 6000)
    server.post(1, "four")
    take(other, server)
    take(one, server)
    for _ in range(2):
        reconcile(one, Responder(other), "n")
        reconcile(other, Responder(one), "m")
    assert one.read(lambda reader: reader.root()).digest == other.read(lambda reader: reader.root()).digest
    assert fields(one, "rooms", "alpha:1")["QRname"] == "Foyer"
    assert [take(store, server).applied.written for store in (one, other)] == [0, 0]
    assert lost(one) == []


# -- what was changed there ---------------------------------------------------------------------------


def test_a_room_renamed_here_keeps_its_name_whatever_is_posted_there(make_store: Make) -> None:
    store, server = make_store("m"), small()
    take(store, server)
    store.write(lambda writer: writer.set_fields("rooms", "alpha:1", {"QRname": "Foyer"}))
    server.room(1, "Lobby", CREATED + 99 * DAY, QRorder="7")
    server.post(1, "four")
    take(store, server)
    assert {**fields(store, "rooms", "alpha:1")}.items() >= {"QRname": "Foyer", "QRorder": "7"}.items()
    server.room(1, "Hall", CREATED + 99 * DAY, QRorder="7")
    take(store, server)
    assert fields(store, "rooms", "alpha:1")["QRname"] == "Hall"
    assert lost(store) == [{"QRname": "Foyer"}]


def test_a_later_edit_is_this_nodes_own_version(make_store: Make) -> None:
    store, server = make_store("m"), small()
    take(store, server)
    server.user(2, "Anna")
    take(store, server)
    record = store.read(lambda reader: reader.get("users", "alpha:2"))
    assert record is not None and record.origin == "m"
    assert record.stamp > record.past[0][1] and record.past[0][0] == "citadel:alpha"


def event(summary: str, place: str) -> str:
    lines = ["BEGIN:VCALENDAR", "BEGIN:VEVENT", "UID:x", f"SUMMARY:{summary}", f"LOCATION:{place}"]
    return "Content-type: text/calendar\n\n" + "\n".join([*lines, "END:VEVENT", "END:VCALENDAR", ""])


def test_of_an_item_edited_on_both_sides_both_edits_stand(make_store: Make) -> None:
    store, server = make_store("m"), small()
    server.post(2, event("Tea", "Kitchen"), euid="x")
    take(store, server)
    held = store.read(lambda reader: reader.get("messages/alpha:2", "euid:x"))
    assert held is not None
    edited = held.body.replace(b"SUMMARY:Tea", b"SUMMARY:Supper")
    store.write(
        lambda writer: writer.write(Draft(held.collection, held.key, base_of(held), head=held.head, body=edited))
    )
    server.post(2, event("Tea", "Garden"), euid="x")
    assert take(store, server).applied.written == 1
    (text,) = texts(store, "messages/alpha:2")
    assert "SUMMARY:Supper" in text and "LOCATION:Garden" in text
    assert take(store, server).applied.written == 0
    assert store.read(lambda reader: reader.conflict_count()) == 0


def test_a_replaced_bio_picture_and_setting_are_taken_over(make_store: Make) -> None:
    store, server = make_store("m"), small()
    key = "application/x-citadel-filterlist"

    def say(text: str) -> None:
        server.user(2, "Ann", u_msgnum_bio=str(server.hold(f"bio {text}")))
        server.room(1, "Lobby", msgnum_info=str(server.hold(f"info {text}")))
        server.settings[key] = str(server.hold(f"filter {text}"))

    def told() -> list[str]:
        return [*texts(store, "bios"), *texts(store, "room-info"), str(fields(store, "config", key)["text"])]

    say("one")
    take(store, server)
    say("two")
    take(store, server)
    assert told() == ["bio two", "info two", "filter two"]
    assert take(store, server).applied.written == 0
    server.user(2, "Ann")
    server.room(1, "Lobby")
    del server.settings[key]
    take(store, server)
    assert (alive(store, "bios"), alive(store, "room-info"), key in alive(store, "config")) == ([], [], False)


def test_marks_are_taken_back_and_set_and_those_made_here_stand(make_store: Make) -> None:
    store, server = make_store("m"), small()
    take(store, server)
    assert marks(store) == [{"seen": True}, {"seen": True, "answered": True}, {}]
    (third,) = [key for key in alive(store, LOBBY) if "-00000003" in key]
    store.write(lambda writer: writer.set_fields("visits/alpha:1", f"alpha:2 {third}", {"answered": True}))
    server.visit(1, 2, "2:3")
    take(store, server)
    assert marks(store) == [{}, {"seen": True}, {"seen": True, "answered": True}]
    assert take(store, server).applied.written == 0
    server.visit(1, 2, "1:3", "2")
    take(store, server)
    assert marks(store) == [{"seen": True}, {"seen": True, "answered": True}, {"seen": True, "answered": True}]
    assert lost(store) == []


def test_a_replaced_item_is_unread_again(make_store: Make) -> None:
    store, server = make_store("m"), small()
    number = server.post(1, event("Tea", "Kitchen"), euid="x")
    server.visit(1, 2, f"{number}")
    take(store, server)
    assert {"seen": True} in marks(store)
    server.post(1, event("Tea", "Garden"), euid="x")
    take(store, server)
    assert marks(store) == [{}, {}, {}, {}]


def test_marks_of_a_room_that_all_forgot_go_with_the_items_that_were_replaced_meanwhile(make_store: Make) -> None:
    store, server = make_store("m"), small()
    number = server.post(1, event("Tea", "Kitchen"), euid="x")
    server.visit(1, 2, f"1:{number}")
    take(store, server)
    assert marks(store) == [{"seen": True}] * 4
    server.post(1, event("Tea", "Garden"), euid="x")
    server.room(1, "Lobby", QRgen="2")
    take(store, server)
    assert marks(store) == [{}] * 4


def test_the_number_at_the_end_of_a_cut_set_is_not_taken_back(make_store: Make) -> None:
    store, server = make_store("m"), small()
    server.visit(1, 2, "1,3")
    take(store, server)
    cut = "0," * 2046 + "1,3"
    server.visit(1, 2, cut)
    assert len(cut) == 4095
    take(store, server)
    assert marks(store) == [{"seen": True}, {}, {"seen": True}]


# -- what is gone there -------------------------------------------------------------------------------


def test_what_is_gone_there_is_deleted(make_store: Make) -> None:
    store, server = make_store("m"), small()
    server.room(3, "Doomed")
    server.post(3, "doomed")
    server.visit(3, 2, "1:9")
    item = server.post(2, event("Tea", "Kitchen"), euid="x")
    server.settings["c_other"] = "x"
    take(store, server)
    server.lists[1].remove(2)
    server.lists[2].remove(item)
    del server.users[2], server.rooms[3], server.lists[3], server.visits[3, 2], server.visits[1, 2]
    del server.settings["c_other"]
    server.user(7, "Ann")
    report = take(store, server)
    assert report.held == [] and report.deleted > 0
    assert (texts(store), alive(store, "rooms"), alive(store, "users")) == (
        ["one", "three"],
        ["alpha:1", "alpha:2"],
        ["alpha:1", "alpha:7"],
    )
    assert [name for name in state(store) if name.endswith(("alpha:2", "alpha:3")) or name.startswith("visits")] == []
    assert "c_other" not in alive(store, "config")
    fresh = make_store("n")
    take(fresh, server)
    assert state(store) == state(fresh)
    assert check_store(store).problems == []
    assert take(store, server).applied.written == 0


def test_who_is_gone_is_nobodys_aide_and_has_read_nothing(make_store: Make) -> None:
    """A server has the visits of a user who was deleted, and names such an aide, for some hours more."""
    store, other, server = make_store("m"), make_store("n"), small()
    server.user(3, "Bob")
    server.room(3, "Notes")
    server.rooms[1]["QRroomaide"] = server.rooms[2]["QRroomaide"] = "3"
    server.visit(1, 3, "3")
    server.visit(3, 3, "1")
    take(store, server)
    assert fields(store, "rooms", "alpha:1")["QRroomaide"] == "3"
    del server.users[3]
    for one in (store, other):
        take(one, server)
        assert {fields(one, "rooms", key)["QRroomaide"] for key in ("alpha:1", "alpha:2")} == {"-1"}
        visits = [name for name in one.read(lambda reader: reader.collections("")) if name.startswith("visits/")]
        keys = one.read(lambda reader, names=visits: [key.key for name in names for key in reader.scan_all(name)])
        assert {key.split(" ")[0] for key in keys} == {"alpha:2"}
    assert take(store, server).applied.written == 0


@pytest.mark.parametrize(("flags", "password"), [("2", ""), ("14", "sesame")])
def test_a_password_that_a_room_does_not_ask_for_is_none(make_store: Make, flags: str, password: str) -> None:
    """The server keeps what it was given, and tells it nobody."""
    store, server = make_store("m"), small()
    server.rooms[1].update(QRpasswd="sesame", QRflags=flags)
    take(store, server)
    assert fields(store, "rooms", "alpha:1")["QRpasswd"] == password


def test_a_message_that_came_back_is_here_again(make_store: Make) -> None:
    store, server = make_store("m"), small()
    take(store, server)
    server.lists[1].remove(2)
    server.lists[2].append(2)
    take(store, server)
    assert (texts(store), texts(store, "messages/alpha:2")) == (["one", "three"], ["two"])
    server.lists[1].append(2)
    take(store, server)
    assert texts(store) == ["one", "three", "two"]
    assert marks(store) == [{"seen": True}, {"seen": True, "answered": True}, {}]


def test_what_was_made_or_deleted_here_stays_so(make_store: Make) -> None:
    store, server = make_store("m"), small()
    take(store, server)
    first = alive(store, LOBBY)[0]
    store.write(lambda writer: writer.delete(LOBBY, first))
    store.write(lambda writer: writer.put(Record(LOBBY, "id:mine", 1, "x", 1, body=b"\xffA\x04Imine\0Mmine\0")))
    server.post(1, "four")
    take(store, server)
    assert texts(store) == ["four", "mine", "three", "two"]


def test_a_damaged_export_deletes_nothing_that_its_damage_may_hide(make_store: Make) -> None:
    store, server = make_store("m"), small()
    take(store, server)
    del server.users[2]
    server.lists[1].remove(1)
    whole = server.export()
    for data in (
        whole.replace(b"</citadel_migrate_data>", b""),
        whole.replace(b"<u_usernum>1<", b"<u_usernum>x<").replace(b"<QRnumber>1<", b"<QRnumber>x<"),
    ):
        report = Importer(store, "x").run([data])
        assert report.why_incomplete and report.deleted == 0
    broken = whole.replace(b"<u_usernum>1<", b"<u_usernum>x<")
    assert Importer(store, "x").run([broken]).deleted > 0
    assert (texts(store), alive(store, "users")) == (["three", "two"], ["alpha:1", "alpha:2"])


def test_very_many_deletions_are_held_back_until_they_are_accepted(make_store: Make) -> None:
    store, server = make_store("m"), small()
    for number in range(37):
        server.post(1, f"more {number}")
    take(store, server)
    server.lists[1] = server.lists[1][11:]
    server.user(2, "Anna")
    report = take(store, server)
    assert report.held == [HeldBack(LOBBY, 11, 40)]
    assert (len(texts(store)), fields(store, "users", "alpha:2")["u_fullname"]) == (40, "Anna")
    assert marks(store)[0] == {"seen": True}
    assert take(store, server).held == report.held
    assert take(store, server, deletions=True).held == []
    assert len(texts(store)) == 29


def test_rooms_that_are_gone_take_what_is_in_them_along_or_are_held_back_with_it(make_store: Make) -> None:
    store, server = make_store("m"), small()
    for number in range(3, 23):
        server.room(number, f"Room {number}")
        for text in range(12):
            server.post(number, f"{text}")
    take(store, server)
    del server.rooms[3]
    assert take(store, server).held == []
    assert alive(store, "messages/alpha:3") == []
    for number in range(4, 20):
        del server.rooms[number]
    assert take(store, server).held == [HeldBack("rooms", 16, 21)]
    assert len(alive(store, "messages/alpha:4")) == 12
    take(store, server, deletions=True)
    assert alive(store, "rooms") == ["alpha:1", "alpha:2", "alpha:20", "alpha:21", "alpha:22"]
    assert alive(store, "messages/alpha:4") == []


def test_items_that_were_edited_count_as_no_deletions(make_store: Make) -> None:
    store, server = make_store("m"), small()
    for number in range(20):
        server.post(2, event("Tea", "Kitchen"), euid=f"x{number}")
    take(store, server)
    for number in range(20):
        server.post(2, event("Tea", "Garden"), euid=f"x{number}")
    assert take(store, server).held == []
    assert [text.count("Garden") for text in texts(store, "messages/alpha:2")] == [1] * 20


# -- which server it is -------------------------------------------------------------------------------


def test_an_older_export_is_refused_unless_told(make_store: Make) -> None:
    store, server, older = make_store("m"), small(), small()
    server.post(1, "four")
    take(store, server)
    with pytest.raises(OtherThanLast, match=r"highest message number is 3, that of .* was 4.*--accept-older"):
        take(store, older)
    assert texts(store) == ["four", "one", "three", "two"]
    take(store, older, older=True)
    assert texts(store) == ["one", "three", "two"]
    take(store, server)
    assert texts(store) == ["four", "one", "three", "two"]


def test_a_server_that_was_made_anew_is_not_taken_for_the_same(make_store: Make) -> None:
    store, server = make_store("m"), small()
    take(store, server)
    anew = small()
    anew.created += 1
    with pytest.raises(OtherThanLast, match="another one, or was made anew"):
        take(store, anew)


def test_in_a_store_of_an_older_version_what_bears_the_servers_origin_is_what_it_said_last(
    tmp_path: Path, export: Path
) -> None:
    """The store holds the recorded export, and what was posted, changed and deleted on two nodes after that."""
    (tmp_path / "store.sqlite").write_bytes(lzma.decompress((STORES / "store-0.1.0.sqlite.xz").read_bytes()))
    store = SqliteStore(tmp_path)
    data, before = export.read_bytes(), state(store)
    report = Importer(store, "x").run([data])
    after = state(store)
    assert (report.held, report.applied.conflicts) == ([], 0), "what is the server's own may go"
    gone = [(name, key) for name, held in before.items() for key in held if key not in after.get(name, {})]
    rooms = {key for name, key in gone if name == "rooms"}
    assert {fields(store, KILLED, key)["QRname"].rpartition(".")[2] for key in rooms} == NONE_OF_OURS
    assert all(name in ("rooms", "config") or name.partition("/")[2] in rooms for name, _ in gone)
    for name, held in after.items():
        old = before.get(name, {})
        changed = [key for key in held.keys() & old.keys() if held[key] != old[key] and name != "config"]
        assert changed == [], (name, "was changed here, or by nobody")
    assert Importer(store, "x").run([data]).applied.written == 0
    renamed = data.replace(b"<u_fullname>Hana</u_fullname>", b"<u_fullname>Hannah</u_fullname>")
    assert renamed != data and Importer(store, "x").run([renamed]).applied.written == 1
    store.close()


# -- interrupted --------------------------------------------------------------------------------------


def test_killed_at_any_write_a_second_import_that_is_repeated_ends_as_one_that_was_not(make_store: Make) -> None:
    server = small()
    server.room(3, "Doomed")
    server.post(3, "doomed")
    later = small()
    later.post(1, "doomed")
    later.room(1, "Foyer")
    later.post(1, "five")
    later.lists[1].remove(1)
    later.visit(1, 2, "2:5")
    del later.users[1]

    whole = make_store("m")
    take(whole, server)
    take(whole, later)
    for after in itertools.count():
        store = make_store("m")
        take(store, server)
        killed = is_killed(store, after, lambda: take(store, later))  # noqa: B023
        take(store, later)
        assert state(store) == state(whole), after
        assert store.read(lambda reader: reader.conflict_count()) == 0
        if not killed:
            break
    assert after > 4
