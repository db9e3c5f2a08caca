"""Where the messages of an export are: which collections hold any, in which room each is, and its number.

That is the first time that all is read.  Settings whose values are texts are in messages as well, made here.  Knows the
things by their numbers, and writes no element.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from mirror.citadel.looks.remembered import place_of, remembered
from mirror.citadel.meaning.numbering import place_of_key
from mirror.citadel.migr.names import CONTENT_TYPE_KEY, ORPHANS, USER_SETTINGS
from mirror.citadel.migr.placed import NOWHERE, Placing
from mirror.citadel.migr.things import WHOLE, Part, Things
from mirror.formats.keys import imported_origin
from mirror.formats.message import MIME, serialize_message
from mirror.formats.numbers import number_or_zero
from mirror.model.containers import picture_of_room, picture_of_user
from mirror.model.kinds import parse_collection, room_of
from mirror.model.record import Record, unpack_head
from mirror.store.base import Reader, Reading
from mirror.store.whole import living_records

CONFIGURATION_ROOM = "Local System Configuration"
_DIGEST_BYTES = 20
_TOLD_EACH = 100
"""After so many messages it is told how far it has come."""


class Step(NamedTuple):
    """How far an export has come: in what, how many of how many messages."""

    what: str
    done: int
    total: int


class Places:
    """The places of one export's messages: ``give_numbers``, and then ask ``placing``."""

    def __init__(self, reading: Reading, things: Things, part: Part, for_server: bool) -> None:
        """``for_server`` leaves out rooms' texts and pictures, and messages in no room."""
        self._reading, self._things, self._part, self._for_server = reading, things, part, for_server
        self.placing = Placing()
        self.highest = self.count = 0
        """The highest number of a message, and how many there are, once they have numbers."""

    def give_numbers(self, progress: Callable[[Step], None]) -> None:
        """See which message is where, and give numbers to all."""
        told = self._reading.read(lambda reader: reader.digests())
        places = [*self._message_places(told)]
        total, done = sum(told[name].count for name, _ in places if name in told), 0
        for collection, room in places:
            for record in living_records(self._reading, collection):
                self._place(record, room(record.key))
                done += 1
                if done % _TOLD_EACH == 0:
                    progress(Step("numbering", done, total))
        self._place_texts()
        progress(Step("numbering", total, total))
        self.highest = self.placing.give_new(self._reading.read(self._highest_ever))
        self.count = self.placing.count()

    def _message_places(self, told: Iterable[str]) -> Iterator[tuple[str, Callable[[str], int | None]]]:
        """Yield the collections that hold messages, and what tells the room of each by its key; None for left out."""
        for collection in told:
            kind, room = parse_collection(collection)
            if kind == "messages" and room in self._things.rooms:
                number = self._things.room_numbers.get(room)
                yield collection, lambda _key, number=number: number  # type: ignore[misc]
        yield USER_SETTINGS, lambda key: self._things.user_rooms.get(key.partition(" ")[0])
        yield "bios", self._things.user_rooms.get
        yield "inbox-rules", self._things.user_rooms.get
        yield "pictures", self._room_of_picture
        if not self._for_server:
            yield "room-info", lambda key: self._things.configuration if key in self._things.rooms else None
            if self._part == WHOLE:
                yield ORPHANS, lambda _key: NOWHERE

    def _room_of_picture(self, key: str) -> int | None:
        """Return the room that holds a picture."""
        user = key.removeprefix(picture_of_user(""))
        if key != user:
            return self._things.user_rooms.get(user)
        of_ours = key.removeprefix(picture_of_room("")) in self._things.rooms
        return self._things.configuration if of_ours and not self._for_server else None

    def _place(self, record: Record, room: int | None) -> None:
        if room is None:
            return
        was = _number_of(record)
        digest = record.content[:_DIGEST_BYTES] or _digest(record.body)
        self.placing.put(record.collection, record.key, room, digest, was, self._is_own(record))

    def _is_own(self, record: Record) -> bool:
        """Tell whether the number of a message is one of the server whose numbers are kept."""
        if record.origin.startswith(imported_origin("")):
            return record.origin == imported_origin(self._things.server)
        place = record.key if record.collection == USER_SETTINGS else room_of(record.collection)
        return place_of_key(place.partition(" ")[0]) == self._things.server or record.collection == ORPHANS

    def _place_texts(self) -> None:
        """Place the settings whose values are texts: each is in a message of its own."""
        for key, fields in self._things.config.items():
            if "text" in fields and key.startswith(CONTENT_TYPE_KEY):
                self.placing.put("config", key, self._things.configuration, _digest(self.text_message(key)), 0, False)

    def _highest_ever(self, reader: Reader) -> int:
        last = remembered(reader, place_of(self._things.server))
        return last.highest if last is not None else 0

    def text_message(self, key: str) -> bytes:
        """Return the message that holds a setting; its id follows from what it says."""
        text = self._things.config[key]["text"].encode()
        named = f"{_digest(key.encode() + text).hex()[:16]}@{self._things.server}"
        fields = {"I": named, "T": self._things.created, "A": "Citadel", "O": CONFIGURATION_ROOM}
        return serialize_message([*((name, value.encode()) for name, value in fields.items()), ("M", text)], MIME)


def _number_of(record: Record) -> int:
    """Return the number that a message had at its server; 0 where it had none."""
    return number_or_zero(str(unpack_head(record.head).get("msg_msgnum", "")))


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:_DIGEST_BYTES]
