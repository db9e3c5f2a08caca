"""What a writer promises, and what it works with.

A writer writes one kind of thing into a server: what the place can keep of it, how it is written, how it is read back.
It is given the records of a stretch of the feed that are its own, in the order in which they were written here, and
notes in the status what the server has of them now, in the transaction in which it learns it: so nothing comes back.
Whatever it does must do no harm where it is done twice, for a node may be killed at any instant.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from mirror.citadel.looks.decided import Verdict
from mirror.citadel.looks.in_use import FLOOR_IN_USE
from mirror.citadel.looks.made import forget_room, note_filled, note_made, rooms_of
from mirror.citadel.looks.prints import forget_prints
from mirror.citadel.looks.remembered import remembered
from mirror.citadel.meaning.keys import FLOORS, ROOMS, Numbers, Pair, add_pairs, drop_pair
from mirror.citadel.migr.posted import Known, Room
from mirror.citadel.protocol.answers import room_number
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.protocol.imap import ImapClient
from mirror.citadel.writers.later import Later, When, Where
from mirror.formats.numbers import number_or_zero
from mirror.model.containers import room_told_of
from mirror.model.draft import base_of
from mirror.model.fields import values_of
from mirror.model.record import Record, record_crc
from mirror.model.status import Fingerprints, Status
from mirror.store.base import Store, Writer
from mirror.sync.foreign.plan import held_back

BATCH_MESSAGES, BATCH_BYTES = 100, 4 * 1024 * 1024
CLOSED_NOW = "it cannot be entered"
"""Why something is not written into a room that is another one by now."""
Thing = TypeVar("Thing")
Either = TypeVar("Either", Status, Record)
"""A thing as the server has it, or as it is here."""


class Written(msgspec.Struct):
    """What a round wrote; ``left`` are reasons why something never is, ``held`` deletions that wait, by collection.

    ``later`` are reasons why something was not yet; of very much the first.
    """

    messages: int = 0
    moved: int = 0
    deleted: int = 0
    others: int = 0
    """Things other than messages that were made, changed or deleted there."""
    more: bool = False
    again: bool = False
    """Whether something was left that may be written the next time."""
    look_anew: bool = False
    """Whether rooms are not what they were known as: nothing may be looked at before all is."""
    behind: bool = False
    """Whether something is known to be written with the next looks."""
    floors: dict[int, bytes] = {}
    """What expires on floors from now on, by their numbers, as the server tells it; no room's time moves by that."""
    called: set[int] = set()
    """The numbers of users who were logged in for it: where they called themselves just then, that does not show."""
    left: list[str] = []
    later: list[str] = []
    held: dict[str, int] = {}

    @property
    def count(self) -> int:
        return self.messages + self.moved + self.deleted + self.others


class User(NamedTuple):
    """A user's number and name there."""

    number: int
    name: str


class OpenRoom(msgspec.Struct):
    """A room of people that can be written into: as the server has it, and where what is in it is kept."""

    number: int
    room: Room
    collection: str
    """The collection of its messages."""


