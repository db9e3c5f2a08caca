"""An iCalendar file, cut into one item a UID; what is kept of it is kept byte for byte.

A library that reads and writes such files forgives by losing: properties it cannot read are gone.  So this reads
structure only (RFC 5545 sections 3.1, 3.4 and 3.6), refuses what is no structure by its line, and leaves all values
to who reads the item.  Sans-I/O; knows neither messages nor keys.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from mirror.formats.errors import CitadelError
from mirror.model.content_lines import MAX_DEPTH, fold, name_of, value_of
from mirror.model.names import ITEM_COMPONENTS

_MARK = b"\xef\xbb\xbf"
_PHYSICAL = re.compile(rb"[^\n]*\n|[^\n]+")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class CalendarItem(NamedTuple):
    """All components of one UID, with the time zones and calendar properties beside them."""

    uid: str
    summary: str
    """Bytes that are not UTF-8 are surrogates in both, as ``surrogateescape`` makes them."""
    data: bytes


class CalendarFile(NamedTuple):
    """What a file holds, and what of it is no item, as text for people."""

    items: list[CalendarItem]
    left_out: list[str]


class _Line(NamedTuple):
    """One content line: where it begins, its property's name, what it says unfolded, its bytes with its line ends."""

    number: int
    name: str
    text: str
    data: bytes

    @property
    def value(self) -> str:
        return value_of(self.text)


class _Part(NamedTuple):
    """A component of a calendar; ``own`` are the lines that are not inside others in it."""

    name: str
    lines: list[_Line]
    own: list[_Line]

    def first(self, name: str) -> str:
        return next((_plain(line.value) for line in self.own if line.name == name), "")

    @property
    def data(self) -> bytes:
        return b"".join(line.data for line in self.lines)


class _Calendar(NamedTuple):
    """One VCALENDAR: its first line and properties, its components, its last line."""

    head: list[_Line]
    parts: list[_Part]
    end: _Line


def parse_calendar_file(data: bytes) -> CalendarFile:
    """Return the items of a file.  Raises CitadelError, which names the line, for what is no iCalendar file."""
    if b"\0" in data:
        raise CitadelError(f"it has a NUL byte at offset {data.index(0)}")
    calendars = list(_calendars(_content_lines(data.removeprefix(_MARK))))
    found: dict[str, tuple[_Calendar, list[_Part]]] = {}
    left_out = []
    for calendar in calendars:
        for part in calendar.parts:
            if part.name in ITEM_COMPONENTS:
                found.setdefault(_uid_of(part), (calendar, []))[1].append(part)
            elif part.name != "VTIMEZONE":
                left_out.append(f"the {part.name} that begins at line {part.lines[0].number}")
    if not found:
        raise CitadelError("it has no event, task or journal entry")
    zones = [part for calendar in calendars for part in calendar.parts if part.name == "VTIMEZONE"]
    return CalendarFile([_item(uid, calendar, zones, parts) for uid, (calendar, parts) in found.items()], left_out)


def _item(uid: str, calendar: _Calendar, zones: list[_Part], parts: list[_Part]) -> CalendarItem:
    own = [zone for zone in calendar.parts if zone.name == "VTIMEZONE"]
    named = {zone.first("TZID") for zone in own}
    used = b"".join(part.data for part in parts)
    # Where several calendars of a file hold parts of one item, the zones of the others come along if they are named.
    lent = [z for z in zones if (name := z.first("TZID")) not in named and name and _bytes(name) in used]
    data = b"".join(line.data for line in calendar.head) + b"".join(part.data for part in [*own, *lent])
    return CalendarItem(uid, parts[0].first("SUMMARY"), data + used + calendar.end.data)


def _uid_of(part: _Part) -> str:
    line = part.lines[0].number
    uid = part.first("UID")
    if not uid:
        raise CitadelError(f"line {line}: the {part.name} that begins here has no UID")
    if part.name == "VEVENT" and not part.first("DTSTART"):
        raise CitadelError(f"line {line}: the event that begins here has no DTSTART")
    return uid


