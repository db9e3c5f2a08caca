"""Whether a server was started anew since it was looked at last, and what it may have lost by that.

A server that was killed goes on from what was on the disk: its last changes may be gone, of each the later ones first.
So what was there with a higher number than all that is there still is lost, not deleted, and so is what it lists
without a text, or has again in a folder of ours from which it had been moved.  But where the server has counted far
beyond it, what it counted last was on the disk, and so was that before: then somebody deleted it.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from mirror.citadel.looks.lost import note_lost
from mirror.citadel.looks.remembered import place_of
from mirror.citadel.meaning.keys import read_keys
from mirror.citadel.protocol.answers import read_numbers
from mirror.citadel.protocol.client import CitadelClient
from mirror.formats.sequence_set import HIGHEST
from mirror.model.kinds import Collection
from mirror.model.status import Status
from mirror.store.base import Reader, Store, Writer
from mirror.wire.errors import Refused

COMPARED = 50
"""Messages, those of the highest numbers, that are looked for when a server that was started anew is met again."""

AT_ONCE = 16
"""Messages that a server may be storing at once: as many numbers may be on the disk before what has one of them is."""


class Restarted(NamedTuple):
    """What of messages that are gone is lost: numbers above one, and some others."""

    above: int = HIGHEST
    moved_back: Set[int] = frozenset()

    def has_lost(self, number: int) -> bool:
        """Tell whether a message that is gone was lost, and not deleted."""
        return number > self.above or number in self.moved_back


NOT_RESTARTED = Restarted()


def read_started(reader: Reader, place: str) -> int:
    """Return when a server had been started when all of it was looked at last (its clock's Unix seconds), or 0."""
    return reader.meta_number(_name(place))


def write_started(writer: Writer, place: str, started: int) -> None:
    """Remember that."""
    writer.set_meta(_name(place), started)


def find_lost(
    store: Store, client: CitadelClient, node: str, rooms: Mapping[int, str], in_transit: Set[int], highest: int
) -> Restarted:
    """Return what a server that was started anew may have lost of what it lists no more; what has no text is noted.

    ``rooms`` are the names of rooms by their numbers; ``in_transit`` are the numbers of what was thrown away from the
    folders of ours; ``highest`` is the number up to which the server has counted.
    """
    place = place_of(node)
    newest = store.read(lambda reader: reader.newest_statuses(place, "messages", COMPARED))
    keys = store.read(lambda reader: read_keys(reader, place, node))
    names = {str(Collection("messages", keys.room(number, name))): name for number, name in rooms.items()}
    there: list[int] = []
    for collection, told in groupby(sorted(newest, key=attrgetter("collection")), attrgetter("collection")):
        statuses = list(told)
        found = _find(client, names.get(collection, ""), statuses)
        if found is None:
            continue  # of what cannot be read nothing can be told
        listed, read = found
        there += read
        blank = [one for one in statuses if int(one.foreign) in listed and int(one.foreign) not in read]
        if blank:
            store.write(lambda writer, lost=blank: note_lost(writer, place, lost))  # type: ignore[misc]
    return Restarted(max(*there, highest - AT_ONCE) if there else HIGHEST, in_transit)


def _find(client: CitadelClient, room: str, statuses: Iterable[Status]) -> tuple[Set[int], Sequence[int]] | None:
    """Return which messages a room lists, and which of those that it had can be read; None where it cannot be entered.

    What was deleted in between is not listed, so the list is asked for last.
    """
    try:
        client.enter_room(room)
    except Refused:
        return None
    numbers = [int(one.foreign) for one in statuses]
    *answers, listed = client.tell(*(f"MSG0 {number}|1" for number in numbers), "MSGS ALL")
    read = [number for number, lines in zip(numbers, answers, strict=True) if lines is not None]
    return set(read_numbers(listed or ())), read


def _name(place: str) -> str:
    return f"started:{place}"
