"""Rooms and messages of a server: what of them has to be known to make records of them.  Values in, values out."""

import binascii
from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

from mirror.citadel.meaning.expiry import Policies
from mirror.citadel.meaning.keys import Keys
from mirror.citadel.migr.leftovers import FileRoom
from mirror.formats.errors import BadMessage
from mirror.formats.message import Message, parse_message
from mirror.formats.migr import Element
from mirror.formats.server_own import Use, replicated
from mirror.model.record import pack_head


class Room(NamedTuple):
    """What later elements need to know of a room."""

    name: str
    password: str
    generation: str
    stamp: int
    changed: int
    """When it was last changed, as far as that is known: no message in it is later; else the least stamp there is."""
    use: Use


class Known(NamedTuple):
    """What an export told of a server: its node name, when it was set up (a stamp), its rooms by their numbers.

    ``users`` are the numbers of its users; ``keys`` are those under which it is kept.
    """

    node: str
    created: int
    users: Set[int]
    rooms: Mapping[int, Room]
    policies: Policies
    file_rooms: Sequence[FileRoom]
    keys: Keys

    def room_key(self, number: int) -> str:
        return self.keys.room(number, self.rooms[number].name)


class Posted(NamedTuple):
    """A message of the export: its number, the line it is on, what it says, its bytes, and the head of its record."""

    number: int
    line: int
    message: Message
    data: bytes
    head: bytes


def read_posted(element: Element, number: int) -> Posted:
    """Read a message's element.  Raises ValueError, BadMessage."""
    try:
        data = binascii.a2b_base64("".join(element.children.get("msg_text", "").split()), strict_mode=True)
    except binascii.Error as error:
        raise ValueError(f"message {number}: its base64 is broken: {error}") from None
    try:
        message = parse_message(data)
    except BadMessage as error:
        raise BadMessage(f"message {number}: {error}") from None
    head = pack_head(replicated(element.name, element.children))
    return Posted(number, element.line, message, data, head)
