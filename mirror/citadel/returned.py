"""What a server has of a message that was written into it: the same message, though not byte for byte.

What a server changed on the way in is no edit, and no other message of the same id: it is taken for what is here.
"""

from mirror.formats.errors import BadMessage
from mirror.formats.internet import is_returned
from mirror.formats.message import Message, parse_message
from mirror.model.keys import MESSAGE_PREFIX
from mirror.store.base import Store


def as_here(store: Store, collection: str, key: str, told: Message, data: bytes) -> bytes:
    """Return the body of what is here of a message, where a server's is what came of writing it; else the server's."""
    if not key.startswith(MESSAGE_PREFIX):
        return data
    held = store.read(lambda reader: [reader.body(one) for one in reader.scan(collection, prefix=key) if not one.dead])
    return next((body for body in held if body != data and _is_returned(body, told)), data)


def _is_returned(body: bytes, told: Message) -> bool:
    try:
        return is_returned(parse_message(body), told)
    except BadMessage:
        return False
