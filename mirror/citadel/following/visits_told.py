"""Read marks of single users in single rooms, as a server tells them at its administrator's socket, taken over.

There ``USER`` without a password makes a session be asked as that user, and nobody is logged in by it: what a user has
seen in a room is told (``GTSN``), and nothing changes, no last call, no visit.  So it is a session of its own that does
nothing but ask, and is nobody's again after each turn.  Answered marks are not told.
What differs from what was told last is taken over with the marks that it changes, in one transaction.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from mirror.citadel.following.room_texts import Entrance
from mirror.citadel.looks.pages import pages
from mirror.citadel.looks.remembered import place_of
from mirror.citadel.looks.taking import act_for_place, take_changes, take_found
from mirror.citadel.meaning.damaged import SERVER_ITSELF
from mirror.citadel.meaning.marks import Change, Sets, Visitor, changes, shortened, tag_of
from mirror.citadel.migr.posted import Known
from mirror.citadel.protocol.answers import Seen, read_seen
from mirror.citadel.protocol.client import CitadelClient
from mirror.formats.keys import BORN_IMPORTED, imported_origin
from mirror.formats.sequence_set import readable_set
from mirror.model.applied import Applied
from mirror.model.fields import fields_at
from mirror.model.kinds import Collection
from mirror.model.record import Record, Version
from mirror.model.status import Status
from mirror.store.base import Reader, Store, Writer
from mirror.sync.foreign.plan import There
from mirror.sync.foreign.take import news

ROOMS_AT_ONCE = 200
"""Rooms that are asked for in one turn."""
FEW_NUMBERS = 1000
"""So many messages whose marks changed are looked up; of more all of the room are gone through."""


class Person(NamedTuple):
    """A user, by number and name."""

    number: int
    name: str


class Marked(msgspec.Struct):
    """What a look at marks did: what was written, in which rooms any changed, and what has to be known of sets."""

    applied: Applied = Applied()
    rooms: set[int] = set()
    noticed: dict[tuple[int, int], list[str]] = {}
    """By user and room, of all that was asked for."""


class VisitLooks:
    """Asks one server for the marks of its users, and takes them over."""

    def __init__(self, store: Store, known: Known) -> None:
        self._store = store
        self._known = known
        self._place = place_of(known.node)
        self._version = Version(known.created, imported_origin(known.node))

    def take(self, client: CitadelClient, person: Person, rooms: Mapping[int, Entrance]) -> Marked | None:
        """Take over what a user has seen in rooms, by their numbers; None where the server has no such user."""
        told = self._ask(client, person, rooms)
        if told is None:
            return None
        done = Marked()
        known = self._store.read(lambda reader: self._told_last(reader, person, told))
        found = {room: self._there(person, room, seen, known.get(room)) for room, seen in told.items()}
        wanted = [one for one in found.values() if one is not None]
        rooms_of = {one.record.collection: room for room, one in found.items() if one is not None}
        for one in self._store.read(lambda reader: news(reader, self._place, wanted)):
            room = rooms_of[one.record.collection]
            done.applied += self._take_one(room, one)
            done.rooms.add(room)
        done.noticed = {(person.number, room): _notices(person, room, seen) for room, seen in told.items()}
        return done

    # -- asking -----------------------------------------------------------------------------------

    def _ask(self, client: CitadelClient, person: Person, rooms: Mapping[int, Entrance]) -> dict[int, Seen] | None:
        """Return what a user has seen, by the numbers of those rooms that can be entered."""
        as_whom = f"USER {person.name}".encode("utf-8", "surrogateescape")
        who = b"AGUP " + as_whom[5:]
        asked = [command for entrance in rooms.values() for command in (_enter(entrance), b"GTSN")]
        entered, *answers, account, _ = client.ask_briefly([as_whom, *asked, who, f"USER {SERVER_ITSELF}".encode()])
        if not (entered.startswith(b"3") and _number_of(account) == person.number):
            return None
        pairs = zip(rooms, answers[::2], answers[1::2], strict=True)
        return {room: seen for room, goto, gtsn in pairs if (seen := read_seen([goto], [gtsn])) is not None}

    # -- comparing --------------------------------------------------------------------------------

    def _told_last(self, reader: Reader, person: Person, rooms: Iterable[int]) -> dict[int, Status]:
        user = self._known.keys.user(person.number)
        found = {room: reader.statuses(self._place, self._visits(room), [user]) for room in rooms}
        return {room: statuses[0] for room, statuses in found.items() if statuses}

    def _there(self, person: Person, room: int, seen: Seen, last: Status | None) -> There | None:
        """Return a visit as it is told; None where the user may never have been there."""
        if last is None and seen.says_nothing:
            return None
        said = {"v_roomnum": str(room), "v_usernum": str(person.number), "v_seen": seen.numbers, "v_view": seen.view}
        user = self._known.keys.user(person.number)
        record = Record(self._visits(room), user, *self._version, BORN_IMPORTED, head=fields_at(said, *self._version))
        answered = last.tag.partition("|")[2] if last is not None else ""
        return There(user, record, tag=tag_of(seen.numbers, answered), partial=True)

    def _visits(self, room: int) -> str:
        return str(Collection("visits", self._known.room_key(room)))

    # -- taking over ------------------------------------------------------------------------------

    def _take_one(self, room: int, one: There) -> Applied:
        """Take over one visit, and the marks that it changes before it: its status says that they are here."""
        applied = Applied()
        *batches, last = [*pages(self._changes(room, one))] or [[]]
        for batch in batches:
            applied += self._store.write(lambda writer, some=batch: self._write(writer, some, []))  # type: ignore[misc]
        return applied + self._store.write(lambda writer: self._write(writer, last, [one]))

    def _write(self, writer: Writer, marks: Sequence[Change], visits: Sequence[There]) -> Applied:
        act_for_place(writer, self._place)
        applied = take_changes(writer, self._place, marks, looked=True)
        return applied + take_found(writer, self._place, visits, looked=True)

    def _changes(self, room: int, one: There) -> Iterator[Change]:
        """Yield how marks of messages changed that are known."""
        statuses = self._store.read(lambda reader: reader.statuses(self._place, one.record.collection, [one.foreign]))
        old = Sets.of(statuses[0].tag if statuses else tag_of("", ""))
        new = Sets.of(one.tag)
        visitor = Visitor(one.record.key, old, new)
        for page in self._messages(room, old, new):
            known = [(status.key, int(status.foreign), int(status.foreign)) for status in page]
            yield from changes(one.record.collection, visitor, known, self._version)

    def _messages(self, room: int, old: Sets, new: Sets) -> Iterator[list[Status]]:
        """Yield the known messages of a room whose marks may differ."""
        collection = str(Collection("messages", self._known.room_key(room)))
        numbers = old.seen.numbers.differing(new.seen.numbers, FEW_NUMBERS)
        if numbers is not None:
            yield self._store.read(lambda reader: reader.statuses(self._place, collection, map(str, numbers)))
            return
        after = ""
        while page := self._store.read(lambda reader, name=after: reader.scan_statuses(self._place, collection, name)):  # type: ignore[misc]
            yield page
            after = page[-1].foreign


def _notices(person: Person, room: int, seen: Seen) -> list[str]:
    """Return what has to be known of what a user has seen; nothing of most of very many rooms: nobody was there."""
    reasons = [] if seen.says_nothing else [shortened(seen.numbers), *readable_set(seen.numbers).left_out]
    return [f"what user {person.number} has seen in room {room}: {reason}" for reason in reasons if reason]


def _enter(entrance: Entrance) -> bytes:
    return f"GOTO {entrance.name}|{entrance.password}|1".encode("utf-8", "surrogateescape")


def _number_of(account: bytes) -> int:
    """Return the number of the user whose account was told (``AGUP``), 0 where none was."""
    values = account.split(b"|") if account.startswith(b"2") else []
    return int(values[6]) if len(values) > 6 and values[6].isdigit() else 0
