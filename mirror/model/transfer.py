"""Content transfer encodings (RFC 2045 section 6): what a text says, and the text encoded again as it was.

Of many ways to write the same, the one is taken in which a text came: the width of its lines, what breaks them, and
whether its own line breaks are encoded too, as Citadel's web client does it.  Our own, because merging must give the
same bytes on every node.
"""

import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

QUOTED_PRINTABLE = "quoted-printable"
BASE64 = "base64"
PLAIN = ("", "7bit", "8bit", "binary")
"""Encodings that change nothing."""
WIDTH = 76
"""Characters in an encoded line at most (RFC 2045 sections 6.7 and 6.8)."""

_ESCAPED = re.compile(rb"=([0-9A-Fa-f]{2})|=[ \t]*\r?\n|[ \t]+(?=\r?\n|\Z)")
_SOFT = re.compile(rb"=[ \t]*\r?\n")
_TOKENS = re.compile(rb"[\t\x20-\x3c\x3e-\x7e]|\r?\n|.", re.DOTALL)


class Style(NamedTuple):
    """How a text is encoded.

    ``end`` breaks its lines.  ``width`` is what they have at most: characters with the ``=``, or, where the line breaks
    of the text are encoded too (``one_run``), those after which a line is broken; 0 where base64 has no breaks.
    """

    width: int
    end: bytes
    one_run: bool = False


def decode(encoding: str, data: bytes) -> bytes | None:
    """Return what an encoded text says; None where that cannot be told."""
    if encoding == QUOTED_PRINTABLE:
        return _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]) if found[1] else b"", data)
    if encoding == BASE64:
        try:
            return binascii.a2b_base64(data)
        except binascii.Error:
            return None
    return data if encoding in PLAIN else None


def encode(encoding: str, style: Style, text: bytes) -> bytes:
    """Return a text encoded in a style."""
    if encoding == QUOTED_PRINTABLE:
        return b"".join(_in_one_run(style, text) if style.one_run else _in_lines(style, text))
    if encoding == BASE64:
        encoded = binascii.b2a_base64(text, newline=False)
        width = style.width or len(encoded) or 1
        return style.end.join(encoded[at : at + width] for at in range(0, len(encoded), width))
    return text


def style_of(encoding: str, data: bytes, end: bytes) -> Style:
    """Return how a text of several lines is encoded; ``end`` ends the lines around it."""
    if encoding == BASE64:
        first, broken, _ = data.partition(b"\n")
        width = len(first.rstrip(b"\r"))
        if broken:
            return Style(max(1, width), b"\r\n" if first.endswith(b"\r") else b"\n")
        return Style(WIDTH if width <= WIDTH else 0, end)
    soft = _SOFT.search(data)
    if soft:
        end = b"\r\n" if soft[0].endswith(b"\r\n") else b"\n"
    if b"\n" in _SOFT.sub(b"", data).rstrip(b"\r\n"):
        return Style(WIDTH, end)
    return Style(max(1, min(soft.start(), WIDTH)) if soft else WIDTH, end, one_run=True)


def _in_one_run(style: Style, text: bytes) -> Iterator[bytes]:
    column = 0
    for number, byte in enumerate(text):
        if column >= style.width:
            yield b"=" + style.end
            column = 0
        plain = (33 <= byte <= 126 and byte != 61) or (byte in (9, 32) and number + 1 < len(text))
        token = bytes([byte]) if plain else b"=%02X" % byte
        yield token
        column += len(token)


def _in_lines(style: Style, text: bytes) -> Iterator[bytes]:
    column, tokens = 0, _TOKENS.findall(text)
    # Line breaks around the text would be taken for what parts it from others, so these are encoded.
    inside = [number for number, token in enumerate(tokens) if not token.endswith(b"\n")]
    breaks = set(range(inside[0], inside[-1])) - set(inside) if inside else set()
    for number, token in enumerate(tokens):
        if number in breaks:
            yield token
            column = 0
            continue
        last = number + 1 == len(tokens) or number + 1 in breaks
        plain = len(token) == 1 and _is_plain(token[0], last)
        written = token if plain else b"".join(b"=%02X" % byte for byte in token)
        if column + len(written) > style.width - (not last):
            yield b"=" + style.end
            column = 0
        yield written
        column += len(written)


def _is_plain(byte: int, last: bool) -> bool:
    """Tell whether a byte may stand as it is; blanks may not where they are the ``last`` of a line."""
    return (33 <= byte <= 126 and byte != 61) or (byte in (9, 32) and not last)
