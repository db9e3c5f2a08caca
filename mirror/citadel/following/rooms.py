"""Single rooms of a server looked at by what they list: new messages are fetched one by one, what is gone is deleted.

What is new in one room and gone from another was moved: that is taken over in one transaction.  Marks are those that
the last export told.  Just the rooms that are looked at are read, and where nothing changed nothing is written.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple

import msgspec

from mirror.citadel.following.access import Named, Numbers, read_access, take_access
from mirror.citadel.following.restarts import NOT_RESTARTED, Restarted
from mirror.citadel.following.room_texts import Entrance
from mirror.citadel.looks.decided import UNDECIDED, Decision, HeldBack, Verdict
from mirror.citadel.looks.look import BATCH_BYTES, BATCH_RECORDS
from mirror.citadel.looks.lost import note_lost
from mirror.citadel.looks.remembered import Remembered, place_of, remember, remembered
from mirror.citadel.looks.taking import act_for_place, keep_missing, posted_at, take_changes, take_found, take_missing
from mirror.citadel.looks.twice import Thing, Twice, note_twice, twice
from mirror.citadel.meaning.expiry import Mode
from mirror.citadel.meaning.marks import Change, Sets, Visitor, changes
from mirror.citadel.meaning.returned import as_here
from mirror.citadel.migr.posted import Known, Posted, read_posted
from mirror.citadel.protocol.answers import read_numbers
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.protocol.pieces import Wanted, fetch_messages
from mirror.formats.errors import CitadelError
from mirror.formats.keys import (
    BORN_IMPORTED,
    imported_origin,
    message_key,
    message_stamp,
    seconds_stamp,
    stamp_in_time,
)
from mirror.formats.migr import Broken
from mirror.model.applied import Applied
from mirror.model.judge import finding
from mirror.model.kinds import ITEM_PREFIX, Collection
from mirror.model.record import Record, Version
from mirror.model.status import Status
from mirror.store.base import Reader, Store, Writer
from mirror.sync.foreign.plan import There, held_back
from mirror.sync.words import describe_record, message_in
from mirror.wire.errors import Refused

MAX_WORDS = 100
"""Messages that are named at most of a room's that wait."""


class Listing(NamedTuple):
    """What a room lists, and how it was entered for that: it may be known by another name still."""

    entrance: Entrance
    messages: Sequence[int]


class Outcome(msgspec.Struct):
    """What a look at rooms did; ``left`` tells whether something was left to a look at all, which names it."""

    applied: Applied = Applied()
    deleted: int = 0
    new: set[int] = set()
    """Rooms in which there was anything new."""
    left: bool = False
    looked: set[int] = set()
    """Rooms that were looked at, since they do not list the same as when they were looked at last."""
    same: set[int] = set()
    """Rooms that list the same as before."""
    again: set[int] = set()
    """Rooms that are to be looked at again once all was looked at."""
    held: dict[int, HeldBack] = {}
    """Deletions that wait, by rooms."""
    waiting: dict[int, list[str]] = {}
    """In words, what these would delete; of very much the first."""


class _Difference(msgspec.Struct):
    """What differs from what the server said last: by number, the rooms where a message is new, and gone."""

    new: dict[int, list[int]]
    gone: dict[int, list[Status]]
    kept: list[Status]
    """What the server threw away by itself and stays here."""
    lost: list[Status]
    """What the server lost."""

    leaving: set[Thing]
    """All that the server has no more where it was, whatever becomes of it here."""


