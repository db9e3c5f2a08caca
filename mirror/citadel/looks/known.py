"""Which of the messages that a server lists are known: what it lists is held against what it listed last.

Done once all but the messages was read; then just what is new is wanted, and how marks of known messages changed is
told.  Goes once through what the server said last, in order, so memory stays flat.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from mirror.citadel.looks.listed import NOWHERE, Listed
from mirror.citadel.looks.look import Look
from mirror.citadel.looks.pages import pages
from mirror.citadel.meaning.marks import Change, Visits, changes
from mirror.model.kinds import Collection, parse_collection
from mirror.model.record import Version
from mirror.model.status import Status


def compare_references(look: Look, listed: Listed) -> None:
    """Have messages not be wanted that hold the same as before, by their numbers: bios, pictures, settings."""
    for collection, group in groupby(listed.references(), attrgetter("collection")):
        if collection == NOWHERE:
            continue
        for references in pages(group):
            tags = look.statuses.tags(collection, [reference.key for reference in references])
            look.has(collection, [reference.key for reference in references])
            for reference in references:
                if tags.get(reference.key) == str(reference.number):
                    listed.known_reference(reference)


def compare_configuration(look: Look, listed: Listed, number: int, kept: str) -> None:
    """Have messages of a room of the server's own not be wanted that are known; ``kept`` is where they are kept.

    Of such a room those that hold nothing else are kept, and none of that is taken for gone that it lists.
    """
    listed.hold_what_is_named(number)
    numbers = listed.unreferenced(number)
    if numbers:
        look.has(kept, map(str, numbers))
        listed.known(number, look.statuses.known_numbers(kept, numbers))


def compare_messages(
    look: Look, listed: Listed, visits: Visits, rooms: Mapping[str, int], version: Version
) -> Iterator[Change]:
    """Have known messages not be wanted, and yield how their marks changed.

    ``rooms`` are the numbers of rooms by their keys, ``version`` is that of marks that are new.
    """
    for page in look.statuses.told([str(Collection("messages", room)) for room in rooms]):
        for collection, told in groupby(page, attrgetter("collection")):
            kind, room = parse_collection(collection)
            if kind == "messages" and room in rooms:
                statuses = list(told)
                known = listed.known(rooms[room], [int(status.foreign) for status in statuses])
                look.unchanged(len(known))
                yield from _changes(visits, room, [one for one in statuses if int(one.foreign) in known], version)


def _changes(visits: Visits, room: str, known: Sequence[Status], version: Version) -> Iterator[Change]:
    """Yield how marks of messages changed that a room has as before."""
    collection = str(Collection("visits", room))
    messages = [(one.key, int(one.foreign), int(one.foreign)) for one in known]
    for visitor in visits.changed(collection):
        yield from changes(collection, visitor, messages, version)
