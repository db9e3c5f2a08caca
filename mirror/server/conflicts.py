"""What an administrator is told of a conflict: what it is about, in words, and what is kept now."""

from mirror.formats.errors import BadMessage
from mirror.formats.message import Message, parse_message
from mirror.formats.names import NAME_FIELDS, ROOM_MAILBOX, number_of
from mirror.model.fields import values_of
from mirror.model.kinds import ITEM_PREFIX, parse_collection
from mirror.model.record import Record
from mirror.store.base import Conflict, Reader
from mirror.wire.readable import record_as_json
from mirror.wire.status import ConflictStatus, WinnerStatus

MAX_SHOWN = 1 << 20
"""Bytes of a body up to which a conflict shows what it says."""


def describe_conflict(reader: Reader, conflict: Conflict) -> ConflictStatus:
    """Return what an administrator is told of a conflict."""
    current = reader.get(conflict.loser.collection, conflict.loser.key)
    message = _message(reader, conflict.loser)
    return ConflictStatus(
        number=conflict.number,
        what=_describe(reader, conflict.loser, message),
        noticed_ms=conflict.noticed_ms,
        restored_ms=conflict.resolved_ms,
        winner=WinnerStatus(conflict.winner.stamp, conflict.winner.origin),
        loser=record_as_json(conflict.loser),
        text=message.text("M") if message is not None else None,
        now=record_as_json(current) if current is not None else None,
    )


def _describe(reader: Reader, record: Record, message: Message | None) -> str:
    """Return in a few words what a record is."""
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


def _message(reader: Reader, record: Record) -> Message | None:
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
