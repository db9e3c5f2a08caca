"""The serialized form of messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.calendar_file import CalendarItem
from mirror.formats.compose import compose_item, compose_post
from mirror.formats.errors import BadMessage
from mirror.formats.message import parse_message, serialize_message
from mirror.formats.sequence_set import SequenceSet

FIELDS = st.lists(
    st.tuples(st.sampled_from("AITUMZ"), st.binary(max_size=40).filter(lambda value: b"\0" not in value)), max_size=8
)


@given(FIELDS)
def test_fields_survive_a_round_trip(fields: list[tuple[str, bytes]]) -> None:
    assert parse_message(serialize_message(fields, 4)) == (65, 4, fields)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    try:
        parse_message(data)
    except BadMessage as error:
        assert str(error)


def test_a_nul_inside_a_field_is_refused() -> None:
    with pytest.raises(BadMessage, match="NUL"):
        serialize_message([("M", b"a\0b")])


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("*:61", (1, 61), (62,)),
        ("38:58,60", (38, 58, 60), (37, 59, 61)),
        ("", (), (1,)),
        ("7", (7,), (6, 8)),
        ("5:*", (5, 10**9), (4,)),
    ],
)
def test_sequence_sets(text: str, inside: tuple[int, ...], outside: tuple[int, ...]) -> None:
    numbers = SequenceSet(text)
    assert all(number in numbers for number in inside)
    assert not any(number in numbers for number in outside)


def test_a_post_has_what_citadel_shows() -> None:
    made = compose_post("alpha", "Ann", "Lobby", "Hi", "text", 1700000000)
    message = parse_message(made.body)
    assert (message.text("A"), message.text("U"), message.text("M"), message.text("T")) == (
        "Ann",
        "Hi",
        "text",
        "1700000000",
    )
    assert made.key == "id:" + message.text("I")


def test_an_item_is_keyed_by_its_uid_and_holds_its_file_as_it_is() -> None:
    item = CalendarItem("u-1", "Lunch", b"BEGIN:VCALENDAR\nX-ODD:1\nEND:VCALENDAR\n")
    made = compose_item("alpha", "Ann", "Calendar", item, 1700000000)
    message = parse_message(made.body)
    assert (made.key, message.text("U")) == ("euid:u-1", "Lunch")
    assert message.get("M") == b"Content-type: text/calendar; charset=UTF-8\r\n\r\n" + item.data


def test_an_item_of_other_bytes_than_utf8_does_not_say_that_it_is_utf8() -> None:
    item = CalendarItem("u-1", "caf\udce9", b"SUMMARY:caf\xe9\r\n")
    message = parse_message(compose_item("alpha", "Ann", "Calendar", item, 1700000000).body)
    assert message.get("M") == b"Content-type: text/calendar\r\n\r\nSUMMARY:caf\xe9\r\n"
    assert message.get("U") == b"caf\xe9"


def test_a_post_is_bytes() -> None:
    made = compose_post("alpha", "Ann", "Lobby", "Hi", b"caf\xe9", 1700000000)
    assert parse_message(made.body).get("M") == b"caf\xe9"


def test_a_post_with_a_nul_is_refused() -> None:
    with pytest.raises(BadMessage, match="field M of a message contains a NUL byte"):
        compose_post("alpha", "Ann", "Lobby", "Hi", b"a\0b", 1700000000)
