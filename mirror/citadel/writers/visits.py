"""What the writers of visits have in common: which visits they are given, and what a server has of one it was given."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from mirror.citadel.meaning.marks import Sets, status_pages, tag_of
from mirror.citadel.writers.base import OpenRoom, Target, by_collection
from mirror.formats.keys import BORN_IMPORTED
from mirror.model.draft import base_of
from mirror.model.kinds import Collection, room_of
from mirror.model.record import Record, record_crc
from mirror.model.status import Status
from mirror.store.base import Reader


def visits_there(target: Target) -> Callable[[str], bool]:
    """Return which collections are the visits of rooms that the server has."""
    return {visits_of(name) for name in target.rooms}.__contains__


def is_visit(record: Record) -> bool:
    """Tell whether a record of visits is a living user's visit: no mark, and of no older room."""
    return not record.dead and " " not in record.key and "@" not in record.key


def visits_of(messages: str) -> str:
    """Return the collection of a room's visits, by that of its messages."""
    return str(Collection("visits", room_of(messages)))


def messages_of(visits: str) -> str:
    """Return the collection of a room's messages, by that of its visits."""
    return str(Collection("messages", room_of(visits)))


def visited(target: Target, visits: str) -> OpenRoom:
    """Return the room that visits are of."""
    return target.rooms[messages_of(visits)]


def said_last(reader: Reader, place: str, visits: str, user: str) -> Status | None:
    """Return what the server of a place said last of a user's visit; None where it said nothing."""
    return next(iter(reader.statuses(place, visits, [user])), None)


def status_with(record: Record, status: Status | None, said: Mapping[str, bytes]) -> Status:
    """Return what the server says of a visit once fields of it were written, by their fingerprints.

    ``status`` is what it said last: nothing, where there was no visit as far as was told.
    """
    if status is not None:
        return msgspec.structs.replace(status, said={**status.said, **said})
    base, crc = base_of(record), record_crc(record)
    return Status(record.collection, record.key, record.key, tag_of("", ""), base, crc, dict(said))


def marks_covering(reader: Reader, place: str, messages: Iterable[Status]) -> Iterator[Record]:
    """Yield the marks of messages, as they are here, that users have at a place for the sake of their numbers alone.

    A set of read messages goes up to some number, say, and a message that is moved keeps the one that it had.
    """
    for collection, some in by_collection(messages).items():
        visits = visits_of(collection)
        for visit in (visit for page in status_pages(reader, place, visits) for visit in page if visit.tag):
            sets = Sets.of(visit.tag)
            for key in [f"{visit.key} {one.key}" for one in some if sets.marks(int(one.foreign))]:
                yield reader.get(visits, key) or Record(visits, key, 1, place, BORN_IMPORTED, dead=True)
