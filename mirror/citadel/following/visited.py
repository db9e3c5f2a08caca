"""In which rooms of a followed server its users have been, as far as it told that: there they read on, as a rule.

A user may have read in any room, but has been in few of very many.  Found out once of each user; no wire, no clock.
"""

from collections.abc import Iterable, Iterator, Mapping

from mirror.citadel.looks.remembered import place_of
from mirror.citadel.meaning.marks import status_pages
from mirror.citadel.migr.posted import Known
from mirror.model.kinds import Collection
from mirror.model.status import Status
from mirror.store.base import Reader, Store

FEW_USERS = 20
"""The visits of so many users are looked up room by room; of more of them all visits are gone through."""


class Visited:
    """Knows where users have been, all by their numbers, for as long as a connection lasts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rooms: dict[int, set[int]] = {}

    def find(self, known: Known, users: Iterable[int]) -> None:
        """Find out of those users of whom it is not known yet."""
        new = {known.keys.user(user): user for user in users if user not in self._rooms}
        if not new:
            return
        self._rooms |= {user: set() for user in new.values()}
        rooms = {str(Collection("visits", known.room_key(number))): number for number in known.rooms}
        found = self._store.read(lambda reader: list(_visits(reader, place_of(known.node), rooms, new)))
        for user, room in found:
            self._rooms[user].add(room)

    def add(self, user: int, rooms: Iterable[int]) -> None:
        """Note where a user was, if anything is known of that one."""
        if user in self._rooms:
            self._rooms[user].update(rooms)

    def by(self, known: Known, room: int, users: Mapping[str, int]) -> Iterator[int]:
        """Yield those of some users, by their keys, who have been in a room."""
        if room in known.rooms:
            collection = str(Collection("visits", known.room_key(room)))
            visits = self._store.read(lambda reader: [*status_pages(reader, place_of(known.node), collection)])
            yield from (users[one.foreign] for page in visits for one in page if one.foreign in users)

    def of(self, user: int) -> set[int]:
        """Return the rooms in which a user has been."""
        return self._rooms.get(user, set())


def _visits(
    reader: Reader, place: str, rooms: Mapping[str, int], users: Mapping[str, int]
) -> Iterator[tuple[int, int]]:
    """Yield user and room of visits, by number; ``rooms`` are by the names of their visits, ``users`` by their keys."""
    for name in reader.status_collections(place):
        if name in rooms:
            for visit in _some_of(reader, place, name, users):
                if visit.foreign in users:
                    yield users[visit.foreign], rooms[name]


def _some_of(reader: Reader, place: str, collection: str, users: Mapping[str, int]) -> Iterator[Status]:
    """Yield the visits of users, and where they are many those of others, too."""
    if len(users) <= FEW_USERS:
        yield from reader.statuses(place, collection, users)
    else:
        for page in status_pages(reader, place, collection):
            yield from page
