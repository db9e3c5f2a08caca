"""Which of what a server has no more is in use here, or is of users whose accounts were damaged there.

Asks the store alone; what follows from that is decided by who asks.
"""

from collections.abc import Container

from mirror.citadel.meaning.keys import USERS, owner_of
from mirror.citadel.meaning.numbering import owner_key
from mirror.citadel.meaning.purge import Purge
from mirror.formats.numbers import number_or_zero
from mirror.model.containers import user_told_of
from mirror.model.fields import values_of
from mirror.model.kinds import Collection, parse_collection
from mirror.model.record import Record
from mirror.store.base import Reader

VISITS = "visits"
NEWEST = 100
"""So many of a room's last messages show whether it is in use elsewhere."""
FLOOR_IN_USE = 1
"""The flag of a floor that was not killed."""


def user_in_use(purge: Purge, _reader: Reader, user: Record) -> bool:
    """Tell whether a purge took a user who is active elsewhere."""
    return purge.spares_user(user)


def is_theirs(users: Container[str], _reader: Reader, record: Record) -> bool:
    """Tell whether a record tells of one of these users."""
    return user_told_of(record.collection, record.key) in users


def room_is_of(users: Container[str], _reader: Reader, room: Record) -> bool:
    """Tell whether a room is in the mailbox of one of these users."""
    return owner_key(room.key, str(values_of(room).get("QRname", ""))) in users


def tells_of(users: Container[str], _reader: Reader, record: Record) -> bool:
    """Tell whether a record tells of one of these users, or of what one of them read."""
    visitor = record.key.partition(" ")[0] if parse_collection(record.collection).kind == VISITS else ""
    return (visitor or user_told_of(record.collection, record.key)) in users


def floor_in_use(_reader: Reader, floor: Record) -> bool:
    """Tell whether a floor is in use here: where it is not told any more, its number there is now another floor's.

    Of one that was killed there that is told.
    """
    return bool(number_or_zero(str(values_of(floor).get("f_flags", ""))) & FLOOR_IN_USE)


def room_in_use(purge: Purge, reader: Reader, room: Record) -> bool:
    """Tell whether a purge took a room that is in use elsewhere, or that of a user who is active there."""
    name = str(values_of(room).get("QRname", ""))
    if owner_of(name):
        owner = reader.get(USERS, owner_key(room.key, name))
        return owner is not None and not owner.dead and purge.spares_user(owner)
    return purge.spares_room(reader.newest(str(Collection("messages", room.key)), NEWEST))
