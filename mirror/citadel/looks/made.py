"""What was made on a server by the writing, and has yet to be filled: what is in a room, what belongs to a user.

The feed tells it once, and perhaps before there was anything to put it into.  Kept in the store until it is done, since
a node may be killed meanwhile.
"""

from collections.abc import Iterator

from mirror.citadel.meaning.keys import ROOMS, USERS, owner_of
from mirror.formats.keys import numbered_key
from mirror.model.containers import collections_in, records_of
from mirror.model.draft import Base
from mirror.model.fields import values_of
from mirror.model.record import Record
from mirror.model.status import Status
from mirror.store.base import Reader, Store, Writer

Thing = tuple[str, str]
"""The collection and key of a user or room."""


def unfilled(reader: Reader, place: str) -> list[Thing]:
    """Return the first of what was made on a server and has yet to be filled."""
    return [(one.collection, one.key) for one in reader.scan_place(_beside(place))]


def note_made(writer: Writer, place: str, thing: Thing) -> None:
    """Have a thing be filled."""
    collection, key = thing
    writer.put_statuses(_beside(place), [Status(collection, key, key, "", _NO_BASE, 0)])


def note_filled(writer: Writer, place: str, thing: Thing) -> None:
    """Have a thing not be filled again."""
    collection, key = thing
    writer.drop_statuses(_beside(place), collection, [key])


def forget_room(writer: Writer, place: str, key: str) -> None:
    """Forget what a server said of a room and all in it, so that nothing of it is taken for gone."""
    for collection in collections_in(ROOMS, key):
        while page := writer.scan_statuses(place, collection):
            writer.drop_statuses(place, collection, [status.foreign for status in page])
    writer.drop_statuses(place, ROOMS, [key])


def is_gone(reader: Reader, thing: Thing) -> bool:
    """Tell whether a thing was deleted again before it was filled."""
    record = reader.get(*thing)
    return record is None or record.dead


def what_fills(store: Store, thing: Thing) -> Iterator[list[Record]]:
    """Yield the living records that belong to a thing, in pages: of a user the rooms of the mailbox as well."""
    collection, key = thing
    yield store.read(lambda reader: [one for name in records_of(collection, key) if (one := reader.get(*name))])
    if collection == USERS:
        yield from rooms_of(store, key)
    for name in collections_in(collection, key):
        yield from _pages(store, name)


def rooms_of(store: Store, user: str) -> Iterator[list[Record]]:
    """Yield the rooms of a user's mailbox, in pages."""
    for rooms in _pages(store, ROOMS):
        yield [room for room in rooms if _owner(room) == user]


def _pages(store: Store, collection: str) -> Iterator[list[Record]]:
    after = ""
    while page := store.read(lambda reader, key=after: reader.scan(collection, key)):  # type: ignore[misc]
        yield [record for record in page if not record.dead]
        after = page[-1].key


def _owner(room: Record) -> str:
    owner = owner_of(str(values_of(room).get("QRname", "")))
    return numbered_key(room.key.rpartition(":")[0], owner) if owner else ""


_NO_BASE = Base(0, "")


def _beside(place: str) -> str:
    """Return under which name what was made there is kept, as what that place says."""
    return f"{place} made"