class RoomLooks:
    """Looks at single rooms of a server until it is looked at as a whole again."""

    def __init__(
        self,
        store: Store,
        known: Known,
        numbers: Numbers,
        keep_expired: bool = False,
        restarted: Restarted = NOT_RESTARTED,
    ) -> None:
        """``known`` is what the last export told; ``keep_expired``, where what the server throws away stays here.

        ``numbers`` are those of users and rooms, and of the room in which the server tells who may enter which.
        ``restarted`` tells what the server may have lost.
        """
        self._store = store
        self._keep_expired = keep_expired
        self._known = known
        self._numbers = numbers
        self.restarted = restarted
        self._place = place_of(known.node)
        self._version = Version(known.created, imported_origin(known.node))
        self._last = store.read(lambda reader: remembered(reader, self._place)) or Remembered()
        self._twice = Twice(store, self._place)
        self._lists: dict[int, int] = {}
        self._marked: dict[int, int] = {}

    def marks_changed(self, rooms: Iterable[int]) -> None:
        """Say that other marks are known of rooms than before."""
        for room in rooms:
            self._marked.pop(room, None)

    def take(self, client: CitadelClient, listings: Mapping[int, Listing], decision: Decision = UNDECIDED) -> Outcome:
        """Take over what rooms list, by their numbers; rooms that list the same as before cost nothing.

        ``decision`` is what is done about very many deletions at once.
        """
        lists = {room: hash(tuple(listing.messages)) for room, listing in listings.items()}
        listings = {room: listings[room] for room, told in lists.items() if self._lists.get(room) != told}
        outcome = Outcome(looked=set(listings), same=lists.keys() - listings.keys())
        difference = self._compare(listings, decision, outcome)
        self._twice = Twice(self._store, self._place, difference.leaving)
        batch = _Batch()
        for posted in self._fetch(client, listings, difference.new, outcome):
            for room in difference.new[posted.number]:
                self._file(batch, room, listings[room], posted, outcome)
            batch.gone += difference.gone.pop(posted.number, [])
            if batch.full:
                batch = self._commit(batch, outcome)
        batch.kept = difference.kept
        batch.lost = [*difference.lost, *self._moved_without_text(client, listings, difference)]
        batch.gone += [status for statuses in difference.gone.values() for status in statuses]
        self._commit(batch, outcome)
        if not outcome.left:
            done = listings.keys() - outcome.held.keys() - outcome.again
            self._lists |= {room: lists[room] for room in done}
        return outcome

    # -- what differs -----------------------------------------------------------------------------

    def _compare(self, listings: Mapping[int, Listing], decision: Decision, outcome: Outcome) -> _Difference:
        new: dict[int, list[int]] = defaultdict(list)
        gone: dict[int, list[Status]] = {}
        counts: dict[int, int] = {}
        for room, listing in listings.items():
            unknown = set(listing.messages)
            gone[room], counts[room] = [], 0
            for status in self._told(self._messages(room)):
                counts[room] += 1
                if int(status.foreign) in unknown:
                    unknown.remove(int(status.foreign))
                else:
                    gone[room].append(status)
            for number in unknown:
                new[number].append(room)
            if not (unknown or gone[room]):
                outcome.same.add(room)
        leaving = {(one.collection, one.key) for statuses in gone.values() for one in statuses}
        difference = _Difference(new, defaultdict(list), [], [], leaving)
        for room, statuses in gone.items():
            away = self._expired(room, statuses, listings[room])
            lost = {number for one in statuses if self.restarted.has_lost(number := int(one.foreign))}
            held = self._held(statuses, counts[room], {*away, *new, *lost})
            verdict = decision.about(held.collection, held.gone) if held is not None else Verdict.DELETE
            if held is not None and verdict is Verdict.HOLD:
                outcome.held[room] = held
                outcome.waiting[room] = self._named([one for one in statuses if int(one.foreign) not in away])
            self._sort(statuses, away, verdict, difference)
        return difference

    def _sort(self, gone: Sequence[Status], expired: Set[int], others: Verdict, difference: _Difference) -> None:
        """Sort what is gone from a room: moved, thrown away by the server itself, or else, which has its verdict."""
        for status in gone:
            number = int(status.foreign)
            if number in difference.new:
                verdict = Verdict.DELETE
            elif self.restarted.has_lost(number):
                difference.lost.append(status)
                continue
            elif number in expired:
                verdict = Verdict.KEEP if self._keep_expired else Verdict.DELETE
            else:
                verdict = others
            if verdict is Verdict.DELETE:
                difference.gone.setdefault(number, []).append(status)
            elif verdict is Verdict.KEEP:
                difference.kept.append(status)

    def _expired(self, room: int, gone: Sequence[Status], listing: Listing) -> set[int]:
        policy = self._known.policies.of(room)
        if not gone or policy.mode not in (Mode.NEWEST, Mode.DAYS):
            return set()
        posted = self._store.read(lambda reader: posted_at(reader, gone))
        return policy.expired(posted, sorted(listing.messages), self._store.clock.now_ms() // 1000)

    def _held(self, gone: Sequence[Status], told: int, but: Set[int]) -> HeldBack | None:
        """Return so much of a room that is gone that somebody has to accept it; not what was moved, or expired."""
        keys = [status.key for status in gone if int(status.foreign) not in but]
        if not held_back(len(keys), told):
            return None
        collection = gone[0].collection
        held = self._store.read(lambda reader: reader.get_many(collection, keys))
        living = sum(not record.dead for record in held)
        return HeldBack(collection, living, told) if held_back(living, told) else None

    def _named(self, gone: Sequence[Status]) -> list[str]:
        """Return the first of messages of one collection in words."""
        keys = [status.key for status in gone[:MAX_WORDS]]

        def job(reader: Reader) -> list[str]:
            held = [record for record in reader.get_many(gone[0].collection, keys) if not record.dead]
            return [describe_record(reader, record, message_in(reader, record)) for record in held]

        return self._store.read(job)

    def _told(self, collection: str) -> Iterator[Status]:
        after = ""
        while page := self._store.read(lambda reader, name=after: reader.scan_statuses(self._place, collection, name)):  # type: ignore[misc]
            yield from page
            after = page[-1].foreign

    def _moved_without_text(
        self, client: CitadelClient, listings: Mapping[int, Listing], difference: _Difference
    ) -> list[Status]:
        """Take out what was moved and has no text where it is now: that is lost, not deleted.

        It is not looked for where the message was deleted meanwhile, or moved on.
        """
        lost: list[Status] = []
        for number in difference.gone.keys() & difference.new.keys():
            if any(_lists_without_text(client, number, listings[room].entrance) for room in difference.new[number]):
                lost += difference.gone.pop(number)
        return lost

    # -- what is new ------------------------------------------------------------------------------

    def _fetch(
        self, client: CitadelClient, listings: Mapping[int, Listing], new: Mapping[int, list[int]], outcome: Outcome
    ) -> Iterator[Posted]:
        """Yield the messages that are new; what is gone meanwhile is left out, and moves its room again."""
        wanted = []
        for number, rooms in new.items():
            entrance = listings[rooms[0]].entrance
            wanted.append(Wanted(entrance.name, entrance.password, number))
        unread, is_refused = set(new), False
        for item in fetch_messages(client, wanted):
            if isinstance(item, Broken):
                is_refused = True
                continue
            number = int(item.children["msg_msgnum"])
            unread.discard(number)
            try:
                yield read_posted(item, number)
            except (CitadelError, ValueError):
                outcome.left = True  # a look at all names what cannot be read
        if is_refused:  # a room was renamed or killed just then
            outcome.left = True
            outcome.again.update(room for number in unread for room in new[number])

    def _file(self, batch: "_Batch", room: int, listing: Listing, posted: Posted, outcome: Outcome) -> None:
        """Say what a room has, and which marks that has by the sets which are known of its visitors."""
        collection, node = self._messages(room), self._known.node
        key = message_key(posted.message, node, posted.number)
        changed = seconds_stamp(str(listing.entrance.changed))
        stamp = message_stamp(posted.message, changed)
        stamp = stamp_in_time(self._store.clock.limit(), stamp, max(self._known.created, changed))
        record = Record(collection, key, stamp, self._version.origin, BORN_IMPORTED, head=posted.head)
        if is_here_as := self._twice.is_here_as(record, posted.number, posted.data):
            batch.twice.append(twice(collection, posted.number, is_here_as))
            return
        there = There.of(str(posted.number), record, as_here(self._store, collection, key, posted.message, posted.data))
        if finding(there.record):
            outcome.left = True
            return
        named = read_access(posted.message) if room == self._numbers.aide_room else None
        if named is not None and self._is_new(named):
            outcome.again.add(room)  # once it is known who was let in where
            return
        outcome.new.add(room)
        if named is not None:
            batch.access.append(named)
        batch.found.append(there)
        batch.bytes += len(posted.data)
        was = self._number_of(collection, key) if key.startswith(ITEM_PREFIX) else 0
        visits = str(Collection("visits", self._known.room_key(room)))
        for visitor in self._visitors(room, visits, posted.number, was):
            batch.changes += changes(visits, visitor, [(key, was, posted.number)], self._version)

    def _is_new(self, named: Named) -> bool:
        known, numbers = self._known, self._numbers
        return numbers.is_new(named.room, known.rooms) or numbers.is_new_user(named.user, known.users)

    def _number_of(self, collection: str, key: str) -> int:
        told = self._store.read(lambda reader: reader.statuses_of(self._place, collection, [key]))
        return max((int(status.foreign) for status in told), default=0)

    def _visitors(self, room: int, visits: str, number: int, was: int) -> Iterable[Visitor]:
        """Return a room's visitors; none where a number is beyond all that they marked, as that of what is posted."""
        if not was and number > self._marked.get(room, number):
            return ()
        told = [(status.foreign, Sets.of(status.tag)) for status in self._told(visits) if status.tag]
        self._marked[room] = max((sets.highest for _, sets in told), default=0)
        return [Visitor(user, sets, sets) for user, sets in told]

    # -- what is taken over -----------------------------------------------------------------------

    def _commit(self, batch: "_Batch", outcome: Outcome) -> "_Batch":
        """Take over a batch in one transaction; returns an empty one."""
        if not (batch.found or batch.gone or batch.kept or batch.lost or batch.twice):
            return batch

        def job(writer: Writer) -> tuple[Applied, Applied]:
            act_for_place(writer, self._place)
            taken = take_found(writer, self._place, batch.found, looked=self._last.looked)
            taken += take_changes(writer, self._place, batch.changes, looked=self._last.looked)
            taken += take_access(writer, self._known, self._numbers, batch.access)
            gone = Applied()
            for statuses in _by_collection(batch.gone):
                gone += take_missing(writer, self._place, statuses)
            for statuses in _by_collection(batch.kept):
                keep_missing(writer, self._place, statuses)
            for statuses in _by_collection(batch.lost):
                note_lost(writer, self._place, statuses)
            note_twice(writer, self._place, batch.twice)
            self._note_highest(writer, batch.highest)
            return taken, gone

        taken, gone = self._store.write(job)
        outcome.applied += taken + gone
        outcome.deleted += gone.written
        return _Batch()

    def _note_highest(self, writer: Writer, highest: int) -> None:
        """A server whose highest number is less than this one is another one."""
        last = remembered(writer, self._place)
        if last is not None and last.highest < highest:
            remember(writer, self._place, msgspec.structs.replace(last, highest=highest))

    def _messages(self, room: int) -> str:
        return str(Collection("messages", self._known.room_key(room)))


class _Batch(msgspec.Struct):
    """What one transaction takes over."""

    found: list[There] = []
    changes: list[Change] = []
    gone: list[Status] = []
    kept: list[Status] = []
    lost: list[Status] = []
    access: list[Named] = []
    twice: list[Status] = []
    """What is here already, and to be taken out there."""
    bytes: int = 0

    @property
    def full(self) -> bool:
        return len(self.found) + len(self.changes) >= BATCH_RECORDS or self.bytes >= BATCH_BYTES

    @property
    def highest(self) -> int:
        """The highest number of a message that is new."""
        return max((int(one.foreign) for one in self.found), default=0)


def _lists_without_text(client: CitadelClient, number: int, entrance: Entrance) -> bool:
    try:
        client.enter_room(entrance.name, entrance.password)
    except Refused:
        return False
    told, listed = client.tell(f"MSG0 {number}|1", "MSGS ALL")
    return told is None and number in read_numbers(listed or ())


def _by_collection(statuses: Iterable[Status]) -> Iterator[list[Status]]:
    groups: dict[str, list[Status]] = defaultdict(list)
    for status in statuses:
        groups[status.collection].append(status)
    yield from groups.values()
