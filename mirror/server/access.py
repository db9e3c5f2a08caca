"""Who is on the other end of a session, and what a Citadel user may see and write.

A user's rights follow the imported data: own mailbox rooms, public rooms, private rooms to which the
user's visit grants access; an administrator (access level 6) may go everywhere.  Flags: formats of 980.
"""

import hmac
from collections.abc import Sequence
from typing import NamedTuple

from mirror.formats.names import ROOM_IN_USE, ROOM_MAILBOX, number_of, shown_names
from mirror.model.fields import values_of
from mirror.model.kinds import room_of
from mirror.model.record import Record
from mirror.store.base import Reader
from mirror.sync.remote import Denied
from mirror.sync.scope import EVERYTHING, Scope, Text

ROOM_PRIVATE, ROOM_READ_ONLY = 4, 8192
VISIT_LOCKED_OUT, VISIT_GRANTED = 2, 4
LEVEL_AIDE = 6
VIEWS_CALENDAR = (3, 7)
_USER_KINDS = ("messages", "files", "visits")


class Party(NamedTuple):
    """Somebody authenticated: a ``kind`` (peer, share, user, admin), a name, rights."""

    kind: str
    name: str
    scope: Scope
    user_key: str = ""

    @property
    def administers(self) -> bool:
        """Whether this is a peer, the machine's administrator, or an administrator of the Citadel server."""
        return self.kind in ("peer", "admin") or getattr(self.scope, "aide", False)

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name}"


ADMIN = Party("admin", "local", EVERYTHING)


class Room(NamedTuple):
    """A room that a user may enter."""

    key: str
    name: str
    own: bool
    writable: bool
    view: int


class UserScope:
    """What one user may see: messages and files of rooms open to the user, and the user's own marks."""

    trusted = False

    def __init__(self, user_key: str, rooms: dict[str, Room], aide: bool = False) -> None:
        """``aide``: an administrator of the Citadel server, who could export all of it anyway."""
        self.user_key = user_key
        self.rooms = rooms
        self.aide = aide
        self.signature = (user_key, aide)

    def reads(self, collection: str) -> bool:
        return self.aide or (collection.partition("/")[0] in _USER_KINDS and room_of(collection) in self.rooms)

    def collections(self) -> Sequence[str] | None:
        return None

    def keys(self, collection: str) -> Sequence[str] | None:
        return None

    def whole(self, collection: str) -> bool:
        return self.aide or not collection.startswith("visits/")

    def shown(self, record: Record, text: Text, now_ms: int, asked: bool = False) -> Record | None:
        return record if self._sees(record) else None

    def _sees(self, record: Record) -> bool:
        own = record.key == self.user_key or record.key.startswith(self.user_key + " ")
        return own or self.whole(record.collection)

    def fades(self, record: Record) -> int | None:
        return None

    def admitted(self, record: Record, text: Text, now_ms: int) -> Record | None:
        """What a user brings in are drafts, which ``writes`` judges."""
        raise Denied(f"{record.collection} is not open for records; send drafts")

    def adopts(self, collection: str) -> bool:
        return False

    def writes(self, record: Record) -> bool:
        if self.aide:
            return True
        if not self.reads(record.collection) or not self._sees(record):
            return False
        if record.collection.startswith("visits/"):
            return record.key != self.user_key  # the relation itself holds granted rights
        return self.rooms[room_of(record.collection)].writable


def find_user(reader: Reader, name: str) -> Record | None:
    """Return the record of the user of that name (case doesn't matter), or None."""
    wanted = name.strip().casefold()
    names = shown_names(reader.scan_all("users"))
    key = next((key for key, shown in names.items() if shown.casefold() == wanted), None)
    found: Record | None = reader.get("users", key) if key is not None else None
    return found


def password_matches(record: Record, password: str) -> bool:
    """Compare in constant time with the password as the server holds it."""
    held = str(values_of(record).get("u_password", ""))
    return bool(held) and hmac.compare_digest(held.encode(), password.encode())


def rights_of(reader: Reader, user_key: str) -> UserScope:
    """Return the rights that a user has now.  Raises Denied when the user is gone."""
    user = reader.get("users", user_key)
    if user is None:
        raise Denied("this user was deleted")
    return user_scope(reader, user)


def user_scope(reader: Reader, user: Record) -> UserScope:
    """Work out a user's rights from rooms and visits."""
    values = values_of(user)
    number, aide = number_of(values, "u_usernum"), number_of(values, "u_axlevel") >= LEVEL_AIDE
    records = list(reader.scan_all("rooms"))
    names = shown_names(records)
    rooms = (_room(reader, record, names.get(record.key, ""), user.key, number, aide) for record in records)
    return UserScope(user.key, {room.key: room for room in rooms if room is not None}, aide)


def _room(reader: Reader, record: Record, shown: str, user_key: str, number: int, aide: bool) -> Room | None:
    values = values_of(record)
    flags, name = number_of(values, "QRflags"), str(values.get("QRname", ""))
    view = number_of(values, "QRdefaultview")
    if not flags & ROOM_IN_USE:
        return None
    if flags & ROOM_MAILBOX:
        own = name.startswith(f"{number:010d}.") and record.key.rpartition(":")[0] == user_key.rpartition(":")[0]
        return Room(record.key, name[11:], True, True, view) if own else None
    visit = reader.get(f"visits/{record.key}", user_key)
    access = number_of(values_of(visit), "v_flags") if visit is not None and not visit.dead else 0
    if not aide and (access & VISIT_LOCKED_OUT or (flags & ROOM_PRIVATE and not access & VISIT_GRANTED)):
        return None
    return Room(record.key, shown, False, aide or not flags & ROOM_READ_ONLY, view)
