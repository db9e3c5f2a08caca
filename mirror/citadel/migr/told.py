"""What an export has told so far, and the records that follow from it, said to a look of the server.

Each record has a time that is not ahead of this node's clock.  What could not be read is named, and noted as what the
export may lack: of that nothing is deleted.  Knows no element.
"""

from collections.abc import Mapping, Sequence, Set
from functools import cached_property

from mirror.citadel.looks.listed import NOWHERE, Listed, Reference
from mirror.citadel.looks.look import Look
from mirror.citadel.looks.prints import Part
from mirror.citadel.meaning.damaged import nobody_damaged
from mirror.citadel.meaning.expiry import Policies
from mirror.citadel.meaning.homes import INBOX_RULES
from mirror.citadel.meaning.keys import Keys, Numbers, names_of_users
from mirror.citadel.meaning.marks import Visits
from mirror.citadel.migr.folders import Folders
from mirror.citadel.migr.leftovers import FileRoom
from mirror.citadel.migr.names import ORPHANS, USER_SETTINGS
from mirror.citadel.migr.posted import Room
from mirror.citadel.migr.proposals import Proposal
from mirror.citadel.migr.reached import place_name
from mirror.citadel.migr.report import NOTHING_ACCEPTED, Accepted, Report
from mirror.formats.keys import BORN_IMPORTED, imported_origin, stamp_in_time
from mirror.formats.migr import Element
from mirror.formats.numbers import parse_number
from mirror.formats.server_own import MOMENTARY
from mirror.model.containers import room_told_of
from mirror.model.fields import Value, fields_at
from mirror.model.record import Record, Version
from mirror.model.stamp import format_stamp
from mirror.store.base import Store
from mirror.sync.foreign.plan import There

KINDS_OF: dict[str, tuple[str, ...]] = {
    "config": ("config", "netconf"),
    "user": ("users", "bios", "pictures", INBOX_RULES),
    "room": ("rooms", "room-info", "pictures", "messages", "visits", "netconf", USER_SETTINGS),
    "room_messages": ("messages", USER_SETTINGS),
    "floor": ("floors",),
    "visit": ("visits",),
    "message": (ORPHANS,),
}
"""By element, the kinds of collections of which something may be missing where such an element was refused."""
_BY_FIELDS = ("rooms", "floors")
"""Collections of which single fields may be told."""
KINDS = frozenset(kind for kinds in KINDS_OF.values() for kind in kinds)


