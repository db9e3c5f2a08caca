"""What a Citadel user may see and write.

A user's rights follow the imported data, and are what a server 980 makes of it (CtdlRoomAccess): own mailbox rooms,
public rooms, those for preferred users from their level on, private rooms to which the user's visit grants access; an
administrator (access level 6) may go everywhere.

Rights are kept for as long as neither rooms nor users nor that user's visits change, and are always those of the very
state that is read with them: what withdraws a right and what it withdraws come in the same commit.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from mirror.formats.names import number_of
from mirror.formats.room_views import VIEW_BLOG
from mirror.model.fields import unpack_fields, values_of
from mirror.model.keys import compared
from mirror.model.kinds import Collection, parse_collection
from mirror.model.record import Record
from mirror.service.kept import Kept
from mirror.service.rooms import (
    ROOM_PREFERRED,
    ROOM_PRIVATE,
    ROOM_READ_ONLY,
    Generation,
    RoomFacts,
    Rooms,
    generation_in,
    of_one_server,
)
from mirror.store.base import Reader
from mirror.sync.remote import Denied
from mirror.sync.scope import Text

VISIT_LOCKED_OUT, VISIT_GRANTED = 2, 4
LEVEL_DELETED, LEVEL_PROBLEM, LEVEL_PREFERRED, LEVEL_AIDE = 0, 2, 5, 6
"""Access levels; what users up to the second one post is not shown in the room it was meant for."""
_USER_KINDS = ("messages", "files", "visits")
_OF_RIGHTS = ("users", "rooms", "visits")


class Room(NamedTuple):
    """A room that a user may enter: whether it is the user's own, or administered, and whether the user may post.

    ``replies``: at least what replies to something that is there.
    """

    facts: RoomFacts
    own: bool
    aide: bool
    writable: bool
    replies: bool


class Author(NamedTuple):
    """With what a user signs: a name, and the first of the Internet addresses that are the user's."""

    name: str = ""
    addresses: tuple[str, ...] = ()


NOBODY = Author()


class UserScope:
    """What one user may see: messages and files of rooms open to the user, and the user's own marks."""

    trusted = False

    def __init__(
        self,
        user_key: str,
        rooms: Mapping[str, Room],
        aide: bool = False,
        known: Rooms | None = None,
        author: Author = NOBODY,
        kinds: Sequence[str] = _USER_KINDS,
    ) -> None:
        """``aide``: an administrator of the Citadel server, who could export all of it anyway.

        ``known`` are all rooms there are, for their names.  ``kinds`` are what is seen of the rooms.
        """
        self.user_key = user_key
        self.rooms = rooms
        self.aide = aide
        self.signature = (user_key, aide)
        self.author = author
        self._kinds = kinds
        self._names: Sequence[str] | None = None
        self._known = known or Rooms()

    def within(self, shows: Callable[[Room], bool], kinds: Sequence[str]) -> "UserScope":
        """Return what the user sees of these kinds in some of the rooms, and of marks just the own ones."""
        rooms = {key: room for key, room in self.rooms.items() if shows(room)}
        scope = UserScope(self.user_key, rooms, False, self._known, self.author, kinds)
        scope._names = sorted(str(Collection(kind, room)) for kind in kinds for room in rooms)
        return scope

    def __eq__(self, other: object) -> bool:
        """Whether the same is seen: two sessions of a user have rights of their own, which mostly say the same."""
        if self is other:
            return True
        if not isinstance(other, UserScope):
            return NotImplemented
        same = (self.signature, self._kinds) == (other.signature, other._kinds) and self.author == other.author
        return same and self._known is other._known and self.rooms == other.rooms

    def __hash__(self) -> int:
        return hash(self.signature)

    def differs_from(self, before: "UserScope") -> set[str]:
        """Return the keys of the rooms that are, or may be, shown otherwise than before, those that went among them."""
        either = self.rooms.keys() | before.rooms.keys()
        changed = {key for key in either if self.rooms.get(key) != before.rooms.get(key)}
        return changed | (self._known.renamed_since(before._known) & either)

    def exists(self, room: str) -> bool:
        """Tell whether there is a room, be it open to the user or not."""
        return self._known.get(room) is not None

    def name_of(self, room: str) -> str:
        """Return under which name a room is shown to the user; an empty text for a room that is closed."""
        if room not in self.rooms:
            return ""
        mailbox = self._known.mailboxes.get(room)
        return mailbox.own_name if mailbox is not None else self._known.names.of(room)

    def names_as(self, other: "UserScope") -> bool:
        """Tell whether what both may read is of rooms that are shown to both under the same names.

        An administrator may read mailboxes, too, which are shown to their owners alone.
        """
        return self._known is other._known and not (self.aide or other.aide)

    def find(self, name: str) -> str | None:
        """Return the key of the room that is shown to the user under a name (case doesn't matter), or None."""
        wanted = compared(name)
        own = [key for key, room in self.rooms.items() if room.own and compared(self.name_of(key)) == wanted]
        public = self._known.names.find(name)
        if public is not None and public in self.rooms:
            own.append(public)
        return min(own, default=None)

    def reads(self, collection: str) -> bool:
        kind, _, room = collection.partition("/")  # as parse_collection does, for tens of thousands at a time
        return self.aide or (kind in self._kinds and room in self.rooms)

    def collections(self) -> Sequence[str] | None:
        return self._names

    def keys(self, collection: str) -> Sequence[str] | None:
        return None

    def spans(self, collection: str) -> Sequence[tuple[str, str]] | None:
        """Return where the user's marks are in a room of others, among those of all; an own one has few others."""
        if self.whole(collection) or self.rooms[parse_collection(collection).room].own:
            return None
        return (self.user_key, self.user_key + "\0"), (self.user_key + " ", self.user_key + "!")

    def whole(self, collection: str) -> bool:
        return self.aide or collection.partition("/")[0] != "visits"

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
        kind, room = parse_collection(record.collection)
        if kind == "visits":
            return record.key != self.user_key  # the relation itself holds granted rights
        return self.rooms[room].replies if kind == "messages" else self.rooms[room].writable

    def touched_by(self, changed: Iterable[str]) -> bool:
        """Tell whether changes in these collections may concern the user, by what is shown or by rights."""
        return self.aide or any(parse_collection(name).kind in _OF_RIGHTS or self.reads(name) for name in changed)


