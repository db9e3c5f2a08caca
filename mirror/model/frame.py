"""Where in a serialized message a calendar or contact item stands, and the message with another text in its place.

A message is in Citadel's serialized form, whose field M has the MIME text (RFC 2045, RFC 2046), or bare content lines.
The item may be encoded for transfer, in a charset of its own, and there may be copies of it, as invitations have one to
be read and one to be saved.  Knows nothing of what an item says.
"""

import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from mirror.model.charset import Labelled, is_utf8, read, write
from mirror.model.content_lines import line_end_of, with_lf
from mirror.model.transfer import BASE64, PLAIN, WIDTH, Style, decode, encode, style_of

MAX_LEAVES = 64
"""Parts of a message in which an item is looked for."""
MAX_NESTING = 8
"""Multiparts inside multiparts."""
MAX_FIELDS = 1000
"""Fields of a serialized message."""
FIRST_FIELD = 3
"""Where they begin: behind 0xFF, a byte for anonymity, and one for the format."""

_BEGIN = re.compile(rb"(?:\A|\n)(?:\xef\xbb\xbf)?begin:(vcalendar|vcard)[ \t]*\r*\n")
_ENDS = {kind: re.compile(rb"\nend:" + kind + rb"(?=[\s\0]|\Z)") for kind in (b"vcalendar", b"vcard")}
_ITEM_TYPES = (
    *(b"text/calendar", b"text/x-vcalendar", b"application/ics"),
    *(b"text/vcard", b"text/x-vcard", b"text/directory"),
)
_BLANK = re.compile(rb"\r?\n\r?\n")
_NEWLINE = re.compile(rb"\r?\n")
_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:")
_ENCODING = re.compile(rb"^content-transfer-encoding[ \t]*:\s*\"?([\w-]*)", re.MULTILINE | re.IGNORECASE)
_TYPE = re.compile(rb"^content-type[ \t]*:\s*([\w.+-]+/[\w.+-]+)", re.MULTILINE | re.IGNORECASE)
_BOUNDARY = re.compile(rb";\s*boundary[ \t]*=[ \t]*(?:\"([^\"\r\n]+)\"|([^\s;\"]+))", re.IGNORECASE)
_CHARSET = re.compile(rb";\s*charset[ \t]*=[ \t]*\"?([\w.:-]+)", re.IGNORECASE)


class Hole(IntEnum):
    """Places in a message that something else says: its subject, the charset of the item, the item."""

    SUBJECT = 0
    CHARSET = 1
    ITEM = 2
    SUBJECT_FIELD = 3
    """Where a subject's field stays though there is none: it is not just before the text, where one would be put."""


class Slot(NamedTuple):
    """Where an item stands: how it is encoded there, what stands before and behind it inside, what ends its lines."""

    encoding: str
    lead: bytes
    tail: bytes
    line_end: bytes


class Frame(NamedTuple):
    """A message without its subject and item: pieces as they are, holes between them."""

    pieces: tuple[bytes | int, ...]
    slots: tuple[Slot, ...]
    """Of each hole for the item."""
    subject: bytes = b""
    charset: bytes = b""
    styles: tuple[Style | None, ...] = ()
    """Of each slot; None where nothing is encoded, or where a style is to be chosen."""

    def filled(self, text: bytes) -> bytes:
        """Return the message with a text in UTF-8, of which LF ends the lines, in all its places."""
        label, data = write(Labelled(self.charset, text)) if Hole.CHARSET in self.pieces else (b"", text)
        slots = iter(zip(self.slots, self.styles or (None,) * len(self.slots), strict=True))
        return b"".join(self._filled(piece, label, data, slots) for piece in self.pieces)

    def _filled(
        self, piece: bytes | int, label: bytes, data: bytes, slots: Iterator[tuple[Slot, Style | None]]
    ) -> bytes:
        if isinstance(piece, bytes):
            return piece
        if piece in (Hole.SUBJECT, Hole.SUBJECT_FIELD):
            return b"U" + self.subject + b"\0" if self.subject or piece == Hole.SUBJECT_FIELD else b""
        if piece == Hole.CHARSET:
            return label or b"UTF-8"
        slot, style = next(slots)
        whole = slot.lead + data.replace(b"\n", slot.line_end) + slot.tail
        return encode(slot.encoding, style or Style(WIDTH, slot.line_end[-2:]), whole)


