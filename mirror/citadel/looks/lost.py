"""What a server has lost, and nobody deleted: it is written into it again, from what is here.

A server that was killed may list a message of which the text is gone, or list it no more.  Kept until it was tried,
since a node may be killed meanwhile.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from mirror.citadel.looks.taking import keep_missing
from mirror.citadel.meaning.marks import status_pages
from mirror.model.draft import Base
from mirror.model.kinds import Collection, parse_collection
from mirror.model.record import Record
from mirror.model.status import Status
from mirror.store.base import Reader, Writer

Where = tuple[str, str]
"""A record's collection and key."""
IsLost = Callable[[int], bool]
"""Tells of a message that a server lists no more, by its number, whether that lost it."""
_NO_BASE = Base(1, "lost")


def nothing_lost(_number: int) -> bool:
    """Say that all that is gone was deleted."""
    return False


def note_lost(writer: Writer, place: str, lost: Sequence[Status]) -> None:
    """Forget that a server has these, all of one collection, and have them be written again."""
    keep_missing(writer, place, lost)
    writer.put_statuses(_beside(place), [Status(one.collection, one.key, one.key, "", _NO_BASE, 0) for one in lost])


def read_lost(reader: Reader, place: str) -> list[Where]:
    """Return the first of what is to be written again."""
    return [(one.collection, one.foreign) for one in reader.scan_place(_beside(place))]


def forget_lost(writer: Writer, place: str, tried: Iterable[Where]) -> None:
    """Forget what was tried: where that was not done, it is kept with all else that is put off."""
    for collection, key in tried:
        writer.drop_statuses(_beside(place), collection, [key])


def to_write_again(reader: Reader, place: str, lost: Iterable[Where]) -> Iterator[Record]:
    """Yield the records of what was lost, and the marks of messages, which have other numbers then."""
    for collection, key in lost:
        yield from reader.get_many(collection, [key])
        kind, room = parse_collection(collection)
        visits = str(Collection("visits", room))
        for page in status_pages(reader, place, visits) if kind == "messages" else ():
            yield from reader.get_many(visits, [f"{visit.key} {key}" for visit in page])


def _beside(place: str) -> str:
    """Return under which name that is kept, as what that place says."""
    return f"{place} lost"
