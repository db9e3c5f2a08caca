"""Rooms of which a server says the same as last time are not looked at; all that they could hide is noticed."""

import itertools
from collections.abc import Callable

import pytest
from killed import is_killed
from made_server import Server

from mirror.citadel.following.identity import pair_anew
from mirror.citadel.looks import look, prints, taking
from mirror.citadel.looks.decided import HeldBack
from mirror.citadel.looks.look import Look
from mirror.citadel.looks.remembered import Identity, place_of
from mirror.citadel.meaning.keys import Keys, Pair
from mirror.citadel.meaning.marks import Change
from mirror.citadel.migr.importer import Importer
from mirror.citadel.migr.report import Accepted, Report
from mirror.formats.message import parse_message
from mirror.model.fields import fields_at, values_of
from mirror.model.record import Record
from mirror.store.base import Store, Writer
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.foreign.plan import There

Make = Callable[..., SqliteStore]
PLACE = place_of("alpha")
LOBBY = "messages/alpha:1"
FILED = b'<config key="c_netconfig_0000000002">bGlzdHJlY3B8YQo=</config>\n'


def take(store: Store, server: Server, **accepted: bool) -> Report:
    return take_export(store, server.export(), **accepted)


def take_export(store: Store, data: bytes, **accepted: bool) -> Report:
    return Importer(store, "x", accepted=Accepted(**accepted)).run([data])


def two_rooms() -> Server:
    server = Server()
    server.user(2, "Ann")
    for number, name in ((1, "Lobby"), (2, "Calendar")):
        server.room(number, name)
        server.post(number, f"in {name}")
        server.visit(number, 2, "1:9")
    return server


def texts(store: Store, collection: str = LOBBY) -> list[str]:
    def job(reader) -> list[str]:
        return sorted(parse_message(reader.body(one)).text("M").strip() for one in reader.scan_all(collection))

    return store.read(job)


def name_of(store: Store, room: str) -> object:
    return values_of(store.read(lambda reader: reader.get("rooms", room)))["QRname"]


