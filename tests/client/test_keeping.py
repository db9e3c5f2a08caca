"""Folders and rooms kept equal by rounds, over sessions on a node."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from persons import READ_ONLY, TEAM, Machine, event

from mirror.client import form, vdir
from mirror.client.connection import Connection
from mirror.client.round import A_BATCH, PULL, PUSH
from mirror.client.server import Held, Outcome, Page, Stale
from mirror.formats.names import ROOM_IN_USE
from mirror.model.draft import Draft
from mirror.server.node import Node
from mirror.service.rooms import ROOM_PRIVATE
from mirror.wire.errors import Refused
from mirror.wire.lines import Code


def test_a_new_file_is_on_the_other_machine(make: Callable[..., Machine]) -> None:
    one, other = make("one"), make("other")
    one.sync()
    text = event()
    one.write("Calendar", "mine.ics", text)
    report = one.sync()
    assert report.sent == {"new": 1, "changed": 0, "deleted": 0} and not report.problems
    assert one.files() == {"mine.ics": text.encode()}
    other.sync()
    assert other.files() == {"a.ics": text.encode()}
    for machine in (one, other):
        before = machine.state_path.stat().st_mtime_ns
        quiet = machine.sync()
        assert quiet.done == 0, quiet
        assert machine.state_path.stat().st_mtime_ns == before


def both(make: Callable[..., Machine], *texts: str) -> tuple[Machine, Machine]:
    """Return two machines that hold some events."""
    one, other = make("one"), make("other")
    one.sync()
    for number, text in enumerate(texts):
        one.write("Calendar", f"{number}.ics", text)
    one.sync()
    other.sync()
    return one, other


def only(machine: Machine) -> str:
    (data,) = machine.files().values()
    return data.decode()


def test_a_full_room_is_put_on_the_disk_and_remembered_at_once(
    make: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = make("one"), make("other")
    one.sync()
    for number in range(450):
        one.write("Calendar", f"{number}.ics", event(f"e{number}"))
    one.sync()
    times: list[int] = []
    put_on_disk = vdir.put_on_disk

    def counted(files: Sequence[Path | str]) -> None:
        times.extend([len(files)] if files else [])
        put_on_disk(files)

    monkeypatch.setattr(vdir, "put_on_disk", counted)
    assert other.sync().received["new"] == 450
    assert times == [450] and set(other.files().values()) == set(one.files().values())


def test_a_new_file_that_is_sent_is_taken_apart_once(make: Callable[..., Machine]) -> None:
    one = make("one")
    one.sync()
    for number in range(3):
        one.write("Calendar", f"{number}.ics", event(f"once{number}"))
    before = form._small.cache_info().misses
    assert one.sync().sent["new"] == 3
    assert form._small.cache_info().misses == before + 3


def test_progress_is_told_with_how_much_there_is(make: Callable[..., Machine]) -> None:
    one, other = make("one"), make("other")
    one.sync()
    for number in range(3):
        one.write("Calendar", f"{number}.ics", event(f"e{number}"))
    heard: list[tuple[str, int, int | None]] = []
    one.sync(progress=lambda *told: heard.append(told))
    assert heard == [("Calendar", 3, 3)]
    other.sync(progress=lambda *told: heard.append(told))
    assert ("Calendar", 3, 3) in heard[1:]


def test_an_edit_is_on_the_other_machine_under_the_name_that_it_has_there(make: Callable[..., Machine]) -> None:
    one, other = both(make, event())
    one.write("Calendar", "0.ics", event(summary="Dinner").replace("DTSTAMP:2026", "DTSTAMP:2027"))
    assert one.sync().sent == {"new": 0, "changed": 1, "deleted": 0}
    assert other.sync().received == {"new": 0, "changed": 1, "deleted": 0}
    assert other.files() == {"a.ics": one.files()["0.ics"]}
    assert one.sync().done == other.sync().done == 0


def test_a_file_that_was_only_rewritten_is_not_sent(make: Callable[..., Machine]) -> None:
    one, other = both(make, event())
    text = event().replace("\r\n", "\n").replace("DTSTAMP:20260101T000000Z", "DTSTAMP:20260102T000000Z")
    one.write("Calendar", "0.ics", text)
    assert one.sync().done == 0
    assert one.files() == {"0.ics": text.encode()}
    assert other.sync().done == 0


def test_deletions_go_both_ways(make: Callable[..., Machine]) -> None:
    one, other = both(make, event("a"), event("b"), event("c"))
    (one.root / "Calendar" / "0.ics").unlink()
    (other.root / "Calendar" / "b.ics").unlink()
    one.sync()
    assert other.sync().received["deleted"] == 1
    one.sync()
    assert list(one.files()) == ["2.ics"] and list(other.files()) == ["c.ics"]


def test_edits_of_different_parts_are_merged_and_no_conflict(make: Callable[..., Machine]) -> None:
    one, other = both(make, event())
    one.write("Calendar", "0.ics", event(summary="Dinner"))
    other.write("Calendar", "a.ics", event(start="20261202T100000Z"))
    one.sync()
    assert other.sync().conflicts == 0
    one.sync()
    assert only(one) == only(other)
    assert "SUMMARY:Dinner" in only(one) and "DTSTART:20261202" in only(one)


def test_of_two_edits_of_one_part_both_texts_are_kept(make: Callable[..., Machine]) -> None:
    one, other = both(make, event())
    one.write("Calendar", "0.ics", event(summary="Dinner"))
    other.write("Calendar", "a.ics", event(summary="Supper"))
    one.sync()
    assert other.sync().conflicts == 1
    one.sync()
    assert only(one) == only(other)
    (conflict,) = other.state.conflicts()
    assert b"Supper" in (conflict.mine or b"") and b"Dinner" in (conflict.theirs or b"")
    assert (conflict.kept == "mine") == ("Supper" in only(one))


def test_an_edit_of_what_was_deleted_elsewhere_is_kept_as_a_conflict(make: Callable[..., Machine]) -> None:
    one, other = both(make, event("a"), event("b"))
    (one.root / "Calendar" / "0.ics").unlink()
    other.write("Calendar", "a.ics", event("a", summary="Dinner"))
    one.sync()
    assert other.sync().conflicts == 1
    assert list(other.files()) == ["b.ics"]
    (conflict,) = other.state.conflicts()
    assert b"Dinner" in (conflict.mine or b"") and conflict.theirs is None and conflict.kept == "theirs"


def test_what_is_wrong_with_a_file_is_told_and_the_rest_goes_on(make: Callable[..., Machine]) -> None:
    one, other = both(make)
    one.write("Calendar", "none.ics", event().replace("UID:a\r\n", ""))
    one.write("Calendar", "cut.ics", event()[:-30])
    one.write("Calendar", "two.ics", event("x") + event("y"))
    one.write("Calendar", "1.ics", event("same"))
    one.write("Calendar", "2.ics", event("same", summary="Other"))
    one.write("Calendar", "good.ics", event("good"))
    report = one.sync()
    told = {problem.name: problem.why for problem in report.problems}
    assert sorted(told) == ["2.ics", "cut.ics", "none.ics", "two.ics"]
    assert "no UID" in told["none.ics"] and "1.ics" in told["2.ics"] and "2 items" in told["two.ics"]
    other.sync()
    assert sorted(other.files()) == ["good.ics", "same.ics"]
    assert sorted(problem.name for problem in one.sync().problems) == sorted(told)


def test_a_file_that_is_renamed_sends_nothing(make: Callable[..., Machine]) -> None:
    one, other = both(make, event())
    (one.root / "Calendar" / "0.ics").rename(one.root / "Calendar" / "new.ics")
    assert one.sync().done == 0
    one.write("Calendar", "new.ics", event(summary="Dinner"))
    one.sync()
    other.sync()
    assert "Dinner" in only(other) and list(one.files()) == ["new.ics"]


def test_an_item_that_got_another_uid_is_another_item(make: Callable[..., Machine]) -> None:
    one, other = both(make, event("a"))
    one.write("Calendar", "0.ics", event("b"))
    report = one.sync()
    assert report.sent == {"new": 1, "changed": 0, "deleted": 1}
    other.sync()
    assert list(other.files()) == ["b.ics"]


def test_two_files_that_change_their_items_with_each_other_stay_two(make: Callable[..., Machine]) -> None:
    one, other = both(make, event("a", summary="A"), event("b", summary="B"))
    one.write("Calendar", "0.ics", event("b", summary="B"))
    one.write("Calendar", "1.ics", event("a", summary="Changed"))
    report = one.sync()
    assert report.sent == {"new": 0, "changed": 1, "deleted": 0} and not report.problems
    other.sync()
    assert b"SUMMARY:Changed" in other.files()["a.ics"] and b"SUMMARY:B" in other.files()["b.ics"]
    assert one.sync().done == 0


def test_very_many_files_that_change_their_items_with_each_other_stay_what_they_are(
    make: Callable[..., Machine],
) -> None:
    many = 2 * A_BATCH + 50
    one, other = both(make, *(event(f"e{number}") for number in range(many)))
    for number in range(many):
        of = (number + A_BATCH + 25) % many  # what another batch has
        one.write("Calendar", f"{number}.ics", event(f"e{of}", summary="Changed" if of == 7 else "Lunch"))
    report = one.sync()
    assert report.sent == {"new": 0, "changed": 1, "deleted": 0} and not report.problems and not report.conflicts
    assert one.sync().done == 0
    assert other.sync().received == {"new": 0, "changed": 1, "deleted": 0}
    assert sorted(one.files().values()) == sorted(other.files().values())


def test_several_components_of_one_uid_are_one_item(make: Callable[..., Machine]) -> None:
    one, other = both(make)
    series = event("s", extra="RRULE:FREQ=DAILY;COUNT=5")
    inside = event("s", summary="Moved", start="20261203T120000Z", extra="RECURRENCE-ID:20261203T100000Z")
    inside = inside[inside.index("BEGIN:VEVENT") : inside.index("END:VCALENDAR")]
    text = series.replace("END:VCALENDAR", inside + "END:VCALENDAR")
    one.write("Calendar", "s.ics", text)
    one.sync()
    other.sync()
    assert only(other) == text


def test_an_emptied_folder_is_never_a_deletion_of_all(make: Callable[..., Machine]) -> None:
    one, other = both(make, *(event(uid) for uid in "abc"))
    for path in (one.root / "Calendar").glob("*.ics"):
        path.unlink()
    report = one.sync()
    assert report.held == {"Calendar": 3} and report.done == 0
    assert one.sync().held == {"Calendar": 3}
    assert other.sync().done == 0
    assert one.sync(accept=True).sent["deleted"] == 3
    assert other.sync().received["deleted"] == 3
    assert one.sync().held == {}


def test_more_than_a_share_of_deletions_waits_and_the_rest_goes_on(make: Callable[..., Machine]) -> None:
    one, other = both(make, *(event(f"e{number}") for number in range(30)))
    for number in range(11):
        (one.root / "Calendar" / f"{number}.ics").unlink()
    one.write("Calendar", "29.ics", event("e29", summary="Dinner"))
    report = one.sync()
    assert report.held == {"Calendar": 11} and report.sent == {"new": 0, "changed": 1, "deleted": 0}
    other.sync()
    assert len(other.files()) == 30
    one.write("Calendar", "0.ics", event("e0"))
    assert one.sync().held == {}
    other.sync()
    assert len(other.files()) == 20


def test_a_folder_that_is_another_one_than_before_deletes_nothing(make: Callable[..., Machine]) -> None:
    one, other = both(make, event("a"), event("b"), event("c"))
    (one.root / "Calendar").rename(one.root / "away")
    (one.root / "Calendar").mkdir()
    one.write("Calendar", "b.ics", event("b"))
    assert one.sync().held == {"Calendar": 2}
    other.sync()
    assert len(other.files()) == 3


def test_a_folder_that_is_gone_is_told(make: Callable[..., Machine]) -> None:
    one, other = both(make, event("a"), event("b"))
    (one.root / "Calendar").rename(one.root.parent / "away")
    other.write("Calendar", "a.ics", event("a", summary="Dinner"))
    other.sync()
    report = one.sync()
    assert report.done == 0 and [problem.folder for problem in report.problems] == ["Calendar"]
    (one.root.parent / "away").rename(one.root / "Calendar")
    one.sync()
    assert b"Dinner" in one.files()["0.ics"]


def test_both_sides_have_something_at_first(make: Callable[..., Machine]) -> None:
    one = make("one")
    one.sync()
    one.write("Calendar", "a.ics", event("a"))
    one.write("Calendar", "b.ics", event("b"))
    one.sync()
    other = make("other")
    (other.root / "Calendar").mkdir()
    other.write("Calendar", "mine.ics", event("a"))
    other.write("Calendar", "c.ics", event("c"))
    report = other.sync()
    assert report.sent == {"new": 1, "changed": 0, "deleted": 0} and report.received["new"] == 1
    assert sorted(other.files()) == ["b.ics", "c.ics", "mine.ics"]


def test_a_dry_run_counts_and_writes_nothing(make: Callable[..., Machine]) -> None:
    one, other = both(make, event("a"), event("b"), event("d"))
    one.write("Calendar", "c.ics", event("c"))
    one.write("Calendar", "0.ics", event("a", summary="Dinner"))
    (one.root / "Calendar" / "1.ics").unlink()
    other.write("Calendar", "e.ics", event("e"))
    other.sync()
    before = one.files()
    report = one.sync(dry=True)
    assert report.sent == {"new": 1, "changed": 1, "deleted": 1} and report.received["new"] == 1
    assert one.files() == before
    assert other.sync().done == 0
    assert one.sync().sent == report.sent


def test_a_collection_that_a_person_makes_is_a_room_and_on_the_other_machine(make: Callable[..., Machine]) -> None:
    one, other = both(make)
    (one.root / "Work").mkdir()
    one.write("Work", "a.ics", event("a"))
    (one.root / "To do").mkdir()
    one.write("To do", "t.ics", event("t").replace("VEVENT", "VTODO"))
    wants = lambda room: room.view in (3, 4)  # noqa: E731
    assert one.sync(wants).sent["new"] == 2
    other.sync(wants)
    assert list(other.files("Work")) == ["a.ics"] and list(other.files("To do")) == ["t.ics"]
    views = {room.name: (room.view, room.own) for room in other.connect().rooms().rooms}
    assert views["Work"] == (3, True) and views["To do"] == (4, True)
    (one.root / "Work").rename(one.root / "Office")
    assert one.sync(wants).done == 0
    one.write("Office", "b.ics", event("b"))
    one.sync(wants)
    other.sync(wants)
    assert sorted(other.files("Work")) == ["a.ics", "b.ics"]


def close_to_writers(node: Node, on: bool) -> None:
    """Have the room of others be one that is only read, or written again."""
    flags = ROOM_IN_USE | (READ_ONLY if on else 0)
    node.store.write(lambda writer: writer.set_fields("rooms", TEAM, {"QRflags": flags}))


def test_a_room_that_is_only_read_is_put_back_with_one_line_why(make: Callable[..., Machine], node: Node) -> None:
    one, other = make("one"), make("other")
    one.sync()
    for uid in "abcd":
        one.write("Team", f"{uid}.ics", event(uid))
    one.sync()
    close_to_writers(node, True)
    other.sync()
    other.write("Team", "a.ics", event("a", summary="Mine"))
    other.write("Team", "new.ics", event("new"))
    (other.root / "Team" / "b.ics").unlink()
    report = other.sync()
    assert sum(report.sent.values()) == 0
    (note,) = report.notes
    assert "read-only for you" in note and "1 new" in note and "1 changed and 1 deleted" in note
    assert sorted(other.files("Team")) == ["a.ics", "b.ics", "c.ics", "d.ics", "new.ics"]
    assert b"Lunch" in other.files("Team")["a.ics"]
    (conflict,) = other.state.conflicts()
    assert b"Mine" in (conflict.mine or b"") and conflict.kept == "theirs"
    close_to_writers(node, False)
    assert other.sync().sent["new"] == 1
    one.sync()
    assert "new.ics" in one.files("Team")


def test_a_pair_that_only_pulls_sends_nothing_and_one_that_only_pushes_takes_nothing(
    make: Callable[..., Machine],
) -> None:
    one, other = both(make, event("a"))
    other.write("Calendar", "b.ics", event("b"))
    assert sum(other.sync(direction=PULL).sent.values()) == 0
    one.write("Calendar", "c.ics", event("c"))
    assert one.sync(direction=PUSH).sent["new"] == 1
    other.sync(direction=PULL)
    assert sorted(other.files()) == ["a.ics", "b.ics", "c.ics"]
    other.write("Calendar", "d.ics", event("d"))
    assert sum(other.sync(direction=PUSH).received.values()) == 0
    assert sum(one.sync(direction=PUSH).received.values()) == 0
    assert sorted(one.files()) == ["0.ics", "c.ics"]
    one.sync()
    assert sorted(one.files()) == ["0.ics", "b.ics", "c.ics", "d.ics"]


def test_a_room_that_is_closed_leaves_its_files_and_goes_on_when_it_opens(
    make: Callable[..., Machine], node: Node
) -> None:
    one, other = make("one"), make("other")
    one.sync()
    one.write("Team", "a.ics", event("a"))
    one.write("Team", "b.ics", event("b"))
    one.sync()
    other.sync()
    flags = {"QRflags": ROOM_IN_USE | ROOM_PRIVATE}
    node.store.write(lambda writer: writer.set_fields("rooms", TEAM, flags))
    report = other.sync()
    assert "not open to you any more" in report.notes[0] and report.done == 0
    assert other.sync().notes == []
    assert sorted(other.files("Team")) == ["a.ics", "b.ics"]
    (key,) = (record.key for record in node.store.read(lambda r: r.scan(f"messages/{TEAM}")) if record.key == "euid:a")
    node.store.write(lambda writer: writer.delete(f"messages/{TEAM}", key))
    other.write("Team", "c.ics", event("c"))
    node.store.write(lambda writer: writer.set_fields("rooms", TEAM, {"QRflags": ROOM_IN_USE}))
    assert other.sync().sent["new"] == 1
    assert sorted(other.files("Team")) == ["b.ics", "c.ics"]


class Refusing:
    """A node that takes all drafts but those of one key."""

    def __init__(self, connection: Connection, key: str) -> None:
        self._connection = connection
        self._key = key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def offer(self, drafts: Sequence[Draft]) -> list[Outcome]:
        taken = iter(self._connection.offer([draft for draft in drafts if draft.key != self._key]))
        return [Outcome(refused="not allowed") if draft.key == self._key else next(taken) for draft in drafts]


def test_what_the_node_refuses_is_told_left_alone_and_tried_again(make: Callable[..., Machine]) -> None:
    one, other = both(make, event("a"), event("b"))

    def around(side: Any) -> Any:
        return Refusing(side, "euid:a") if isinstance(side, Connection) else side

    one.write("Calendar", "0.ics", event("a", summary="Dinner"))
    one.write("Calendar", "new.ics", event("new"))
    for sent in (1, 0):
        report = one.sync(around=around)
        (problem,) = report.problems
        assert problem.name == "0.ics" and "not allowed" in problem.why
        assert sum(report.sent.values()) == sent
    other.write("Calendar", "a.ics", event("a", start="20261202T100000Z"))
    other.sync()
    assert [problem.name for problem in one.sync(around=around).problems] == ["0.ics"]
    assert b"Dinner" in one.files()["0.ics"] and b"20261201" in one.files()["0.ics"]
    assert one.sync().problems == []
    other.sync()
    assert one.files()["0.ics"] == other.files()["a.ics"]
    assert b"Dinner" in one.files()["0.ics"] and b"20261202" in one.files()["0.ics"]


def test_a_new_file_that_the_node_refuses_has_no_second_one_beside_it(make: Callable[..., Machine]) -> None:
    one, other = both(make)

    def around(side: Any) -> Any:
        return Refusing(side, "euid:x") if isinstance(side, Connection) else side

    one.write("Calendar", "mine.ics", event("x"))
    one.sync(around=around)
    other.write("Calendar", "theirs.ics", event("x", start="20261202T100000Z"))
    other.sync()
    one.sync(around=around)
    assert list(one.files()) == ["mine.ics"]
    (one.root / "Calendar" / "mine.ics").unlink()
    one.sync()
    assert list(one.files()) == ["x.ics"] and list(other.files()) == ["theirs.ics"]


def test_an_item_with_a_body_apart_comes_and_goes(make: Callable[..., Machine]) -> None:
    one, other = both(make, event("a", extra="DESCRIPTION:" + "long " * 8000))
    assert other.files()["a.ics"] == one.files()["0.ics"]
    other.write("Calendar", "a.ics", event("a", extra="DESCRIPTION:" + "more " * 8000))
    other.sync()
    one.sync()
    assert b"more more" in one.files()["0.ics"]


def test_cards_and_notes_are_files_of_their_own_kind(make: Callable[..., Machine]) -> None:
    one, other = both(make)
    card = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:c\r\nFN:Zoe\r\nN:Z;;;;\r\nTEL:1\r\nEND:VCARD\r\n"
    note = "BEGIN:VNOTE\r\nVERSION:1.1\r\nUID:n\r\nBODY:Remember\r\nEND:VNOTE\r\n"
    one.write("Contacts", "c.vcf", card)
    one.write("Notes", "n.vnt", note)
    one.sync()
    other.sync()
    assert other.files("Contacts") == {"c.vcf": card.encode()} and other.files("Notes") == {"n.vnt": note.encode()}
    other.write("Notes", "n.vnt", note.replace("Remember", "Forget"))
    other.write("Contacts", "c.vcf", card.replace("TEL:1", "TEL:2"))
    other.sync()
    assert one.sync().received["changed"] == 2
    assert b"Forget" in one.files("Notes")["n.vnt"] and b"TEL:2" in one.files("Contacts")["c.vcf"]
    assert one.sync().done == other.sync().done == 0


def test_after_a_store_was_put_back_all_is_compared_and_nothing_is_lost(
    make: Callable[..., Machine], node: Node
) -> None:
    one, other = both(make, event("a"), event("b"))
    with one.state.writing():
        one.state.note("cursor", "0000000000000000:7")
    other.write("Calendar", "c.ics", event("c"))
    (other.root / "Calendar" / "b.ics").unlink()
    other.sync()
    one.write("Calendar", "0.ics", event("a", summary="Dinner"))
    report = one.sync()
    assert report.received == {"new": 1, "changed": 0, "deleted": 1} and report.sent["changed"] == 1
    assert one.sync().done == 0


def test_two_rooms_of_one_name_are_two_folders(make: Callable[..., Machine], node: Node) -> None:
    room = {"QRname": "Calendar", "QRflags": ROOM_IN_USE, "QRdefaultview": 3}
    node.store.write(lambda writer: writer.set_fields("rooms", "m:15", room))
    one = make("one")
    one.sync()
    assert (one.root / "Calendar").is_dir() and (one.root / "Calendar (2)").is_dir()
    one.write("Calendar (2)", "a.ics", event("a"))
    one.sync()
    other = make("other")
    other.sync()
    assert list(other.files("Calendar (2)")) == ["a.ics"] and other.files("Calendar") == {}


def test_a_folder_that_cannot_be_read_stops_no_other(make: Callable[..., Machine]) -> None:
    one, _ = both(make, event("a"))
    (one.root / "Team").rename(one.root.parent / "away")
    (one.root / "Team").write_text("a file")
    one.write("Calendar", "b.ics", event("b"))
    report = one.sync()
    assert report.sent["new"] == 1 and [problem.folder for problem in report.problems] == ["Team"]


class Forgetful:
    """A node that tells nothing of a room that is told whole; asked for single items, it ``says`` something."""

    def __init__(self, connection: Connection, says: Callable[[], dict[str, Held]]) -> None:
        self._connection = connection
        self._says = says

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def whole(self, collection: str, largest: int = 0, known: object = None) -> Iterator[list[Held]]:
        return iter(())

    def since(self, cursor: str, collections: set[str], largest: int = 0) -> Iterator[Page]:
        raise Stale("that is forgotten")

    def pages(self, collection: str, keys: Sequence[str]) -> Iterator[list[Held]]:
        return iter([list(self._says().values())])


def closed() -> dict[str, Held]:
    raise Refused(Code.NOT_FOUND, "not here")


def test_a_room_that_closes_while_it_is_told_loses_no_file(make: Callable[..., Machine]) -> None:
    one, _ = both(make, event("a"), event("b"), event("c"))
    with one.state.writing():
        one.state.note("cursor", "0000000000000000:7")
    with pytest.raises(Refused):
        one.sync(around=lambda side: Forgetful(side, closed) if isinstance(side, Connection) else side)
    assert len(one.files()) == 3
    assert one.sync().done == 0


def test_what_a_node_knows_nothing_of_any_more_waits_where_it_is_all(make: Callable[..., Machine]) -> None:
    one, _ = both(make, event("a"), event("b"), event("c"))

    def around(side: Any) -> Any:
        return Forgetful(side, dict) if isinstance(side, Connection) else side

    for _ in range(2):
        assert one.sync(around=around).held == {"Calendar": 3}
        assert len(one.files()) == 3
    assert one.sync(around=around, accept=True).received["deleted"] == 3
    assert one.files() == {}


def test_what_was_changed_elsewhere_and_is_deleted_here_is_kept_as_a_conflict(make: Callable[..., Machine]) -> None:
    one, other = both(make, event("a"), event("b"))
    other.write("Calendar", "a.ics", event("a", summary="Dinner"))
    other.sync()
    (one.root / "Calendar" / "0.ics").unlink()
    report = one.sync()
    assert report.sent["deleted"] == 1 and report.conflicts == 1
    (conflict,) = one.state.conflicts()
    assert conflict.mine is None and b"Dinner" in (conflict.theirs or b"") and conflict.kept == "mine"
    other.sync()
    assert list(one.files()) == ["1.ics"] and list(other.files()) == ["b.ics"]


class Overtaken:
    """A node at which somebody else is done just before the first draft comes."""

    def __init__(self, connection: Connection, first: Callable[[], object]) -> None:
        self._connection = connection
        self._first: Callable[[], object] | None = first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def offer(self, drafts: Sequence[Draft]) -> list[Outcome]:
        first, self._first = self._first, None
        if first is not None:
            first()
        return self._connection.offer(drafts)


def test_what_comes_between_the_look_and_the_draft_is_looked_at_too(make: Callable[..., Machine]) -> None:
    one, other = both(make, event("a"))
    one.write("Calendar", "0.ics", event("a", summary="Dinner"))
    other.write("Calendar", "a.ics", event("a", summary="Supper"))
    report = one.sync(around=lambda side: Overtaken(side, other.sync) if isinstance(side, Connection) else side)
    assert report.conflicts == 1 and report.sent["changed"] == 1
    (conflict,) = one.state.conflicts()
    assert b"Dinner" in (conflict.mine or b"") and b"Supper" in (conflict.theirs or b"")
    other.sync()
    assert only(one) == only(other)
