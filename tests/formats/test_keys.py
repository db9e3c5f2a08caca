"""Keys: one thing has one key by every way in, and two things have two."""

import pytest

from mirror.formats.calendar_file import parse_calendar_file
from mirror.formats.compose import compose_item
from mirror.formats.keys import key_today, message_key
from mirror.formats.message import parse_message, serialize_message
from mirror.model.keys import kept_key, key_of_id, old_cut
from mirror.model.record import MAX_KEY


def message(**fields: str) -> bytes:
    return serialize_message([(letter, value.encode()) for letter, value in fields.items()])


def key_of(**fields: str) -> str:
    return message_key(parse_message(message(**fields)), "alpha", 7)


def test_short_ids_are_in_their_keys_as_they_are() -> None:
    assert key_of(I="a@b", M="text") == "id:a@b"
    assert key_of(I="a@b", E="uid", M="text") == "euid:uid"
    assert key_of(M="text") == "id:alpha/7"
    assert key_of(I="x" * 900, M="text") == "id:" + "x" * 900


@pytest.mark.parametrize("letter", "IE")
def test_long_ids_that_begin_alike_have_different_keys(letter: str) -> None:
    keys = {key_of(**{letter: "p" * 950 + end}, M="text") for end in "12"}
    assert len(keys) == 2
    for key in keys:
        assert key.partition(":")[2].startswith("p" * 400 + "#")
        assert len(key.encode()) <= MAX_KEY


def test_a_long_id_is_cut_at_a_character() -> None:
    key = key_of(I="x" + "é" * 600, M="text")
    assert key.startswith("id:x" + "é" * 199 + "#")


def test_an_id_that_looks_like_the_key_of_a_filed_message_is_taken_for_none() -> None:
    assert key_of(I="a@b#0123456789abcdef", M="text").startswith("id:a@b#0123456789abcdef#")
    assert key_of(E="a@b#0123456789abcdef", M="text") == "euid:a@b#0123456789abcdef"


def test_what_clients_call_things_leads_to_the_same_keys() -> None:
    uid = "q" * 950
    assert kept_key("messages/r", f"euid:{uid}") == key_of(E=uid, M="text")
    assert kept_key("messages/r", key_of(E=uid, M="text")) == key_of(E=uid, M="text")
    assert kept_key("files/r", "Cafe\u0301.txt") == "Caf\u00e9.txt"
    assert kept_key("pictures", "Cafe\u0301") == "Cafe\u0301"


def test_a_calendar_file_makes_the_key_that_an_import_makes() -> None:
    uid = "q" * 950
    event = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n"
    event += "DTSTART:20260110T100000Z\r\nSUMMARY:a\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    (item,) = parse_calendar_file(event.encode()).items
    assert compose_item("alpha", "Ann", "Calendar", item, 1).key == key_of(E=uid, M="text")


@pytest.mark.parametrize(("prefix", "letter"), [("id:", "I"), ("euid:", "E")])
def test_what_010_cut_is_moved_where_its_own_id_says_so(prefix: str, letter: str) -> None:
    uid = "p" * 951
    body, today = message(**{letter: uid}, M="text"), key_of(**{letter: uid}, M="text")
    assert key_today((prefix + uid)[:400], body) == today
    assert key_today(prefix + uid, body) == today
    assert old_cut(today) == (prefix + uid)[:400]
    other = message(**{letter: "r" * 951}, M="text")
    assert key_today((prefix + uid)[:400], other) == (prefix + uid)[:400]
    assert key_today(f"{prefix}short", message(**{letter: "short"}, M="text")) == f"{prefix}short"


def test_what_holds_no_message_is_moved_by_its_length_alone() -> None:
    assert key_today("euid:" + "p" * 951, b"") == key_of_id("euid:", "p" * 951)
    assert key_today("euid:" + "p" * 395, b"BEGIN:VCARD") == "euid:" + "p" * 395
