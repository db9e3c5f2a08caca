"""One look at a server, by an export or over the wire: what it says now is held against what it said last.

What is new or was changed there is taken over in batches, each with what is to be remembered of it in one transaction;
what the server has no more is deleted at the end, unless that is so much that somebody has to accept it first.  What is
listed is kept in a scratch database on disk and compared in order, so memory stays flat.  Where nothing changed,
nothing is written.
"""

import enum
import sqlite3
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence, Set
from functools import partial
from itertools import groupby, islice
from operator import attrgetter
from typing import NamedTuple, TypeVar

import msgspec

from mirror.citadel.looks.lost import IsLost, note_lost, nothing_lost
from mirror.citadel.looks.prints import Prints
from mirror.citadel.looks.seed import seed
from mirror.citadel.looks.taking import act_for_place, keep_missing, posted_at, take_changes, take_found, take_missing
from mirror.citadel.meaning.damaged import WHAT_TO_DO
from mirror.citadel.meaning.expiry import Mode, Policy
from mirror.citadel.meaning.keys import owner_of
from mirror.citadel.meaning.marks import Change
from mirror.citadel.meaning.numbering import owner_key
from mirror.citadel.meaning.purge import Purge
from mirror.formats.errors import CitadelError
from mirror.formats.keys import imported_origin
from mirror.formats.numbers import number_or_zero
from mirror.model.applied import Applied
from mirror.model.containers import user_told_of
from mirror.model.fields import values_of
from mirror.model.judge import finding
from mirror.model.kinds import Collection, parse_collection, room_of
from mirror.model.record import Record
from mirror.model.status import Status
from mirror.store.base import PAGE_RECORDS, Allows, Reader, Store, Writer, everything
from mirror.sync.foreign.plan import There, gone, held_back
from mirror.sync.foreign.take import news
from mirror.sync.words import describe_record, message_in

BATCH_RECORDS = 1000
BATCH_BYTES = 4 * 1024 * 1024

ROOMS, NETCONF, VISITS, USERS, FLOORS = "rooms", "netconf", "visits", "users", "floors"
NEWEST = 100
"""So many of a room's last messages show whether it is in use elsewhere."""
MESSAGES = "messages/"
MAX_NAMED = 1000
"""So many of the records that are gone are named."""
FEW_COLLECTIONS = 1000
"""So many collections are gone through one by one; more of them at once with all others, which takes as long."""
HIGHEST_KEY = "MMhighest"
"""The setting that holds the server's highest message number."""

FLOOR_IN_USE = 1
"""The flag of a floor that was not killed."""

T = TypeVar("T")

_SCRATCH = """
CREATE TABLE heap (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE listed (heap INTEGER, name TEXT, PRIMARY KEY (heap, name)) WITHOUT ROWID;
CREATE TABLE missing (heap INTEGER, name TEXT, PRIMARY KEY (heap, name)) WITHOUT ROWID;
"""


class OtherThanLast(CitadelError):
    """What a server says is older than what it said last, or it was made anew."""


class DeletionsHeldBack(CitadelError):
    """So much is gone on a server that it is not deleted here before somebody accepts that."""

    exit_code = 11


class Identity(NamedTuple):
    """By what a state of a server is told from others: when it was set up, and its highest message number.

    Nothing and 0 where it does not tell.
    """

    created: str = ""
    highest: int = 0


class Remembered(msgspec.Struct):
    """What is remembered of a server besides the statuses; ``looked`` once all of it was looked at.

    ``another`` is why it is another one than was looked at before: until it was looked at, it is paired anew.
    ``forgetting``, where not all is forgotten yet that the one before said.
    """

    created: str = ""
    highest: int = 0
    looked: bool = False
    fetched: bool = False
    """Whether all of its files and system messages were looked at."""
    another: str = ""
    forgetting: bool = False
    anew_ms: int = 0
    """When it was found to be another one, in Unix milliseconds; 0 for never."""


class Verdict(enum.Enum):
    """What is done about more deletions at once than a set share."""

    HOLD = "they wait"
    DELETE = "they are deleted here, too"
    KEEP = "they stay, as the mirror's own"


