"""Global keys and stamps of what a Citadel server knows by its own numbers and times.

They are derived from the server's node name, its numbers and the data's own times, so two nodes that
import the same server agree at once.
"""

import re

from mirror.formats.errors import BadMessage
from mirror.formats.message import Message, parse_message
from mirror.model.keys import MESSAGE_PREFIX, bounded, key_of_id, was_key_of
from mirror.model.kinds import ITEM_PREFIX
from mirror.model.stamp import make_stamp

BORN_IMPORTED = 1
"""The birth of everything imported: any tombstone is later, so a second import revives nothing."""


def imported_origin(node: str) -> str:
    """Return the origin of versions that a Citadel server wrote.

    It is no node's name (those have no colon), so a mirror node called like the server it imports never takes the
    server's later versions for its own, nor the other way round.
    """
    return f"citadel:{node}"


_ID_TIME = re.compile(rb"([0-9A-F]{8})-[0-9A-F]{8}@")


def numbered_key(node: str, number: int) -> str:
    """Return the key of a room or user that has this number at that node."""
    return f"{node}:{number}"


def message_id(message: Message, node: str, number: int) -> str:
    """Return a message's global id: its own, or one made from node and number for old messages."""
    return message.text("I") or f"{message.text('N') or node}/{number}"


def message_key(message: Message, node: str, number: int) -> str:
    """Return a message's key in a room: its exclusive id if it has one, else its message id."""
    exclusive = message.text("E")
    if exclusive:
        return key_of_id(ITEM_PREFIX, exclusive)
    return key_of_id(MESSAGE_PREFIX, message_id(message, node, number))


def key_today(key: str, body: bytes) -> str:
    """Return the key that a message or item has which 0.1.0 kept under this one; mostly that is the same.

    0.1.0 cut the keys of what was imported and no others, so what does not bear an id that it can have been cut from
    stays where it is.
    """
    try:
        message = parse_message(body)
    except BadMessage:
        return bounded(key)
    for letter, prefix in (("E", ITEM_PREFIX), ("I", MESSAGE_PREFIX)):
        name = message.text(letter)
        if name and was_key_of(key, prefix, name):
            return key_of_id(prefix, name)
    return bounded(key)


def seconds_stamp(text: str) -> int:
    """Return the stamp of a decimal Unix time in seconds; the least one for what is no time."""
    try:
        seconds = int(text)
    except ValueError:
        return 1
    return max(1, make_stamp(seconds * 1000)) if 0 < seconds < 1 << 36 else 1


def message_stamp(message: Message, room_stamp: int) -> int:
    """Return when a message was posted.

    Ids that Citadel makes begin with that time; a calendar item's T is the time of the event, which may lie
    ahead, so without such an id the stamp is T, but no later than the room's last change.
    """
    made = made_s(message)
    if made is not None:
        return max(1, make_stamp(made * 1000))
    stamp = seconds_stamp(message.text("T"))
    return min(stamp, room_stamp) if room_stamp > 1 else stamp


def made_s(message: Message) -> int | None:
    """Return when a server made a message's id, in Unix seconds; None where the message came with it."""
    made = _ID_TIME.match(message.get("I"))
    return int(made[1], 16) if made else None


def stamp_in_time(limit: int, *stamps: int) -> int:
    """Return the first of stamps, the best one first, that is not later than ``limit``, or the least stamp there is.

    A date in the future is a clock's that was wrong; what stands in for it follows from the data as well.
    """
    return next((stamp for stamp in stamps if stamp <= limit), 1)
