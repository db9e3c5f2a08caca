"""An item is found where it stands in a message, and the message around it stays as it is."""

from base64 import b64encode

import pytest
from case_files import message
from hypothesis import given
from hypothesis import strategies as st

from mirror.model.frame import find_frame
from mirror.model.item import find_item

EVENT = b"BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\nUID:k\nSUMMARY:one\nEND:VEVENT\nEND:VCALENDAR"
OTHER = EVENT.replace(b"one", b"two")


def part(kind: bytes, text: bytes, encoding: bytes = b"") -> bytes:
    encoding = b"\r\nContent-Transfer-Encoding: " + encoding if encoding else b""
    return b"Content-Type: " + kind + encoding + b"\r\n\r\n" + text


def multipart(*parts: bytes, boundary: bytes = b"b") -> bytes:
    line = b"--" + boundary
    inside = b"\r\n".join(line + b"\r\n" + one for one in parts)
    return (
        b'Content-Type: multipart/mixed;\r\n boundary="' + boundary + b'"\r\n\r\n' + inside + b"\r\n" + line + b"--\r\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        EVENT,
        EVENT.replace(b"\n", b"\r\n") + b"\r\n",
        part(b"text/calendar", EVENT),
        part(b"text/calendar", EVENT, b"7BIT"),
        part(b"text/calendar", b64encode(EVENT), b"Base64"),
        part(b"text/calendar", EVENT.replace(b"one", b"=6Fne"), b"Quoted-Printable"),
        multipart(part(b"text/plain", b"BEGIN:VCALENDAR is how it begins"), part(b"text/calendar", EVENT)),
        multipart(
            multipart(part(b"text/plain", b"x"), part(b"text/calendar", b64encode(EVENT), b"base64"), boundary=b"c")
        ),
        multipart(b"", part(b"text/calendar", EVENT), b""),
    ],
    ids=["bare", "crlf", "single", "7bit", "base64", "quoted", "multipart", "nested", "empty parts"],
)
def test_an_item_is_found_and_can_be_replaced(text: bytes) -> None:
    body = message(text, "msg")
    found = find_frame(body)
    assert found is not None
    assert found[1] == EVENT
    assert found[0].filled(EVENT) == body if b"=6F" not in text else found[0].filled(EVENT) != body
    again = find_frame(found[0].filled(OTHER))
    assert again is not None
    assert again[1] == OTHER
    assert again[0].filled(EVENT) == found[0].filled(EVENT)


def test_copies_of_an_item_stay_copies() -> None:
    text = multipart(part(b"text/calendar", EVENT), part(b"application/ics", b64encode(EVENT), b"base64"))
    found = find_frame(message(text, "msg"))
    assert found is not None
    made = found[0].filled(OTHER)
    assert b64encode(OTHER) in made and OTHER in made and EVENT not in made


def test_only_one_copy_of_an_item_is_kept_equal() -> None:
    copies = [part(b"text/calendar", EVENT)] * 3
    assert find_item(message(multipart(*copies[:2]), "msg")) is not None
    assert find_item(message(multipart(*copies), "msg")) is None


def test_two_different_items_in_a_message_are_none() -> None:
    text = multipart(part(b"text/calendar", EVENT), part(b"application/ics", b64encode(OTHER), b"base64"))
    assert find_frame(message(text, "msg")) is None


def test_a_card_that_signs_an_invitation_is_not_its_item() -> None:
    card = b"BEGIN:VCARD\nVERSION:3.0\nFN:x\nEND:VCARD"
    found = find_frame(message(multipart(part(b"text/vcard", card), part(b"text/calendar", EVENT)), "msg"))
    assert found is not None
    assert found[1] == EVENT


def latin(text: bytes, charset: bytes = b"ISO-8859-1") -> bytes:
    return message(part(b'text/calendar; charset="' + charset + b'"; method=REQUEST', text), "msg")


def test_a_text_in_another_charset_is_looked_into_as_utf_8_and_stays_as_it_was() -> None:
    event = EVENT.replace(b"one", b"Caf\xe9")
    found = find_frame(latin(event))
    assert found is not None
    assert found[1] == EVENT.replace(b"one", "Café".encode())
    assert found[0].filled(found[1]) == latin(event)


def test_letters_that_a_charset_does_not_have_make_the_message_utf_8() -> None:
    found = find_frame(latin(EVENT))
    assert found is not None
    text = EVENT.replace(b"one", "漢".encode())
    made = found[0].filled(text)
    assert b'charset="UTF-8"; method=REQUEST' in made
    again = find_frame(made)
    assert again is not None
    assert again[1] == text


@pytest.mark.parametrize("charset", [b"iso-8859-1", b"utf-8", b"us-ascii", b"shift_jis"])
def test_utf_8_stays_what_it_is_whatever_the_message_says(charset: bytes) -> None:
    event = EVENT.replace(b"one", "Café".encode())
    found = find_frame(latin(event, charset))
    assert found is not None
    assert found[1] == event
    assert found[0].filled(event) == latin(event, charset)


@pytest.mark.parametrize("charset", [b"utf-8", b"us-ascii"])
def test_what_is_not_utf_8_though_it_should_be_keeps_its_bytes(charset: bytes) -> None:
    event = EVENT.replace(b"one", b"Caf\xe9")
    found = find_frame(latin(event, charset))
    assert found is not None
    assert found[1] == event
    assert found[0].filled(event.replace(b"UID:k", b"UID:l")) == latin(event.replace(b"UID:k", b"UID:l"), charset)


def test_bytes_of_a_charset_that_is_not_known_are_not_looked_into() -> None:
    assert find_frame(latin(EVENT.replace(b"one", b"\x83e\x83X\x83g"), b"shift_jis")) is None


@given(st.binary(max_size=80), st.sampled_from((b"", b"base64", b"quoted-printable", b"x")))
def test_no_message_breaks_the_search(noise: bytes, encoding: bytes) -> None:
    for body in (
        noise,
        message(part(b"text/calendar", noise + EVENT + noise, encoding), "msg"),
        multipart(noise, noise),
    ):
        found = find_frame(body)
        if found is not None:
            assert find_frame(found[0].filled(found[1])) is not None
        find_item(body)
