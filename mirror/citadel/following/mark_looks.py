"""Following marks: who may have set any is asked for, as often as that may cost, over a connection of its own.

It is opened while there is anybody to ask for, since a server ends a session that asks nothing.  Which user in which
room is next is mirror.citadel.following.presence's, what is told mirror.citadel.following.visits_told's.  Who is
still to be asked for is kept, so that where a server is met again nobody is who logged in before that.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice

import msgspec

from mirror.citadel.following.asked import Asked
from mirror.citadel.following.presence import Rounds, Turn
from mirror.citadel.following.visited import Visited
from mirror.citadel.following.visits_told import ROOMS_AT_ONCE, Marked, Person, VisitLooks
from mirror.citadel.looks.remembered import place_of
from mirror.citadel.meaning.keys import owner_of
from mirror.citadel.migr.posted import Known
from mirror.citadel.protocol.client import CitadelClient
from mirror.formats.server_own import Use
from mirror.store.base import Reader, Store, Writer
from mirror.wire.errors import Refused

SESSION_S = 5
"""Who is there is asked before when they logged in: who logs in between those is asked for so many seconds longer."""
LIKELY_SHARE, SHARE, IDLE_SHARE = 1 / 20, 1 / 50, 1 / 200
"""So much of the time rounds take at most: of rooms in which there is likely anything new, of others while anybody is
there, and while nobody is."""
ROOM_S, ROOMS_OF_TURN = 0.00005, 5
"""Seconds that asking for a room takes of server and node, and as many rooms' time each turn takes besides."""
RECENT_S = 2 * 86_400
"""Who logged in within so many seconds before a server is met may have set marks while nobody followed it..."""
SINCE_EXPORT_S = 60
"""... or, where all was just told by an export, since that began."""
SAVED_S = 30.0
"""Who is still to be asked for is written down once in so many seconds at most."""


class Pending(msgspec.Struct, frozen=True):
    """Who was still to be asked for at a moment of the server's clock (Unix seconds): users by their numbers.

    ``rooms``, of which everybody was to be asked for.
    """

    looked: int = 0
    users: frozenset[int] = frozenset()
    rooms: frozenset[int] = frozenset()


def read_pending(reader: Reader, place: str) -> Pending:
    """Return who is to be asked for of a server, by the name of its place; as of 0 where that was never kept."""
    text = reader.meta_text(_name(place))
    return msgspec.json.decode(text, type=Pending) if text else Pending()


def write_pending(writer: Writer, place: str, pending: Pending) -> None:
    """Remember who is to be asked for of a server."""
    writer.set_meta(_name(place), msgspec.json.encode(pending).decode())


def _note_rooms(writer: Writer, place: str, rooms: Set[int]) -> None:
    """Remember rooms of which everybody is to be asked for, besides all else that is remembered."""
    last = read_pending(writer, place)
    write_pending(writer, place, msgspec.structs.replace(last, rooms=last.rooms | rooms))


def _name(place: str) -> str:
    return f"marks:{place}"


