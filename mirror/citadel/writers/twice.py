"""Takes out of a server what it fetched though it has it (mirror.citadel.looks.twice).

A message is read just before: one that is another by now, as where the server was restored, stays.  So does one that is
not in its room otherwise; it waits until that was written there.
"""

from mirror.citadel.looks.twice import forget_twice, is_same, read_twice
from mirror.citadel.protocol.answers import read_numbers
from mirror.citadel.protocol.pieces import fetch_message
from mirror.citadel.writers.base import OpenRoom, Target, by_collection, enter, goto, said_yes
from mirror.model.status import Status


def take_out_twice(target: Target) -> None:
    """Take out what is noted."""
    noted = target.store.read(lambda reader: read_twice(reader, target.place))
    for collection, some in by_collection(noted).items():
        into = target.rooms.get(collection)
        if into is None or enter(target, into) is None:
            continue
        if done := [one for one in some if _is_done(target, into, one)]:
            target.store.write(lambda writer, gone=done: forget_twice(writer, target.place, gone))  # type: ignore[misc]


def _is_done(target: Target, into: OpenRoom, one: Status) -> bool:
    """Take a message out where that is to be; tells whether nothing is left to do about it."""
    (_, listed) = target.client.ask_all([goto(into.room), b"MSGS ALL"])
    there = read_numbers(listed[1:-1])
    if int(one.foreign) not in there or not _is_it(target, one):
        return True
    others = target.store.read(lambda reader: reader.statuses_of(target.place, one.collection, [one.key]))
    if not {int(other.foreign) for other in others if other.foreign != one.foreign} & {*there}:
        return False
    (told,) = target.client.ask_all([b"DELE %s" % one.foreign.encode()])
    target.written.deleted += said_yes(told)
    return said_yes(told)


def _is_it(target: Target, one: Status) -> bool:
    """Tell whether a message is the one that is here under a key."""
    data = fetch_message(target.client, int(one.foreign))
    held = target.store.read(lambda reader: reader.get(one.collection, one.key))
    if data is None or held is None or held.dead:
        return False
    return is_same(target.store.read(lambda reader: reader.body(held)), data)
