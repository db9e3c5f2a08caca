"""Writing a ``MIGR export``: elements that a real server's ``MIGR import`` reads, and mirror.formats.migr as well.

A server reads an export by lines of at most 4095 bytes, loses what is beyond, and joins them without their ends
(version 980, serv_migrate.c).  So no line here is longer than MAX_LINE: base64 and lists of numbers are broken between
lines, all other text inside a comment, which no reader sees.  Line ends in a text are character references.  Values in,
bytes out.
"""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping

from mirror.formats.message import FIXED, FLOWING, Message
from mirror.formats.migr import NOT_XML, ROOT

MAX_LINE = 4000
"""Bytes of a line at most, its end included."""
_ENCODED_LINE = 3840
"""Characters of base64 in a line: whole groups of four."""
_NUMBERS_A_LINE = 100
_PIECE = re.compile(r"(?:&[^;]*;|[^&]){1,600}")
"""As much escaped text as surely fits on a line, with no reference cut in two: six bytes a character at most."""
_BREAK = b"<!--\n-->"
_SPECIAL = re.compile('[&<>"\t\n\r]')
_ESCAPED = {
    "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;",
}  # fmt: skip
_REPLACEMENT = "\ufffd"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTENT_TYPE = re.compile(rb"content-type:[ \t]*([^;\s]+)", re.IGNORECASE)
_MAX_CONTENT_TYPE = 63
BEGIN = b'<?xml version="1.0" encoding="UTF-8" ?>\n<' + ROOT + b">\n"
END = b"</" + ROOT + b">\n"


def escaped(text: str) -> str:
    """Return a text as it stands between tags; characters that no XML can hold are U+FFFD."""
    return _SPECIAL.sub(lambda found: _ESCAPED[found[0]], NOT_XML.sub(_REPLACEMENT, text))


def single(name: str, text: str) -> bytes:
    """Return an element that holds a text alone."""
    return _lines(f"<{name}>", text, f"</{name}>")


def config(key: str, value: str) -> bytes:
    """Return the element of a setting."""
    return _lines(f'<config key="{escaped(key)}">', value, "</config>")


def encoded_config(key: str, value: bytes) -> bytes:
    """Return the element of a setting whose value stands there in base64."""
    return b'<config key="%s">%s</config>\n' % (escaped(key).encode(), _encoded(value))


def element(name: str, fields: Mapping[str, str]) -> bytes:
    """Return an element of fields, a line each.  A field that no XML element can be named after is left out."""
    inside = b"".join(single(field, text) for field, text in fields.items() if _NAME.fullmatch(field))
    return b"<%s>\n%s</%s>\n" % (name.encode(), inside, name.encode())


def room_messages(name: str, numbers: Iterable[int]) -> Iterator[bytes]:
    """Yield in blocks which messages a room lists."""
    yield b"<room_messages>\n" + single("FRname", name) + b"<FRmsglist>\n"
    line: list[bytes] = []
    for number in numbers:
        line.append(b"%d," % number)
        if len(line) == _NUMBERS_A_LINE:
            yield b"".join(line) + b"\n"
            line.clear()
    yield b"".join(line) + b"</FRmsglist>\n</room_messages>\n"


def message(number: int, references: int, read: Message, data: bytes, others: Mapping[str, str]) -> bytes:
    """Return a message: its number, in how many rooms it is, what it says, its bytes, and fields that are not these."""
    fields = {
        **others,
        "msg_msgnum": str(number),
        "msg_meta_refcount": str(references),
        "msg_meta_rfc822_length": "0",  # the server works it out when it is asked for
        "msg_meta_content_type": content_type(read),
    }
    head = b"".join(single(name, text) for name, text in fields.items())
    return b"<message>\n%s<msg_text>%s</msg_text>\n</message>\n" % (head, _encoded(data))


def content_type(read: Message) -> str:
    """Return what a server keeps as a message's type: that of its text, by which it looks for items."""
    if read.format in (FLOWING, FIXED):
        return "text/x-citadel-variformat" if read.format == FLOWING else "text/plain"
    head = read.get("M").replace(b"\r", b"").partition(b"\n\n")[0]
    for line in head.split(b"\n"):
        if found := _CONTENT_TYPE.match(line):
            return found[1].decode("ascii", "replace")[:_MAX_CONTENT_TYPE]
    return "text/plain"


def _lines(before: str, text: str, after: str) -> bytes:
    """Return a text between tags, on as many lines as it takes."""
    line = f"{before}{escaped(text)}{after}\n".encode()
    if len(line) <= MAX_LINE:
        return line
    pieces = [piece.encode() for piece in _PIECE.findall(escaped(text))]
    return b"%s%s%s\n" % ((before + "<!--\n-->").encode(), _BREAK.join(pieces), after.encode())


def _encoded(data: bytes) -> bytes:
    """Return bytes in base64, on as many lines as it takes."""
    text = base64.b64encode(data)
    if len(text) <= _ENCODED_LINE:
        return text
    return b"\n".join(text[at : at + _ENCODED_LINE] for at in range(0, len(text), _ENCODED_LINE))