class _Field(NamedTuple):
    """A field of a serialized message: its letter, where that stands, and the NUL that ends it."""

    letter: bytes
    start: int
    end: int


class _Leaf(NamedTuple):
    """A part of a message that has no parts: where its headers and its content begin, where that ends, what it is."""

    head: int
    start: int
    end: int
    encoding: str = ""
    is_item: bool = False

    @property
    def is_encoded(self) -> bool:
        return self.encoding not in PLAIN


class _Found(NamedTuple):
    """A leaf with an item: the content decoded, and where in it the item stands."""

    leaf: _Leaf
    content: bytes
    start: int
    end: int

    @property
    def text(self) -> bytes:
        """The item's text with LF at the ends of its lines."""
        return with_lf(self.content[self.start : self.end])

    @property
    def span(self) -> tuple[int, int]:
        """From where to where in the message the item stands, with what is encoded with it."""
        if self.leaf.is_encoded:
            return self.leaf.start, self.leaf.end
        return self.leaf.start + self.start, self.leaf.start + self.end

    @property
    def slot(self) -> Slot:
        line_end = line_end_of(self.content[self.start : self.end])
        if self.leaf.is_encoded:
            return Slot(self.leaf.encoding, self.content[: self.start], self.content[self.end :], line_end)
        return Slot("", b"", b"", line_end)


def find_frame(message: bytes) -> tuple[Frame, bytes] | None:
    """Return the frame of the item in a message and the item's text, in UTF-8 with LF at the ends of its lines.

    None where there is none, or where there are several different ones.
    """
    fields = _fields(message)
    found = _found(message, fields)
    if not found or len({one.text for one in found}) > 1:
        return None
    charset = _charset(message, found)
    known = read(Labelled(message[slice(*charset)], found[0].text))
    if known is None or (len(found) > 1 and not is_utf8(known.data)):
        return None
    subject, holes = _subject(message, fields)
    holes += [(*one.span, Hole.ITEM) for one in found]
    if charset[1]:
        holes.append((*charset, Hole.CHARSET))
    styles = tuple(_style(message, one) for one in found) if any(one.leaf.is_encoded for one in found) else ()
    return Frame(
        tuple(_pieces(message, sorted(holes))), tuple(one.slot for one in found), subject, known.label, styles
    ), known.data


def _fields(message: bytes) -> list[_Field]:
    """Return the fields of a serialized message up to its text, field M, which is the last; none of anything else."""
    fields, at = list[_Field](), FIRST_FIELD
    while message[:1] == b"\xff" and at < len(message) and len(fields) < MAX_FIELDS:
        end = message.find(b"\0", at)
        end = len(message) if end < 0 else end
        fields.append(_Field(message[at : at + 1], at, end))
        if fields[-1].letter == b"M":
            return fields
        at = end + 1
    return []


def _found(message: bytes, fields: Sequence[_Field]) -> list[_Found]:
    start, end = (fields[-1].start + 1, fields[-1].end) if fields else (0, len(message))
    text = message[start:end].lower()
    if b"content-transfer-encoding" in text or b"multipart/" in text:
        found = _chosen(_in_leaves(message, start, end))
        if found:
            return found
    place = _place(text)
    return [_Found(_Leaf(start, start, end), message[start:end], *place)] if place is not None else []


def _pieces(message: bytes, holes: Sequence[tuple[int, int, Hole]]) -> Iterator[bytes | int]:
    at = 0
    for start, end, hole in holes:
        yield message[at:start]
        yield int(hole)
        at = end
    yield message[at:]


def _subject(message: bytes, fields: Sequence[_Field]) -> tuple[bytes, list[tuple[int, int, Hole]]]:
    """Return the subject of a message, field U, and its hole; where there is none, one could stand before the text.

    What is no message, or one with two subjects, stays in one piece, and none can be put in.
    """
    told = [field for field in fields if field.letter == b"U"]
    if not fields or len(told) > 1:
        return b"", []
    text = fields[-1].start
    if not told:
        return b"", [(text, text, Hole.SUBJECT)]
    (field,) = told
    hole = Hole.SUBJECT if field.end + 1 == text else Hole.SUBJECT_FIELD
    return message[field.start + 1 : field.end], [(field.start, field.end + 1, hole)]