class Target(msgspec.Struct):
    """A server during one round, just looked at: its connections, what is known of it, and what came of the round.

    ``client`` is logged in at the administrator's socket, as is ``imap``, as the service's user.  ``since`` is the
    server's highest number when it was looked at, ``verdict`` what is done about very many deletions.
    """

    store: Store
    client: CitadelClient
    imap: ImapClient
    known: Known
    since: int
    verdict: Verdict
    place: str
    rooms: dict[str, OpenRoom]
    """By the collections of their messages."""
    written: Written
    service: str
    """The name of the user as whom this is done, whose own account is left alone."""
    may_make: Callable[[str], bool]
    """Whether a room of a stored name is one of those that are followed."""
    numbers: Numbers
    """Which numbers things have there."""
    connect: Callable[[], CitadelClient]
    """Gives another connection to the server, in which nobody is logged in."""
    later: dict[Where, Later] = {}
    """What is to be tried again."""
    tried: list[Record] = []
    """What was tried besides what the feed brought, since that tells of it."""
    beside: list[Record] = []
    """What one writer has for those that come after it."""

    def users(self) -> dict[str, User]:
        """Return numbers and names of the server's users by their keys, as they are just now."""
        (told,) = self.client.ask_all([b"LIST"])
        found = [User(int(row[2]), row[0]) for row in rows_of(told) if len(row) > 2 and row[2].isdigit()]
        return {self.numbers.keys.user(one.number): one for one in found}

    def leave(self, record: Record, where: str, why: str) -> None:
        """Note that a record is not written until something else is done; ``where``, in words."""
        self.put_off((record.collection, record.key), When.LATER, told_of(record, where, why))

    def wait(self, record: Record, where: str, why: str) -> None:
        """Note that a record is not written just now: with the next looks it will be."""
        self.put_off((record.collection, record.key), When.SOON, told_of(record, where, why))

    def leave_unmoved(self, record: Record, into: OpenRoom) -> None:
        """Note that what a record says could not be moved into its room, which may have been renamed just then."""
        if enter(self, into) is None:
            self.wait(record, into.room.name, CLOSED_NOW)
        else:
            self.leave(record, into.room.name, "it cannot be moved there")

    def put_off(self, where: Where, when: When, why: str) -> None:
        """Note that a record is not written yet, and why, in a line."""
        self.later[where] = Later(where, when, why)

    def pair(self, pair: Pair) -> None:
        """Have a thing of the server be what is kept under a key, and a user or room be filled.

        Done before it is made there: so whenever that is interrupted, it is taken for what it is.  Where the thing was
        there under another number, and is no more, that one stands for itself.
        """
        last = self.numbers.of(pair.kind, pair.key)

        def job(writer: Writer) -> None:
            if last is not None and last != pair.there:
                drop_pair(writer, self.place, pair._replace(there=last))
            add_pairs(writer, self.place, [pair])
            if pair.kind != FLOORS:  # nothing belongs to a floor
                note_made(writer, self.place, (pair.kind, pair.key))

        self.store.write(job)
        self.numbers.put(pair)

    def make(self, pair: Pair, make: Callable[[], int | None]) -> int | None:
        """Have a thing be made there and be what is kept under a key, as in ``pair``; returns its number.

        ``make`` makes it, and returns the number that it was given, which is another one where somebody else made
        something at the same moment; None where it was not made, which is returned then.
        """
        self.pair(pair)
        given = make()
        if given != pair.there:
            self._unpair(pair)
            if given is not None:
                self.pair(pair._replace(there=given))
        return given

    def _unpair(self, pair: Pair) -> None:
        """Have a thing that could not be made be nothing again."""

        def job(writer: Writer) -> None:
            drop_pair(writer, self.place, pair)
            note_filled(writer, self.place, (pair.kind, pair.key))

        self.store.write(job)
        self.numbers.drop(pair)

    def free(self, pair: Pair) -> None:
        """Have a number there that was a thing's stand for itself, since that thing is gone and it is given anew."""

        def job(writer: Writer) -> None:
            drop_pair(writer, self.place, pair)
            writer.drop_statuses(self.place, pair.kind, [pair.key])

        self.store.write(job)
        self.numbers.drop(pair)

    def told_last(self, collection: str, records: Iterable[Record]) -> dict[str, Status]:
        """Return what the server said last of things that it has under the keys that they have here, by these."""
        keys = [one.key for one in records]
        told = self.store.read(lambda reader: reader.statuses(self.place, collection, keys))
        return {status.key: status for status in told}

    def _count(self, collection: str) -> int:
        """Return of how many things of a collection the server told last."""
        return self.store.read(lambda reader: reader.status_count(self.place, collection))

    def names_of_users(self) -> dict[int, str]:
        """Return the names of the server's users by their numbers, as they are just now."""
        return {one.number: one.name for one in self.users().values()}

    def names_of_floors(self) -> dict[int, str]:
        """Return the names of the server's floors by their numbers, as they are just now."""
        (told,) = self.client.ask_all([b"LFLR"])
        return {int(row[0]): row[1] for row in rows_of(told) if len(row) > 1 and row[0].isdigit()}

    def was_restored(self) -> bool:
        """Tell whether the server is another one than the one that was followed before."""
        last = self.store.read(lambda reader: remembered(reader, self.place))
        return last is not None and bool(last.another)

    def is_nothing_here(self, collection: str, key: str) -> bool:
        """Tell whether nothing is here under a key, or nothing any more."""
        record = self.store.read(lambda reader: reader.get(collection, key))
        return record is None or record.dead

    def leave_rooms(self, user: str) -> None:
        """Have the rooms that a user had there, who was deleted and is made anew, be nobody's: they are thrown away.

        The new account has another number, and gets rooms of its own, into which all is written again.
        """
        rooms = [room.key for page in rooms_of(self.store, user) for room in page]
        numbers = {key: number for key in rooms if (number := self.numbers.of(ROOMS, key)) is not None}
        left = [Pair(ROOMS, number, f"{self.known.node}:left.{number}") for number in numbers.values()]

        def job(writer: Writer) -> None:
            add_pairs(writer, self.place, left)
            for key in numbers:
                forget_room(writer, self.place, key)

        self.store.write(job)
        for key, number in numbers.items():
            self.numbers.drop(Pair(ROOMS, number, key))
        for pair in left:
            self.numbers.put(pair)
        self.written.look_anew = True

    def not_held(self, gone: Sequence[Either]) -> list[Either]:
        """Return deletions that may be written; very many of a collection wait, or are never written."""
        free: list[Either] = []
        for collection, group in groupby(sorted(gone, key=attrgetter("collection")), attrgetter("collection")):
            some = list(group)
            told = self._count(collection)
            if not held_back(len(some), told) or self.verdict is Verdict.DELETE:
                free += some
            elif self.verdict is Verdict.HOLD:
                for one in some:
                    self.put_off((collection, one.key), When.DECIDED, "")
        return free

    def remember(
        self, told: Sequence[Status], gone: Sequence[Status] = (), also: Callable[[Writer], None] | None = None
    ) -> None:
        """Remember what the server has now, and what it has no more; ``also`` is done in the same transaction."""
        if not (told or gone or also):
            return

        def job(writer: Writer) -> None:
            if also is not None:
                also(writer)
            for status in gone:
                writer.drop_statuses(self.place, status.collection, [status.foreign])
            writer.put_statuses(self.place, told)
            forget_prints(writer, self.place, {room_told_of(one.collection, one.key) for one in (*told, *gone)})

        self.store.write(job)


