"""Following marks: who may have set any is asked for, as often as that may cost, over a connection of its own.

It is opened while there is anybody to ask for, since a server ends a session that asks nothing.  Which user in which
room is next is mirror.citadel.presence's, what is told mirror.citadel.visits_told's.
"""

from collections.abc import Callable, Iterable

from mirror.citadel.asked import Asked
from mirror.citadel.client import CitadelClient
from mirror.citadel.keys import owner_of
from mirror.citadel.posted import Known
from mirror.citadel.presence import Rounds, Turn
from mirror.citadel.visits_told import ROOMS_AT_ONCE, Marked, Person, VisitLooks
from mirror.formats.server_own import Use
from mirror.store.base import Store
from mirror.wire.errors import Refused

SESSION_S = 5
"""Who is there is asked before when they logged in: who logs in between those is asked for so many seconds longer."""
SHARE = 20
"""Rounds take one in so many of the time from look to look at most."""
TURNS = 10
"""Turns of rounds from look to look at most."""
RECENT_S = 2 * 86_400
"""Who logged in within so many seconds before a server is met may have set marks while nobody followed it..."""
SINCE_EXPORT_S = 60
"""... or, where all was just told by an export, since that began."""


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
        self._rounds = Rounds(self._rooms_of)
        self._client: CitadelClient | None = None
        self._known: Known | None = None
        self._looks: VisitLooks | None = None
        self._numbers: dict[str, int] = {}
        self._calls: dict[int, int] | None = None
        self._looked = 0
        self._noticed: dict[tuple[int, int], list[str]] = {}
        self._asked_at = -every_s

    @property
    def as_of(self) -> float:
        """As of when all marks are here, in Unix seconds; 0 for never."""
        return self._rounds.as_of(self._now()) if self._calls is not None else 0

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
        self._asked_at = began
        if known is not self._known:
            self._known, self._looks = known, VisitLooks(self._store, known)
            rooms = known.rooms.items()
            self._numbers = {room.name: number for number, room in rooms if room.use is Use.PEOPLE}
        persons = {number: Person(number, name) for number, name in asked.users().items()}
        self._note_calls(asked.calls(), asked.looked, exported)
        near = self._rounds.near(self._where(asked), self._now())
        if self._rounds.is_over and not near:
            self.close()
            return done
        try:
            client = self._client = self._client or self._connect()
        except Refused:
            return done  # it lets no more sessions in: another time
        for turn in near:
            self._take(client, turn, persons.get(turn.user), done)
        for _ in range(TURNS):
            of_round = self._rounds.next(ROOMS_AT_ONCE)
            if of_round is None or not self._take(client, of_round, persons.get(of_round.user), done):
                break
            self._rounds.done(of_round, self._now())
            if self._clock() - began > self._every_s / SHARE:
                break
        return done

    def _take(self, client: CitadelClient, turn: Turn, person: Person | None, done: Marked) -> bool:
        """Take over what a user has seen; tells whether that was told.  Who is not listed is asked for no more."""
        assert self._looks is not None
        if person is None:
            self._rounds.forget(turn.user)
            return False
        marked = self._looks.take(client, person, turn.rooms)
        if marked is None:
            return False  # renamed since users were listed, say: another time
        for asked, lines in marked.noticed.items():
            self._noticed.pop(asked, None)
            if lines:
                self._noticed[asked] = lines
        done.applied += marked.applied
        done.rooms |= marked.rooms
        return True

    def _note_calls(self, calls: dict[int, int], looked: int, exported: bool) -> None:
        """Have all rooms be asked for of users who logged in since that was noted last; ``looked`` as in ``Asked``.

        Who logged in just before the look before that, and was not among those who were there, may have read since.
        """
        if self._calls is None:
            before = calls if exported else self._called()
            recent = looked - SINCE_EXPORT_S if exported else max(calls.values(), default=0) - RECENT_S
            users = [user for user, called in calls.items() if called >= recent or called != before.get(user)]
        else:
            since = self._looked - SESSION_S
            users = [user for user, called in calls.items() if called >= since or called != self._calls.get(user)]
        self._rounds.begin(users, self._now())
        self._calls, self._looked = calls, looked

    def _where(self, asked: Asked) -> dict[int, frozenset[int]]:
        """Return in which rooms those are who are logged in, by their numbers."""
        names = self._numbers
        found: dict[int, frozenset[int]] = {}
        for user, room in asked.present():
            rooms = {names[name] for name in (room, f"{user:010d}.{room}") if name in names}
            found[user] = found.get(user, frozenset()) | rooms
        return found

    def _rooms_of(self, user: int) -> Iterable[int]:
        """Return the rooms in which a user may have marks: all but those of other people's mailboxes."""
        rooms = self._known.rooms.items() if self._known is not None else ()
        return [number for number, room in rooms if room.use is Use.PEOPLE and owner_of(room.name) in (0, user)]