def printed(store: Store) -> set[str]:
    """Return the rooms whose prints are kept."""
    return {status.foreign for status in store.read(lambda reader: reader.scan_statuses(f"{PLACE} rooms", "rooms"))}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What looks say of rooms, in order: collection and key."""
    said: list[tuple[str, str]] = []
    tell = Look.tell

    def tell_and_note(self: Look, one) -> str:
        if one.record.collection not in ("config", "users"):
            said.append((one.record.collection, one.record.key))
        return tell(self, one)

    monkeypatch.setattr(Look, "tell", tell_and_note)
    return said


# -- what is left out ---------------------------------------------------------------------------------


def test_of_a_room_that_says_the_same_nothing_is_looked_at(make_store: Make, told: list[tuple[str, str]]) -> None:
    store, server = make_store("m"), two_rooms()
    first = take(store, server)
    told.clear()
    again = take(store, server)
    assert told == []
    assert again.elements == first.elements
    marks = 2
    assert (again.applied.written, again.applied.already_held) == (0, first.applied.written - marks)
    take_export(store, server.export().replace(b"<FRmsglist>1<", b"<FRmsglist>\n1\n<"))
    assert told == [], "its lines are broken elsewhere each time"
    server.visit(2, 2, "1")
    assert take(store, server).applied.written == 2, "the visit, and the mark that was taken back"
    assert told == [("visits/alpha:2", "alpha:2")], "nor the other parts of the room"


def test_a_version_that_reads_more_looks_at_all_again(
    make_store: Make, told: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, server = make_store("m"), two_rooms()
    take(store, server)
    told.clear()
    monkeypatch.setattr(prints, "READING", prints.READING + 1)
    take(store, server)
    assert {("rooms", "alpha:1"), ("rooms", "alpha:2")} <= set(told)


def test_where_what_the_server_has_is_kept_under_other_keys_all_is_looked_at_again(
    make_store: Make, told: list[tuple[str, str]]
) -> None:
    store, data = make_store("m"), two_rooms().export()
    for pairs in ([], [Pair("users", 2, "beta:9", 9)]):
        for _ in range(2):
            told.clear()
            Importer(store, "x", keys=Keys.of("alpha", pairs)).run([data])
        assert told == []
    assert alive_visits(store) == ["beta:9"]


def alive_visits(store: Store) -> list[str]:
    records = store.read(lambda reader: list(reader.scan_all("visits/alpha:1")))
    return [one.key for one in records if not one.dead and " " not in one.key]


def test_the_room_that_was_changed_is_the_one_that_is_looked_at(make_store: Make, told: list[tuple[str, str]]) -> None:
    store, server = make_store("m"), two_rooms()
    take(store, server)
    told.clear()
    server.room(2, "Diary")
    server.post(2, "new")
    take(store, server)
    assert {name for name, _ in told} == {"rooms", "messages/alpha:2", "visits/alpha:2"}
    assert texts(store, "messages/alpha:2") == ["in Calendar", "new"]


# -- what must not be hidden --------------------------------------------------------------------------


def test_what_is_refused_of_a_room_is_named_each_time(make_store: Make) -> None:
    store, server = make_store("m"), two_rooms()
    server.visit(1, 2, "1:x")
    data = server.export().replace(b"<FRmsglist>2<", b"<FRmsglist>2,z<")
    first, again = take_export(store, data), take_export(store, data)
    assert len(first.refused) == 2
    assert again.refused == first.refused
    assert printed(store) == set()


def test_a_visit_that_no_node_takes_is_named_each_time(make_store: Make) -> None:
    store, server = make_store("m"), two_rooms()
    server.visit(1, 2, "1", v_note="x" * 40_000)
    for _ in range(2):
        assert take(store, server).lost == 1
    assert printed(store) == {"alpha:2"}


def test_a_message_that_was_absent_or_broken_is_here_once_it_is_told(make_store: Make) -> None:
    store, server = make_store("m"), two_rooms()
    kept = server.messages[2]
    for missing in (None, b"no message"):
        server.messages.pop(2, None)
        if missing is not None:
            server.messages[2] = missing
        for _ in range(2):
            assert len(take(store, server).refused) == 1
        assert printed(store) == {"alpha:1"}
    server.messages[2] = kept
    assert take(store, server).refused == []
    assert texts(store, "messages/alpha:2") == ["in Calendar"]


def test_deletions_that_are_held_back_are_asked_for_each_time(make_store: Make) -> None:
    store, server = make_store("m"), two_rooms()
    for number in range(40):
        server.post(1, f"more {number}")
    take(store, server)
    server.lists[1] = server.lists[1][:1]
    for _ in range(2):
        assert take(store, server).held == [HeldBack(LOBBY, 40, 41)]
    assert take(store, server, deletions=True).held == []
    assert texts(store) == ["in Lobby"]


def test_a_proposal_for_a_room_that_says_the_same_comes_and_goes(make_store: Make) -> None:
    store, server = make_store("m"), two_rooms()
    plain = server.export()
    proposing = plain.replace(b"<user>", FILED + b"<user>", 1)
    take_export(store, plain)
    for data, count in ((proposing, 1), (proposing, 1), (plain, 0)):
        take_export(store, data)
        assert len(store.read(lambda reader: list(reader.scan_all("netconf/alpha:2")))) == count


def test_visits_of_a_room_that_is_in_no_list_are_noticed_to_be_gone(make_store: Make) -> None:
    store, server = make_store("m"), two_rooms()
    server.visit(7, 2, "")
    take(store, server)
    assert len(store.read(lambda reader: list(reader.scan_all("visits/alpha:7")))) == 1
    del server.visits[7, 2]
    take(store, server)
    assert store.read(lambda reader: list(reader.scan_all("visits/alpha:7"))) == []


def test_a_damaged_export_has_no_room_be_taken_for_known(make_store: Make) -> None:
    store, server = make_store("m"), two_rooms()
    whole = server.export()
    take_export(store, whole.replace(b"<v_roomnum>1<", b"<v_roomnum>?<"))
    assert printed(store) == set()
    take_export(store, whole)
    assert printed(store) == {"alpha:1", "alpha:2"}


def test_killed_at_any_write_what_the_server_took_back_meanwhile_is_taken_back_here(make_store: Make) -> None:
    first, other = two_rooms(), two_rooms()
    other.room(1, "Foyer")
    other.visit(2, 2, "")
    other.lists[2] = []
    for after in itertools.count():
        store = make_store("m")
        take(store, first)
        killed = is_killed(store, after, lambda: take(store, other))  # noqa: B023
        take(store, first)
        assert name_of(store, "alpha:1") == "Lobby", after
        assert texts(store, "messages/alpha:2") == ["in Calendar"], after
        if not killed:
            break
    assert after > 2


def test_a_message_of_two_rooms_of_which_one_was_written_when_the_import_was_killed_comes_into_both(
    make_store: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "BATCH_RECORDS", 1)
    server = two_rooms()
    server.lists[2] = [*server.lists[2], 1]
    data = server.export()
    for after in itertools.count():
        store = make_store("m")
        killed = is_killed(store, after, lambda: take_export(store, data))  # noqa: B023
        take_export(store, data)
        assert texts(store, "messages/alpha:2") == ["in Calendar", "in Lobby"], after
        if not killed:
            break
    assert after > 5


def test_whoever_takes_something_over_of_a_room_forgets_its_print(make_store: Make) -> None:
    def found(writer: Writer) -> None:
        room = There("alpha:1", writer.get_many("rooms", ["alpha:1"])[0])
        taking.take_found(writer, PLACE, [room], looked=True)

    def marked(writer: Writer) -> None:
        record = Record("visits/alpha:1", "alpha:2 id:x", 1, PLACE, 1, head=fields_at({"seen": True}, 1, PLACE))
        taking.take_changes(writer, PLACE, [Change(1, There("", record), None)], looked=True)

    def missing(writer: Writer) -> None:
        taking.take_missing(writer, PLACE, writer.scan_statuses(PLACE, LOBBY))

    def kept(writer: Writer) -> None:
        taking.keep_missing(writer, PLACE, writer.scan_statuses(PLACE, "visits/alpha:1"))

    for job in (found, marked, missing, kept):
        store = make_store("m")
        take(store, two_rooms())
        store.write(job)
        assert printed(store) == {"alpha:2"}


def test_of_a_server_that_is_another_one_no_print_is_kept(make_store: Make) -> None:
    store = make_store("m")
    take(store, two_rooms())
    pair_anew(store, "alpha", Identity("1", 1), "it was restored", lambda: None)
    assert printed(store) == set()
