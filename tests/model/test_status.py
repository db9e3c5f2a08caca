"""What is remembered of what a place says: the same for the same, another for each thing that can be changed alone."""

import hashlib

from mirror.model.edit import successor
from mirror.model.fields import fields_at
from mirror.model.record import Record, pack_head
from mirror.model.status import WHOLE, differing, fingerprints, said_by


def fields(**values: str | int | bool) -> Record:
    return Record("users", "a:1", 5, "citadel:a", 1, head=fields_at(values, 5, "citadel:a"))


def event(summary: str, location: str, number: str = "1") -> Record:
    text = (
        f"\xffA\x04EX\0M\nBEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:x\nDTSTAMP:2024010{number}T000000Z\nSUMMARY:{summary}\n"
        f"LOCATION:{location}\nEND:VEVENT\nEND:VCALENDAR\n\0"
    )
    head = pack_head({"msg_msgnum": number})
    return Record("messages/r", "euid:x", 5, "citadel:a", 1, head=head, body=text.encode("latin-1"))


def test_fields_are_told_apart_by_value_and_type() -> None:
    one = fingerprints(fields(name="Ann", flag=True, number=1))
    other = fingerprints(fields(name="Ann", flag=1, number=2, more="x"))
    assert differing(one, other) == {"flag", "number", "more"}
    assert differing(one, fingerprints(fields(name="Ann", flag=True, number=1))) == set()


def test_of_an_item_only_parts_that_somebody_would_miss_are_told() -> None:
    one = fingerprints(event("Tea", "Kitchen"))
    assert differing(one, fingerprints(event("Tea", "Kitchen", "2"))) == set()
    (changed,) = differing(one, fingerprints(event("Tea", "Garden", "2")))
    assert changed.endswith("LOCATION")


def test_a_message_never_changes_and_a_page_does() -> None:
    assert fingerprints(Record("messages/r", "id:x", 5, "a", 1, body=b"one")) == {}
    pages = [Record("messages/r", "euid:page", 5, "a", 1, body=body) for body in (b"one", b"two")]
    assert differing(fingerprints(pages[0]), fingerprints(pages[1])) == {WHOLE}


def test_a_body_kept_apart_is_told_without_reading_it_and_like_one_inside() -> None:
    apart = Record("files/r", "f", 5, "a", 1, content=hashlib.sha256(b"text").digest(), size=4)
    inside = Record("files/r", "f", 5, "a", 1, body=b"text")
    assert fingerprints(apart) == fingerprints(inside) != fingerprints(Record("files/r", "f", 5, "a", 1, body=b"more"))


def test_a_tombstone_says_nothing() -> None:
    assert fingerprints(Record("files/r", "f", 5, "a", 1, dead=True)) == {}


def card(*lines: str) -> Record:
    text = "\n".join(["BEGIN:VCARD", "VERSION:3.0", "FN:x", *lines, "END:VCARD", ""])
    return Record("messages/r", "euid:x", 0, "", 0, body=text.encode())


def test_a_number_that_was_changed_here_is_told_as_a_place_tells_it() -> None:
    first = successor(None, card("TEL;TYPE=CELL:1", "TEL;TYPE=HOME:2"), 1 << 16, "citadel:a")
    changed = successor(first, card("TEL;TYPE=CELL:9", "TEL;TYPE=HOME:2"), 2 << 16, "b")
    assert fingerprints(changed) == fingerprints(card("TEL;TYPE=CELL:9", "TEL;TYPE=HOME:2"))
    told = said_by(changed, "b")
    assert told is not None
    assert {name for name in told if name.startswith("TEL")} == {"TEL;TYPE=cell:9"}