def _calendars(lines: Iterator[_Line]) -> Iterator[_Calendar]:
    line = None
    for line in lines:
        if line.name != "BEGIN" or _named(line) != "VCALENDAR":
            raise CitadelError(f"line {line.number}: {_shown(line)} is not BEGIN:VCALENDAR; it is no iCalendar file")
        yield _read_calendar(line, lines)
    if line is None:
        raise CitadelError("it is empty")


def _read_calendar(begin: _Line, lines: Iterator[_Line]) -> _Calendar:
    head, parts = [begin], []
    for line in lines:
        if line.name == "BEGIN":
            inside, own = [line], list[_Line]()
            _read_part(lines, inside, own, 1)
            parts.append(_Part(_named(line), inside, own))
        elif line.name == "END":
            _check_end(begin, line)
            return _Calendar(head, parts, line)
        else:
            head.append(_checked(line))
    raise CitadelError(f"line {begin.number}: the VCALENDAR that begins here does not end; the file is cut short")


def _read_part(lines: Iterator[_Line], taken: list[_Line], own: list[_Line] | None, depth: int) -> None:
    """Take all lines of the component whose first line was taken last; ``own`` gets those not inside others."""
    begin = taken[-1]
    if depth > MAX_DEPTH:
        raise CitadelError(f"line {begin.number}: components are more than {MAX_DEPTH} deep inside others")
    for line in lines:
        taken.append(line)
        if line.name == "BEGIN":
            _read_part(lines, taken, None, depth + 1)
        elif line.name == "END":
            _check_end(begin, line)
            return
        else:
            _checked(line)
            if own is not None:
                own.append(line)
    raise CitadelError(f"line {begin.number}: the {_named(begin)} that begins here does not end; the file is cut short")


def _check_end(begin: _Line, end: _Line) -> None:
    if _named(begin) != _named(end):
        raise CitadelError(f"line {end.number}: {_shown(end)}, but the {_named(begin)} of line {begin.number} is open")


def _checked(line: _Line) -> _Line:
    if not line.name or ":" not in line.text:
        raise CitadelError(f"line {line.number}: {_shown(line)} is no property, which is a name, a colon and a value")
    return line


def _named(line: _Line) -> str:
    return line.value.strip().upper()


def _shown(line: _Line) -> str:
    return ascii(line.text[:60])


def _plain(value: str) -> str:
    """Return a TEXT value (RFC 5545 section 3.3.11) without its escapes, in one line."""
    plain = _ESCAPED.sub(lambda found: " " if found[1] in "nN" else found[1], value)
    return plain.strip()


def _content_lines(data: bytes) -> Iterator[_Line]:
    """Yield the lines of a file, folded ones as one; empty ones are left out."""
    if not data.endswith(b"\n"):
        data += b"\r\n" if b"\r\n" in data else b"\n"
    number, taken = 0, list[bytes]()
    for at, line in enumerate(_PHYSICAL.findall(data), 1):
        if line[:1] in (b" ", b"\t") and taken:
            taken.append(line)
            continue
        if taken:
            yield _joined(number, taken)
        number, taken = at, [line] if line.strip() else []
    if taken:
        yield _joined(number, taken)


def _joined(number: int, taken: list[bytes]) -> _Line:
    """Return a content line; one whose folds cut a character in two is folded anew, for readers that decode first."""
    first = taken[0].rstrip(b"\r\n")
    if len(taken) == 1:
        return _line(number, first, taken[0])
    text = b"".join([first, *(line[1:].rstrip(b"\r\n") for line in taken[1:])])
    data = b"".join(taken)
    if is_utf8(text) and not is_utf8(data):
        end = b"\r\n" if taken[0].endswith(b"\r\n") else b"\n"
        data = b"".join(part.encode() + end for part in fold(text.decode()))
    return _line(number, text, data)


def _line(number: int, unfolded: bytes, data: bytes) -> _Line:
    text = unfolded.decode("utf-8", "surrogateescape")
    return _Line(number, name_of(text), text, data)


def is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
