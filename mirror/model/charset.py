"""Charsets of texts that declare one: an item is looked into as UTF-8, and written as it came.

Only charsets of one byte a character are changed into UTF-8 and back; their tables never change, so all nodes make the
same of them.  What is UTF-8 although its message says otherwise is taken as it is, as clients do; what is neither keeps
its bytes.
"""

from typing import NamedTuple

_SINGLE = {
    **{f"iso-8859-{number}": f"iso8859_{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16)},
    **{f"windows-{number}": f"cp{number}" for number in range(1250, 1259)},
    "latin1": "iso8859_1",
    "koi8-r": "koi8_r",
    "koi8-u": "koi8_u",
}
_UNICODE = ("utf-8", "utf8")
_ASCII = ("us-ascii", "ascii")
_IN_FACT = b" UTF-8"
"""Follows a label whose text is UTF-8 in fact."""


class Labelled(NamedTuple):
    """A text's bytes, and the charset that its message declares."""

    label: bytes
    data: bytes


def read(told: Labelled) -> Labelled | None:
    """Return a text in UTF-8, with what has to be known to write it as it came; None where it cannot be read."""
    label, data = told
    name = _name(label)
    if data.isascii() or not label or name in _UNICODE:
        return told
    if is_utf8(data):
        return Labelled(label + _IN_FACT, data)
    if name in _ASCII:
        return told
    try:
        return Labelled(label, data.decode(_SINGLE[name]).encode())
    except (KeyError, UnicodeDecodeError):
        return None


def write(known: Labelled) -> Labelled:
    """Return a text as it came, or in UTF-8 and so labelled where its charset has no letters for it."""
    label, data = known
    name = _name(label)
    if label.endswith(_IN_FACT) or data.isascii() or not label or name in _UNICODE:
        return Labelled(label.removesuffix(_IN_FACT), data)
    if name in _ASCII and not is_utf8(data):
        return known
    try:
        written = data.decode().encode(_SINGLE[name])
    except (KeyError, UnicodeError):
        written = data
    # What would be taken for UTF-8 when it is read again is written so.
    return Labelled(b"UTF-8", data) if is_utf8(written) else Labelled(label, written)


def in_charset(label: str, data: bytes) -> str | None:
    """Return text in a charset; None where that is not known, or the text is not in it."""
    name = label.lower()
    try:
        return data.decode("utf-8" if name in _UNICODE + _ASCII else _SINGLE[name])
    except (KeyError, UnicodeDecodeError):
        return None


def is_utf8(data: bytes) -> bool:
    """Tell whether bytes are UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _name(label: bytes) -> str:
    return label.decode("ascii", "replace").lower()
