"""What a server has of a message that was written into it: the same message, though not byte for byte.

What a server changed on the way in is no edit, and no other message of the same id: it is taken for what is here.
"""

from mirror.citadel.meaning.homes import INBOX_RULES, is_in_force_elsewhere, read_home
from mirror.citadel.meaning.keys import USERS
from mirror.formats.errors import BadMessage
from mirror.formats.inbox_rules import rule_lines
from mirror.formats.internet import is_returned
from mirror.formats.message import Message, parse_message
from mirror.formats.texts_of_rooms import picture_in, text_in
from mirror.model.keys import MESSAGE_PREFIX
from mirror.model.texts import canonical_text
from mirror.store.base import Reader, Store

SHOWN = frozenset({"room-info", "pictures", "bios"})
"""Kinds of which only what is shown counts: a server makes a message of its own of each."""


def as_here(store: Store, collection: str, key: str, told: Message, data: bytes) -> bytes:
    """Return the body of what is here of a message, where a server's is what came of writing it; else the server's."""
    if not key.startswith(MESSAGE_PREFIX):
        return data
    held = store.read(lambda reader: [reader.body(one) for one in reader.scan(collection, prefix=key) if not one.dead])
    return next((body for body in held if body != data and _is_returned(body, told)), data)


def text_as_here(store: Store, collection: str, key: str, data: bytes) -> bytes:
    """Return the body of what is here of a text or picture, where a server's shows the same; else the server's."""
    held = store.read(lambda reader: _living(reader, collection, key))
    return held if held and held != data and shows_the_same(collection, held, data) else data


def rules_as_here(store: Store, place: str, user: str, data: bytes) -> bytes:
    """Return the body of what is here of a user's inbox rules where a server, by its place, is not where they act.

    So where it has the same ones; else the server's.
    """

    def job(reader: Reader) -> bytes:
        held = _living(reader, INBOX_RULES, user)
        if not held or read_home(reader, USERS, user) is None:
            return data
        elsewhere = is_in_force_elsewhere(reader, place, USERS, user)
        return held if elsewhere or rule_lines(held) == rule_lines(data) else data

    return store.read(job)


def shows_the_same(collection: str, one: bytes, other: bytes) -> bool:
    """Tell whether two messages hold the same text or picture, whoever made them."""
    try:
        if collection == "pictures":
            return picture_in(one) == picture_in(other)
        text = text_in(one).rstrip(b"\n")
        return bool(text) and text == text_in(other).rstrip(b"\n")
    except BadMessage:
        return False


def is_as_here(held: bytes, told: bytes) -> bool:
    """Tell whether a server's message is what is here, or what came of writing that, by their bodies."""
    if canonical_text(held) == canonical_text(told):
        return True
    try:
        return _is_returned(held, parse_message(told))
    except BadMessage:
        return False


def _living(reader: Reader, collection: str, key: str) -> bytes:
    record = reader.get(collection, key)
    return b"" if record is None or record.dead else reader.body(record)


def _is_returned(body: bytes, told: Message) -> bool:
    try:
        return is_returned(parse_message(body), told)
    except BadMessage:
        return False
