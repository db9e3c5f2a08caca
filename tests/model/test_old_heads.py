"""Heads of 0.1.0, which knew fewer parts, are read as what they said of the parts of today."""

import itertools

import pytest

from mirror.model.edit import successor
from mirror.model.item import find_item
from mirror.model.merge import Merged, check_head, merge
from mirror.model.record import Record, pack_head, record_bytes

WHEN, WITHIN = "VEVENT\nk\n\n\nwhen", "VEVENT\nk\n\n\nwithin"
GUEST = "VEVENT\nk\n\n\nATTENDEE:mailto:bob@x"
RULE = "DTSTART:20260101T100000Z\nRRULE:FREQ=DAILY\n"
BOB = "ATTENDEE;PARTSTAT={}:mailto:bob@x\n"
ALARMS = [f"BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT{minutes}M\nEND:VALARM\n" for minutes in (5, 10, 15)]


def body(lines: str) -> bytes:
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\nUID:k\n{lines}END:VEVENT\nEND:VCALENDAR\n".encode()


def old(lines: str, stamp: int, origin: str, written: dict[str, int] | None = None) -> Record:
    """Return a version by 0.1.0, whose parts were written at 10, and these later."""
    edits = {"": [0, 0, 10, "a"], **{name: [0, 0, at, origin] for name, at in (written or {}).items()}}
    head = pack_head({"written": edits})
    record = Record("messages/r", "euid:k", stamp, origin, 1, past=(("a", 10),), head=head, body=body(lines))
    check_head(record)
    return record


def put(held: Record, lines: str, stamp: int, origin: str) -> Record:
    return successor(held, Record("messages/r", "euid:k", 0, "", 0, body=body(lines)), stamp, origin)


def lines_of(record: Record) -> list[str]:
    item = find_item(record.body)
    assert item is not None
    (event,) = item.component.inside
    return [line.text for component in (event, *event.inside) for line in component.lines]


def lost_of(merged: Merged) -> list[tuple[str, set[str]]]:
    pairs = zip(merged.losers, merged.parts, strict=True)
    return [(loser.origin, {name.rpartition("\n")[2] for name in names}) for loser, names in pairs]


FIRST = old(RULE + BOB.format("NEEDS-ACTION") + ALARMS[0], 10, "a")
OUT = "EXDATE:2026010{}T100000Z\n"


@pytest.mark.parametrize(
    ("part", "theirs", "ours", "wanted"),
    [
        (WHEN, RULE + OUT.format(3), RULE + OUT.format(4), {"EXDATE:20260103T100000Z", "EXDATE:20260104T100000Z"}),
        (WITHIN, RULE + ALARMS[0] + ALARMS[1], RULE + ALARMS[0] + ALARMS[2], {f"TRIGGER:-PT{n}M" for n in (5, 10, 15)}),
        (GUEST, RULE + BOB.format("ACCEPTED"), RULE + "SUMMARY:x\n" + BOB.format("NEEDS-ACTION"),
         {"ATTENDEE;PARTSTAT=ACCEPTED:mailto:bob@x", "SUMMARY:x"}),
    ],
    ids=["exceptions", "alarms", "answers"],
)  # fmt: skip
def test_what_0_1_0_added_earlier_and_what_is_added_today_are_both_there(
    part: str, theirs: str, ours: str, wanted: set[str]
) -> None:
    left = old(theirs, 20, "b", {part: 20})
    right = put(FIRST, ours, 30, "c")
    merged = merge(left, right)
    assert wanted <= set(lines_of(merged.record))
    assert merge(right, left) == merged
    check_head(merged.record)


def test_an_entry_that_0_1_0_does_not_name_goes_with_the_list_that_it_changed_later() -> None:
    added = put(FIRST, RULE + OUT.format(4), 20, "c")
    left = old(RULE + OUT.format(3), 30, "b", {WHEN: 30})
    merged = merge(left, added)
    assert [line for line in lines_of(merged.record) if "EXDATE" in line] == ["EXDATE:20260103T100000Z"]
    assert lost_of(merged) == [("c", {"EXDATE:20260104T100000Z"})]
    later = put(merged.record, RULE + OUT.format(3) + OUT.format(5), 40, "c")
    assert "EXDATE:20260105T100000Z" in lines_of(merge(later, left).record)


def test_the_time_that_0_1_0_changed_is_of_the_version_that_changed_it() -> None:
    moved = RULE.replace("T10", "T12")
    left = old(moved + BOB.format("NEEDS-ACTION"), 20, "b", {WHEN: 20})
    right = put(FIRST, RULE + "SUMMARY:x\n" + BOB.format("NEEDS-ACTION"), 30, "c")
    assert {"DTSTART:20260101T120000Z", "SUMMARY:x"} <= set(lines_of(merge(left, right).record))


def test_versions_of_0_1_0_and_of_today_become_the_same_in_every_order() -> None:
    versions = [
        FIRST,
        old(RULE + OUT.format(3) + BOB.format("ACCEPTED"), 20, "b", {WHEN: 20, GUEST: 20, WITHIN: 20}),
        old(RULE + OUT.format(6) + ALARMS[1], 35, "d", {WHEN: 35, WITHIN: 30}),
        put(FIRST, RULE + OUT.format(4) + BOB.format("DECLINED") + ALARMS[2], 30, "c"),
        put(FIRST, RULE.replace("T10", "T12") + BOB.format("NEEDS-ACTION"), 40, "e"),
    ]
    ends = set()
    for one, two, three, four, five in itertools.permutations(versions):
        pair, rest = merge(one, two).record, merge(three, four).record
        ends.add(record_bytes(merge(merge(pair, rest).record, five).record))
        ends.add(record_bytes(merge(merge(merge(pair, three).record, four).record, five).record))
    assert len(ends) == 1
