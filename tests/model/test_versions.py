"""Cards of different versions of vCard, and instances of a series that are told in two ways, merge to one of either."""

import itertools

import pytest

from mirror.model.edit import successor
from mirror.model.item import find_item
from mirror.model.judge import judge
from mirror.model.merge import merge
from mirror.model.record import Record, record_bytes

PHOTO = "PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQ\n"
CARDS = {
    "2.1": "N:Doe;Ann\nFN:Ann Doe\n{tel}\nNOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:{note}\n",
    "3.0": "N:Doe;Ann;;;\nFN:Ann Doe\n{tel}\nNOTE:{note}\n",
    "4.0": "N:Doe;Ann;;;\nFN:Ann Doe\n{tel}\nNOTE:{note}\n",
}
TEL = {"2.1": "TEL;CELL:{}", "3.0": "TEL;TYPE=CELL:{}", "4.0": "TEL;VALUE=uri;TYPE=cell:tel:{}"}


def put(held: Record | None, text: str, stamp: int, origin: str) -> Record:
    record = successor(held, Record("messages/r", "euid:k", 0, "", 0, body=text.encode()), stamp << 16, origin)
    judge(record)
    return record


def card(version: str, tel: str = "1", note: str = "n", more: str = "") -> str:
    lines = CARDS[version].format(tel=TEL[version].format(tel), note=note)
    return f"BEGIN:VCARD\nVERSION:{version}\nUID:k\n{lines}{more}END:VCARD\n"


def lines_of(record: Record) -> list[str]:
    item = find_item(record.body)
    assert item is not None
    return [line.text for part in (item.component, *item.component.inside) for line in part.lines]


VERSIONS = list(itertools.permutations(CARDS, 2))


@pytest.mark.parametrize(("held", "other"), VERSIONS)
def test_an_edit_of_the_other_side_is_written_as_the_chosen_version_writes_it(held: str, other: str) -> None:
    first = put(None, card(held), 10, "a")
    left = put(first, card(held, tel="2"), 20, "a")
    right = put(first, card(other), 30, "b")
    merged = merge(left, right)
    assert f"VERSION:{other}" in lines_of(merged.record)
    (tel,) = [line for line in lines_of(merged.record) if line.startswith("TEL")]
    assert tel in (TEL[other].format("2"), "TEL;TYPE=cell:2")
    assert merged.losers == ()


@pytest.mark.parametrize(("held", "other"), VERSIONS)
def test_an_edit_that_cannot_be_said_for_sure_in_the_other_version_is_told(held: str, other: str) -> None:
    first = put(None, card(held), 10, "a")
    left = put(first, card(held, more=PHOTO), 20, "a")
    right = put(first, card(other), 30, "b")
    merged = merge(left, right)
    assert not any(line.startswith("PHOTO") for line in lines_of(merged.record))
    assert [(loser.origin, parts) for loser, parts in zip(merged.losers, merged.parts, strict=True)] == [
        ("a", ("PHOTO",))
    ]


def test_cards_of_three_versions_become_the_same_in_every_order() -> None:
    first = put(None, card("3.0"), 10, "a")
    versions = [
        first,
        put(first, card("3.0", tel="2", more=PHOTO), 20, "a"),
        put(first, card("2.1", note="m=C3=A4"), 30, "b"),
        put(first, card("4.0", tel="3"), 25, "c"),
        put(first, card("3.0", note="later"), 40, "d"),
    ]
    ends = set()
    for one, two, three, four, five in itertools.permutations(versions):
        pair, rest = merge(one, two).record, merge(three, four).record
        ends.add(record_bytes(merge(merge(pair, rest).record, five).record))
        ends.add(record_bytes(merge(merge(merge(pair, three).record, four).record, five).record))
    assert len(ends) == 1


ZONE = (
    "BEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\n"
    "DTSTART:19701025T030000\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\nEND:STANDARD\nBEGIN:DAYLIGHT\n"
    "TZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nDTSTART:19700329T020000\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\n"
    "END:DAYLIGHT\nEND:VTIMEZONE\n"
)
TOLD = {
    "in the zone": "RECURRENCE-ID;TZID=Europe/Berlin:20260112T100000",
    "in UTC": "RECURRENCE-ID:20260112T090000Z",
    "by its date": "RECURRENCE-ID;VALUE=DATE:20260112",
}


def series(*lines: str) -> str:
    own = "\n".join(lines)
    override = f"BEGIN:VEVENT\nUID:k\n{own}\nEND:VEVENT\n" if lines else ""
    start = "DTSTART;TZID=Europe/Berlin:20260105T100000\nRRULE:FREQ=WEEKLY\n"
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{ZONE}BEGIN:VEVENT\nUID:k\n{start}END:VEVENT\n{override}END:VCALENDAR\n"


@pytest.mark.parametrize("one", TOLD)
@pytest.mark.parametrize("other", TOLD)
def test_two_that_tell_one_new_instance_in_two_ways_tell_one(one: str, other: str) -> None:
    first = put(None, series(), 10, "a")
    start = "DTSTART;TZID=Europe/Berlin:20260112T110000"
    left = put(first, series(TOLD[one], start, "SUMMARY:s"), 20, "a")
    right = put(first, series(TOLD[other], start, "LOCATION:l"), 30, "b")
    merged = merge(left, right)
    assert sum(line.startswith("RECURRENCE-ID") for line in lines_of(merged.record)) == 1
    assert {"SUMMARY:s", "LOCATION:l"} <= set(lines_of(merged.record))
    assert merge(right, left) == merged


@pytest.mark.parametrize("told", TOLD)
def test_an_instance_that_is_only_told_in_another_way_is_not_edited(told: str) -> None:
    start = "DTSTART;TZID=Europe/Berlin:20260112T110000"
    first = put(None, series(TOLD["in the zone"], start, "SUMMARY:s"), 10, "a")
    left = put(first, series(TOLD["in the zone"], start, "SUMMARY:t"), 20, "a")
    right = put(first, series(TOLD[told], start, "SUMMARY:s"), 30, "b")
    merged = merge(left, right)
    assert TOLD["in the zone"] in lines_of(merged.record) and "SUMMARY:t" in lines_of(merged.record)
    assert merged.losers == ()
