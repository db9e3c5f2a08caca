"""Making new messages and items the way Citadel's server would have stored them."""

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from mirror.formats.calendar_file import CalendarItem, is_utf8
from mirror.formats.keys import message_key
from mirror.formats.message import FLOWING, MIME, NORMAL, Message, serialize_message


class Composed(NamedTuple):
    """A message's key and bytes."""

    key: str
    body: bytes


def compose_post(node: str, author: str, room: str, subject: str, text: str | bytes, seconds: int) -> Composed:
    """Return a plain post.  ``seconds`` is Unix time.  Raises BadMessage for what holds a NUL byte."""
    message_id = _message_id(node, seconds)
    fields = [("I", message_id), ("T", str(seconds)), ("A", author), ("O", room), ("U", subject), ("M", text)]
    return _composed(node, fields, FLOWING)


def compose_item(node: str, author: str, room: str, item: CalendarItem, seconds: int) -> Composed:
    """Return a calendar item as a message.  ``seconds`` is Unix time.  Raises BadMessage."""
    charset = "; charset=UTF-8" if is_utf8(item.data) else ""
    text = b"Content-type: text/calendar" + charset.encode() + b"\r\n\r\n" + item.data
    fields: list[tuple[str, str | bytes]] = [
        ("I", _message_id(node, seconds)), ("T", str(seconds)), ("A", author), ("O", room), ("U", item.summary),
        ("E", item.uid), ("M", text),
    ]  # fmt: skip
    return _composed(node, fields, MIME)


def _message_id(node: str, seconds: int) -> str:
    return f"{seconds:08X}-{secrets.randbits(32):08X}@{node}"


def _composed(node: str, fields: Sequence[tuple[str, str | bytes]], format: int) -> Composed:
    """Return a message of fields; surrogates in text are the bytes that ``surrogateescape`` made them from."""
    values = [(letter, _bytes(value)) for letter, value in fields if value]
    body = serialize_message(values, format)
    return Composed(message_key(Message(NORMAL, format, values), node, 0), body)


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