class Decision(NamedTuple):
    """What somebody decided about such deletions: of these collections up to so many, of all where none is named.

    What is gone since then, besides what was decided about, waits.
    """

    verdict: Verdict = Verdict.HOLD
    of: Mapping[str, int] | None = None

    def about(self, collection: str, missing: int) -> Verdict:
        """Return what is done where so many are missing of a collection."""
        told = self.of is None or missing <= self.of.get(collection, 0)
        return self.verdict if told else Verdict.HOLD


UNDECIDED = Decision()


class Expiry(NamedTuple):
    """What of a server's messages may have been thrown away by itself: policies by collections, and the time there.

    ``keep``, where that stays here, as the mirror's own.
    """

    policies: Mapping[str, Policy]
    now: int
    keep: bool


NOTHING_EXPIRES = Expiry({}, 0, False)


class HeldBack(msgspec.Struct):
    """Deletions that wait until somebody accepts them: how many of how many of a collection."""

    collection: str
    gone: int
    told: int


class Gone(msgspec.Struct):
    """A record that the server has no more, in words: it is deleted here, or ``held`` back.

    What is in a room that is gone is not named by itself.
    """

    what: str
    collection: str
    key: str
    held: bool


def place_of(node: str) -> str:
    """Return under which name what a server of a node name says is remembered."""
    return imported_origin(node)


def cursor_name(place: str) -> str:
    """Return under which name it is kept up to which place of the feed all was written into a server."""
    return f"written:{place}"


def remembered(reader: Reader, place: str) -> Remembered | None:
    """Return what is remembered of a server besides the statuses; None before it was looked at."""
    text = reader.meta_text(f"place:{place}")
    return msgspec.json.decode(text, type=Remembered) if text else None


def remember(writer: Writer, place: str, what: Remembered) -> None:
    """Remember that of a server."""
    writer.set_meta(f"place:{place}", msgspec.json.encode(what).decode())


