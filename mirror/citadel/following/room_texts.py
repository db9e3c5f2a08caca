"""Which message of a server's room of configuration holds the text, and which the picture, of which room.

The server tells neither way round, but it tells a room's text and picture themselves.  So wherever a message came or
went, the rooms that may have changed by it are asked for what they show, and that is held against what the messages
say.  Of several messages that say the same it is not known which one a room has: one may turn out to be another room's
when it goes, or when that room shows something else, and then what is left is looked through again.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping, Set
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
        self._sorts = {holds: _Sort(holds, known.get(holds, {})) for holds in OF_ROOMS}

    def fields(self) -> dict[int, dict[bytes, int]]:
        """Return which messages hold what, by the numbers of the rooms and the fields of an export."""
        found: dict[int, dict[bytes, int]] = {}
        for holds, one in self._sorts.items():
            for room, number in one.of.items():
                found.setdefault(room, {})[OF_ROOMS[holds]] = number
        return found

    @property
    def is_sure(self) -> bool:
        """Whether nothing has to be asked again."""
        return all(one.is_sure for one in self._sorts.values())

    def find(
        self, client: CitadelClient, home: Entrance, kept: Iterable[Kept], rooms: Mapping[int, Entrance], now: int
    ) -> frozenset[Holds]:
        """Find out whose the messages are that are new; returns what is not known of all rooms.

        ``home`` is the room of configuration, which lists ``kept``; ``rooms`` are all that can be entered, ``now`` is
        the server's clock (Unix seconds).
        """
        listed = list(kept)
        numbers = {holds: {one.number for one in listed if one.holds is holds} for holds in OF_ROOMS}
        asking = _Asking(client, home, rooms)
        return frozenset(
            holds for holds, one in self._sorts.items() if not one.find(asking, numbers[holds], now - SOON_S)
        )


class _Asking(NamedTuple):
    """Whom to ask, the room of configuration, and all rooms that can be entered, by number."""

    client: CitadelClient
    home: Entrance
    rooms: Mapping[int, Entrance]


class _Sort:
    """The messages of one sort: which is that of which room."""

    def __init__(self, holds: Holds, known: Mapping[int, int]) -> None:
        """``known`` are the messages of rooms, both by number."""
        self._holds = holds
        self.of = dict(known)
        self._newest = max(known.values(), default=0)
        self._nobodys: dict[int, int] = {}
        """How often it was asked whose messages are that are nobody's."""
        self._lacking: dict[int, int] = {}
        """How often it was asked for rooms that show what no message says."""
        self._said: dict[int, Dated] = {}
        """What messages say, by a digest: they never change."""

    @property
    def is_sure(self) -> bool:
        """Whether nothing has to be asked again."""
        return not self._lacking and all(tries >= TRIES for tries in self._nobodys.values())

    def find(self, asking: _Asking, listed: Set[int], new: int) -> bool:
        """Find out whose the listed messages are; tells whether that is known of all rooms.

        Messages that were made before ``new`` (Unix seconds) are a room's now, or nobody's.
        """
        self._note_listed(listed)
        free = {number for number in listed - set(self.of.values()) if self._nobodys.get(number, 0) < TRIES}
        if not (free or self._lacking):
            return True
        concerned = self._concerned(asking, free)
        said = self._say(asking, free | {self.of[room] for room in concerned if room in self.of})
        shown = self._show(asking, concerned)
        wanting = self._drop_others(shown, said)
        self.of |= match({number: said[number] for number in free}, wanting)
        left = {room: one for room, one in wanting.items() if self.of.get(room) not in free}
        found = self._among_others(asking, listed - free, left)
        self.of |= found
        self._note_tries((left.keys() - found.keys()) | (self._lacking.keys() - shown.keys()), free, new)
        return self.is_sure

    def _note_listed(self, listed: Set[int]) -> None:
        """Forget messages that are listed no more: the rooms that had them have others now, as a rule."""
        self._nobodys = {number: tries for number, tries in self._nobodys.items() if number in listed}
        self._said = {number: one for number, one in self._said.items() if number in listed}
        lost = {room for room, number in self.of.items() if number not in listed}
        for room in lost:
            del self.of[room]
        self._lacking = {**dict.fromkeys(lost, 0), **self._lacking}

    def _concerned(self, asking: _Asking, free: Set[int]) -> set[int]:
        """Return the rooms that may have other messages than before, given the messages that are nobody's yet.

        Those that are older than any that is known to be a room's, as are those of rooms that were killed long ago, can
        be just those of rooms of which none is known.
        """
        said = self._say(asking, free)
        since = min((one.at for one in said.values() if one.content), default=None)
        newly = min((one.at for number, one in said.items() if one.content and number > self._newest), default=None)
        begins = {room: newly if room in self.of else since for room in asking.rooms}
        return {
            room
            for room, begin in begins.items()
            if room in self._lacking or (begin is not None and asking.rooms[room].changed >= begin)
        }

    def _say(self, asking: _Asking, numbers: Set[int]) -> dict[int, Dated]:
        """Return what messages say, by a digest, and when they were made."""
        new = numbers - self._said.keys()
        if new:
            asking.client.enter_room(asking.home.name, asking.home.password)
        for number in new:
            content, at = content_of(asking.client, self._holds, number)
            self._said[number] = Dated(_digest(content), at)
        return {number: self._said[number] for number in numbers}

    def _show(self, asking: _Asking, rooms: Set[int]) -> dict[int, Dated]:
        """Return what rooms show, by a digest, and when they changed; nothing of those that cannot be entered."""
        found = {}
        for room in rooms:
            entrance = asking.rooms[room]
            try:
                asking.client.enter_room(entrance.name, entrance.password)
            except Refused:
                continue
            found[room] = Dated(_digest(_shown(asking.client, self._holds)), entrance.changed)
        return found

    def _drop_others(self, shown: Mapping[int, Dated], said: Mapping[int, Dated]) -> dict[int, Dated]:
        """Return those of some rooms that show something else than the messages say that they had.

        A room that shows nothing has no message; any other has the one that it had until another one is found.
        """
        wanting = {}
        for room, one in shown.items():
            number = self.of.get(room)
            if number is not None and said[number].content == one.content:
                continue
            if one.content is None:
                self.of.pop(room, None)
            else:
                wanting[room] = one
        return wanting

    def _among_others(self, asking: _Asking, listed: Set[int], wanting: Mapping[int, Dated]) -> dict[int, int]:
        """Return the messages of rooms that show what messages say that are not new.

        Those that are nobody's so far come first.  That another room has the message may be the mistake: they say the
        same, so it is both rooms' until it goes.  As such are many, they are read where a room was asked for in vain.
        """
        if not wanting:
            return {}
        held = listed & set(self.of.values())
        found = _latest(self._say(asking, listed - held), wanting)
        again = {room: one for room, one in wanting.items() if room not in found and self._lacking.get(room)}
        return found | _latest(self._say(asking, held), again) if again else found

    def _note_tries(self, lacking: Set[int], free: Set[int], new: int) -> None:
        """Count how often it was asked in vain: for rooms that show what no message says, and for messages."""
        tries = {room: self._lacking.get(room, 0) + 1 for room in lacking}
        self._lacking = {room: count for room, count in tries.items() if count < TRIES}
        for number in free - set(self.of.values()):
            self._nobodys[number] = self._nobodys.get(number, 0) + 1 if self._said[number].at >= new else TRIES
        for number in set(self.of.values()) & self._nobodys.keys():
            del self._nobodys[number]


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


def _latest(messages: Mapping[int, Dated], rooms: Mapping[int, Dated]) -> dict[int, int]:
    """Return of rooms, by their numbers, the latest of the messages that say what they show, whoever else has it."""
    found = {}
    for room, one in rooms.items():
        alike = [number for number, said in messages.items() if said.content == one.content and said.at <= one.at]
        if alike:
            found[room] = max(alike)
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


def _shown(client: CitadelClient, holds: Holds) -> Content:
    """Return the text or picture of the present room."""
    if holds is Holds.ROOM_TEXT:
        (lines,) = client.tell("RINF")
        return tuple(lines) if lines is not None else None
    try:
        return (client.room_picture(),)
    except Refused:
        return None


def _digest(content: Content) -> Content:
    """Return what is compared in place of a text or picture, of which very many are remembered."""
    return None if content is None else (hashlib.blake2b(b"\n".join(content), digest_size=16).digest(),)
