"""The serialized form of messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.compose import compose_event, compose_post
from mirror.formats.errors import BadMessage, CitadelError
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


def test_an_event_is_keyed_by_its_uid() -> None:
    text = b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:u-1\r\nSUMMARY:Lunch\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    (made,) = compose_event("alpha", "Ann", "Calendar", text, 1700000000)
    assert made.key == "euid:u-1"
    assert "SUMMARY:Lunch" in parse_message(made.body).text("M")


@pytest.mark.parametrize(
    "text",
    [b"", b"hello", b"BEGIN:VCALENDAR\nEND:VCALENDAR\n", b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT\nEND:VCALENDAR\n"],
)
def test_files_that_hold_no_item_are_refused(text: bytes) -> None:
    with pytest.raises(CitadelError):
        compose_event("alpha", "Ann", "Calendar", text, 1700000000)
