"""Which message of a server's room of configuration holds the text, and which the picture, of which room.

The server tells neither way round, but it tells a room's text and picture themselves: they are held against those of
the messages that are new, among the rooms that changed since.  What was known is kept while the server lists it.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mirror.citadel.meaning.configuration import OF_ROOMS, Holds, Kept
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.protocol.pieces import fetch_message
from mirror.formats.message import parse_message
from mirror.formats.numbers import number_or_zero
from mirror.wire.errors import Refused

TRIES = 3
"""So often it is asked whose a message is; after that it is nobody's, as that of a room that was killed."""
SOON_S = 10
"""A message is one of a room's within so many seconds of when it was made, or never."""
SLACK_S = 1
"""Seconds by which a room may seem to have changed before a message that it names was made."""

Content = tuple[bytes, ...] | None
"""A text by its lines, or a picture; None where there is none, or it cannot be read."""


class Dated(NamedTuple):
    """A text or picture, and when the message that holds it was made, or the room was changed (Unix seconds)."""

    content: Content
    at: int


class Entrance(NamedTuple):
    """How a room is entered, as the server names it, and when it was changed (Unix seconds)."""

    name: str
    password: str
    changed: int


class RoomTexts:
    """Remembers which message holds what of rooms, by their numbers, and finds out of those that are new."""

    def __init__(self, known: Mapping[Holds, Mapping[int, int]]) -> None:
        """``known`` are the messages that hold texts and pictures, by the numbers of the rooms."""
        self._of = {holds: dict(known.get(holds, {})) for holds in OF_ROOMS}
        self._tried: dict[Holds, dict[int, int]] = {holds: {} for holds in OF_ROOMS}

    def fields(self) -> dict[int, dict[bytes, int]]:
        """Return which messages hold what, by the numbers of the rooms and the fields of an export."""
        found: dict[int, dict[bytes, int]] = {}
        for holds, of in self._of.items():
            for room, number in of.items():
                found.setdefault(room, {})[OF_ROOMS[holds]] = number
        return found

    @property
    def messages(self) -> set[int]:
        """The messages of which it is known whose they are."""
        return {number for of in self._of.values() for number in of.values()}

    @property
    def is_sure(self) -> bool:
        """Whether nothing has to be asked again."""
        return all(tries >= TRIES for tried in self._tried.values() for tries in tried.values())

    def find(
        self, client: CitadelClient, home: Entrance, kept: Iterable[Kept], rooms: Mapping[int, Entrance], now: int
    ) -> frozenset[Holds]:
        """Find out whose the messages are that are new; returns what is not known of all rooms.

        ``home`` is the room of configuration, which lists ``kept``; ``rooms`` are all that can be entered, ``now`` is
        the server's clock (Unix seconds).
        """
        listed = list(kept)
        numbers = {holds: {one.number for one in listed if one.holds is holds} for holds in OF_ROOMS}
        return frozenset(
            holds for holds in OF_ROOMS if not self._find(client, home, holds, numbers[holds], rooms, now - SOON_S)
        )

    def _find(
        self,
        client: CitadelClient,
        home: Entrance,
        holds: Holds,
        listed: set[int],
        rooms: Mapping[int, Entrance],
        new: int,
    ) -> bool:
        """Find out of one sort whose the messages are; tells whether that is known of all rooms."""
        of, tried = self._of[holds], {number: tries for number, tries in self._tried[holds].items() if number in listed}
        lost = {room for room, number in of.items() if number not in listed or room not in rooms}
        for room in lost:
            del of[room]
        free = [number for number in listed - set(of.values()) if tried.get(number, 0) < TRIES]
        if not (free or lost):
            return True
        client.enter_room(home.name, home.password)
        messages = {number: content_of(client, holds, number) for number in free}
        since = min((one.at for one in messages.values()), default=0)
        changed = {room: one for room, one in rooms.items() if room in lost or (free and one.changed >= since)}
        shown = {
            room: Dated(_shown(client, holds, one), one.changed) for room, one in changed.items() if room not in of
        }
        found = match(messages, {room: one for room, one in shown.items() if one.content is not None})
        of |= found
        left = {
            number: tried.get(number, 0) + 1 if messages[number].at >= new else TRIES
            for number in messages.keys() - set(found.values())
        }
        self._tried[holds] = {number: tries for number, tries in tried.items() if number not in messages} | left
        unmatched = any(one.content is not None for room, one in shown.items() if room not in found)
        return not unmatched and all(tries >= TRIES for tries in left.values())


def match(messages: Mapping[int, Dated], rooms: Mapping[int, Dated]) -> dict[int, int]:
    """Return which messages are those of which rooms, by the rooms' numbers.

    A room changed when it got its message or later; where several were given the same, the latest message is that of
    the room which changed soonest after it.
    """
    found: dict[int, int] = {}
    for number, message in sorted(messages.items(), reverse=True):
        alike = [
            room
            for room, one in rooms.items()
            if room not in found and one.content == message.content and one.at >= message.at
        ]
        if alike:
            found[min(alike, key=lambda room: rooms[room].at)] = number
    return found


def content_of(client: CitadelClient, holds: Holds, number: int) -> Dated:
    """Return what a message of the present room holds, a room's text or picture, as the room is shown by it."""
    if holds is Holds.ROOM_TEXT:
        (lines,) = client.tell(f"MSG0 {number}|0")
        if lines is None or b"text" not in lines:
            return Dated(None, 0)
        posted = next((line.partition(b"=")[2] for line in lines if line.startswith(b"time=")), b"")
        text = tuple(lines[lines.index(b"text") + 1 :])
        return Dated(text, number_or_zero(posted.decode("ascii", "replace")) - SLACK_S)
    data = fetch_message(client, number)
    if data is None:
        return Dated(None, 0)
    message = parse_message(data)
    return Dated(_picture(message.text("M")), number_or_zero(message.text("T")) - SLACK_S)


def _picture(text: str) -> Content:
    """Return a picture that a message holds."""
    _, _, body = text.partition("\n\n")
    try:
        return (base64.b64decode("".join(body.split()), validate=True),)
    except binascii.Error:
        return None


def _shown(client: CitadelClient, holds: Holds, room: Entrance) -> Content:
    """Return a room's text or picture."""
    try:
        client.enter_room(room.name, room.password)
        if holds is Holds.ROOM_TEXT:
            (lines,) = client.tell("RINF")
            return tuple(lines) if lines is not None else None
        return (client.room_picture(),)
    except Refused:
        return None
