"""Reading a ``MIGR export``: a stream of bytes becomes its top-level elements, one at a time.

The export's text never contains a bare ``<`` but in comments, so an element ends at its own end tag and can
be cut out and parsed alone.  That keeps memory flat, gives every element a line number, and confines damage: a broken
element is reported and the next one is read.  Format: recording 08-migr-export of version 980.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from xml.etree import ElementTree

from mirror.formats.numbers import MAX_DIGITS

FIELDS: dict[str, tuple[str, ...]] = {
    "user": (
        "u_version", "u_uid", "u_password", "u_flags", "u_axlevel", "u_usernum", "u_lastcall", "u_USuserpurge",
        "u_fullname", "u_msgnum_bio", "u_msgnum_pic", "u_emailaddrs", "u_msgnum_inboxrules", "u_lastproc_inboxrules",
    ),
    "room": (
        "QRname", "QRpasswd", "QRroomaide", "QRhighest", "QRgen", "QRflags", "QRdirname", "QRfloor", "QRmtime",
        "QRexpire_mode", "QRexpire_value", "QRnumber", "QRorder", "QRflags2", "QRdefaultview",
        "msgnum_info", "msgnum_pic",
    ),
    "room_messages": ("FRname", "FRmsglist"),
    "floor": ("f_num", "f_flags", "f_name", "f_ref_count", "f_ep_expire_mode", "f_ep_expire_value"),
    "visit": ("v_roomnum", "v_roomgen", "v_usernum", "v_seen", "v_answered", "v_flags", "v_view"),
    "message": (
        "msg_msgnum", "msg_meta_refcount", "msg_meta_rfc822_length", "msg_meta_content_type", "msg_text",
    ),
}  # fmt: skip
"""By element, the fields that version 980 writes, in its order."""
ROOT = b"citadel_migrate_data"
MAX_ELEMENT = 512 * 1024 * 1024
"""Bytes of one element (a message in base64) at most."""

_START = re.compile(rb"<(/?)([A-Za-z_][A-Za-z0-9_]*)([\s>/])")
_WITHIN = re.compile(rb"\n<(?:message|visit|user|room|floor)>")
_NUMBER = re.compile(rb"<msg_msgnum>\s*(\d{1,%d})\s*</msg_msgnum>" % MAX_DIGITS)
_PLAIN = re.compile(r"<([a-z_]+)>[ \n]*(?:<([A-Za-z_][A-Za-z0-9_]*)>[^<]*</\2>[ \n]*)+</\1>")
_NOT_PLAIN = bytes([*b"&", *(code for code in range(0x20) if code not in b"\t\n\r")])
_NONCHARACTERS = re.compile("[\ufffe\uffff]")
_FIELD = re.compile("<([A-Za-z_][A-Za-z0-9_]*)>([^<]*)</")
_BARE_AMPERSAND = re.compile("&(?!(?:amp|lt|gt|quot|apos|#[0-9]+|#x[0-9a-fA-F]+);)")
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Element(NamedTuple):
    """One top-level element: its attributes and text, its children's texts, where it stands.

    ``end`` is the offset in bytes behind it; ``notice`` says what had to be mended to read it; ``data`` are its bytes.
    """

    name: str
    key: str
    text: str
    children: dict[str, str]
    line: int
    end: int
    notice: str = ""
    data: bytes = b""


class Raw(NamedTuple):
    """A top-level element before it is read: its name and bytes, its line, the offset in bytes behind it."""

    name: str
    data: bytes
    line: int
    end: int


class Skipped(NamedTuple):
    """A message that lies before the place where reading resumes; only its number was read."""

    number: int
    end: int


class Broken(NamedTuple):
    """An element that cannot be read, and why."""

    name: str
    reason: str
    line: int
    end: int

    @property
    def truncated(self) -> bool:
        """Whether it is the whole export that ends too early."""
        return self.name == ROOT.decode()


def read_elements(blocks: Iterable[bytes], resume: int = 0) -> Iterator[Element | Broken | Skipped]:
    """Yield the elements of an export that arrives in blocks; messages that end by ``resume`` are skipped.

    The blocks may still be in their protocol listing (a reply line before, ``000`` behind).
    """
    return (item if isinstance(item, Broken) else read_element(item, resume) for item in cut_elements(blocks))


def read_element(raw: Raw, resume: int = 0) -> Element | Broken | Skipped:
    """Read what was cut out; a message that ends by ``resume`` is skipped."""
    if raw.end <= resume and raw.name == "message" and (number := _NUMBER.search(raw.data)):
        return Skipped(int(number[1]), raw.end)
    return _parse(*raw)


def cut_elements(blocks: Iterable[bytes]) -> Iterator[Raw | Broken]:
    """Yield the elements of an export that arrives in blocks, none of them read yet."""
    scanner = _Scanner(blocks)
    while (found := scanner.next_element()) is not None:
        yield found
    if not scanner.complete:
        yield Broken(ROOT.decode(), "the export ends before its end tag", scanner.line, scanner.offset)


class _Scanner:
    """Cuts elements out of a stream."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._buffer = bytearray()
        self.offset = 0  # of the buffer's first byte
        self.line = 1
        self.complete = False

    def _more(self) -> bool:
        block = next(self._blocks, None)
        if block is None:
            return False
        self._buffer += block
        return True

    def _drop(self, count: int) -> None:
        self.line += self._buffer.count(b"\n", 0, count)
        del self._buffer[:count]
        self.offset += count

    def next_element(self) -> Raw | Broken | None:
        """Return the next element, or what is wrong with it; None where there is no more."""
        while True:
            start = _START.search(self._buffer)
            if start is None:
                tail = self._buffer.rfind(b"<", max(0, len(self._buffer) - 64))  # maybe a tag's beginning
                self._drop(tail if tail >= 0 else len(self._buffer))
                if not self._more():
                    return None
                continue
            name, closing, length = bytes(start[2]), bytes(start[1]) == b"/", start.end() - start.start()
            self._drop(start.start())  # from here on the match no longer fits the buffer
            if name == ROOT:
                self.complete = self.complete or closing
            elif not closing:
                return self._cut(name)
            self._drop(length)

    def _cut(self, name: bytes) -> Raw | Broken:
        line, end_tag, searched = self.line, b"</" + name + b">", 0
        while (found := self._buffer.find(end_tag, searched)) < 0:
            searched = max(0, len(self._buffer) - len(end_tag))
            if len(self._buffer) > MAX_ELEMENT:
                self._drop(len(self._buffer))
                return Broken(name.decode(), f"it is longer than {MAX_ELEMENT} bytes", line, self.offset)
            if not self._more():
                return self._give_up(name, line)
        inner = self._next_start(found)
        if inner:
            self._drop(inner)
            return Broken(name.decode(), "its end tag is missing", line, self.offset)
        stop = found + len(end_tag)
        fragment = bytes(self._buffer[:stop])
        self._drop(stop)
        return Raw(name.decode(), fragment, line, self.offset)

    def _next_start(self, stop: int) -> int:
        """Return where another top-level element starts within this one (its end tag is missing), or 0."""
        inner = _WITHIN.search(self._buffer, 1, stop)
        return inner.start() + 1 if inner is not None else 0

    def _give_up(self, name: bytes, line: int) -> Broken:
        inner = self._next_start(len(self._buffer)) or len(self._buffer)
        self._drop(inner)
        return Broken(name.decode(), "it ends in the middle", line, self.offset)


