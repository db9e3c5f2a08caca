"""Folders of calendars: made and renamed by a person, emptied, exchanged, gone, or of no use."""

from collections.abc import Callable

from persons import Machine, event, two_machines

from mirror.formats.names import ROOM_IN_USE
from mirror.server.node import Node


def test_a_collection_that_a_person_makes_is_a_room_and_on_the_other_machine(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make)
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


def test_an_emptied_folder_is_never_a_deletion_of_all(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make, *(event(uid) for uid in "abc"))
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
    one, other = two_machines(make, *(event(f"e{number}") for number in range(30)))
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
    one, other = two_machines(make, event("a"), event("b"), event("c"))
    (one.root / "Calendar").rename(one.root / "away")
    (one.root / "Calendar").mkdir()
    one.write("Calendar", "b.ics", event("b"))
    assert one.sync().held == {"Calendar": 2}
    other.sync()
    assert len(other.files()) == 3


def test_a_folder_that_is_gone_is_told(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make, event("a"), event("b"))
    (one.root / "Calendar").rename(one.root.parent / "away")
    other.write("Calendar", "a.ics", event("a", summary="Dinner"))
    other.sync()
    report = one.sync()
    assert report.done == 0 and [problem.folder for problem in report.problems] == ["Calendar"]
    (one.root.parent / "away").rename(one.root / "Calendar")
    one.sync()
    assert b"Dinner" in one.files()["0.ics"]


def test_a_folder_that_cannot_be_read_stops_no_other(make: Callable[..., Machine]) -> None:
    one, _ = two_machines(make, event("a"))
    (one.root / "Team").rename(one.root.parent / "away")
    (one.root / "Team").write_text("a file")
    one.write("Calendar", "b.ics", event("b"))
    report = one.sync()
    assert report.sent["new"] == 1 and [problem.folder for problem in report.problems] == ["Team"]
