"""Users and rooms of one node by their names, kept up to date by what changes; shared by all sessions."""

import hmac
from collections.abc import Iterable
from typing import NamedTuple

from mirror.formats.names import Names
from mirror.model.fields import values_of
from mirror.model.keys import compared
from mirror.model.record import Record
from mirror.service.kept import Kept
from mirror.service.rooms import Rooms
from mirror.store.base import Reader

SIMILAR = 5
"""Names that are told at most where one is not found."""


class Found(NamedTuple):
    """A user or room that was asked for by name."""

    key: str
    name: str


class Directory:
    """Finds users and rooms by name without reading all of them."""

    def __init__(self) -> None:
        self.rooms = Kept("rooms", Rooms)
        self.users = Kept("users", Names)

    def find_user(self, reader: Reader, name: str) -> Record | None:
        """Return the record of the user who is shown under a name (case doesn't matter), or None."""
        key = self.users.at(reader).find(name.strip())
        return reader.get("users", key) if key is not None else None

    def look_up(self, reader: Reader, kind: str, name: str) -> Found | None:
        """Return the user or room of a name or key, a mailbox of its stored name.  ``kind``: ``users`` or ``rooms``."""
        if kind == "users":
            return _named(self.users.at(reader), name)
        rooms = self.rooms.at(reader)
        found = _named(rooms.names, name)
        if found is not None:
            return found
        wanted = compared(name)
        mailboxes = (room for room in rooms.mailboxes.values() if wanted == compared(room.stored))
        stored = rooms.get(name) or min(mailboxes, default=None)
        return Found(stored.key, stored.stored) if stored is not None else None

    def similar(self, reader: Reader, kind: str, name: str) -> list[str]:
        """Return some shown names that have a text in them (case doesn't matter), mailboxes left out."""
        names = self.users.at(reader) if kind == "users" else self.rooms.at(reader).names
        return similar_names(names.shown().values(), name)


def similar_names(names: Iterable[str], name: str) -> list[str]:
    """Return the first few of the names that have a text in them (case doesn't matter), in order."""
    return sorted(known for known in names if compared(name) in compared(known))[:SIMILAR]


def _named(names: Names, name: str) -> Found | None:
    key = names.find(name) or (name if names.of(name) else None)
    return Found(key, names.of(key)) if key is not None else None


def password_matches(record: Record, password: str) -> bool:
    """Compare in constant time with the password as the server holds it."""
    held = str(values_of(record).get("u_password", ""))
    return bool(held) and hmac.compare_digest(held.encode(), password.encode())
