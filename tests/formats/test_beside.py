"""A copy's key and text say the same id."""

import pytest

from mirror.formats.beside import NoCopy, beside
from mirror.formats.message import MIME, parse_message, serialize_message
from mirror.model.item import find_item
from mirror.model.record import MAX_KEY, Record, pack_head

LINES = ("BEGIN:VCALENDAR", "BEGIN:VEVENT", "UID:u", "SUMMARY:x", "END:VEVENT", "END:VCALENDAR")
EVENT = b"Content-type: text/calendar\r\n\r\n" + "\r\n".join(LINES).encode()


def record(key: str, collection: str = "messages/r", head: bytes = b"") -> Record:
    return Record(collection, key, 5, "a", 5, head=head)


def test_an_event_gets_one_new_id_in_key_field_and_text() -> None:
    body = serialize_message([("I", b"m@x"), ("E", b"u"), ("M", EVENT)], MIME)
    draft, text = beside(record("euid:u"), body)
    uid = draft.key.removeprefix("euid:")
    assert uid.startswith("u-kept-")
    message = parse_message(text)
    assert message.text("E") == uid
    item = find_item(text)
    assert item is not None
    assert item.component.inside[0].first("UID") == uid
    assert message.format == MIME


def test_a_message_gets_a_new_id() -> None:
    draft, text = beside(record("id:m@x"), serialize_message([("I", b"m@x"), ("M", b"hello")]))
    assert draft.key == f"id:{parse_message(text).text('I')}" != "id:m@x"


def test_a_message_without_an_id_gets_one() -> None:
    draft, text = beside(record("id:node/7"), serialize_message([("M", b"hello")]))
    assert draft.key == f"id:{parse_message(text).text('I')}"


@pytest.mark.parametrize(
    ("name", "beginning", "end"),
    [("plan.txt", "plan (kept-", ").txt"), ("plan", "plan (kept-", ")"), (".x", ".x (", ")")],
)
def test_a_file_keeps_its_ending(name: str, beginning: str, end: str) -> None:
    draft, body = beside(record(name, "files/r", pack_head({"name": name, "type": "text/plain"})), b"abc")
    assert draft.key.startswith(beginning)
    assert draft.key.endswith(end)
    assert draft.key.encode() in draft.head
    assert body == b"abc"


@pytest.mark.parametrize(
    ("held", "body"),
    [(record("k", "rooms"), b""), (record("euid:u"), b"no item"), (record("id:m"), b"no message")],
)
def test_what_cannot_be_kept_twice_is_refused(held: Record, body: bytes) -> None:
    with pytest.raises(NoCopy):
        beside(held, body)


@pytest.mark.parametrize("name", ["x" * MAX_KEY, "é" * (MAX_KEY // 2), "a." + "x" * (MAX_KEY - 2), "x" * 1020 + ".txt"])
def test_a_file_with_the_longest_name_is_kept_beside_it(name: str) -> None:
    loser = Record("files/r", name, 10, "a", 10, body=b"lost")
    draft, _ = beside(loser, loser.body)
    assert len(draft.key.encode()) <= MAX_KEY
    assert "kept-" in draft.key and draft.key.endswith(".txt") == name.endswith(".txt")
