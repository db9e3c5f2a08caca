"""Folders and rooms kept equal by rounds, over sessions on a node."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from persons import Machine, event, only, two_machines

from mirror.client import form, vdir
from mirror.client.round import A_BATCH, PULL, PUSH


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
    one, other = two_machines(make, event())
    one.write("Calendar", "0.ics", event(summary="Dinner").replace("DTSTAMP:2026", "DTSTAMP:2027"))
    assert one.sync().sent == {"new": 0, "changed": 1, "deleted": 0}
    assert other.sync().received == {"new": 0, "changed": 1, "deleted": 0}
    assert other.files() == {"a.ics": one.files()["0.ics"]}
    assert one.sync().done == other.sync().done == 0


def test_a_file_that_was_only_rewritten_is_not_sent(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make, event())
    text = event().replace("\r\n", "\n").replace("DTSTAMP:20260101T000000Z", "DTSTAMP:20260102T000000Z")
    one.write("Calendar", "0.ics", text)
    assert one.sync().done == 0
    assert one.files() == {"0.ics": text.encode()}
    assert other.sync().done == 0


def test_deletions_go_both_ways(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make, event("a"), event("b"), event("c"))
    (one.root / "Calendar" / "0.ics").unlink()
    (other.root / "Calendar" / "b.ics").unlink()
    one.sync()
    assert other.sync().received["deleted"] == 1
    one.sync()
    assert list(one.files()) == ["2.ics"] and list(other.files()) == ["c.ics"]


def test_what_is_wrong_with_a_file_is_told_and_the_rest_goes_on(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make)
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
    one, other = two_machines(make, event())
    (one.root / "Calendar" / "0.ics").rename(one.root / "Calendar" / "new.ics")
    assert one.sync().done == 0
    one.write("Calendar", "new.ics", event(summary="Dinner"))
    one.sync()
    other.sync()
    assert "Dinner" in only(other) and list(one.files()) == ["new.ics"]


def test_an_item_that_got_another_uid_is_another_item(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make, event("a"))
    one.write("Calendar", "0.ics", event("b"))
    report = one.sync()
    assert report.sent == {"new": 1, "changed": 0, "deleted": 1}
    other.sync()
    assert list(other.files()) == ["b.ics"]


def test_two_files_that_change_their_items_with_each_other_stay_two(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make, event("a", summary="A"), event("b", summary="B"))
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
    one, other = two_machines(make, *(event(f"e{number}") for number in range(many)))
    for number in range(many):
        of = (number + A_BATCH + 25) % many  # what another batch has
        one.write("Calendar", f"{number}.ics", event(f"e{of}", summary="Changed" if of == 7 else "Lunch"))
    report = one.sync()
    assert report.sent == {"new": 0, "changed": 1, "deleted": 0} and not report.problems and not report.conflicts
    assert one.sync().done == 0
    assert other.sync().received == {"new": 0, "changed": 1, "deleted": 0}
    assert sorted(one.files().values()) == sorted(other.files().values())


def test_several_components_of_one_uid_are_one_item(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make)
    series = event("s", extra="RRULE:FREQ=DAILY;COUNT=5")
    inside = event("s", summary="Moved", start="20261203T120000Z", extra="RECURRENCE-ID:20261203T100000Z")
    inside = inside[inside.index("BEGIN:VEVENT") : inside.index("END:VCALENDAR")]
    text = series.replace("END:VCALENDAR", inside + "END:VCALENDAR")
    one.write("Calendar", "s.ics", text)
    one.sync()
    other.sync()
    assert only(other) == text


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
    one, other = two_machines(make, event("a"), event("b"), event("d"))
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


def test_a_pair_that_only_pulls_sends_nothing_and_one_that_only_pushes_takes_nothing(
    make: Callable[..., Machine],
) -> None:
    one, other = two_machines(make, event("a"))
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


def test_an_item_with_a_body_apart_comes_and_goes(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make, event("a", extra="DESCRIPTION:" + "long " * 8000))
    assert other.files()["a.ics"] == one.files()["0.ics"]
    other.write("Calendar", "a.ics", event("a", extra="DESCRIPTION:" + "more " * 8000))
    other.sync()
    one.sync()
    assert b"more more" in one.files()["0.ics"]


def test_cards_and_notes_are_files_of_their_own_kind(make: Callable[..., Machine]) -> None:
    one, other = two_machines(make)
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
