"""Headers of messages as people read them: encoded words (RFC 2047) are decoded.  Text in, text out."""

from email.errors import HeaderParseError
from email.header import decode_header

MAX_HEADER = 10_000
"""Characters of a header that are decoded; a longer one is shown as it is."""


def decoded(header: str) -> str:
    """Return a header's text with its encoded words decoded; what cannot be decoded stays as it is."""
    if "=?" not in header or len(header) > MAX_HEADER:
        return header
    try:
        pieces = decode_header(header)
        return "".join(_text(piece, charset) for piece, charset in pieces)
    except (HeaderParseError, LookupError, ValueError):
        return header


def _text(piece: bytes | str, charset: str | None) -> str:
    return piece if isinstance(piece, str) else piece.decode(charset or "ascii", "surrogateescape")
