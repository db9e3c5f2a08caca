"""The corpus: items as a program left them, and the message around one as Citadel keeps it.

Files of items/ are all made up, in the manner of the program that their names begin with: ``.ics`` and ``.vcf`` are
what it puts there itself, ``.msg`` a MIME text that Citadel's web client or a mail had.
"""

import base64
import email
from email.message import Message
from functools import cache
from pathlib import Path
from typing import NamedTuple

ITEMS = Path(__file__).parent / "items"
_TYPES = ("text/calendar", "text/x-vcard", "text/vcard")
_MEDIA = {".ics": b"text/calendar", ".vcf": b"text/vcard"}


class Source(NamedTuple):
    """An item's text with LF at the ends of its lines, and the message with a hole where it stood."""

    name: str
    before: bytes
    text: bytes
    after: bytes
    encoding: str = ""
    line_end: bytes = b"\r\n"

    @property
    def is_card(self) -> bool:
        return self.text[:11].upper() == b"BEGIN:VCARD"

    def message(self, text: bytes, line_end: bytes | None = None) -> bytes:
        """Return the message with another text, whose lines end as told, or as the item's own do."""
        data = text.replace(b"\n", self.line_end if line_end is None else line_end)
        if self.encoding == "quoted-printable":
            data = _one_run(data)
        elif self.encoding == "base64":
            data = base64.encodebytes(data).rstrip(b"\n").replace(b"\n", b"\r\n")
        return self.before + data + self.after


def _one_run(data: bytes) -> bytes:
    """Return quoted-printable text as Citadel's web client writes it: line ends encoded, broken after 73 characters."""
    tokens = [
        bytes([byte]) if byte in b" \t" or (33 <= byte <= 126 and byte != 61) else b"=%02X" % byte for byte in data
    ]
    lines, line = list[bytes](), b""
    for token in tokens:
        if len(line) >= 73:
            lines.append(line + b"=")
            line = b""
        line += token
    return b"\n".join([*lines, line])


@cache
def source(name: str) -> Source:
    """Return an item of the corpus by its file's name."""
    path = ITEMS / name
    data = path.read_bytes()
    fields = b"\xff\x41\x04I6553F100-00000001@alpha\0T1700000000\0AAnn\0Usubject\0Ek\0M"
    if path.suffix != ".msg":
        head = fields + b"Content-type: " + _MEDIA[path.suffix] + b"; charset=UTF-8\r\n\r\n"
        return Source(name, head, data.replace(b"\r\n", b"\n"), b"\0", line_end=b"\r\n" if b"\r\n" in data else b"\n")
    part = _item_part(email.message_from_bytes(data))
    encoding = str(part["content-transfer-encoding"] or "").lower()
    encoded = str(part.get_payload()).strip("\r\n" if encoding else "").encode()
    at = _find(data, encoded)
    text = text_in(fields + data + b"\0")
    line_end = b"\r\n" if b"\r\n" in _decoded(part) else b"\n"
    return Source(name, fields + data[: at[0]], text, data[at[1] :] + b"\0", encoding, line_end)


def _find(data: bytes, encoded: bytes) -> tuple[int, int]:
    """Return where a payload stands, whatever the ends of its lines are there."""
    for candidate in (encoded, encoded.replace(b"\n", b"\r\n"), encoded.replace(b"\r\n", b"\n")):
        if candidate in data:
            at = data.index(candidate)
            return at, at + len(candidate)
    raise AssertionError("the item is not in its message")


def _item_part(message: Message) -> Message:
    return next(part for part in message.walk() if part.get_content_type() in _TYPES)


def _decoded(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


def text_in(body: bytes) -> bytes:
    """Return an item's text, LF at the ends of its lines, as the standard library reads it in a message."""
    mime = body.partition(b"\0M")[2].removesuffix(b"\0")
    return _decoded(_item_part(email.message_from_bytes(mime))).replace(b"\r\n", b"\n")


def names() -> list[str]:
    return sorted(path.name for path in ITEMS.iterdir())