class Look:
    """Use once: ``begin``, ``tell`` and ``has``, ``flush`` now and again, ``delete_missing``, ``end``."""

    def __init__(
        self, store: Store, node: str, *, fetching: bool = False, paired: bool = False, keys: str = ""
    ) -> None:
        """``fetching`` is a look at what no export has; a server that is ``paired`` shares things with what is here.

        ``keys`` stands for the keys under which that is kept.
        """
        self.place = place_of(node)
        self.applied = Applied()
        self.deleted = 0
        self.held: list[HeldBack] = []
        self.gone: list[Gone] = []
        """The first of what is deleted and held back."""
        self.node = node
        self._store = store
        self._fetching = fetching
        self._paired = paired
        self._found: list[There] = []
        self._changes: list[Change] = []
        self._bytes = 0
        self._scratch = sqlite3.connect("", isolation_level=None)
        self._scratch.execute("PRAGMA journal_mode=OFF")
        self._scratch.executescript(_SCRATCH + "BEGIN;")
        self._heaps: dict[str, int] = {}
        self._names: list[tuple[int, str]] = []
        self._unwanted: set[tuple[str, str]] = set()
        self._why_damaged = WHAT_TO_DO
        self._first = not self._store.read(lambda reader: reader.scan_place(self.place, limit=1))
        self.last = self._recall() or Remembered()
        self.prints = Prints(self.place, store, keys)
        self.now = msgspec.structs.replace(self.last)

    # -- what is remembered -----------------------------------------------------------------------

    def _recall(self) -> Remembered | None:
        return self._store.read(lambda reader: remembered(reader, self.place))

    def _remember(self) -> None:
        now = self.now
        if self._recall() != now:
            self._store.write(lambda writer: remember(writer, self.place, now))

    def begin(self, identity: Identity, accept_older: bool = False) -> None:
        """Begin, once it is known which state of the server this is.  Raises OtherThanLast."""
        if self._recall() is None:
            highest = 0
            if not self._store.read(lambda reader: reader.is_empty()):
                highest = max(seed(self._store, self.place, self.node), self._store.read(_highest_of_old))
                self._first = False
            self.last = Remembered(identity.created, highest)
        if not accept_older:
            self._compare(identity)
        self.now = msgspec.structs.replace(self.last, created=self.last.created or identity.created)
        self._remember()
        if self.last.looked:
            self.prints.recall()
        self.now.created, self.now.highest = identity.created, identity.highest

    def _compare(self, identity: Identity) -> None:
        what = f"what was imported of {self.node} last"
        told = "--accept-older takes it for what the server holds now"
        if identity.highest and identity.highest < self.last.highest:
            raise OtherThanLast(
                f"its highest message number is {identity.highest}, that of {what} was {self.last.highest}: "
                f"it is older, and what came since would be deleted; {told}"
            )
        if identity.created and self.last.created not in ("", identity.created):
            raise OtherThanLast(
                f"the server was set up at {identity.created}, that of {what} at {self.last.created} (Unix seconds): "
                f"it is another one, or was made anew; {told}"
            )

    def end(self, whole: bool) -> None:
        """Remember that the server was looked at; ``whole``, where that was all that this look is about."""
        if self._fetching:
            self.now.fetched = self.now.fetched or whole
        else:
            self.now.looked = self.now.looked or whole
        self._remember()

    def remember_rooms(self, rooms: Iterable[str]) -> None:
        """Remember of rooms, by their keys, that all that this look said of them was taken over."""
        for some in pages(rooms):
            self._store.write(lambda writer, keys=some: self.prints.remember(writer, keys))  # type: ignore[misc]

    def close(self) -> None:
        self._scratch.close()

    # -- what is there ----------------------------------------------------------------------------

    def tell(self, one: There) -> str:
        """Say what the server has now; returns what is wrong with it, if no node would take it.

        It counts as listed; messages were, by their rooms.
        """
        if not one.record.collection.startswith(MESSAGES):
            self.has(one.record.collection, (one.foreign,))
        wrong = finding(one.record)
        if not wrong:
            self._found.append(one)
            self._bytes += len(one.body)
        return wrong

    def has(self, collection: str, foreign: Iterable[str]) -> None:
        """Say of things that the server has them, whatever is in them."""
        heap = self._heap(collection)
        self._names += [(heap, one) for one in foreign]
        if len(self._names) >= BATCH_RECORDS:
            self._write_names()

    def _write_names(self) -> None:
        self._scratch.executemany("INSERT OR IGNORE INTO listed VALUES (?,?)", self._names)
        self._names.clear()

    def unchanged(self, count: int) -> None:
        """Count records that are as they were, and were not even told."""
        self.applied += Applied(already_held=count)

    def change(self, change: Change) -> None:
        """Say how a mark changed of which nothing is remembered by itself."""
        self._changes.append(change)

    @property
    def _looked(self) -> bool:
        """Whether all that this look is about was looked at before."""
        return self.last.fetched if self._fetching else self.last.looked

    @property
    def knows_some(self) -> bool:
        """Whether some of what the server has may be here already, from elsewhere."""
        return self._paired or bool(self.last.another) or not self._first

    @property
    def is_another(self) -> bool:
        """Whether this is the first look at another server than the one before, as at one that was restored."""
        return bool(self.last.another) and not self._looked

    @property
    def _pairing(self) -> bool:
        """Whether this is the first look at another server than the one before, or at one that was paired."""
        return (self._paired or bool(self.last.another)) and not self._looked

    @property
    def _restored(self) -> bool:
        """Whether this is the first look at another server than the one that was followed before."""
        return bool(self.last.another) and not self._looked

    @property
    def full(self) -> bool:
        """Whether so much was said that it is time for ``flush``."""
        return len(self._found) + len(self._changes) >= BATCH_RECORDS or self._bytes >= BATCH_BYTES

    def flush(self, also: Callable[[Writer], None] | None = None) -> None:
        """Take over what was said; ``also`` is done in the same transaction, if there is anything to do."""
        found, changes = self._found, self._changes
        self._found, self._changes, self._bytes = [], [], 0
        # Most of it is as it was, and needs no transaction: but not where nothing was ever said.
        new = self._store.read(lambda reader: news(reader, self.place, found)) if self._looked and found else found
        self.applied += Applied(already_held=len(found) - len(new))
        if not new and not changes:
            return

        def job(writer: Writer) -> Applied:
            act_for_place(writer, self.place)
            applied = take_found(
                writer, self.place, new, looked=self._looked, pairing=self._pairing, restored=self._restored
            )
            applied += take_changes(writer, self.place, changes, looked=self._looked, pairing=self._pairing)
            if also is not None:
                also(writer)
            return applied

        self.applied += self._store.write(job)

    # -- what is there no more --------------------------------------------------------------------

    def unwant(self, collection: str, foreign: Iterable[str]) -> None:
        """Say of things that they are none of ours, whether or not the server has them: they may always go."""
        self._unwanted |= {(collection, one) for one in foreign}

    def delete_missing(
        self,
        listed: Allows,
        decision: Decision = UNDECIDED,
        expiry: Expiry = NOTHING_EXPIRES,
        purge: Purge | None = None,
        damaged: Set[str] = frozenset(),
        is_lost: IsLost = nothing_lost,
        damaged_why: str = WHAT_TO_DO,
    ) -> None:
        """Delete what the server has no more of collections that were listed as a whole, if that is not too much.

        What was in a room that is gone goes with it, listed or not, and before it.  ``decision`` is what is done where
        it is too much; what has expired is not counted.  What a ``purge`` may have taken that was in use elsewhere
        stays, as the mirror's own.  Users whose accounts were ``damaged`` there, by their keys, wait with all that is
        theirs, however few they are, for the reason ``damaged_why``.  Messages that the server lost are written again.
        """
        self._why_damaged = damaged_why
        if self._first:
            return
        rooms, of_rooms = self._judge_rooms(decision, purge, damaged) if listed(ROOMS) else ({}, Verdict.HOLD)

        def may_go(collection: str) -> bool:
            verdict = rooms.get(room_of(collection))
            return collection != ROOMS and listed(collection) if verdict is None else verdict is not Verdict.HOLD

        told = self._store.read(lambda reader: reader.status_collections(self.place))
        found = self._find_missing(self.told(list(filter(may_go, told))), may_go)
        stay, wait = self._judge_users(decision, purge, damaged) if USERS in found else (set(), damaged)
        for collection in sorted(found, key=_emptying_order):
            verdict = rooms.get(room_of(collection))
            if verdict is None:
                self._let_off(collection, stay, wait)
                self._lose(collection, is_lost)
                self._expire(collection, expiry)
                verdict = self._judge(collection, decision)
            self._deal_with(collection, verdict)
        self._deal_with(ROOMS, of_rooms)

    def _judge_rooms(
        self, decision: Decision, purge: Purge | None, damaged: Set[str]
    ) -> tuple[dict[str, Verdict], Verdict]:
        """Return what is done about what was in rooms that are missing, by their keys, and about these rooms."""
        missing = self._missing_rooms()
        rooms: dict[str, Verdict] = {}
        if missing and purge:
            rooms |= dict.fromkeys(self._spare(ROOMS, partial(_room_in_use, purge)), Verdict.KEEP)
        if missing and damaged:
            rooms |= self._hold(ROOMS, partial(_room_is_of, damaged), decision)
        going = [room for room in missing if rooms.get(room, Verdict.DELETE) is Verdict.DELETE]
        of_rooms = self._judge(ROOMS, decision) if going else Verdict.HOLD
        return rooms | dict.fromkeys(going, of_rooms), of_rooms

    def _judge_users(self, decision: Decision, purge: Purge | None, damaged: Set[str]) -> tuple[set[str], Set[str]]:
        """Return the keys of users who are missing and stay, as the mirror's own, and of those who wait."""
        stay = self._spare(USERS, partial(_user_in_use, purge)) if purge else set()
        held = self._hold(USERS, partial(_is_theirs, damaged), decision) if damaged else {}
        stay |= {user for user, verdict in held.items() if verdict is Verdict.KEEP}
        return stay, {user for user in damaged if held.get(user, Verdict.HOLD) is Verdict.HOLD}

    def _let_off(self, collection: str, stay: Set[str], wait: Set[str]) -> None:
        """Have things of a collection not be missing that are not to be deleted, of users who stay or wait, say."""
        if wait and collection != USERS:
            self._leave(collection, partial(_tells_of, wait))
        if stay:
            self._spare(collection, partial(_is_theirs, stay))
        if collection == FLOORS:
            self._spare(collection, _floor_in_use)

    def _lose(self, collection: str, is_lost: IsLost) -> None:
        """Have messages that the server lost be written again: they are none that it deleted."""
        for missing in pages(self._missing_statuses(collection) if collection.startswith(MESSAGES) else ()):
            if lost := [status for status in missing if is_lost(int(status.foreign))]:
                self._store.write(lambda writer, some=lost: note_lost(writer, self.place, some))  # type: ignore[misc]
                self._not_missing(collection, lost)

    def _spare(self, collection: str, stays: Callable[[Reader, Record], bool]) -> set[str]:
        """Have things that are missing be the mirror's own; returns their keys."""
        spared: set[str] = set()
        for found in self._missing_that(collection, stays):
            self._keep_some(collection, found)
            spared |= {status.key for status in found}
        return spared

    def _hold(
        self, collection: str, is_damaged: Callable[[Reader, Record], bool], decision: Decision
    ) -> dict[str, Verdict]:
        """Do with things that are missing by damage what was decided; they wait where nothing was.

        Returns that by their keys; what may be deleted is left to who asks.
        """
        found = [status for some in self._missing_that(collection, is_damaged) for status in some]
        records = [record for page in pages(found) for record in self._going(page)]
        keys = {record.key for record in records}
        verdict = decision.about(collection, len(keys))
        if verdict is Verdict.KEEP:
            self._keep_some(collection, found)
        elif verdict is Verdict.HOLD and keys:
            told = self._store.read(lambda reader: reader.status_count(self.place, collection))
            self.held.append(HeldBack(collection, len(keys), told))
            self._name_gone(records[: MAX_NAMED - len(self.gone)], held=True, why=self._why_damaged)
            self._not_missing(collection, found)
        return dict.fromkeys(keys, verdict)

    def _leave(self, collection: str, stays: Callable[[Reader, Record], bool]) -> None:
        """Leave things alone that are missing, as though they were told."""
        for found in self._missing_that(collection, stays):
            self._not_missing(collection, found)

    def _missing_that(self, collection: str, fits: Callable[[Reader, Record], bool]) -> Iterator[list[Status]]:
        """Yield what the server said of records of one sort that are missing, in pages; any of that may be let off."""
        for missing in pages(self._missing_statuses(collection)):
            records = self._going(missing)
            keys = self._store.read(lambda reader, some=records: {one.key for one in some if fits(reader, one)})  # type: ignore[misc]
            yield [status for status in missing if status.key in keys]

    def _keep_some(self, collection: str, missing: Sequence[Status]) -> None:
        """Forget that the server ever had things that are missing, so that they are none of those."""
        if missing:
            self._store.write(lambda writer: keep_missing(writer, self.place, missing))
        self._not_missing(collection, missing)

    def _not_missing(self, collection: str, missing: Sequence[Status]) -> None:
        names = [(self._heap(collection), status.foreign) for status in missing]
        self._scratch.executemany("DELETE FROM missing WHERE heap = ? AND name = ?", names)

    def delete_missing_of(self, collections: Iterable[str], decision: Decision = UNDECIDED) -> None:
        """Delete what the server has no more of single collections, each of which was listed as a whole."""
        for collection in sorted(collections):
            if self._find_missing(self._told_of(collection)):
                self._deal_with(collection, self._judge(collection, decision))

    def _missing_rooms(self) -> set[str]:
        self._find_missing(self._told_of(ROOMS))
        return set(self._missing(ROOMS))

    def _judge(self, collection: str, decision: Decision) -> Verdict:
        """Return what is done about what is missing of a collection, and note what waits."""
        missing, named = 0, MAX_NAMED - len(self.gone)
        records: list[Record] = []
        for page in pages(self._missing_statuses(collection)):
            going = self._going(page)
            missing += len(going)
            records += going[: max(0, named - len(records))]
        told = self._store.read(lambda reader: reader.status_count(self.place, collection))
        if not held_back(missing, told):
            verdict = Verdict.DELETE
        elif (verdict := decision.about(collection, missing)) is Verdict.HOLD:
            self.held.append(HeldBack(collection, missing, told))
        if verdict is not Verdict.KEEP:
            self._name_gone(records, verdict is Verdict.HOLD)
        return verdict

    def _name_gone(self, records: Iterable[Record], held: bool, why: str = "") -> None:
        def named(reader: Reader, record: Record) -> Gone:
            what = describe_record(reader, record, message_in(reader, record))
            return Gone(f"{what}, {why}" if why else what, record.collection, record.key, held)

        self.gone += self._store.read(lambda reader: [named(reader, record) for record in records])

    def _expire(self, collection: str, expiry: Expiry) -> None:
        """Do with what the server threw away by itself what is wanted; then it is not missing any more."""
        policy = expiry.policies.get(collection, Policy())
        if policy.mode not in (Mode.NEWEST, Mode.DAYS):
            return
        rows = self._scratch.execute("SELECT name FROM listed WHERE heap = ?", (self._heap(collection),))
        listed = sorted(int(name) for (name,) in rows)
        for missing in pages(self._missing_statuses(collection)):
            posted = self._store.read(lambda reader, found=missing: posted_at(reader, found))  # type: ignore[misc]
            expired = policy.expired(posted, listed, expiry.now)
            away = [status for status in missing if int(status.foreign) in expired]
            if away and expiry.keep:
                self._store.write(lambda writer, statuses=away: keep_missing(writer, self.place, statuses))  # type: ignore[misc]
            elif away:
                self._delete_named(collection, [status.foreign for status in away])
            names = [(self._heap(collection), status.foreign) for status in away]
            self._scratch.executemany("DELETE FROM missing WHERE heap = ? AND name = ?", names)

    def _deal_with(self, collection: str, verdict: Verdict) -> None:
        if verdict is Verdict.DELETE:
            self._delete(collection)
        elif verdict is Verdict.KEEP:
            self._keep(collection)

    def _find_missing(self, told: Iterable[Sequence[Status]], may_go: Allows = everything) -> set[str]:
        """Note what the server said last and does not list; returns the collections of which there is any."""
        self._write_names()
        found: set[str] = set()
        for page in told:
            for collection, group in groupby(page, attrgetter("collection")):
                if may_go(collection) and self._note_missing(collection, list(group)):
                    found.add(collection)
        return found

    def _note_missing(self, collection: str, told: Sequence[Status]) -> bool:
        """Note what is missing of a stretch of a collection; tells whether anything is."""
        heap = self._heap(collection)
        missing = [(heap, status.foreign) for status in gone(told, self._listed_among(told))]
        self._scratch.executemany("INSERT OR IGNORE INTO missing VALUES (?,?)", missing)
        return bool(missing)

    def _listed_among(self, told: Sequence[Status]) -> list[str]:
        """Return what is listed of a collection between the first and the last of what was told of it, in order."""
        rows = self._scratch.execute(
            "SELECT name FROM listed WHERE heap = ? AND name BETWEEN ? AND ? ORDER BY name",
            (self._heap(told[0].collection), told[0].foreign, told[-1].foreign),
        )
        return [name for (name,) in rows.fetchall()]

    def told(self, collections: Sequence[str]) -> Iterator[list[Status]]:
        """Yield what the server said last of collections, in pages: of each in the order in which it names things.

        Where they are many, other collections are among it.
        """
        if len(collections) <= FEW_COLLECTIONS:
            for collection in collections:
                yield from self._told_of(collection)
            return
        after = ("", "")
        while page := self._store.read(lambda reader, place=after: reader.scan_place(self.place, place)):  # type: ignore[misc]
            yield page
            after = (page[-1].collection, page[-1].foreign)

    def _told_of(self, collection: str) -> Iterator[list[Status]]:
        after = ""
        while page := self._store.read(lambda reader, name=after: reader.scan_statuses(self.place, collection, name)):  # type: ignore[misc]
            yield page
            after = page[-1].foreign

    def _missing_statuses(self, collection: str) -> Iterator[Status]:
        for names in pages(self._missing(collection)):
            yield from self._store.read(lambda reader, found=names: reader.statuses(self.place, collection, found))  # type: ignore[misc]

    def tags(self, collection: str, foreign: Iterable[str]) -> dict[str, str]:
        """Return the tags of things as the server said them last."""
        told = self._store.read(lambda reader: reader.statuses(self.place, collection, foreign))
        return {status.foreign: status.tag for status in told}

    def known_numbers(self, collection: str, numbers: Iterable[int]) -> list[int]:
        """Return which messages of a collection were there when the server was looked at last."""
        told = self._store.read(lambda reader: reader.statuses(self.place, collection, map(str, numbers)))
        return [int(status.foreign) for status in told]

    def number_of(self, collection: str, key: str) -> int:
        """Return which number an item had when the server was looked at last, or 0."""
        told = self._store.read(lambda reader: reader.statuses_of(self.place, collection, [key]))
        return max((int(status.foreign) for status in told), default=0)

    def _going(self, missing: Sequence[Status]) -> list[Record]:
        """Return the living records that are missing under every name that the server has for them."""
        collection, names = missing[0].collection, {status.foreign for status in missing}
        keys = {status.key for status in missing if (collection, status.foreign) not in self._unwanted}
        rows = self._store.read(lambda reader: reader.statuses_of(self.place, collection, keys))
        kept = {status.key for status in rows if status.foreign not in names and self._is_listed(status)}
        held = self._store.read(lambda reader: reader.get_many(collection, keys - kept))
        return [record for record in held if not record.dead]

    def _is_listed(self, status: Status) -> bool:
        row = (self._heap(status.collection), status.foreign)
        return self._scratch.execute("SELECT 1 FROM listed WHERE heap = ? AND name = ?", row).fetchone() is not None

    def _missing(self, collection: str) -> Iterator[str]:
        query, after = "SELECT name FROM missing WHERE heap = ? AND name > ? ORDER BY name LIMIT ?", ""
        while rows := self._scratch.execute(query, (self._heap(collection), after, PAGE_RECORDS)).fetchall():
            yield from (name for (name,) in rows)
            after = rows[-1][0]

    def _delete(self, collection: str) -> None:
        for names in pages(self._missing(collection)):
            self._delete_named(collection, names)

    def _delete_named(self, collection: str, names: Sequence[str]) -> None:
        def job(writer: Writer) -> Applied:
            act_for_place(writer, self.place)
            return take_missing(writer, self.place, writer.statuses(self.place, collection, names))

        applied = self._store.write(job)
        self.applied += applied
        self.deleted += applied.written

    def _keep(self, collection: str) -> None:
        """Forget that the server ever had what is missing, so that it is the mirror's own."""
        for missing in pages(self._missing_statuses(collection)):
            self._store.write(lambda writer, statuses=missing: keep_missing(writer, self.place, statuses))  # type: ignore[misc]

    def _heap(self, collection: str) -> int:
        number = self._heaps.get(collection)
        if number is None:
            self._scratch.execute("INSERT OR IGNORE INTO heap (name) VALUES (?)", (collection,))
            (number,) = self._scratch.execute("SELECT id FROM heap WHERE name = ?", (collection,)).fetchone()
            self._heaps[collection] = int(number)
        return int(number)


