"""iCalendar files are cut by lines; nothing in them is rewritten or lost without a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.calendar_file import parse_calendar_file
from mirror.formats.errors import CitadelError

EVENT = "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART:20260110T100000Z\r\n{more}END:VEVENT\r\n"
ZONE = (
    "BEGIN:VTIMEZONE\r\nTZID:{name}\r\nTZUNTIL:20270101T000000Z\r\n"
    "BEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
)
HEAD, END = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n", "END:VCALENDAR\r\n"


def event(uid: str, more: str = "") -> str:
    return EVENT.format(uid=uid, more=more)


def zone(name: str) -> str:
    return ZONE.format(name=name)


def calendar(*parts: str) -> bytes:
    return (HEAD + "".join(parts) + END).encode()


def test_a_file_of_one_item_is_kept_byte_for_byte() -> None:
    odd = 'X-ODD;P="a:b":c\r\nsummary:Lu\r\n nch\\, at one\r\n'
    data = calendar("X-WR-CALNAME:a\r\n", zone("Z"), event("u", odd))
    parsed = parse_calendar_file(data)
    assert [(item.uid, item.summary, item.data) for item in parsed.items] == [("u", "Lunch, at one", data)]
    assert parsed.left_out == []


def test_each_uid_is_an_item_with_the_zones_and_properties_of_its_calendar() -> None:
    one, two, changed = event("1"), event("2"), event("1", "RECURRENCE-ID:20260111T100000Z\r\n")
    parsed = parse_calendar_file(calendar(zone("Z"), one, two, changed))
    assert [(item.uid, item.data) for item in parsed.items] == [
        ("1", calendar(zone("Z"), one, changed)),
        ("2", calendar(zone("Z"), two)),
    ]


def test_several_calendars_in_one_file_are_taken() -> None:
    """RFC 5545 section 3.4: a stream may have several."""
    data = calendar(event("c1")) + calendar(event("c2"))
    assert [item.data for item in parse_calendar_file(data).items] == [calendar(event("c1")), calendar(event("c2"))]


def test_an_item_that_two_calendars_hold_parts_of_gets_the_zones_it_names() -> None:
    moved = event("u", "RECURRENCE-ID;TZID=Second:20260111T100000\r\n")
    data = calendar(zone("First"), event("u")) + calendar(zone("Second"), zone("Third"), moved)
    (item,) = parse_calendar_file(data).items
    assert item.data == calendar(zone("First"), zone("Second"), event("u"), moved)


def test_a_character_that_a_fold_cut_in_two_is_whole_again() -> None:
    """RFC 5545 section 3.1: lines are unfolded before they are decoded."""
    data = calendar(event("u", "SUMMARY:" + "Y" * 66 + "@\r\n @ is one letter\r\nX-A: b\r\n  c\r\n"))
    first, rest = "ä".encode()[:1], "ä".encode()[1:]
    data = data.replace(b"@\r\n @", first + b"\r\n " + rest)
    (item,) = parse_calendar_file(data).items
    assert "ä is one letter" in item.data.decode().replace("\r\n ", "")
    assert b"X-A: b\r\n  c\r\n" in item.data  # other lines stay as they were folded
    assert max(map(len, item.data.split(b"\r\n"))) <= 75


def test_bytes_that_are_not_utf8_stay_what_they_are() -> None:
    data = calendar(event("u", "SUMMARY:caf@\r\n")).replace(b"@", b"\xe9")
    (item,) = parse_calendar_file(data).items
    assert item.data == data
    assert item.summary.encode("utf-8", "surrogateescape") == b"caf\xe9"


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r\r\n"])
def test_line_ends_stay_what_they_are(ends: bytes) -> None:
    data = calendar(event("u")).replace(b"\r\n", ends)
    assert parse_calendar_file(data).items[0].data == data


def test_a_byte_order_mark_and_empty_lines_are_no_content() -> None:
    data = b"\xef\xbb\xbf" + calendar(event("u")).replace(b"END:VEVENT", b"\r\nEND:VEVENT").removesuffix(b"\r\n")
    assert parse_calendar_file(data).items[0].data == calendar(event("u"))


def test_components_that_are_no_item_are_named() -> None:
    parsed = parse_calendar_file(calendar(event("u"), "BEGIN:VFREEBUSY\r\nUID:f\r\nEND:VFREEBUSY\r\n"))
    assert parsed.left_out == ["the VFREEBUSY that begins at line 8"]
    assert parsed.items[0].data == calendar(event("u"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is empty"),
        (b"\r\n\r\n", "it is empty"),
        (b"hello\n", "line 1: 'hello' is not BEGIN:VCALENDAR; it is no iCalendar file"),
        (calendar(), "it has no event, task or journal entry"),
        (calendar("BEGIN:VEVENT\r\nDTSTART:1\r\nEND:VEVENT\r\n"), "line 4: the VEVENT that begins here has no UID"),
        (calendar("BEGIN:VEVENT\r\nUID:u\r\nEND:VEVENT\r\n"), "line 4: the event that begins here has no DTSTART"),
        (calendar(event("u", "X-APPLE-RADIUS=49.9\r\n")), "line 7: 'X-APPLE-RADIUS=49.9' is no property"),
        (calendar(event("u")).removesuffix(END.encode()), "line 1: the VCALENDAR that begins here does not end"),
        (calendar("BEGIN:VEVENT\r\nUID:u\r\n"), "line 6: 'END:VCALENDAR', but the VEVENT of line 4 is open"),
        (calendar(event("u", "BEGIN:VALARM\r\n" * 9)), "line 14: components are more than 8 deep"),
        (calendar(event("u", "SUMMARY:a\0b\r\n")), "it has a NUL byte at offset 103"),
    ],
)
def test_what_is_no_structure_is_refused_by_its_line(data: bytes, message: str) -> None:
    with pytest.raises(CitadelError) as refused:
        parse_calendar_file(data)
    assert message in str(refused.value)


@given(st.binary(max_size=300))
def test_no_bytes_are_more_than_refused(data: bytes) -> None:
    try:
        parse_calendar_file(calendar(event("u", "@\r\n")).replace(b"@", data))
    except CitadelError as error:
        assert "\n" not in str(error)
