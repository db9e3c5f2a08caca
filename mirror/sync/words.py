"""What a record is, in a few words for an administrator; names are read from a store."""

from mirror.formats.errors import BadMessage
from mirror.formats.message import Message, parse_message
from mirror.formats.names import NAME_FIELDS, ROOM_MAILBOX, number_of
from mirror.model.fields import values_of
from mirror.model.kinds import ITEM_PREFIX, parse_collection
from mirror.model.record import Record
from mirror.store.base import Reader

MAX_SHOWN = 1 << 20
"""Bytes of a body up to which it is read for what it says."""


def describe_record(reader: Reader, record: Record, message: Message | None) -> str:
    """Return in a few words what a record is; ``message`` is that in it, where there is one."""
    kind, room = parse_collection(record.collection)
    if kind == "messages":
        return f"{_message_words(record, message)} in {_named(reader, 'rooms', room)}"
    if kind == "visits":
        user, _, mark = record.key.partition(" ")
        what = "mark on a message" if mark else "rights and marks"
        return f"{_named(reader, 'users', user)}'s {what} in {_named(reader, 'rooms', room)}"
    if kind in NAME_FIELDS:
        return _named(reader, kind, record.key)
    if room:
        return f"{'file' if kind == 'files' else kind} {record.key} in {_named(reader, 'rooms', room)}"
    return f"{'setting' if kind == 'config' else kind} {record.key}"


def message_in(reader: Reader, record: Record) -> Message | None:
    """Return the message in a record, if it is one that can be read and is not too large to be shown."""
    if record.dead or parse_collection(record.collection).kind != "messages" or record.size > MAX_SHOWN:
        return None
    try:
        return parse_message(reader.body(record))
    except BadMessage:
        return None


def _message_words(record: Record, message: Message | None) -> str:
    if message is None:
        return f"message {record.key}"
    item = "item" if record.key.startswith(ITEM_PREFIX) else "message"
    title, author = message.text("U"), message.text("A")
    return f"{item} {title!r}" + (f" of {author}" if author else "") if title else f"{item} {record.key}"


def _named(reader: Reader, kind: str, key: str) -> str:
    record = reader.get(kind, key)
    word = "user" if kind == "users" else "room"
    if record is None or record.dead:
        return f"{word} {key} (deleted)"
    values = values_of(record)
    name = str(values.get(NAME_FIELDS[kind], key))
    if kind == "rooms" and number_of(values, "QRflags") & ROOM_MAILBOX:
        return f"mailbox room {name}"
    return f"{word} {name}"
