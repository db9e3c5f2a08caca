"""A second thing that says the same: a losing version under a key of its own, so that both can be kept.

What tells a thing apart is in its key and in its text, and both have to say the same: a file's name, a message's id,
an item's exclusive id.  The new ones follow from the version alone, so every node that keeps both makes one copy.
"""

from mirror.formats.errors import BadMessage
from mirror.formats.message import Message, parse_message, serialize_message
from mirror.model.content_lines import Component, Line, raw_line
from mirror.model.heads import without_edits
from mirror.model.item import find_item
from mirror.model.keys import MESSAGE_PREFIX
from mirror.model.kinds import ITEM_PREFIX, parse_collection
from mirror.model.record import MAX_KEY, Record, pack_head, record_crc, unpack_head


class NoCopy(BadMessage):
    """Of this version no second one can be kept beside the first."""


def beside(loser: Record, body: bytes) -> tuple[Record, bytes]:
    """Return a version as the draft of a thing of its own, without a body, and the body.  Raises NoCopy.

    ``body`` is the version's, wherever it is kept.
    """
    kind = parse_collection(loser.collection).kind
    mark = f"kept-{record_crc(loser):016x}"
    if kind == "files":
        return _file(loser, mark), body
    if kind == "messages" and loser.key.startswith(ITEM_PREFIX):
        uid = loser.key.removeprefix(ITEM_PREFIX)
        return _copy(loser, f"{ITEM_PREFIX}{uid}-{mark}", loser.head), _item(loser, body, f"{uid}-{mark}")
    if kind == "messages" and loser.key.startswith(MESSAGE_PREFIX):
        name = f"{loser.key.removeprefix(MESSAGE_PREFIX)}-{mark}"
        return _copy(loser, MESSAGE_PREFIX + name, loser.head), _with_field(_parsed(loser, body), "I", name)
    raise NoCopy(f"of {kind} there is one a key, not two: restore the version that lost, or dismiss the conflict")


def _copy(loser: Record, key: str, head: bytes) -> Record:
    return Record(loser.collection, key, 1, "copy", 1, head=without_edits(head))


def _file(loser: Record, mark: str) -> Record:
    stem, dot, ending = loser.key.rpartition(".")
    tail = f" ({mark}).{ending}"
    if not (dot and stem) or len(tail.encode()) > MAX_KEY // 2:
        stem, tail = loser.key, f" ({mark})"
    # A name may be as long as a key; the mark tells the copy from others that begin alike.
    key = stem.encode()[: MAX_KEY - len(tail.encode())].decode(errors="ignore") + tail
    head = unpack_head(loser.head)
    return _copy(loser, key, pack_head({**head, "name": key} if "name" in head else head))


def _parsed(loser: Record, body: bytes) -> Message:
    try:
        return parse_message(body)
    except BadMessage as error:
        raise NoCopy(f"{loser.collection} {loser.key[:80]!r} cannot be kept twice: {error}") from None


def _with_field(message: Message, letter: str, value: str) -> bytes:
    """Return a message's bytes with one field replaced, or added in front."""
    fields = [(name, value.encode() if name == letter else held) for name, held in message.fields]
    if all(name != letter for name, _ in fields):
        fields.insert(0, (letter, value.encode()))
    return serialize_message(fields, message.format, message.anonymity)


def _item(loser: Record, body: bytes, uid: str) -> bytes:
    item = find_item(body)
    if item is None:
        raise NoCopy(f"{loser.collection} {loser.key[:80]!r} holds no item whose id could be another")
    text = item.frame.filled(b"\n".join(_with_uid(item.component, uid).written()))
    try:
        message = parse_message(text)
    except BadMessage:
        return text  # bare content lines, as tests and other programs file them
    return _with_field(message, "E", uid)


def _with_uid(component: Component, uid: str) -> Component:
    lines = [_renamed(line, uid) if line.name == "UID" else line for line in component.lines]
    inside = [_with_uid(part, uid) if part.name != "VALARM" else part for part in component.inside]
    return Component(component.name, lines, inside)


def _renamed(line: Line, uid: str) -> Line:
    text = line.text[: len(line.text) - len(line.value)] + uid
    return Line(line.name, raw_line(text), text)