def _user_in_use(purge: Purge, _reader: Reader, user: Record) -> bool:
    """Tell whether a purge took a user who is active elsewhere."""
    return purge.spares_user(user)


def _is_theirs(users: Container[str], _reader: Reader, record: Record) -> bool:
    """Tell whether a record tells of one of these users."""
    return user_told_of(record.collection, record.key) in users


def _room_is_of(users: Container[str], _reader: Reader, room: Record) -> bool:
    """Tell whether a room is in the mailbox of one of these users."""
    return owner_key(room.key, str(values_of(room).get("QRname", ""))) in users


def _tells_of(users: Container[str], _reader: Reader, record: Record) -> bool:
    """Tell whether a record tells of one of these users, or of what one of them read."""
    visitor = record.key.partition(" ")[0] if parse_collection(record.collection).kind == VISITS else ""
    return (visitor or user_told_of(record.collection, record.key)) in users


def _floor_in_use(_reader: Reader, floor: Record) -> bool:
    """Tell whether a floor is in use here: where it is not told any more, its number there is now another floor's.

    Of one that was killed there that is told.
    """
    return bool(number_or_zero(str(values_of(floor).get("f_flags", ""))) & FLOOR_IN_USE)


def _room_in_use(purge: Purge, reader: Reader, room: Record) -> bool:
    """Tell whether a purge took a room that is in use elsewhere, or that of a user who is active there."""
    name = str(values_of(room).get("QRname", ""))
    if owner_of(name):
        owner = reader.get(USERS, owner_key(room.key, name))
        return owner is not None and not owner.dead and purge.spares_user(owner)
    return purge.spares_room(reader.newest(str(Collection("messages", room.key)), NEWEST))


def _emptying_order(collection: str) -> tuple[bool, bool, str]:
    """A room's sharing goes first, for the reasons of mirror.model.containers; visits before the messages they mark."""
    kind = parse_collection(collection).kind
    return kind != NETCONF, kind != VISITS, collection


def _highest_of_old(reader: Reader) -> int:
    """Return the highest message number that a store of 0.1.0 kept as a setting, or 0."""
    return number_or_zero(str(values_of(reader.get("config", HIGHEST_KEY)).get("value", "")))


def pages(things: Iterable[T], size: int = PAGE_RECORDS) -> Iterator[list[T]]:
    """Yield things in lists of a bounded length."""
    rest = iter(things)
    while page := list(islice(rest, size)):
        yield page
