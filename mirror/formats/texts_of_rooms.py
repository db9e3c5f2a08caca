"""Messages in which a server keeps the texts and pictures of rooms: what they hold.  Bytes in, values out."""

import binascii
import re
from typing import NamedTuple

from mirror.formats.errors import BadMessage
from mirror.formats.message import parse_message

_LINE_ENDS = re.compile(rb"\r*\n")


class Picture(NamedTuple):
    """A picture's MIME type and bytes."""

    type: str
    data: bytes


def text_in(body: bytes) -> bytes:
    """Return the text in a serialized message, without its headers, its lines ended by LF.  Raises BadMessage."""
    return _halves(body)[1]


def picture_in(body: bytes) -> Picture:
    """Return the picture in a serialized message.  Raises BadMessage where there is none in base64."""
    head, text = _halves(body)
    headers = dict(_header(line) for line in head.decode("ascii", "replace").split("\n"))
    kind = headers.get("content-type", "").partition(";")[0].strip()
    if not kind.startswith("image/") or headers.get("content-transfer-encoding", "").lower() != "base64":
        raise BadMessage(f"a picture of type {kind[:40]!r} is none that can be shown")
    try:
        return Picture(kind, binascii.a2b_base64(b"".join(text.split())))
    except binascii.Error as error:
        raise BadMessage(f"a picture's base64 is broken: {error}") from None


def _halves(body: bytes) -> tuple[bytes, bytes]:
    head, _, text = _LINE_ENDS.sub(b"\n", parse_message(body).get("M")).partition(b"\n\n")
    return head, text


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()
