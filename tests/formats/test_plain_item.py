"""What is found at a glance is what taking the message apart finds, and most items are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.plain_item import SMALL, plain_item
from mirror.formats.vdir_item import body_of, parse_body, parse_file

EVENT = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nTZID:x\r\nBEGIN:STANDARD\r\nTZOFFSETTO:+0100\r\n"
    b"END:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:a@b\r\nDTSTART;TZID=x:20261201T100000\r\n"
    b"SUMMARY:L\xc3\xbcnch\r\n  and what follows\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nEND:VALARM\r\n"
    b"END:VEVENT\r\nEND:VCALENDAR\r\n"
)
CARD = b"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:c\r\nFN:Zo\xc3\xab\r\nitem1.TEL;TYPE=home:1\r\nEND:VCARD\r\n"

_LINES = st.sampled_from(
    [
        *("BEGIN:VCALENDAR", "END:VCALENDAR", "BEGIN:VEVENT", "END:VEVENT", "BEGIN:VALARM", "END:VALARM"),
        *("BEGIN:VCARD", "END:VCARD", "begin:VEVENT", "END:VEVENT ", "BEGIN;X=1:VEVENT", "x.BEGIN:VEVENT"),
        *(
            "VERSION:2.0",
            "VERSION:2.1",
            "VERSION;X=1:1.0",
            "UID:a",
            "UID:b",
            "UID:",
            "UID: a ",
            'UID:"a:b"',
            "UID;X=1:a",
        ),
        *(
            "x.UID:g",
            "uid:small",
            "AGENT:",
            "item1.TEL:1",
            "SUMMARY:one",
            " folded",
            "\tfolded",
            "",
            " ",
            "no property",
        ),
        *("N;ENCODING=QUOTED-PRINTABLE:a=", "N:=", "CONTENT-TRANSFER-ENCODING:base64", "X:multipart/mixed; boundary=b"),
        *("X:L\u00fcnch", "X:\udcff", "X:a\rb", "X:MBEGIN:VCALENDAR", "BEGIN:vevent", "X-A_B:1", ":", "A.B.C:1"),
    ]
)
_HEADS = st.sampled_from(
    [
        *(b"Content-type: text/calendar; charset=UTF-8\r\n\r\n", b"Content-type: text/vcard\r\n\r\n", b"\r\n", b""),
        *(b"Content-type: text/calendar; charset=latin1\r\n\r\n", b"Content-type: text/calendar\n\n"),
        b"Content-type: text/calendar\r\nContent-transfer-encoding: base64\r\n\r\n",
    ]
)
_FIELDS = st.sampled_from([b"Iid\0T5\0", b"Iid\0\0", b"MX\0", b"U=?x?=\0", b""])


def in_message(text: bytes, head: bytes = b"Content-type: text/calendar\r\n\r\n", fields: bytes = b"Iid\0") -> bytes:
    return b"\xffA\x04" + fields + b"M" + head + text + b"\0"


@pytest.mark.parametrize("data", [EVENT, CARD])
def test_an_item_as_programs_write_it_is_found_at_a_glance(data: bytes) -> None:
    found = plain_item(body_of(parse_file(data), None, "alpha", 1_700_000_000))
    assert found is not None and found.data == data


@given(st.lists(_LINES, max_size=14), _HEADS, _FIELDS, st.sampled_from(["\r\n", "\r\n", "\n"]))
def test_what_is_found_at_a_glance_is_what_taking_it_apart_finds(
    inner: list[str], head: bytes, fields: bytes, end: str
) -> None:
    for outer in ("VCALENDAR", "VCARD"):
        for lines in (["VERSION:2.0", *inner], ["BEGIN:VEVENT", "UID:a", *inner, "END:VEVENT"]):
            text = "".join(line + end for line in [f"BEGIN:{outer}", *lines, f"END:{outer}"])
            body = in_message(text.encode("utf-8", "surrogateescape"), head, fields)
            found = plain_item(body)
            assert found is None or found == parse_body(body)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"BEGIN:VALARM", b"BEGIN:VALARM\r\nUID:of the alarm"),
        (b"END:VALARM\r\n", b"END:VALARM\r\nLOCATION:behind\r\n"),
        (b"UID:a@b", b"UID:a\r\n @b"),
        (b"SUMMARY", b"summary"),
        (b"END:VCALENDAR\r\n", b"END:VCALENDAR\r\n\r\n"),
        (b"SUMMARY:", b"SUMMARY:" + b"x" * SMALL),
    ],
)
def test_what_is_not_plain_is_left_to_be_taken_apart(old: bytes, new: bytes) -> None:
    body = in_message(EVENT.replace(old, new))
    assert plain_item(body) is None
    assert parse_body(body) is not None
