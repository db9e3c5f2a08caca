"""All rooms, as far as it hangs on them who may enter: flags, whose mailbox, names.  Flags: formats of 980."""

from collections.abc import Mapping
from typing import NamedTuple

from mirror.formats.names import NAME_FIELDS, ROOM_IN_USE, ROOM_MAILBOX, Names, number_of
from mirror.model.fields import Field, unpack_fields, values_of
from mirror.model.record import DERIVED, Record
from mirror.store.base import Reader

ROOM_PRIVATE, ROOM_DIRECTORY, ROOM_ANONYMOUS, ROOM_MAY_BE_ANONYMOUS = 4, 32, 512, 1024
ROOM_PREFERRED, ROOM_READ_ONLY = 4096, 8192
ROOM2_COLLABORATIVE = 4
"""Of the second flags: who may post may delete, too."""

Owner = tuple[str, str]
"""Whose mailbox a room is: the node part of its key, and the number before the dot in its name."""


class Generation(NamedTuple):
    """Of which making of a room something is, as a number of a server's own, and who said so (an origin)."""

    number: int = 0
    origin: str = ""

    def voids(self, visit: "Generation") -> bool:
        """Tell whether a visit is none of this room: it was of one that has been made anew since.

        Numbers that two servers gave one room, paired since, say nothing of each other: imports compare their own.
        """
        both_imported = self.origin.startswith(DERIVED) and visit.origin.startswith(DERIVED)
        return self.number != visit.number and not (both_imported and self.origin != visit.origin)


class RoomFacts(NamedTuple):
    """A room in use.  ``stored`` is its name as it is stored; a mailbox's begins with its owner's number.

    ``aide`` is the number of the user who administers it, among those of the room's own server; 0 for nobody.
    """

    key: str
    stored: str
    flags: int
    flags2: int
    view: int
    aide: int
    generation: Generation

    @property
    def mailbox(self) -> bool:
        return bool(self.flags & ROOM_MAILBOX)

    @property
    def private(self) -> bool:
        return bool(self.flags & ROOM_PRIVATE)

    @property
    def directory(self) -> bool:
        """Whether it has files."""
        return bool(self.flags & ROOM_DIRECTORY)

    @property
    def anonymous(self) -> bool:
        """Whether nobody is named in it."""
        return bool(self.flags & ROOM_ANONYMOUS)

    @property
    def may_be_anonymous(self) -> bool:
        """Whether who posts may choose not to be named."""
        return bool(self.flags & ROOM_MAY_BE_ANONYMOUS)

    @property
    def collaborative(self) -> bool:
        """Whether who may post may also delete."""
        return bool(self.flags2 & ROOM2_COLLABORATIVE)

    @property
    def owner(self) -> Owner | None:
        """Whose mailbox it is; None for all other rooms, and for a mailbox without a number in its name."""
        number, dot, _ = self.stored.partition(".")
        return (_place(self.key), number) if self.mailbox and dot else None

    @property
    def own_name(self) -> str:
        """A mailbox room's name as its owner sees it."""
        return self.stored[11:]


class Rooms:
    """The rooms in use: open ones and mailboxes by key, mailboxes by owner too, and under which names all are shown."""

    def __init__(self) -> None:
        self.open: dict[str, RoomFacts] = {}
        self.mailboxes: dict[str, RoomFacts] = {}
        self.names = Names()
        self._of: dict[Owner, tuple[RoomFacts, ...]] = {}

    def copy(self) -> "Rooms":
        """Return the same rooms, to be changed apart from these."""
        copied = Rooms()
        copied.open, copied.mailboxes = dict(self.open), dict(self.mailboxes)
        copied.names, copied._of = self.names.copy(), dict(self._of)
        return copied

    def holds(self, record: Record) -> bool:
        """Tell whether ``put`` would change nothing."""
        return self.get(record.key) == facts_of(record) and self.names.holds(record)

    def put(self, record: Record) -> None:
        """Take a room's present version in, be it alive or not."""
        self.names.put(record)
        held, facts = self.get(record.key), facts_of(record)
        if held == facts:
            return
        if held is not None:
            self._drop(held)
        if facts is not None:
            self._add(facts)

    def _drop(self, facts: RoomFacts) -> None:
        if not facts.mailbox:
            del self.open[facts.key]
            return
        del self.mailboxes[facts.key]
        if facts.owner is not None:
            self._of[facts.owner] = tuple(other for other in self._of[facts.owner] if other.key != facts.key)

    def _add(self, facts: RoomFacts) -> None:
        if not facts.mailbox:
            self.open[facts.key] = facts
            return
        self.mailboxes[facts.key] = facts
        if facts.owner is not None:
            self._of[facts.owner] = (*self._of.get(facts.owner, ()), facts)

    def get(self, key: str) -> RoomFacts | None:
        """Return what is known of a room, mailbox or not, or None."""
        return self.open.get(key) or self.mailboxes.get(key)

    def renamed_since(self, before: "Rooms") -> set[str]:
        """Return the keys of open rooms that may be shown under other names than before."""
        if self is before:
            return set()
        found: set[str] = set()
        for key in self.open.keys() | before.open.keys():
            now, then = self.open.get(key), before.open.get(key)
            for facts in (now, then) if now != then else ():
                found |= {key, *self.names.near(facts.stored), *before.names.near(facts.stored)} if facts else set()
        return found

    def mailbox_of(self, user_key: str, number: int) -> tuple[RoomFacts, ...]:
        """Return the rooms of one user's mailbox."""
        return self._of.get((_place(user_key), f"{number:010d}"), ())


def mailbox_of(reader: Reader, user_key: str) -> list[str]:
    """Return the keys of the rooms of a user's mailbox as they are in a state of the store; reads all rooms."""
    user = reader.get("users", user_key)
    if user is None or user.dead:
        return []
    rooms = Rooms()
    for record in reader.scan_all("rooms"):
        rooms.put(record)
    return [room.key for room in rooms.mailbox_of(user_key, number_of(values_of(user), "u_usernum"))]


def facts_of(record: Record) -> RoomFacts | None:
    """Return what matters of a room that is in use, else None."""
    fields = unpack_fields(record) if not record.dead else {}
    values = {name: field.value for name, field in fields.items()}
    flags = number_of(values, "QRflags")
    if not flags & ROOM_IN_USE:
        return None
    return RoomFacts(
        record.key,
        str(values.get(NAME_FIELDS["rooms"], "")),
        flags,
        number_of(values, "QRflags2"),
        number_of(values, "QRdefaultview"),
        max(0, number_of(values, "QRroomaide")),
        generation_in(fields, "QRgen"),
    )


def generation_in(fields: Mapping[str, Field], name: str) -> Generation:
    """Return the generation that a field of this name says."""
    said = fields.get(name)
    return Generation(number_of({name: said.value}, name), said.origin) if said is not None else Generation()


def of_one_server(user_key: str, room_key: str) -> bool:
    """Tell whether a user's number means that user in a room: both are of one server."""
    return _place(user_key) == _place(room_key)


def _place(key: str) -> str:
    return key.rpartition(":")[0]
