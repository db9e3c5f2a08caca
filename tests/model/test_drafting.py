"""Drafts made from what is at hand: they name it, and of an item the parts that differ."""

import pytest

from mirror.model.draft import base_of
from mirror.model.drafting import NOTHING, REVISION, changed_parts, deletion_of, draft_over, only_over
from mirror.model.record import Record, pack_head, record_crc

EVENT = """Content-type: text/calendar

BEGIN:VCALENDAR
BEGIN:VEVENT
UID:meeting
DTSTAMP:20260101T000000Z
DTSTART:20261201T100000Z
SUMMARY:Lunch
END:VEVENT
END:VCALENDAR
"""


def item(text: str, stamp: int = 5) -> Record:
    return Record("messages/r", "euid:meeting", stamp, "a", 1, past=(("b", 3),), body=text.encode())


def names(before: str, after: str) -> set[str]:
    held = item(before)
    draft = draft_over(held, held.collection, held.key, body=after.encode(), held_body=held.body)
    return {name.rpartition("\n")[2] for name in draft.changed}


def test_a_draft_names_the_version_it_was_made_from() -> None:
    held = Record("rooms", "a:1", 5, "a", 1, past=(("b", 3),))
    draft = draft_over(held, "rooms", "a:1", head=pack_head({"QRname": "Hall"}))
    assert (draft.base, draft.changed, draft.only_if) == (base_of(held), (), None)
    assert draft_over(None, "rooms", "a:1").base is None


def test_a_draft_over_a_deletion_knows_of_it() -> None:
    held = Record("messages/r", "euid:meeting", 5, "a", 1, dead=True)
    assert draft_over(held, held.collection, held.key, body=EVENT.encode()).base == base_of(held)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("Lunch", "Dinner", {"SUMMARY", REVISION}),
        ("T100000Z", "T110000Z", {"when", REVISION}),
        ("SUMMARY:Lunch\n", "", {"SUMMARY", REVISION}),
        ("END:VEVENT", "LOCATION:Garden\nEND:VEVENT", {"LOCATION", REVISION}),
        ("DTSTAMP:20260101", "DTSTAMP:20270101", {REVISION}),
        ("Lunch", "Lunch", {REVISION}),
    ],
)
def test_of_an_item_it_names_the_parts_that_differ(old: str, new: str, changed: set[str]) -> None:
    assert names(EVENT, EVENT.replace(old, new)) == changed


def test_what_is_no_item_any_more_has_no_parts_to_name() -> None:
    assert names("no item", "none either") == {REVISION}
    held = item("no item")
    assert changed_parts(held, held.body, draft_over(None, held.collection, held.key, body=b"x")) == (REVISION,)


def test_a_deletion_names_what_it_deletes() -> None:
    held = item(EVENT)
    draft = deletion_of(held)
    assert (draft.dead, draft.base, draft.collection, draft.key) == (True, base_of(held), held.collection, held.key)


def test_a_condition_is_the_version_that_was_looked_at() -> None:
    held = item(EVENT)
    assert only_over(held, deletion_of(held)).only_if == record_crc(held)
    assert only_over(None, draft_over(None, "netconf/a:1", "netconf")).only_if == NOTHING
