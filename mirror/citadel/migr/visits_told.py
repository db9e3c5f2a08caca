"""Visits as an export tells them: what one user has read and answered of a room, as sets of messages' numbers.

A set that still says what it said is told as it was.  Asks where each message is, and numbers nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from itertools import groupby

from mirror.citadel.migr.placed import Placing
from mirror.citadel.migr.things import Fields, Things, ordered, texts
from mirror.formats import migr_writer
from mirror.formats.sequence_set import CUT_BYTES, SequenceSet, readable_set, set_of
from mirror.model.fields import values_of
from mirror.model.kinds import Collection
from mirror.model.record import Record
from mirror.store.base import Reading
from mirror.store.whole import living_records

_MARKED = {"seen": "v_seen", "answered": "v_answered"}


class VisitsTold:
    """Tells the visits of one export, once its messages have numbers."""

    def __init__(self, reading: Reading, things: Things, placing: Placing) -> None:
        self._reading, self._things, self._placing = reading, things, placing

    def elements(self) -> Iterator[bytes]:
        """Yield an element for each visit of a room that is exported."""
        for room in self._things.rooms:
            collection = str(Collection("visits", room))
            for name, records in groupby(
                living_records(self._reading, collection), lambda record: record.key.partition(" ")[0]
            ):
                yield from self._visit(room, name, records)

    def _visit(self, room: str, name: str, records: Iterable[Record]) -> Iterator[bytes]:
        """Yield one user's visit of a room, from its record and those of the marks; or one of an older room there."""
        user, void, generation = name.partition("@")
        number = self._things.number_of_visitor(user)
        if number is None:
            return
        fields: Fields = {}
        marked: dict[str, set[int]] = {mark: set() for mark in _MARKED}
        messages = str(Collection("messages", room))
        for record in records:
            if record.key == name:
                fields = texts(record)
                continue
            at = self._placing.number(messages, record.key.removeprefix(f"{name} "))
            for mark, value in values_of(record).items():
                if value is True and at and mark in marked:
                    marked[mark].add(at)
        fields |= {"v_roomnum": str(self._things.room_numbers.new(room)), "v_usernum": str(number)}
        fields["v_roomgen"] = generation if void else self._things.rooms[room].get("QRgen", "0")
        if not void:
            self._say_marks(fields, self._things.room_numbers.new(room), marked)
        yield migr_writer.element("visit", ordered("visit", fields))

    def _say_marks(self, fields: Fields, room: int, marked: Mapping[str, Set[int]]) -> None:
        """Have a visit's sets tell which messages are marked: as they did, where that is what they still say."""
        for mark, field in _MARKED.items():
            said, numbers = fields.get(field, ""), marked[mark]
            if said and self._says(_as_read(field, said), room, numbers):
                continue
            text = set_of(numbers, self._placing.listed(room))
            if field == "v_seen" and text.isdigit():
                text = f"{text}:{text}"  # a number alone is read as all up to it
            if text or field in fields:
                fields[field] = text

    def _says(self, text: str, room: int, numbers: Set[int]) -> bool:
        """Tell whether a set has just these of a room's messages."""
        if len(text.encode()) >= CUT_BYTES or readable_set(text).left_out:
            return False
        read = SequenceSet(text)
        return all(number in read for number in numbers) and self._placing.count_in(room, read.ranges()) == len(numbers)


def _as_read(field: str, text: str) -> str:
    """Return a set as a server's import reads it: a number alone is all up to it, of what is seen."""
    return f"*:{text}" if field == "v_seen" and text.isdigit() else text