class KindWriter(Protocol):
    """Writes one kind of thing; lives as long as the connections to the server."""

    def collections(self, target: Target) -> Callable[[str], bool]:
        """Return which collections of the feed it reads."""
        ...

    def takes(self, record: Record) -> bool:
        """Tell whether a record of these is one that it writes."""
        ...

    def write(self, target: Target, records: Sequence[Record]) -> bool:
        """Write what is not there as these records say; tells whether there was anything to write.

        What is not written it notes in the target: what is left is never written, what is put off comes again by
        itself.  Where ``again`` is said, the same records come again in the next round.  Raises ConnectionLost,
        CitadelError, or a store's error.
        """
        ...


def by_collection(things: Iterable[Either]) -> dict[str, list[Either]]:
    """Return statuses or records by the collections that they are of, in the order in which they came."""
    groups: dict[str, list[Either]] = defaultdict(list)
    for one in things:
        groups[one.collection].append(one)
    return groups


def agreed(status: Status, record: Record, said: Fingerprints | None = None) -> Status:
    """Return the status of a thing that both sides have as it is here; ``said``, where the place says otherwise now."""
    said = status.said if said is None else said
    return msgspec.structs.replace(status, said=said, base=base_of(record), crc=record_crc(record))


def floor_name(record: Record) -> str:
    """Return a floor's name; nothing where it was killed."""
    values = {} if record.dead else values_of(record)
    in_use = number_or_zero(str(values.get("f_flags", ""))) & FLOOR_IN_USE
    return str(values.get("f_name", "")) if in_use else ""


def taken_by(collection: str, number: int, key: str) -> str:
    """Return why a thing is not written whose name another one has there, and what may be done."""
    done = f"'attach pair NAME {collection} {number} {key}'"
    return f"its name is taken there: rename one of the two, or {done} makes them one"


def told_of(record: Record, where: str, why: str) -> str:
    """Return a line of what was left."""
    return f"{where}: {record.key[:80]}: {why}"


def batches(things: Iterable[Thing], size_of: Callable[[Thing], int]) -> Iterator[list[Thing]]:
    """Yield things in batches that are sent without waiting; ``size_of`` returns how many bytes one has."""
    batch: list[Thing] = []
    size = 0
    for one in things:
        batch.append(one)
        size += size_of(one)
        if len(batch) >= BATCH_MESSAGES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def goto(room: Room) -> bytes:
    """Return the command by which a room is entered without a trace."""
    return b"GOTO %s|%s|1" % (stored_name(room), room.password.encode())


def enter(target: Target, into: OpenRoom) -> bytes | None:
    """Enter a room and return its network configuration; None where it was renamed, say: the next look tells how."""
    entered, told = target.client.ask_all([goto(into.room), b"GNET"])
    if not (said_yes(entered) and room_number(told) == into.number):
        return None
    lines = target.client.netconf(into.number).rstrip(b"\n")
    return lines + b"\n" if lines else b""


def stored_name(room: Room) -> bytes:
    return room.name.encode("utf-8", "surrogateescape")


def rows_of(listed: Sequence[bytes]) -> list[list[str]]:
    """Return the fields of the lines that a command listed."""
    return [line.decode("utf-8", "surrogateescape").split("|") for line in listed[1:-1]]


def server_says(answer: Sequence[bytes]) -> str:
    """Return what a command was answered with, as it is told people."""
    return f"the server says {answer[0].decode('utf-8', 'replace') if answer else 'nothing'!r}"


def said_yes(answer: Iterable[bytes]) -> bool:
    """Tell whether a command was carried out, by the lines that it was answered with."""
    return next(iter(answer), b"").startswith(b"2")
