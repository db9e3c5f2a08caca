"""What a user's client sees: views of the rooms for one purpose each, and the list of rooms.

A view is the user's rights made narrower, so every answer within it is within them.  Knows no sessions.
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import NamedTuple, Protocol

from mirror.formats.room_views import (
    VIEW_CALENDAR,
    VIEW_CALENDAR_BRIEF,
    VIEW_CONTACTS,
    VIEW_JOURNAL,
    VIEW_NOTES,
    VIEW_TASKS,
)
from mirror.model.checksum import crc64
from mirror.model.digest import MASK
from mirror.service.rights import Room, UserScope
from mirror.store.base import Reader
from mirror.wire.answers import format_listed_room
from mirror.wire.values import CHANGED, CLOSED, OPENED, REMOVED, RENAMED, ListedRoom, RoomEvent, RoomsTold

_KINDS = ("messages", "visits")
"""What is seen of a view's rooms; of the visits just the user's own."""


class View(NamedTuple):
    """The rooms for one purpose: what it holds, in words, and which rooms those are."""

    holds: str
    shows: Callable[[Room], bool]


def _of(*views: int) -> Callable[[Room], bool]:
    return lambda room: room.facts.view in views


VIEWS = {
    "mailboxes": View("the logged-in user's own rooms, with the user's marks", lambda room: room.own),
    "calendars": View(
        "the calendars that the logged-in user may read, with marks", _of(VIEW_CALENDAR, VIEW_CALENDAR_BRIEF)
    ),
    "contacts": View("the address books that the logged-in user may read, with marks", _of(VIEW_CONTACTS)),
    "tasks": View("the task lists that the logged-in user may read, with marks", _of(VIEW_TASKS)),
    "notes": View("the notes and journals that the logged-in user may read, with marks", _of(VIEW_NOTES, VIEW_JOURNAL)),
}


class _Changing(Protocol):
    """A user's rights in whatever state of a store is read."""

    def at(self, reader: Reader) -> UserScope:
        """Return the rights; the same object while they are the same.  Raises Denied."""
        ...


class ViewRights:
    """A user's rights within a view, in whatever state of a store is read: a room that fits later is in it, too."""

    def __init__(self, rights: _Changing, view: str) -> None:
        self._rights = rights
        self._view = VIEWS[view]
        self._whole: UserScope | None = None
        self._scope: UserScope | None = None

    def at(self, reader: Reader) -> UserScope:
        """Return the rights; the same object while they are the same.  Raises Denied."""
        whole = self._rights.at(reader)
        if self._scope is None or whole is not self._whole:
            self._whole, self._scope = whole, within(whole, self._view)
        return self._scope


def within(scope: UserScope, view: View) -> UserScope:
    """Return what a user sees of a view."""
    return scope.within(view.shows, _KINDS)


class RoomList:
    """The rooms that are open to a user, be there anything in them or not.

    ``everything``: beside them the user reads all that is here, as an administrator of the Citadel server does.
    """

    def __init__(self, rooms: Iterable[ListedRoom], everything: bool = False) -> None:
        self.rooms = {room.key: room for room in rooms}
        self.everything = everything

    @classmethod
    def of(cls, scope: UserScope) -> "RoomList":
        """Return the rooms of a user's rights, or of a view."""
        return cls((listed(scope, key, room) for key, room in scope.rooms.items()), scope.aide)

    def following(self, before: UserScope, scope: UserScope) -> "RoomList":
        """Return the rooms of other rights than ``before``, of which this is the list: what may differ is looked at."""
        rooms, total = dict(self.rooms), self._total
        for key in scope.differs_from(before):
            old, room = rooms.pop(key, None), scope.rooms.get(key)
            total -= _crc(old) if old is not None else 0
            if room is not None:
                rooms[key] = listed(scope, key, room)
                total += _crc(rooms[key])
        made = RoomList((), scope.aide)
        made.rooms, made._total = rooms, total
        return made

    @cached_property
    def _total(self) -> int:
        return sum(map(_crc, self.rooms.values()))

    @property
    def token(self) -> int:
        """What a client remembers of a list to hear whether it is still the same: the sum of its lines' CRC-64s."""
        return (self._total + (crc64(b"everything") if self.everything else 0)) & MASK

    def ordered(self) -> list[ListedRoom]:
        """Return the rooms in the order of their keys."""
        return [self.rooms[key] for key in sorted(self.rooms)]

    def told_to(self, held: "RoomList | None", exists: Callable[[str], bool]) -> RoomsTold:
        """Return what is told of the list to who holds another one, or who knows of none that is known here.

        ``exists`` tells of a room that is in it no more whether it is there still.
        """
        if held is None:
            events = [RoomEvent.of(OPENED, room) for room in self.ordered()]
            return RoomsTold(events, self.token, True, self.everything)
        events = [RoomEvent(CLOSED if exists(key) else REMOVED, key) for key in held.rooms.keys() - self.rooms.keys()]
        for key, room in self.rooms.items():
            before = held.rooms.get(key)
            if before is None:
                events.append(RoomEvent.of(OPENED, room))
            elif before != room:
                events.append(RoomEvent.of(CHANGED if before.name == room.name else RENAMED, room))
        return RoomsTold(events, self.token, everything=self.everything)


def listed(scope: UserScope, key: str, room: Room) -> ListedRoom:
    """Return how one of a user's rooms is listed."""
    return ListedRoom(key, scope.name_of(key), room.facts.view, room.own, room.writable, room.replies, room.aide)


def _crc(room: ListedRoom) -> int:
    return crc64(format_listed_room(room).encode())