class _User(NamedTuple):
    """What hangs on the user alone."""

    number: int
    level: int
    author: Author = NOBODY

    @property
    def aide(self) -> bool:
        return self.level >= LEVEL_AIDE


class _Visit(NamedTuple):
    """A user's relation to a room, where it decides anything."""

    flags: int
    generation: Generation


def scope_in_room(reader: Reader, user_key: str, room: str) -> UserScope:
    """Return a user's rights as far as they concern one room, in O(1), whatever is kept; a Writer may be asked.

    Raises Denied when the user is gone.
    """
    user = _read_user(reader, user_key)
    record = reader.get("rooms", room) if room else None
    known = Rooms()
    if record is not None:
        known.put(record)
    visits = {} if user.aide else _read_visits(reader, user_key, known.open)
    return _work_out(user_key, user, known, visits)


class Rights:
    """One user's rights in whatever state of a store is read, one after another: one reading at a time may ask."""

    def __init__(self, user_key: str, rooms: Kept[Rooms]) -> None:
        self.user_key = user_key
        self._kept = rooms
        self._sequence = -1
        self._user = _User(0, 0)
        self._rooms = Rooms()
        self._visits: dict[str, _Visit] = {}
        self._scope = UserScope(user_key, {})

    def at(self, reader: Reader) -> UserScope:
        """Return the user's rights in the state that is read; the same object while they are the same.

        Raises Denied when the user is gone.
        """
        sequence = reader.last_sequence()
        if self._sequence < 0 or sequence < self._sequence or self._sequence < reader.trimmed():
            self._read_all(reader)
        else:
            self._read_changes(reader)
        self._sequence = sequence
        return self._scope

    def _read_all(self, reader: Reader) -> None:
        self._sequence = -1  # until all is read: what fails halfway is read anew
        self._user = _read_user(reader, self.user_key)
        self._rooms = self._kept.at(reader)
        self._visits = self._read_visits(reader, self._rooms.open)
        self._scope = self._work_out()

    def _read_changes(self, reader: Reader) -> None:
        changed = [parse_collection(name) for name in reader.changed_collections(self._sequence)[0]]
        kinds = {collection.kind for collection in changed}
        if kinds.isdisjoint(_OF_RIGHTS):
            return
        if "users" in kinds and _read_user(reader, self.user_key) != self._user:
            self._read_all(reader)
            return
        rooms = self._kept.at(reader) if "rooms" in kinds else self._rooms
        doubtful = {room for kind, room in changed if kind == "visits"} | (rooms.open.keys() - self._rooms.open.keys())
        read = self._read_visits(reader, doubtful & rooms.open.keys())
        visits = {room: visit for room, visit in self._visits.items() if room not in doubtful} | read
        if rooms is not self._rooms or visits != self._visits:
            self._rooms, self._visits = rooms, visits
            self._scope = self._work_out()

    def _read_visits(self, reader: Reader, rooms: Iterable[str]) -> dict[str, _Visit]:
        return {} if self._user.aide else _read_visits(reader, self.user_key, rooms)

    def _work_out(self) -> UserScope:
        return _work_out(self.user_key, self._user, self._rooms, self._visits)


