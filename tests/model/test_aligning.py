"""A draft speaks of what is held, also where its text alone would give it another name."""

import pytest

from mirror.model.draft import Draft, base_of
from mirror.model.drafting import changed_parts
from mirror.model.edit import Written, successor, written
from mirror.model.merge import merge
from mirror.model.record import Record

HOME, CELL, LABELLED = "TEL;TYPE=HOME:1", "TEL;TYPE=CELL:2", "item1.TEL:3\nitem1.X-ABLabel:Hut"


def card(*lines: str) -> bytes:
    return "\n".join(["BEGIN:VCARD", "VERSION:3.0", "UID:k", "FN:Ann", *lines, "END:VCARD", ""]).encode()


def put(held: Record | None, body: bytes, stamp: int, origin: str) -> Record:
    return successor(held, Record("messages/r", "euid:k", 0, "", 0, body=body), stamp << 16, origin)


def phones(record: Record) -> list[str]:
    return sorted(line for line in record.body.decode().split("\n") if "TEL" in line)


def stale(base: bytes, held: bytes, draft: bytes) -> Written:
    """Return what a draft makes that was made from an earlier version than the one that is held."""
    first = put(None, base, 10, "a")
    changed = changed_parts(first, first.body, Draft("messages/r", "euid:k", body=draft))
    late = Draft("messages/r", "euid:k", base_of(first), body=draft, changed=changed)
    return written(put(first, held, 20, "a"), late, 30 << 16, "b")


@pytest.mark.parametrize(
    ("held", "draft", "left"),
    [
        ((CELL,), (HOME,), []),
        ((HOME, "TEL;TYPE=CELL:9"), (CELL,), ["TEL;TYPE=CELL:9"]),
        ((HOME, "TEL;TYPE=CELL:9"), ("TEL;TYPE=HOME:8", CELL), ["TEL;TYPE=CELL:9", "TEL;TYPE=HOME:8"]),
        ((HOME, CELL, "TEL:9"), (HOME, CELL, "TEL:8"), ["TEL:8", "TEL:9", CELL, HOME]),
        ((CELL,), ("TEL;TYPE=HOME:8", CELL), [CELL, "TEL;TYPE=HOME:8"]),
    ],
    ids=["one each taken out", "changed and taken out", "both changed", "both added", "taken out and changed"],
)  # fmt: skip
def test_a_stale_draft_takes_back_nothing_that_its_author_left_alone(
    held: tuple[str, ...], draft: tuple[str, ...], left: list[str]
) -> None:
    assert phones(stale(card(HOME, CELL), card(*held), card(*draft)).record) == left


def test_what_a_stale_draft_does_to_what_is_taken_out_meanwhile_is_told() -> None:
    lost = stale(card(HOME, CELL), card(CELL), card("TEL;TYPE=HOME:8", CELL)).losers
    assert [(loser.record.origin, loser.parts) for loser in lost] == [("a", ("TEL;TYPE=home:1",))]


def test_another_number_of_a_labelled_one_stays_while_a_stale_draft_takes_out_another() -> None:
    made = stale(card(HOME, LABELLED), card(HOME, LABELLED.replace(":3", ":9")), card(LABELLED))
    assert phones(made.record) == ["item1.TEL:9"]
    assert made.losers == ()


def test_a_number_that_was_changed_twice_is_one_number() -> None:
    first = put(None, card(HOME, CELL), 10, "a")
    once = put(first, card("TEL;TYPE=HOME:8", CELL), 20, "a")
    twice = put(once, card("TEL;TYPE=HOME:9", CELL), 30, "b")
    other = put(first, card(HOME, "TEL;TYPE=CELL:7"), 40, "c")
    merged = merge(twice, other)
    assert phones(merged.record) == ["TEL;TYPE=CELL:7", "TEL;TYPE=HOME:9"]
    assert merged.losers == ()


def test_a_program_that_names_parts_by_their_texts_alone_changed_the_same_number() -> None:
    first = put(None, card(HOME, CELL), 10, "a")
    held = put(first, card(HOME, "TEL;TYPE=CELL:9"), 20, "a")
    named = ("TEL;TYPE=home:1", "TEL;TYPE=home:8", "revision")
    draft = Draft("messages/r", "euid:k", base_of(first), body=card("TEL;TYPE=HOME:8", CELL), changed=named)
    made = written(held, draft, 30 << 16, "b").record
    assert phones(made) == ["TEL;TYPE=CELL:9", "TEL;TYPE=HOME:8"]
    other = put(first, card("TEL;TYPE=HOME:7", CELL), 40, "c")
    assert phones(merge(made, other).record) == ["TEL;TYPE=CELL:9", "TEL;TYPE=HOME:7"]


def test_alarms_with_and_without_a_name_that_a_stale_draft_adds_are_two() -> None:
    def task(*lines: str) -> bytes:
        inside = "".join(f"BEGIN:VALARM\n{line}ACTION:DISPLAY\nEND:VALARM\n" for line in lines)
        return f"BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:k\n{inside}END:VTODO\nEND:VCALENDAR\n".encode()

    by_time, by_name = "TRIGGER:-PT4M\n", "UID:alarm\nTRIGGER:-PT5M\n"
    made = stale(task(), task().replace(b"UID:k\n", b"UID:k\nSUMMARY:s\n"), task(by_time, by_name)).record
    assert made.body.count(b"BEGIN:VALARM") == 2
    assert b"SUMMARY:s" in made.body


def test_a_stale_draft_without_a_date_is_not_behind_what_its_author_had_seen() -> None:
    base = card("REV:20240101T000000Z", "EMAIL:a@x")
    made = stale(base, base.replace(b"FN:Ann", b"FN:Ann B"), card("EMAIL:b@x"))
    assert b"EMAIL:b@x" in made.record.body and b"FN:Ann B" in made.record.body
    assert made.losers == ()