def _charset(message: bytes, found: Sequence[_Found]) -> tuple[int, int]:
    """Return where the charset of an item is declared; (0, 0) where it is not, or where there are copies."""
    (one, *others) = found
    told = _CHARSET.search(message, one.leaf.head, one.span[0]) if not others else None
    return told.span(1) if told else (0, 0)


def _style(message: bytes, found: _Found) -> Style | None:
    if not found.leaf.is_encoded:
        return None
    around = b"\r\n" if b"\r\n" in message[: found.leaf.start] else b"\n"
    return style_of(found.leaf.encoding, message[slice(*found.span)], around)


def _chosen(found: Sequence[_Found]) -> list[_Found]:
    """Return those that are to be taken for the item: whose type says so, of a calendar before a card."""
    chosen = [one for one in found if one.leaf.is_item] or found
    calendars = [one for one in chosen if one.content[one.start + 6 : one.end].lower().startswith(b"vcalendar")]
    return list(calendars or chosen)


def _in_leaves(message: bytes, start: int, end: int) -> list[_Found]:
    found = []
    for number, leaf in enumerate(_leaves(message, start, end, 0)):
        if number == MAX_LEAVES:
            break
        content = decode(leaf.encoding, message[leaf.start : leaf.end])
        if content is None or b"\0" in content:
            continue
        place = _place(content.lower())
        if place is not None:
            found.append(_Found(leaf, content, *place))
    return found


def _place(lower: bytes) -> tuple[int, int] | None:
    """Return from where to where an item reaches in a text, that is in small letters; lines tell its begin and end."""
    begin = _BEGIN.search(lower)
    if begin is None:
        return None
    ends = list(_ENDS[begin[1]].finditer(lower, begin.end() - 1))
    return (begin.start(1) - len("begin:"), ends[-1].end()) if ends else None


def _leaves(message: bytes, start: int, end: int, depth: int) -> Iterator[_Leaf]:
    first = start
    head, start = _headers(message, start, end)
    told = _TYPE.search(head)
    kind = told[1].lower() if told else b""
    boundary = _BOUNDARY.search(head) if kind.startswith(b"multipart/") else None
    if boundary is not None:
        if depth < MAX_NESTING:
            for inner, last in _between(message, start, end, boundary[1] or boundary[2]):
                yield from _leaves(message, inner, last, depth + 1)
        return
    said = _ENCODING.search(head)
    encoding = said[1].decode("ascii", "replace").lower() if said else ""
    if encoding == BASE64:  # the lines around it are none of it
        content = message[start:end]
        start, end = end - len(content.lstrip(b"\r\n")), end - len(content) + len(content.rstrip(b"\r\n"))
    yield _Leaf(first, start, max(start, end), encoding, kind in _ITEM_TYPES)


def _headers(message: bytes, start: int, end: int) -> tuple[bytes, int]:
    """Return the headers of a part, none where it begins with something else, and where what follows them begins."""
    if not _HEADER.match(message, start, end) or message[start : start + 6].lower() == b"begin:":
        blank = _NEWLINE.match(message, start, end)
        return b"", blank.end() if blank else start
    blank = _BLANK.search(message, start, end)
    return (message[start : blank.start()], blank.end()) if blank else (b"", start)


def _between(message: bytes, start: int, end: int, boundary: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the parts of a multipart begin and end."""
    line = re.compile(rb"\r?\n--" + re.escape(boundary) + rb"(--)?[ \t]*(?:\r?\n|\Z)")
    found = line.search(message, max(0, start - 2), end)  # the first one's is that of the blank line
    while found and not found[1]:
        # A boundary's line end belongs to the next one, where a part is empty.
        following = line.search(message, max(found.end() - 1, found.start() + 1), end)
        yield found.end(), following.start() if following else end
        found = following
