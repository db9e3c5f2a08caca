"""Whose marks at a followed server are asked for next, and in which rooms: of those who may have set any.

Nothing moves by itself when somebody reads, but only who is logged in can set a mark.  So of users who are there the
rooms that they are in are asked for, and besides all rooms in turns, first of everybody those that are likely; once
they left, all rooms once more.  Values only; reads no clock.
"""

from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec


class Turn(NamedTuple):
    """Rooms in which one user's marks are to be asked for, both by number; ``besides`` the round of that user."""

    user: int
    rooms: Sequence[int]
    besides: bool = False


class _Round(msgspec.Struct):
    """What is still to be asked for of one user's marks; times are Unix seconds, 0 for never."""

    likely: list[int]
    began: float
    whole_since: float = 0
    """When the last round began that came to its end."""
    after: int = 0
    """Of all other rooms those of greater numbers are still to be asked for."""
    present: bool = False
    """Whether the user was there since this one began."""


class _OfAll(msgspec.Struct):
    """Rooms that are to be asked for of each of some users, of the last one those after the first ``after``."""

    users: list[int]
    rooms: list[int]
    after: int = 0


RoomsOf = Callable[[int], Iterable[int]]
"""Returns rooms in which a user has marks as a rule."""
RoomsAfter = Callable[[int, int], Iterable[int]]
"""Returns other rooms in which a user may have marks, those of greater numbers than one, in their order."""


class Rounds:
    """Who may have set marks since all of theirs were asked for."""

    def __init__(self, likely: RoomsOf, others: RoomsAfter) -> None:
        """``likely`` returns the rooms in which a user has marks as a rule, ``others`` all others."""
        self._likely, self._others = likely, others
        self._rounds: dict[int, _Round] = {}
        self._where: dict[int, frozenset[int]] = {}
        self._besides: dict[int, set[int]] = {}
        self._of_all: deque[_OfAll] = deque()

    def begin(self, users: Iterable[int], now: float) -> None:
        """Have all rooms of users be asked for who may have set marks until now (Unix seconds)."""
        for user in users:
            if user in self._rounds:
                self._rounds[user].present = True
            else:
                self._rounds[user] = self._round(user, now)

    def _round(self, user: int, now: float, whole_since: float = 0) -> _Round:
        return _Round(list(self._likely(user)), now, whole_since)

    def besides(self, user: int, room: int) -> None:
        """Have a room be asked for of a user, who need not be there: all were made to forget it, say."""
        self._besides.setdefault(user, set()).add(room)

    def of_all(self, users: Iterable[int], rooms: Iterable[int]) -> None:
        """Have rooms be asked for of each of some users: they are viewed otherwise now, say."""
        asked = _OfAll(list(users), sorted(rooms))
        if asked.users and asked.rooms:
            self._of_all.append(asked)

    @property
    def rooms_of_all(self) -> frozenset[int]:
        """The rooms that are still to be asked for of each of some users."""
        return frozenset(room for one in self._of_all for room in one.rooms)

    def near(self, present: Mapping[int, frozenset[int]], now: float) -> list[Turn]:
        """Return where who is there is and was last; ``present`` are the rooms of their sessions."""
        self.begin(present, now)
        before, self._where = self._where, dict(present)
        users = {**before, **present}
        return [
            Turn(user, sorted(rooms))
            for user in users
            if (rooms := before.get(user, frozenset()) | present.get(user, frozenset()))
        ]

    @property
    def is_urgent(self) -> bool:
        """Whether there are rooms to be asked for in which there is likely anything new."""
        return bool(self._besides or self._of_all) or any(one.likely for one in self._rounds.values())

    @property
    def is_anybody_there(self) -> bool:
        """Whether anybody is logged in."""
        return bool(self._where)

    def next(self, most: int, but: Container[int] = ()) -> Turn | None:
        """Return the next ``most`` rooms at most of some user's round, None where there is nothing to ask for.

        Rounds of those in ``but`` have come to their ends just now.
        """
        user = next((user for user, one in self._rounds.items() if one.likely and user not in but), 0)
        if not user and self._besides:
            user, rooms = self._besides.popitem()
            return Turn(user, sorted(rooms), besides=True)
        if not user and self._of_all:
            return self._next_of_all(most)
        user = user or next((user for user in self._rounds if user not in but), 0)
        if not user:
            return None
        one = self._rounds.pop(user)
        self._rounds[user] = one  # the next time it is another one's turn
        return Turn(user, one.likely[:most] or list(islice(self._others(user, one.after), most)))

    def _next_of_all(self, most: int) -> Turn:
        """Return the next rooms that are asked for of one of some users; there are some."""
        one = self._of_all[0]
        turn = Turn(one.users[-1], one.rooms[one.after : one.after + most], besides=True)
        one.after += most
        if one.after >= len(one.rooms):
            one.after = 0
            one.users.pop()
        if not one.users:
            self._of_all.popleft()
        return turn

    def done(self, turn: Turn, now: float) -> bool:
        """Note that the rooms that ``next`` returned were asked for; tells whether a round came to its end."""
        one = self._rounds.get(turn.user)
        if one is None or turn.besides:
            return False
        if one.likely:
            del one.likely[: len(turn.rooms)]
        else:
            one.after = max(turn.rooms, default=one.after)
        if one.likely or any(self._others(turn.user, one.after)):
            return False
        if one.present or turn.user in self._where:
            self._rounds[turn.user] = self._round(turn.user, now, one.began)
        else:
            del self._rounds[turn.user]
        return True

    def forget(self, user: int) -> None:
        """Ask for no more of a user's, who is gone."""
        self._rounds.pop(user, None)
        self._where.pop(user, None)
        self._besides.pop(user, None)

    @property
    def is_over(self) -> bool:
        """Whether there is nobody to ask for."""
        return not (self._rounds or self._where or self._besides or self._of_all)

    @property
    def pending(self) -> set[int]:
        """Who may have set marks that were not asked for yet, but for those in ``rooms_of_all``."""
        return {*self._rounds, *self._where, *self._besides}

    def as_of(self, now: float) -> float:
        """Return as of when all marks were asked for (Unix seconds), given the time; 0 where some never were."""
        if self._besides or self._of_all:
            return 0
        return min((one.whole_since for one in self._rounds.values()), default=now)
