"""What of a message is the node's to say where a user puts it into a room of others."""

import pytest

from mirror.formats.message import parse_message, serialize_message
from mirror.model.errors import BadRecord
from mirror.service.posting import ANONYMOUS_CHOICE, ANONYMOUS_ROOM, NotAllowed, signed
from mirror.service.rights import Author, Room
from mirror.service.rooms import ROOM_ANONYMOUS, ROOM_MAY_BE_ANONYMOUS, Generation, RoomFacts

ANN = Author("Ann", ("ann@a.example", "a@a.example"))
FORGED = [("A", b"Bob"), ("F", b"bob@a.example"), ("P", b"bob"), ("N", b"n"), ("H", b"h"), ("C", b"r"), ("B", b"1")]
TEXT = [("T", b"1700000000"), ("U", b"Hello"), ("W", b"ref"), ("x", b"kept"), ("M", b"text")]


def room(flags: int = 2, writable: bool = True) -> Room:
    return Room(RoomFacts("a:10", "Room", flags, 0, 0, 0, Generation()), False, False, writable, True)


def test_a_message_is_signed_with_its_users_name_and_first_address_whatever_was_sent() -> None:
    message = parse_message(signed(serialize_message([*FORGED, ("I", b"1"), *TEXT], 4), "id:1", room(), ANN))
    assert message.fields == [("A", b"Ann"), ("F", b"ann@a.example"), ("I", b"1"), *TEXT]
    assert message.format == 4


def test_a_second_author_is_none() -> None:
    body = serialize_message([("A", b"Ann"), ("F", b"ann@a.example"), ("I", b"1"), *TEXT, ("A", b"Bob")])
    assert parse_message(signed(body, "id:1", room(), ANN)).fields.count(("A", b"Bob")) == 0


def test_who_has_no_address_signs_with_a_name_alone() -> None:
    message = parse_message(signed(serialize_message([*FORGED, *TEXT]), "id:1", room(), Author("Ann")))
    assert message.fields == [("A", b"Ann"), ("I", b"1"), *TEXT]


def test_what_is_signed_as_it_is_to_be_keeps_its_bytes() -> None:
    body = serialize_message([("A", b"Ann"), ("F", b"ann@a.example"), ("I", b"1"), *TEXT])
    assert signed(body, "id:1", room(), ANN) is body


@pytest.mark.parametrize(
    ("key", "body", "what"),
    [
        ("id:1", b"", "no message"),
        ("id:1", b"garbage", "no message"),
        ("id:1", b"\xffA\x04\x07x\0", "no message"),
        ("id:1", serialize_message([("I", b"1"), ("U", b"Hello")]), "no text"),
        ("id:1", serialize_message([("I", b"1"), ("M", b" \n")]), "no text"),
        ("id:1", serialize_message([("I", b"2"), ("M", b"x")]), "its id '2'"),
        ("id:1", serialize_message([("I", b"1"), ("E", b"e"), ("M", b"x")]), "its exclusive id 'e'"),
        ("euid:1", serialize_message([("I", b"1"), ("E", b"e"), ("M", b"x")]), "its id 'e'"),
        ("id:", serialize_message([("M", b"x")]), "no id"),
        ("1", serialize_message([("I", b"1"), ("M", b"x")]), "no message's key"),
    ],
)
def test_what_is_no_message_or_another_one_than_its_key_says_is_refused(key: str, body: bytes, what: str) -> None:
    with pytest.raises(BadRecord, match=what):
        signed(body, key, room(), ANN)


@pytest.mark.parametrize(("key", "letter"), [("id:1", "I"), ("euid:1", "E"), ("id:1#0123456789abcdef", "I")])
def test_a_message_without_an_id_gets_that_of_its_key(key: str, letter: str) -> None:
    assert parse_message(signed(serialize_message([("M", b"x")]), key, room(), ANN)).get(letter) == b"1"


@pytest.mark.parametrize(
    ("flags", "wanted", "made"),
    [
        (2, ANONYMOUS_CHOICE, 65),
        (2, 0, 65),
        (2 | ROOM_ANONYMOUS, 65, ANONYMOUS_ROOM),
        (2 | ROOM_MAY_BE_ANONYMOUS, ANONYMOUS_CHOICE, ANONYMOUS_CHOICE),
        (2 | ROOM_MAY_BE_ANONYMOUS, 65, 65),
    ],
)
def test_who_is_named_is_the_rooms_to_say(flags: int, wanted: int, made: int) -> None:
    body = serialize_message([("I", b"1"), *TEXT], anonymity=wanted)
    assert parse_message(signed(body, "id:1", room(flags), ANN)).anonymity == made


def test_an_item_keeps_its_author_whoever_edits_it() -> None:
    held = serialize_message([("A", b"Bob"), ("F", b"bob@a.example"), ("E", b"1"), ("M", b"before")])
    message = parse_message(
        signed(serialize_message([("A", b"Ann"), ("E", b"1"), ("M", b"x")]), "euid:1", room(), ANN, held)
    )
    assert message.fields == [("A", b"Bob"), ("F", b"bob@a.example"), ("E", b"1"), ("M", b"x")]


def test_in_a_blog_only_replies_are_posted() -> None:
    body = serialize_message([("I", b"1"), ("M", b"x")])
    with pytest.raises(NotAllowed, match="only replies"):
        signed(body, "id:1", room(writable=False), ANN)
    assert signed(serialize_message([("I", b"1"), ("W", b"ref"), ("M", b"x")]), "id:1", room(writable=False), ANN)
