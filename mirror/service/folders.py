"""A user's own rooms: made, renamed and deleted by their owner.

As on a server 980, with a name of the user's number, a dot and what the user sees; its inbox and the room in which it
keeps a user's settings stay as they are.  Knows no wire and no sessions.
"""

import secrets
import time
from typing import NamedTuple

from mirror.formats.names import ROOM_IN_USE, ROOM_MAILBOX, number_of
from mirror.model.digest import Digest
from mirror.model.errors import BadRecord, MirrorError
from mirror.model.fields import Value, values_of
from mirror.model.keys import compared
from mirror.model.kinds import Collection
from mirror.service.posting import NotAllowed
from mirror.service.rights import UserScope
from mirror.service.rooms import ROOM_PRIVATE, RoomFacts
from mirror.store.base import Writer
from mirror.store.errors import BoundReached
from mirror.sync.remote import Denied

MAX_NAME = 116
"""Bytes of UTF-8 in what a user calls a room: a server has 127 for all of its name."""
MAX_FOLDERS = 10_000
"""Rooms of one mailbox, after which its owner makes no more."""
MAX_VIEW = 99
"""The greatest default view that a room may have; a server knows those up to 12."""
_KEPT = frozenset(map(compared, ("Mail", "My Citadel Config")))


class NameTaken(MirrorError):
    """The user has a room of that name."""


class NotAsKnown(MirrorError):
    """A room does not hold what its owner thinks that it does."""


class RoomsChanged(MirrorError):
    """Rooms or users have changed since the rights were read: it is to be tried again."""


class Owner(NamedTuple):
    """Who asks for something: the rights as of a place of the feed."""

    scope: UserScope
    sequence: int


def make_folder(writer: Writer, owner: Owner, name: str, view: int) -> str:
    """Make a room of a user's own, for what a default view is for, and return its key.

    Raises BadRecord for what is no name, NameTaken, BoundReached, RoomsChanged.
    """
    _check_unchanged(writer, owner)
    _check_name(owner.scope, name)
    if sum(room.own for room in owner.scope.rooms.values()) >= MAX_FOLDERS:
        raise BoundReached(f"a mailbox with {MAX_FOLDERS} rooms: its owner makes no more")
    place = owner.scope.user_key.rpartition(":")[0]
    key = f"{place}:{writer.node}.{secrets.token_hex(8)}"
    number = number_of(values_of(writer.get("users", owner.scope.user_key)), "u_usernum")
    values: dict[str, Value] = {
        "QRname": f"{number:010d}.{name}",
        "QRflags": ROOM_IN_USE | ROOM_MAILBOX | ROOM_PRIVATE,
        "QRgen": int(time.time()),
        "QRdefaultview": view,
    }
    writer.set_fields("rooms", key, values)
    return key


def rename_folder(writer: Writer, owner: Owner, key: str, name: str) -> None:
    """Give a room of a user's own another name.

    Raises Denied where there is none, NotAllowed for those that stay, BadRecord, NameTaken, RoomsChanged.
    """
    _check_unchanged(writer, owner)
    facts = _own(owner.scope, key)
    _check_name(owner.scope, name, key)
    writer.set_fields("rooms", key, {"QRname": facts.stored.partition(".")[0] + "." + name})


def delete_folder(writer: Writer, owner: Owner, key: str, known: Digest | None) -> None:
    """Delete a room of a user's own with all that is in it; only if its messages are those that are ``known``.

    Raises Denied where there is none, NotAllowed for those that stay, NotAsKnown, RoomsChanged.
    """
    _check_unchanged(writer, owner)
    _own(owner.scope, key)
    held = writer.digest(str(Collection("messages", key)))
    if known is not None and not known.same(held):
        raise NotAsKnown(f"{key} holds {held.count} records of sum {held.total:016x}: nothing was deleted")
    writer.delete("rooms", key)


def _check_unchanged(writer: Writer, owner: Owner) -> None:
    """Raise RoomsChanged where what is written would follow from rights, or names, that are others by now."""
    changed, _ = writer.changed_collections(owner.sequence)
    if changed & {"rooms", "users"}:
        raise RoomsChanged("rooms are being changed by others all the time: try again")


def _own(scope: UserScope, key: str) -> RoomFacts:
    room = scope.rooms.get(key)
    if room is None or not room.own:
        raise Denied(f"{key} is no room of your own")
    if compared(room.facts.own_name) in _KEPT:
        raise NotAllowed(f"{room.facts.own_name} stays as it is: a server keeps it for each user")
    return room.facts


def _check_name(scope: UserScope, name: str, but: str = "") -> None:
    """Raise BadRecord for what cannot name a room, NameTaken where another own room than ``but`` has it."""
    if not name or name != name.strip() or len(name.encode()) > MAX_NAME or not name.isprintable() or "|" in name:
        raise BadRecord(f"{name[:40]!r} cannot name a room: 1 to {MAX_NAME} bytes, printable, without '|'")
    wanted = compared(name)
    for key, room in scope.rooms.items():
        if room.own and key != but and compared(room.facts.own_name) == wanted:
            raise NameTaken(f"you have a room {room.facts.own_name}: {key}")