class Told:
    """What one import knows; what it is told is complete only once all but the messages was read."""

    look: Look
    visits: Visits
    folders: Folders

    def __init__(
        self,
        store: Store,
        source: str,
        node: str = "",
        accepted: Accepted = NOTHING_ACCEPTED,
        only: Sequence[str] = (),
        keys: Keys | None = None,
        told: Set[str] = frozenset(),
    ) -> None:
        """Everything as for ``Importer``."""
        self.report = Report(node=node)
        self.file_rooms: list[FileRoom] = []
        self.store = store
        self.source = source
        self.accepted = accepted
        self.only = only
        self.keys = keys or Keys(node)
        self.to_be_paired = keys
        self.left_out: set[str] = set()
        self.policies = Policies()
        self.listed = Listed()
        self.proposals: dict[int, Proposal] = {}
        self.settings: dict[str, tuple[int, int, str]] = {}
        self.created = 1
        self.users: dict[int, str] = {}
        """Names of those who were told, by their numbers."""
        self.damaged: set[int] = set()
        """Users whose accounts tell nothing that can be taken over."""
        self.rooms: dict[int, Room] = {}
        self.room_numbers: dict[str, int] = {}
        self._room_keys: dict[int, str] = {}
        self.partial = bool(told)
        self.doubtful: set[str] = set(KINDS - told) if told else set()
        self.same: set[str] = set()
        self.untrusted: set[str] = set()
        self.end = 0
        self.begun = False
        """Whether the server is known, and the look at it has begun."""

    def is_gone(self, user: int) -> bool:
        """Tell whether a server names a user whom it does not have any more."""
        if user <= 0 or user in self.users or "users" in self.doubtful:
            return False
        return user not in self.untold

    @cached_property
    def untold(self) -> Set[int]:
        """Who is not told though the server did not delete them: asked for once all users were read."""
        if self.accepted.damaged is nobody_damaged:
            return frozenset()
        held = self.store.read(lambda reader: names_of_users(reader, Numbers(self.keys)))
        taken = {name.casefold() for name in self.users.values()}  # whoever had a name that is another's is gone
        untold = held.keys() - self.users.keys()
        return self.accepted.damaged({one: held[one] for one in untold if held[one].casefold() not in taken})

    def lose(self, text: str, element: str = "") -> None:
        """Name an element, or a record of it, that is left out as a whole; of an element, its kind."""
        self.report.lose(text)
        self.doubtful.update(KINDS_OF.get(element, ()))

    def is_same(self, room: str, part: Part, data: bytes) -> bool:
        """Note an element of a room; tells whether all that the room says in such is what it said last."""
        self.look.prints.add(room, part, data)
        return self.look.prints.is_same(room, part)

    def tell(self, one: There) -> None:
        """Say what the server has; what no node would take is named."""
        if wrong := self.look.tell(one):
            self.lose(wrong)
            self.untrusted.add(room_told_of(one.record.collection, one.record.key))
        if self.look.full:
            self.flush()

    def flush(self) -> None:
        """Have what was said be taken over, with the place in the export up to which that is all."""
        name, end = place_name(self.source), self.end
        self.look.flush(lambda writer: writer.set_meta(name, end))

    def fields(self, collection: str, key: str, values: Mapping[str, Value], stamp: int, tag: str = "") -> None:
        """Say what fields something has at the server, as of a stamp."""
        record, partial = self.record(collection, key, stamp, self.head(values, stamp)), collection in _BY_FIELDS
        self.tell(There(key, record, tag=tag, partial=partial and self.partial))

    def draft(
        self,
        collection: str,
        key: str,
        stamp: int,
        head: bytes = b"",
        body: bytes = b"",
        foreign: str = "",
        tag: str = "",
    ) -> None:
        """Say what the server has; it names that by its key, unless another name is given."""
        self.tell(There.of(foreign or key, self.record(collection, key, stamp, head), body, tag))

    def record(self, collection: str, key: str, stamp: int, head: bytes) -> Record:
        """Return a record that follows from the export alone, so that every node makes the same of it."""
        return Record(collection, key, *self.version(stamp), BORN_IMPORTED, head=head)

    def head(self, values: Mapping[str, Value], stamp: int) -> bytes:
        """Return the head of a record with these fields, all as of a stamp."""
        return fields_at(values, *self.version(stamp))

    def version(self, stamp: int) -> Version:
        """Return the version of what the server had at a stamp."""
        return Version(stamp, imported_origin(self.report.node))

    def in_time(self, where: str, stamp: int, instead: int = 1) -> int:
        """Return a stamp unless it is ahead of this node's clock: then what stands in for it, with a notice."""
        kept = stamp_in_time(self.store.clock.limit(), stamp, instead)
        if kept != stamp:
            filed = f"filed as of {format_stamp(kept)}" if kept > 1 else "filed without a time"
            self.report.notice(f"{where} says {format_stamp(stamp)}, which has not come yet: {filed}")
        return kept

    def key(self, room: int) -> str:
        """Return the key of a room by its number at the server."""
        key = self._room_keys.get(room)
        if key is None:
            known = self.rooms.get(room)
            key = self.keys.room(room, known.name if known is not None else "")
            if known is not None:
                self._room_keys[room] = key
        return key

    def refer(self, element: Element, name: str, collection: str, key: str, stamp: int) -> None:
        """Remember which message holds what an element names by its number; 0 and nothing name none."""
        text = element.children.get(name, "").strip()
        try:
            number = parse_number(text, name) if text else 0
        except ValueError as error:
            self.report.refuse(element.name, element.line, f"{key}: {error}")
            return
        if number:
            self.refer_to(number, collection, key, stamp, element.line)

    def refer_to(self, number: int, collection: str, key: str, stamp: int, line: int, field: str = "") -> None:
        """Remember which message holds a record's body, or the value of its ``field``; NOWHERE: none that is kept."""
        self.listed.refer(Reference(number, collection, key, stamp, field, line, collection != NOWHERE))


def number_in(fields: dict[str, str], name: str) -> int:
    """Return the number that a field has.  Raises ValueError."""
    return parse_number(fields.get(name, ""), name)


def lasting(fields: Mapping[str, str], name: str) -> dict[str, str]:
    """Leave a name out that something has for a moment, while two things swap theirs: it is as it was."""
    momentary = MOMENTARY in fields.get(name, "")
    return {field: value for field, value in fields.items() if not (momentary and field == name)}
