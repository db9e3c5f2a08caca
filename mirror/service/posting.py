"""What a user may put into a room, and in the place of what: author, address and id of a message are the node's to say.

In rooms of the own mailbox a user files whatever it is.  Elsewhere a message is signed with the user's own name and
address, whatever was sent; who wrote one may replace and delete it, and so may who administers the room.  An item (a
calendar entry, a card) is edited by whoever may post, as on a server, and keeps its author.
"""

from mirror.formats.errors import BadMessage
from mirror.formats.message import NORMAL, Field, Message, front_of_message, parse_message, serialize_message
from mirror.model.errors import BadRecord, MirrorError
from mirror.model.keys import MESSAGE_PREFIX, compared, key_of_id, split_key
from mirror.model.kinds import ITEM_PREFIX, parse_collection
from mirror.model.merge import is_item
from mirror.model.record import Record
from mirror.model.texts import is_message, named_text
from mirror.service.rights import Author, Room, scope_in_room
from mirror.store.base import Reader

MAX_POST = 16 * 1024 * 1024
"""Bytes of a message that a user puts into a room of others."""
ANONYMOUS_ROOM, ANONYMOUS_CHOICE = 66, 67
"""Anonymity bytes: of a message in a room where all are, and of one whose author chose so."""
_FRONT_BYTES = 65_536
"""Bytes of a large message among which its author stands: its text is the last field."""
_TEXT, _AUTHOR, _ADDRESS, _REFERENCES = "M", "A", "F", "W"
_OF_THE_NODE = frozenset("AFBCDGHJNOPV1")
"""Fields that a client does not say: whose a message is, which way it came, how it is stored."""
_IDS = {MESSAGE_PREFIX: "I", ITEM_PREFIX: "E"}
"""The field that a key of this beginning names."""


class NotAllowed(MirrorError):
    """Something that a user may see, and not change."""


# -- putting something in -----------------------------------------------------------------------------


def check_place(room: Room, record: Record) -> None:
    """Raise NotAllowed where a room has no place for what a user wants there, BadRecord for what no user may say."""
    if parse_collection(record.collection).kind == "files" and not room.facts.directory:
        raise NotAllowed("this room has no directory for files")
    if not room.own and not record.dead and is_message(record) and named_text(record.head):
        raise BadRecord(f"{record.key[:80]!r}: which text a message stands for is told by its text alone")


def signed(body: bytes, key: str, room: Room, author: Author, held: bytes = b"") -> bytes:
    """Return a message as a user may put it into a room; the very same bytes where nothing is to be changed.

    ``held`` is the item in whose place it comes, which keeps its author.  Raises BadRecord and NotAllowed.
    """
    message, there = _read(body), _front(held)
    if there is None and not (room.writable or message.get(_REFERENCES)):
        raise NotAllowed("in this room only replies are posted; one names in its field W what it replies to")
    signature = _of_the_node(there) if there is not None else _signature(author)
    anonymity = there.anonymity if there is not None else _anonymity(room, message.anonymity)
    missing = _missing_id(message, key)
    if not missing and anonymity == message.anonymity and _of_the_node(message) == signature:
        return body
    said = [field for field in message.fields if field[0] not in _OF_THE_NODE]
    return serialize_message([*signature, *missing, *said], message.format, anonymity)


def _read(body: bytes) -> Message:
    try:
        message = parse_message(body)
    except BadMessage as error:
        raise BadRecord(f"this is no message: {error}") from None
    if not message.get(_TEXT).strip():
        raise BadRecord("this message has no text (its field M is empty)")
    return message


def _of_the_node(message: Message) -> list[Field]:
    return [field for field in message.fields if field[0] in _OF_THE_NODE]


def _signature(author: Author) -> list[Field]:
    address = [(_ADDRESS, author.addresses[0].encode())] if author.addresses else []
    return [(_AUTHOR, author.name.encode()), *address]


def _anonymity(room: Room, wanted: int) -> int:
    if room.facts.anonymous:
        return ANONYMOUS_ROOM
    return ANONYMOUS_CHOICE if wanted == ANONYMOUS_CHOICE and room.facts.may_be_anonymous else NORMAL


def _missing_id(message: Message, key: str) -> list[Field]:
    """Return the field that a message lacks to have the id that its key names.  Raises BadRecord for another id."""
    prefix = next((one for one in _IDS if key.startswith(one)), "")
    if not prefix:
        raise BadRecord(f"{key[:80]!r} is no message's key, which is id: or euid: and its id")
    if prefix == MESSAGE_PREFIX and message.get("E"):
        raise BadRecord(f"{key[:80]!r}: its key has to name its exclusive id {message.text('E')[:80]!r}")
    letter, plain = _IDS[prefix], split_key(key)[0]
    name = message.text(letter)
    if name:
        if key_of_id(prefix, name) != plain:
            raise BadRecord(f"{key[:80]!r}: its key has to name its id {name[:80]!r}")
        return []
    name = plain.removeprefix(prefix)
    if not name or "\0" in name or key_of_id(prefix, name) != plain:
        raise BadRecord(f"{key[:80]!r}: this has no id in its field {letter}, and its key names none")
    return [(letter, name.encode())]


# -- in the place of what is there --------------------------------------------------------------------


def check_replaced(reader: Reader, user_key: str, held: Record | None, made: Record) -> None:
    """Raise NotAllowed unless a user may have a version take the place of what is there, or delete that.

    ``held`` is None, or dead, where what it was made from has not come here: nobody can tell whose that is.
    Raises Denied where the user has no right in the room at all.
    """
    kind, key = parse_collection(made.collection)
    if kind not in ("messages", "files"):
        return
    scope = scope_in_room(reader, user_key, key)
    room = scope.rooms.get(key)
    if room is None or room.own or room.aide or (made.dead and room.writable and room.facts.collaborative):
        return
    if held is None or held.dead:
        raise NotAllowed("this is not here yet, or any more: it is changed where it is, by who wrote it")
    if kind == "files":
        raise NotAllowed("a file that is there is replaced or deleted by who administers the room")
    if not (is_item(held) and not made.dead) and not wrote(reader, scope.author, held):
        raise NotAllowed("a message is replaced or deleted by who wrote it or administers the room")


def wrote(reader: Reader, author: Author, held: Record) -> bool:
    """Tell whether a message is signed with a user's name, and with one of the addresses if it has any."""
    message = _front(held.body or reader.content_parts(held.content, 0, _FRONT_BYTES))
    if message is None or not author.name or compared(message.text(_AUTHOR)) != compared(author.name):
        return False
    address = message.text(_ADDRESS)
    return not address or address.casefold() in {one.casefold() for one in author.addresses}


def _front(body: bytes) -> Message | None:
    """Return a message as far as it is told, or None where there is none."""
    try:
        return front_of_message(body)
    except BadMessage:
        return None