class MarkLooks:
    """Follows the marks of one server's users, for as long as a connection to it lasts."""

    def __init__(
        self,
        store: Store,
        connect: Callable[[], CitadelClient],
        called: Callable[[], dict[int, int]],
        every_s: float,
        *,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        """``called`` returns when users logged in last as far as that is kept, in Unix seconds, by their numbers.

        ``clock`` returns seconds that only go forward, ``now`` Unix seconds.
        """
        self._store, self._connect, self._called = store, connect, called
        self._every_s, self._clock, self._now = every_s, clock, now
        self._rounds = Rounds(self._likely, self._others)
        self._client: CitadelClient | None = None
        self._asked: Asked | None = None
        self._known: Known | None = None
        self._looks: VisitLooks | None = None
        self._numbers: dict[str, int] = {}
        self._owners: dict[int, int] = {}
        self._public: list[int] = []
        self._own: dict[int, set[int]] = {}
        """The rooms of whose mailbox which are, and in ``_public`` those that are nobody's, in their order."""
        self._calls: dict[int, int] | None = None
        self._used: set[int] = set()
        self._looked = 0
        self._noticed: dict[tuple[int, int], list[str]] = {}
        self._asked_at = -every_s
        self._visited = Visited(store)
        self._pending = Pending()
        self._saved_at = -SAVED_S
        self._rooms_left = 0.0
        self._changed: dict[int, int] = {}
        self._viewed: set[int] = set()
        self._put_off: dict[int, set[int]] = {}
        """Who is asked for again in which rooms once more is known of the server: that they were made or renamed."""
        self._seen_since: set[int] = set()
        """Who was there, or logged in, since a room was new last."""
        self._met = 0

    @property
    def as_of(self) -> float:
        """As of when all marks are here, in Unix seconds; 0 for never."""
        return self._rounds.as_of(self._now()) if self._calls is not None and not self._put_off else 0

    @property
    def noticed(self) -> list[str]:
        """What has to be known of what users have seen."""
        return [line for lines in self._noticed.values() for line in lines]

    def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            self._client.channel.close()
            self._client = None

    def look(self, asked: Asked, known: Known, exported: bool = False) -> Marked:
        """Ask for marks if it is time, and take them over; ``asked`` tells who is there, ``known`` is what rooms are.

        ``exported``, where an export told all marks since the connection began.

        Raises ConnectionLost, CitadelError, or a store's error.
        """
        done = Marked()
        began = self._clock()
        if began - self._asked_at < self._every_s or not asked.logs_in_by_itself:
            return done
        self._asked_at, self._asked = began, asked
        self._note_rooms(known)
        # The server itself is listed as user 0, reads nothing, and is known of no server that is paired.
        persons = {number: Person(number, name) for number, name in asked.users().items() if number}
        self._note_calls(asked.calls(), asked.looked, exported)
        self._note_changed(persons)
        self._note_viewed(persons)
        where = self._where(asked)
        self._seen_since.update(where)
        self._visited.find(known, where)
        near = self._rounds.near(where, self._now())
        if self._rounds.is_over and not near:
            self.close()
        else:
            self._ask(near, persons, done)
        self._save(asked)
        return done

    def called(self, users: Set[int]) -> None:
        """Say as whom we logged in: where those users did so themselves just then, nothing else tells it."""
        self._used |= users

    def changed(self, rooms: Mapping[int, int]) -> None:
        """Say which rooms changed when (Unix seconds) otherwise than by messages: all may have been made to forget."""
        self._changed |= rooms

    def viewed_otherwise(self, node: str, rooms: Set[int]) -> None:
        """Say which rooms of the server of a node name are viewed otherwise by who was never there.

        Whoever was there before views them as before, which said nothing until now: so all are asked.  It is written
        down before anything is here by which it could not be noticed again.
        """
        if rooms - self._viewed:
            self._viewed |= rooms
            self._pending = msgspec.structs.replace(self._pending, rooms=self._pending.rooms | rooms)
            place = place_of(node)
            self._store.write(lambda writer: _note_rooms(writer, place, rooms))

    def _note_viewed(self, users: Collection[int]) -> None:
        """Have rooms that are viewed otherwise be asked for of all of whom they may be."""
        viewed = {room: self._owners[room] for room in self._viewed if room in self._owners}
        self._viewed.clear()
        self._rounds.of_all(users, [room for room, owner in viewed.items() if not owner])
        for room, owner in viewed.items():
            if owner in users:
                self._rounds.besides(owner, room)

    def _note_changed(self, users: Iterable[int]) -> None:
        """Have rooms that changed since the server was met before be asked for of all who were there."""
        assert self._known is not None
        changed, self._changed = [room for room, at in self._changed.items() if at >= self._met], {}
        keys = {self._known.keys.user(user): user for user in users} if changed else {}
        for room in changed:
            for user in self._visited.by(self._known, room, keys):
                self._rounds.besides(user, room)

    def _note_rooms(self, known: Known) -> None:
        if known is not self._known:
            self._known, self._looks = known, VisitLooks(self._store, known)
            rooms = {number: room.name for number, room in sorted(known.rooms.items()) if room.use is Use.PEOPLE}
            self._numbers = {name: number for number, name in rooms.items()}
            before, self._owners = self._owners, {number: owner_of(name) for number, name in rooms.items()}
            self._sort_rooms()
            self._ask_for_what_was_put_off()
            self._ask_for_new({room: self._owners[room] for room in self._owners.keys() - before.keys()})

    def _sort_rooms(self) -> None:
        """Sort rooms by whose they are: it is asked for each turn which are a user's, and which come next."""
        self._public, self._own = [], {}
        for room, owner in self._owners.items():
            if owner:
                self._own.setdefault(owner, set()).add(room)
            else:
                self._public.append(room)

    def _ask_for_what_was_put_off(self) -> None:
        put_off, self._put_off = self._put_off, {}
        for user, rooms in put_off.items():
            for room in rooms & self._owners.keys():
                self._rounds.besides(user, room)

    def _ask_for_new(self, rooms: Mapping[int, int]) -> None:
        """Have rooms that were not known be asked for, by number and owner, of who may have read there."""
        for user in self._seen_since:
            for room, owner in rooms.items():
                if owner in (0, user):
                    self._rounds.besides(user, room)
        if rooms:
            self._seen_since.clear()

    def _ask(self, near: Iterable[Turn], persons: Mapping[int, Person], done: Marked) -> None:
        """Ask for where people are, and of rounds as much as there is time for."""
        try:
            client = self._client = self._client or self._connect()
        except Refused:
            return  # it lets no more sessions in: another time
        for turn in near:
            self._take(client, turn, persons.get(turn.user), done)
        self._follow_rounds(client, persons, done)

    def _follow_rounds(self, client: CitadelClient, persons: Mapping[int, Person], done: Marked) -> None:
        """Ask for as many rooms of rounds as there is time for; what one turn takes too long is saved afterwards."""
        self._rooms_left = min(self._rooms_left, 0) + self._rooms_at_once
        finished: set[int] = set()
        while self._rooms_left > 0 and (turn := self._rounds.next(ROOMS_AT_ONCE, finished)) is not None:
            self._rooms_left -= ROOMS_OF_TURN + len(turn.rooms)
            if not self._take(client, turn, persons.get(turn.user), done) or self._rounds.done(turn, self._now()):
                finished.add(turn.user)
            self._rooms_left = min(self._rooms_left, self._rooms_at_once)

    @property
    def _rooms_at_once(self) -> float:
        """Of how many rooms there is time to ask in one look, by what is next."""
        share = LIKELY_SHARE if self._rounds.is_urgent else SHARE if self._rounds.is_anybody_there else IDLE_SHARE
        return self._every_s * share / ROOM_S

    def _save(self, asked: Asked) -> None:
        """Write down who is still to be asked for, if it is time and that says anything new."""
        assert self._known is not None and self._calls is not None
        if self._clock() - self._saved_at < SAVED_S:
            return
        # Who was asked for may have read in a room as well that is not known yet.
        seen = self._seen_since if asked.rooms_but(self._known.rooms) else set()
        users = self._rounds.pending | self._put_off.keys() | seen
        new = Pending(self._looked, frozenset(users), self._rounds.rooms_of_all)
        same = (new.users, new.rooms) == (self._pending.users, self._pending.rooms)
        if same and max(self._calls.values(), default=0) < self._pending.looked:
            return
        place = place_of(self._known.node)
        self._store.write(lambda writer: write_pending(writer, place, new))
        self._pending, self._saved_at = new, self._clock()

    def _take(self, client: CitadelClient, turn: Turn, person: Person | None, done: Marked) -> bool:
        """Take over what a user has seen; tells whether that was told.  Who is not listed is asked for no more."""
        assert self._looks is not None
        if person is None:
            self._rounds.forget(turn.user)
            return False
        assert self._known is not None and self._asked is not None
        rooms = [room for room in turn.rooms if room in self._known.rooms]
        if turn.user not in self._known.users:  # under which key that user is here is not known yet
            self._put_it_off(turn.user, rooms)
            return True
        found = {room: self._asked.entrance_of(room) for room in rooms}
        listed = {room: entrance for room, entrance in found.items() if entrance is not None}
        marked = self._looks.take(client, person, listed)
        if marked is None:  # renamed since users were listed, say: another time
            if turn.besides:
                self._put_it_off(turn.user, rooms)
            return False
        self._put_it_off(turn.user, [room for room in rooms if room not in listed])
        for asked, lines in marked.noticed.items():
            self._noticed.pop(asked, None)
            if lines:
                self._noticed[asked] = lines
        done.applied += marked.applied
        done.rooms |= marked.rooms
        self._visited.add(turn.user, marked.rooms)
        return True

    def _put_it_off(self, user: int, rooms: Sequence[int]) -> None:
        if rooms:
            self._put_off.setdefault(user, set()).update(rooms)

    def _note_calls(self, calls: dict[int, int], looked: int, exported: bool) -> None:
        """Have all rooms be asked for of users who logged in since that was noted last; ``looked`` as in ``Asked``.

        Who logged in just before the look before that, and was not among those who were there, may have read since.
        """
        if self._calls is None:
            users = self._since_met_last(calls, looked, exported)
        else:
            since = self._looked - SESSION_S
            users = [user for user, called in calls.items() if called >= since or called != self._calls.get(user)]
        users = [*users, *self._used - set(users)]
        self._used.clear()
        assert self._known is not None
        self._visited.find(self._known, users)
        self._rounds.begin(users, self._now())
        self._seen_since.update(users)
        self._calls, self._looked = calls, looked

    def _since_met_last(self, calls: Mapping[int, int], looked: int, exported: bool) -> list[int]:
        """Return who may have set marks while nobody followed the server, or while it was exported."""
        assert self._known is not None
        place = place_of(self._known.node)
        last = self._pending = self._store.read(lambda reader: read_pending(reader, place))
        self._met = looked if exported else last.looked
        self._viewed |= last.rooms
        if exported:
            return [user for user, called in calls.items() if called >= looked - SINCE_EXPORT_S]
        if last.looked:
            since = last.looked - SESSION_S
            return [user for user, called in calls.items() if called >= since or user in last.users]
        recent, before = max(calls.values(), default=0) - RECENT_S, self._called()
        return [user for user, called in calls.items() if called >= recent or called != before.get(user)]

    def _where(self, asked: Asked) -> dict[int, frozenset[int]]:
        """Return in which rooms those are who are logged in, by their numbers."""
        names = self._numbers
        found: dict[int, frozenset[int]] = {}
        for user, room in asked.present():
            rooms = {names[name] for name in (room, f"{user:010d}.{room}") if name in names}
            found[user] = found.get(user, frozenset()) | rooms
        return found

    def _likely(self, user: int) -> Iterator[int]:
        """Yield the rooms in which a user has been before, and those of the own mailbox."""
        visited = {room for room in self._visited.of(user) if self._owners.get(room) == 0}
        yield from sorted(visited | self._own.get(user, set()))

    def _others(self, user: int, after: int) -> Iterator[int]:
        """Yield all other rooms but others' mailboxes, those of greater numbers than one, in their order."""
        visited, rooms = self._visited.of(user), self._public
        return (room for room in islice(rooms, bisect_right(rooms, after), None) if room not in visited)