def _parse(name: str, fragment: bytes, line: int, end: int) -> Element | Broken:
    children = _plain_children(name, fragment)
    if children is not None:
        return Element(name, "", "", children, line, end, "", fragment)
    notice = ""
    try:
        tree = ElementTree.fromstring(fragment)
    except ElementTree.ParseError as error:
        mended, notice = _mend(fragment)
        try:
            tree = ElementTree.fromstring(mended)
        except ElementTree.ParseError:
            row, _column = error.position
            return Broken(name, f"broken XML ({error.msg.split(':')[0]})", line + row - 1, end)
    children = {child.tag: child.text or "" for child in tree}
    return Element(name, tree.get("key", ""), tree.text or "", children, line, end, notice, fragment)


def _plain_children(name: str, fragment: bytes) -> dict[str, str] | None:
    """Return what an XML parser would of an element that is nothing but fields of plain text; None of another one.

    Most elements are, and this takes a third of the time.
    """
    if len(fragment.translate(None, _NOT_PLAIN)) != len(fragment):
        return None
    try:
        text = fragment.decode()
    except UnicodeDecodeError:
        return None
    if not text.isascii() and _NONCHARACTERS.search(text):
        return None
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")  # as XML reads the ends of lines
    if _PLAIN.fullmatch(text) is None:
        return None
    return dict(_FIELD.findall(text, len(name) + 2))


def _mend(fragment: bytes) -> tuple[str, str]:
    """Return a fragment with what exports contain that is no XML replaced, and a notice of it.

    That are bytes of old servers, control characters, and ``&`` in mail addresses, which 980 does not escape.
    """
    try:
        text, notice = fragment.decode("utf-8"), ""
    except UnicodeDecodeError:
        text, notice = fragment.decode("latin-1"), "bytes that are not UTF-8 were read as Latin-1"
    text, count = NOT_XML.subn("\ufffd", text)
    if count:
        notice = f"{notice}{'; ' if notice else ''}{count} control characters were replaced"
    text, count = _BARE_AMPERSAND.subn("&amp;", text)
    if count:
        notice = f"{notice}{'; ' if notice else ''}{count} times & stands for itself"
    return text, notice
