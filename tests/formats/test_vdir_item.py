"""Items as files of a vdir and as messages of rooms: nothing is lost on the way, and what is no item is told."""

import pytest

from mirror.formats.vdir_item import BadItem, body_of, parse_body, parse_file, titled, with_uid
from mirror.model.item import MAX_PARSED

EVENT = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\n"
    b"DTSTART:20261201T100000Z\r\nSUMMARY:L\xc3\xbcnch\\, late\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
CARD = b"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:c\r\nFN:Zo\xc3\xab\r\nN:Z;;;;\r\nEND:VCARD\r\n"
NOTE = b"BEGIN:VNOTE\r\nVERSION:1.1\r\nUID:n\r\nBODY:Remember the milk\r\nEND:VNOTE\r\n"


@pytest.mark.parametrize(("data", "key"), [(EVENT, "euid:a"), (CARD, "euid:c"), (NOTE, "euid:n")])
def test_a_file_comes_back_byte_for_byte_from_the_message_that_it_is_in(data: bytes, key: str) -> None:
    item = parse_file(data)
    assert item.key == key
    body = body_of(item, None, "alpha", 1_700_000_000)
    back = parse_body(body)
    assert back is not None and (back.kind, back.uid, back.data) == (item.kind, item.uid, data)
    assert body_of(item, body, "beta", 5) == body


def test_the_message_around_an_item_stays() -> None:
    held = b"\xffA\x04Iid\0T5\0AAnn\0U=?UTF-8?B?TA==?=\0Ea\0MX-Mine: 1\nContent-type: text/calendar\n\n" + (
        EVENT.replace(b"\r\n", b"\n") + b"\0"
    )
    new = parse_file(EVENT.replace(b"late", b"early"))
    assert body_of(new, held, "n", 1) == held.replace(b"late", b"early")
    assert titled(body_of(new, held, "n", 1), new) == held.replace(b"late", b"early").replace(
        b"U=?UTF-8?B?TA==?=", "ULünch, early".encode()
    )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "begins with neither"),
        (b"hello", "begins with neither"),
        (EVENT.replace(b"UID:a\r\n", b""), "no UID"),
        (CARD.replace(b"UID:c\r\n", b""), "no UID"),
        (CARD + CARD, "not one VCARD"),
        (EVENT + EVENT.replace(b"UID:a", b"UID:b"), "2 items"),
        (EVENT + EVENT, "several calendars"),
        (EVENT[:-20], "'END:VEV'"),
        (EVENT.replace(b"late", b"l\0te"), "NUL byte at offset"),
        (CARD.replace(b"UID:c", b"UID:c\x07"), "is no text"),
    ],
)
def test_what_is_no_item_is_told(data: bytes, why: str) -> None:
    with pytest.raises(BadItem, match=why):
        parse_file(data)


def test_a_copy_has_another_uid_wherever_that_stands() -> None:
    override = b"BEGIN:VEVENT\r\nUID:a\r\nRECURRENCE-ID:20261201T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR"
    both = EVENT.replace(b"END:VCALENDAR", override.replace(b"END:VEVENT", b"DTSTART:20261201T120000Z\r\nEND:VEVENT"))
    copied = with_uid(both, "-2")
    assert parse_file(copied).uid == "a-2" and copied.count(b"UID:a-2\r\n") == 2
    assert copied.replace(b"UID:a-2", b"UID:a") == both
    assert parse_file(with_uid(CARD, "-2")).uid == "c-2"


def test_an_item_has_a_greatest_size() -> None:
    with pytest.raises(BadItem, match="an item has 8388608 at most"):
        parse_file(EVENT.replace(b"late", b"x" * MAX_PARSED))