class PinnedRights:
    """An administrator's rights in a pinned state: those of then, for as long as the user is an administrator now.

    Others may pin nothing, and who is none any more has lost the right to what was pinned, too.
    """

    def __init__(self, user_key: str, rooms: Kept[Rooms], read_now: Callable[[Callable[[Reader], bool]], bool]) -> None:
        """``read_now`` reads the present state, in the thread that it is called in."""
        self._user_key = user_key
        self._then = Rights(user_key, rooms)
        self._read_now = read_now

    def at(self, reader: Reader) -> UserScope:
        """Return the rights in the pinned state that is read.  Raises Denied for who is no administrator by now."""
        if not self._read_now(lambda now: _read_user(now, self._user_key).aide):
            raise Denied("what is pinned is for administrators; unpin it")
        return self._then.at(reader)


def _read_user(reader: Reader, key: str) -> _User:
    """Return what matters of a user's record.  Raises Denied when the user is gone."""
    record = reader.get("users", key)
    if record is None or not may_log_in(record):
        raise Denied("this user was deleted")
    values = values_of(record)
    addresses = tuple(filter(None, (one.strip() for one in str(values.get("u_emailaddrs", "")).split("|"))))
    author = Author(str(values.get("u_fullname", "")), addresses)
    return _User(number_of(values, "u_usernum"), number_of(values, "u_axlevel"), author)


def may_log_in(user: Record) -> bool:
    """Tell whether a user is there and has any rights; one whose level is none or no number has not."""
    return not user.dead and number_of(values_of(user), "u_axlevel") > LEVEL_DELETED


def _read_visits(reader: Reader, user_key: str, rooms: Iterable[str]) -> dict[str, _Visit]:
    """Return a user's visits to rooms, where they decide anything."""
    found: dict[str, _Visit] = {}
    for room in rooms:
        visit = reader.get(str(Collection("visits", room)), user_key)
        flags = number_of(values_of(visit), "v_flags") if visit is not None and not visit.dead else 0
        if visit is not None and flags & (VISIT_LOCKED_OUT | VISIT_GRANTED):
            found[room] = _Visit(flags, generation_in(unpack_fields(visit), "v_roomgen"))
    return found


def _work_out(user_key: str, user: _User, known: Rooms, visits: Mapping[str, _Visit]) -> UserScope:
    """Return the rights of a user among the rooms that are known, given the user's visits to them."""
    rooms = {facts.key: Room(facts, True, user.aide, True, True) for facts in known.mailbox_of(user_key, user.number)}
    aide, closed = user.aide, _closed_to(user)
    for key, facts in known.open.items():
        visit = visits.get(key)
        # Most rooms are just open or closed, and there may be thousands: no more is asked of them.
        if aide or (not facts.flags & closed if visit is None else _enters(user, facts, visit)):
            rooms[key] = _entered(user_key, user, facts, aide)
    return UserScope(user_key, rooms, aide, known, user.author)


def _closed_to(user: _User) -> int:
    """Return the flags of which a room has one that is closed to who has no relation to it."""
    return ROOM_PRIVATE if user.level >= LEVEL_PREFERRED else ROOM_PRIVATE | ROOM_PREFERRED


def _enters(user: _User, facts: RoomFacts, visit: _Visit) -> bool:
    flags = 0 if facts.generation.voids(visit.generation) else visit.flags
    if flags & VISIT_LOCKED_OUT:
        return False
    return bool(facts.private and flags & VISIT_GRANTED) or not facts.flags & _closed_to(user)


def _entered(user_key: str, user: _User, facts: RoomFacts, aide: bool) -> Room:
    """Return what a user may do in a room that is entered."""
    if aide or (0 < facts.aide == user.number and of_one_server(user_key, facts.key)):
        return Room(facts, False, True, True, True)
    replies = user.level > LEVEL_PROBLEM and not facts.flags & ROOM_READ_ONLY
    return Room(facts, False, False, replies and facts.view != VIEW_BLOG, replies)
