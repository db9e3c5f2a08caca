"""Takes out of a server what it fetched though it has it (mirror.citadel.looks.twice).

A message is read just before: one that is another by now, as where the server was restored, stays.  So does one that is
not in its room otherwise; it waits until that was written there.  And what another server fetched that this one, whose
lines they are, has fetched itself is not written here, but deleted everywhere.
"""

from collections.abc import Sequence

from mirror.citadel.looks.twice import Twice, forget_twice, is_same, others_of, read_twice
from mirror.citadel.protocol.answers import read_numbers
from mirror.citadel.protocol.pieces import fetch_message
from mirror.citadel.writers.base import OpenRoom, Target, by_collection, enter, goto, said_yes
from mirror.model.drafting import deletion_of
from mirror.model.record import Record
from mirror.model.status import Status
from mirror.model.texts import is_message


def take_out_twice(target: Target) -> None:
    """Take out what is noted, and forget it; what is to stay after all is looked at again."""
    noted = target.store.read(lambda reader: read_twice(reader, target.place))
    for collection, some in by_collection(noted).items():
        into = target.rooms.get(collection)
        if into is not None and enter(target, into) is None:
            continue
        done = [one for one in some if into is None or _is_done(target, into, one)]
        if done:
            target.store.write(lambda writer, gone=done: forget_twice(writer, target.place, gone))  # type: ignore[misc]


def without_fetched(target: Target, records: Sequence[Record]) -> list[Record]:
    """Return records without those of messages that this server has as it fetched them itself: these are deleted."""
    twice = Twice(target.store, target.place)
    new = [one for one in records if one.origin != target.place and not one.dead and is_message(one)]
    again = {(one.collection, one.key) for one in new if twice.was_fetched(one) and not _is_known(target, one)}
    for one in records:
        if (one.collection, one.key) in again:
            target.store.write(lambda writer, gone=one: writer.write(deletion_of(gone)))  # type: ignore[misc]
    return [one for one in records if (one.collection, one.key) not in again]


def _is_known(target: Target, record: Record) -> bool:
    """Tell whether the server has a message."""
    return bool(target.store.read(lambda reader: reader.statuses_of(target.place, record.collection, [record.key])))


def _is_done(target: Target, into: OpenRoom, one: Status) -> bool:
    """Take a message out where that is to be; tells whether nothing is left to do about it."""
    (_, listed) = target.client.ask_all([goto(into.room), b"MSGS ALL"])
    there = read_numbers(listed[1:-1])
    if int(one.foreign) not in there:
        return True
    if not _is_it(target, one):
        target.written.look_anew |= not _is_told(target, one)
        return True
    if not target.store.read(lambda reader: others_of(reader, target.place, one)) & {*there}:
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


def _is_told(target: Target, one: Status) -> bool:
    """Tell whether a look told a message by its number: one that is to be taken out is told by none."""
    return bool(target.store.read(lambda reader: reader.statuses(target.place, one.collection, [one.foreign])))
