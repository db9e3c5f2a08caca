"""An item as a file of a vdir has it, and as a message of a room: a calendar entry, a task, a card, a note.

A vdir (vdirsyncer's name for it) is a directory with one item a file: all components of one UID, and the time zones
that they use.  What an item says is left to who reads it; here it is found, told from what is none, and put into the
message around it, which stays as it is but for the subject.  Bytes in, bytes out.
"""

import hashlib
import re

from mirror.formats.calendar_file import is_utf8, parse_calendar_file
from mirror.formats.errors import CitadelError
from mirror.formats.message import MIME, serialize_message
from mirror.formats.plain_item import CALENDAR, CARD, ENDINGS, NOTE, VdirItem
from mirror.model.content_lines import Component, parse_component, with_lf
from mirror.model.item import MAX_PARSED, find_item

_TYPES = {CALENDAR: b"text/calendar", CARD: b"text/vcard", NOTE: b"text/vnote"}
_BEGIN = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*BEGIN:[ \t]*([A-Za-z-]+)", re.IGNORECASE)
_CALENDAR = re.compile(rb"^BEGIN:[ \t]*VCALENDAR", re.IGNORECASE | re.MULTILINE)
_NOTE = re.compile(rb"(?:\A|(?<=[\n\0M]))BEGIN:VNOTE[ \t]*\r*\n.*?\nEND:VNOTE(?=[\s\0]|\Z)", re.DOTALL | re.IGNORECASE)
_MARK = b"\xef\xbb\xbf"
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class BadItem(CitadelError):
    """A file that holds no item, or more than one; the text says what is wrong with it and does not name it."""


# -- files --------------------------------------------------------------------------------------------


def parse_file(data: bytes) -> VdirItem:
    """Read one file of a vdir.  Raises BadItem."""
    begin = _BEGIN.match(data)
    kind = begin[1].decode("ascii").upper() if begin else ""
    if b"\0" in data:
        raise BadItem(f"it has a NUL byte at offset {data.index(0)}")
    if len(data) > MAX_PARSED:
        raise BadItem(f"it has {len(data)} bytes; an item has {MAX_PARSED} at most")
    if kind == CALENDAR:
        return _calendar(data)
    if kind in (CARD, NOTE):
        return _single(kind, data)
    raise BadItem("it begins with neither BEGIN:VCALENDAR, BEGIN:VCARD nor BEGIN:VNOTE")


def _calendar(data: bytes) -> VdirItem:
    try:
        found = parse_calendar_file(data)
    except CitadelError as error:
        raise BadItem(str(error)) from None
    if len(found.items) > 1:
        names = ", ".join(repr(item.uid[:60]) for item in found.items[:3])
        raise BadItem(f"it holds {len(found.items)} items ({names} ...); a file of a vdir holds one UID")
    if len(_CALENDAR.findall(data)) > 1:
        raise BadItem("it holds several calendars; a file of a vdir holds one")
    item = found.items[0]
    return VdirItem(CALENDAR, _told(item.uid, CALENDAR), item.summary, data)


def _single(kind: str, data: bytes) -> VdirItem:
    try:
        component = parse_component(_lines(data))
    except ValueError as error:
        raise BadItem(f"it is not one {kind} as the format has it: {error}") from None
    uid = _told(component.first("UID").strip(), kind)
    return VdirItem(kind, uid, _plain(component.first("FN") or component.first("SUMMARY")), data)


def _told(uid: str, kind: str) -> str:
    if not uid:
        raise BadItem(f"its {kind} has no UID, so nothing tells it from others")
    if not uid.isprintable():
        raise BadItem(f"its UID {uid[:60]!a} is no text")
    return uid


def _lines(data: bytes) -> bytes:
    return with_lf(data.removeprefix(_MARK)).strip(b"\n")


def _plain(value: str) -> str:
    return _ESCAPED.sub(lambda found: " " if found[1] in "nN" else found[1], value).strip()


# -- messages -----------------------------------------------------------------------------------------


def parse_body(body: bytes) -> VdirItem | None:
    """Return the item in a message as a file would have it, lines ended by CRLF; None where none can be read."""
    item = find_item(body)
    if item is not None:
        component = item.component
        data = b"\n".join(component.written()).replace(b"\r\n", b"\n")
        return _item(component.name, _uid_inside(component), data)
    note = _NOTE.search(body)
    try:
        return None if note is None else _item(NOTE, parse_component(_lines(note[0])).first("UID"), _lines(note[0]))
    except ValueError:
        return None


def _item(kind: str, uid: str, data: bytes) -> VdirItem | None:
    if kind not in ENDINGS or not uid:
        return None
    return VdirItem(kind, uid.strip(), "", data.replace(b"\n", b"\r\n") + b"\r\n")


def _uid_inside(component: Component) -> str:
    if component.name != CALENDAR:
        return component.first("UID")
    return next((uid for inside in component.inside if (uid := inside.first("UID"))), "")


def body_of(item: VdirItem, held: bytes | None, node: str, seconds: int) -> bytes:
    """Return an item as a room's message: what is ``held`` with the item in its place, or else a new one.

    ``node`` is part of a new message's id, ``seconds`` its time (Unix).  The subject stays, see ``titled``.
    """
    text, subject = _lines(item.data), _subject(item)
    if held is not None and item.kind == NOTE and (note := _NOTE.search(held)):
        end = b"\r\n" if b"\r\n" in note[0] else b"\n"
        return held[: note.start()] + text.replace(b"\n", end) + held[note.end() :]
    found = find_item(held) if held is not None and item.kind != NOTE else None
    if found is not None and found.component.name == item.kind:
        return found.frame.filled(text)
    charset = b"; charset=UTF-8" if is_utf8(text) else b""
    name = f"{seconds:08X}-{hashlib.sha256(item.data).hexdigest()[:8].upper()}@{node}"
    content = b"Content-type: " + _TYPES[item.kind] + charset + b"\r\n\r\n" + text.replace(b"\n", b"\r\n") + b"\r\n"
    fields = [("I", name.encode()), ("T", b"%d" % seconds), ("U", subject), ("E", item.uid.encode()), ("M", content)]
    return serialize_message([(letter, value) for letter, value in fields if value], MIME)


def titled(body: bytes, item: VdirItem) -> bytes:
    """Return an item's message with a subject that says what the item does, if it has one that can be changed."""
    found = find_item(body)
    if found is None or not found.frame.subject:
        return body
    return found.frame._replace(subject=_subject(item)).filled(b"\n".join(found.component.written()))


def _subject(item: VdirItem) -> bytes:
    return item.summary.encode("utf-8", "surrogateescape").replace(b"\0", b"")


def with_uid(data: bytes, mark: str) -> bytes:
    """Return a file with a mark behind its UID, wherever that stands: an item of its own.  Raises BadItem."""
    uid = parse_file(data).uid
    written = re.compile(rb"^(UID(?:;[^:\r\n]*)?:)[ \t]*(?:[^\r\n]|\r?\n[ \t])*", re.IGNORECASE | re.MULTILINE)
    return written.sub(lambda found: found[1] + (uid + mark).encode(), data)
