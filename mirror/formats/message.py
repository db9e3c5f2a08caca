"""Citadel's serialized messages: 0xFF, anonymity, format, then fields of a letter, text and NUL.

Source: the server's published format description and MIGR exports of version 980.  Sans-I/O.  Unknown
letters are kept; the bytes of a message that is only passed on are never rewritten.
"""

from collections.abc import Sequence
from typing import NamedTuple

from mirror.formats.errors import BadMessage

MAGIC = 0xFF
NORMAL = 65
"""The anonymity byte of an ordinary message."""
FLOWING, FIXED, MIME = 0, 1, 4
"""Format bytes: Citadel's own flowing text, fixed text, RFC 822 headers and MIME body."""


Field = tuple[str, bytes]
"""A field's letter, and its value without the NUL."""


class Message(NamedTuple):
    """A message's fields in their order; letters are one character, values bytes without the NUL."""

    anonymity: int
    format: int
    fields: list[Field]

    def get(self, letter: str) -> bytes:
        """Return the first field of that letter, or empty bytes."""
        return next((value for name, value in self.fields if name == letter), b"")

    def text(self, letter: str) -> str:
        """Return a field as text; bytes that are not UTF-8 are read as Latin-1."""
        value = self.get(letter)
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")


def parse_message(data: bytes) -> Message:
    """Read a serialized message.  Raises BadMessage."""
    if len(data) < 3 or data[0] != MAGIC:
        raise BadMessage("a message does not begin with 0xFF")
    fields = []
    at, end = 3, len(data)
    while at < end:
        letter = chr(data[at])
        if letter == "\0":  # padding after the last field
            at += 1
            continue
        if not letter.isascii() or not letter.isprintable():
            raise BadMessage(f"a message has a field named by byte {data[at]} at offset {at}")
        stop = data.find(b"\0", at + 1)
        stop = end if stop < 0 else stop
        fields.append((letter, data[at + 1 : stop]))
        at = stop + 1
    return Message(data[1], data[2], fields)


def front_of_message(data: bytes) -> Message:
    """Return what the beginning of a message tells: all of its fields that end in it.  Raises BadMessage."""
    return parse_message(data[: data.rfind(b"\0") + 1])


def serialize_message(fields: Sequence[Field], format: int = FLOWING, anonymity: int = NORMAL) -> bytes:
    """Return a message's bytes.  Raises BadMessage when a value contains a NUL."""
    for letter, value in fields:
        if b"\0" in value:
            raise BadMessage(f"field {letter} of a message contains a NUL byte")
    return bytes((MAGIC, anonymity, format)) + b"".join(
        letter.encode("ascii") + value + b"\0" for letter, value in fields
    )
