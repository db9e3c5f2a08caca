"""Sharing single rooms with a node that is no mirror: which rooms belong together, what travels, under whose names.

Each side shares its own room under its own rule; the two rooms have ids, names and rules of their own.  Who dials
translates: the side that answers speaks of its own rooms alone, so all that it reads, digests included, is its own.
A pair's records are compared in the answering side's names, and only the shared rooms are looked at.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from mirror.model.applied import Applied
from mirror.model.record import Record, created, record_crc
from mirror.store.base import PAGE_RECORDS, Reader, Store, StoredCursor, Writer
from mirror.sync.exchange import Cursors
from mirror.sync.index import RangeIndex
from mirror.sync.listing import find_difference
from mirror.sync.pull import PULL, PUSH, contents_of, fetch_contents, store_parts
from mirror.sync.push import push_page
from mirror.sync.reconcile import Outcome
from mirror.sync.remote import Remote
from mirror.sync.responder import Responder, check_page, take_in
from mirror.sync.scope import Scope
from mirror.sync.uploads import Uploads
from mirror.wire.values import Page, SharedRoom, State
from netconf.rules import DELETIONS, FILES, MARKS, MESSAGES, SETTINGS

COLLECTIONS = {MESSAGES: "messages", MARKS: "visits", FILES: "files"}
"""What a rule names, and the kinds of collections that hold it."""
_WHAT_OF = {kind: what for what, kind in COLLECTIONS.items()} | dict.fromkeys(
    ("rooms", "room-info", "pictures"), SETTINGS
)


class Pair(NamedTuple):
    """A room here and the room there that it is shared with."""

    here: SharedRoom
    there: SharedRoom

    @property
    def pulled(self) -> frozenset[str]:
        """What flows here: both sides' rules must say so."""
        return self.here.what & self.there.what if self.here.pulls and self.there.pushes else frozenset()

    @property
    def pushed(self) -> frozenset[str]:
        """What flows there."""
        return self.here.what & self.there.what if self.here.pushes and self.there.pulls else frozenset()

    @property
    def state(self) -> str:
        """What has to be the same for what was exchanged so far to count."""
        return f"{self.there.key}|{self.here.mark}|{self.there.mark}"


def find_pairs(
    ours: Sequence[SharedRoom], theirs: Sequence[SharedRoom], bound: Mapping[str, str]
) -> tuple[list[Pair], list[str]]:
    """Return which rooms belong together, and a line for each of ours that has no counterpart.

    ``bound`` are rooms that were found to belong together before, by their ids: a new name doesn't part them.
    """
    pairs: list[Pair] = []
    notes: list[str] = []
    free = {room.key: room for room in theirs}
    for room in sorted(ours, key=lambda room: room.key not in bound):
        there = free.get(bound.get(room.key, "")) or next((one for one in free.values() if _belong(room, one)), None)
        if there is None:
            notes.append(f"{room.name}: not shared from there yet" + (f" as {room.remote}" if room.remote else ""))
            continue
        del free[there.key]
        pairs.append(Pair(room, there))
        if not pairs[-1].pulled and not pairs[-1].pushed:
            notes.append(f"{room.name}: the rules of both sides leave nothing that flows")
    return pairs, notes


def _belong(here: SharedRoom, there: SharedRoom) -> bool:
    """Tell whether two rooms name each other: explicitly, or where one names none, by the other's word."""
    if here.remote and there.remote:
        return here.points_at(there) and there.points_at(here)
    if here.remote or there.remote:
        return here.points_at(there) if here.remote else there.points_at(here)
    return here.name.casefold() == there.name.casefold()


# -- names --------------------------------------------------------------------------------------------


def translate(record: Record, rooms: Mapping[str, str]) -> Record | None:
    """Return a record under the other side's name of its room; None where the room is not shared."""
    kind, _, room = record.collection.partition("/")
    if kind in COLLECTIONS.values():
        name = rooms.get(room)
        return msgspec.structs.replace(record, collection=f"{kind}/{name}") if name is not None else None
    if kind in ("rooms", "room-info"):
        name = rooms.get(record.key)
        return msgspec.structs.replace(record, key=name) if name is not None else None
    if kind == "pictures":
        prefix, _, room = record.key.partition(" ")
        name = rooms.get(room) if prefix == "room" else None
        return msgspec.structs.replace(record, key=f"room {name}") if name is not None else None
    return None


def settings_of(room: str) -> list[tuple[str, str]]:
    """Return the collections and keys that hold a room's settings."""
    return [("rooms", room), ("room-info", room), ("pictures", f"room {room}")]


def _room_of(record: Record) -> str:
    if record.collection == "pictures":
        return record.key.partition(" ")[2]
    return record.collection.partition("/")[2] or record.key


def _flows(record: Record, what: frozenset[str]) -> bool:
    kind = _WHAT_OF.get(record.collection.partition("/")[0])
    return kind in what and (not record.dead or kind == MARKS or DELETIONS in what)


def translated(page: Page, rooms: Mapping[str, str], flows: Callable[[Record], bool]) -> Page:
    """Return a page under the other side's names, without what does not flow; it reaches as far as before."""
    records = [new for record in page.records if flows(record) and (new := translate(record, rooms)) is not None]
    return page._replace(records=records, crcs=[record_crc(record) for record in records])


# -- the exchange -------------------------------------------------------------------------------------


class ShareRemote(Remote, Protocol):
    """The other side of a share."""

    def shares(self) -> list[SharedRoom]:
        """Return the rooms that it shares with the one who asks."""
        ...


class ShareExchange(Cursors):
    """What one node keeps with one peer that it shares rooms with.  The link drives it like an Exchange."""

    def __init__(self, store: Store, peer: str, scope: Scope, rooms: Sequence[SharedRoom]) -> None:
        super().__init__(store, peer)
        self._scope = scope
        self._rooms = list(rooms)
        self._pairs: list[Pair] = []
        self._unmatched: list[str] = []
        self._withheld: dict[str, int] = {}
        self._only_new = False

    @property
    def notes(self) -> list[str]:
        """What an administrator should know of the rooms that are shared with this peer, a line each."""
        withheld = [
            f"{name}: {count} records older than remembered deletions are on one side only, and stay there"
            for name, count in sorted(self._withheld.items())
        ]
        return self._unmatched + withheld

    @property
    def pairs(self) -> list[Pair]:
        return self._pairs

    def must_reconcile(self, remote: ShareRemote, epoch: str, pushing: bool) -> bool:
        """Find out which rooms belong together; tell whether any were not compared under the present rules."""
        bound = self._store.read(self._bound)
        self._pairs, self._unmatched = find_pairs(self._rooms, remote.shares(), bound)
        self._store.write(lambda writer: self._remember(writer, bound))
        stale = self.stale(epoch, pushing)
        self._only_new = not stale
        return stale or any(self._known(pair) != pair.state for pair in self._pairs)

    def _bound(self, reader: Reader) -> dict[str, str]:
        """Return which room there belongs to ours, as found before.  Said anew where our rule names another one now."""
        bound: dict[str, str] = {}
        for room in self._rooms:
            record = reader.get(f"netconf/{room.key}", f"bound {self._peer}")
            remote, _, named = (
                record.body.decode("utf-8", "replace").partition("|") if record and not record.dead else ("", "", "")
            )
            if remote and named == room.remote:
                bound[room.key] = remote
        return bound

    def _remember(self, writer: Writer, bound: Mapping[str, str]) -> None:
        """Keep what belongs together, for our mirrors too, and forget what is no longer shared."""
        for here, there in self._pairs:
            if bound.get(here.key) != there.key:
                body = f"{there.key}|{here.remote}".encode()
                writer.put(Record(f"netconf/{here.key}", f"bound {self._peer}", 1, "x", 1, body=body))
        writer.keep_cursors(self._peer, [PULL, PUSH, *(_join(room.key) for room in self._rooms)])

    def _known(self, pair: Pair) -> str:
        """Return the state of a pair when it was last compared, or an empty string."""
        return self.cursor(_join(pair.here.key)).epoch

    def reconcile(self, remote: ShareRemote, pushing: bool) -> Outcome:
        """Compare the shared rooms, all or just the new ones, and exchange what differs."""
        own = Responder(self._store, self._scope)
        before = self._store.read(lambda reader: reader.last_sequence())
        state = remote.info()
        stale = self.stale(state.epoch, pushing)
        only_new, self._only_new = self._only_new and not stale, False
        work = _Settling(self._store, remote, self._scope, own, state, pushing, Outcome(state))
        known = {pair: self._known(pair) for pair in self._pairs}
        for pair in self._pairs:
            if only_new and known[pair] == pair.state:
                continue
            withheld = work.settle(pair, away=stale and known[pair].partition("|")[0] == pair.there.key)
            self._withheld.pop(pair.here.name, None)
            if withheld:
                self._withheld[pair.here.name] = withheld

        def job(writer: Writer) -> None:
            for pair in self._pairs:
                writer.set_cursor(self._peer, _join(pair.here.key), StoredCursor(pair.state, 0, True))
            if stale:
                writer.set_cursor(self._peer, PULL, StoredCursor(state.epoch, state.sequence, True))
                if pushing:
                    writer.set_cursor(self._peer, PUSH, StoredCursor(state.epoch, before, True))

        self._store.write(job)
        return work.outcome

    def take(self, page: Page, bodies: Remote) -> Applied:
        """Take in a page of the peer's feed, with its cursor."""
        flowing = {pair.there.key: pair.pulled for pair in self._pairs}
        names = {pair.there.key: pair.here.key for pair in self._pairs}
        page = translated(page, names, lambda record: _flows(record, flowing.get(_room_of(record), frozenset())))
        cursor = page.cursor

        def note(writer: Writer) -> None:
            if cursor is not None:
                writer.set_cursor(self._peer, PULL, StoredCursor(cursor.epoch, cursor.sequence, True))

        return _apply(self._store, bodies, self._scope, page, note)

    def next_push(self, after: int) -> tuple[Page, bool]:
        """Return the page of our feed after a place, under the peer's names, and whether more is there."""
        page, more = Responder(self._store, self._scope).page(after)
        check_page(page, after, 0)
        return self._outward(page), more

    def _outward(self, page: Page) -> Page:
        flowing = {pair.here.key: pair.pushed for pair in self._pairs}
        names = {pair.here.key: pair.there.key for pair in self._pairs}
        return translated(page, names, lambda record: _flows(record, flowing.get(_room_of(record), frozenset())))

    def push(self, remote: Remote, epoch: str, page: Page, before: int) -> Applied:
        """Offer a page of our feed, and remember how far we are."""
        applied = push_page(self._store, remote, page, self._scope)
        self.pushed(epoch, page, before)
        return applied


def _join(room: str) -> str:
    """Under which name the cursors keep that a room's history was exchanged, by which rules."""
    return f"share {room}"


class _Settling(NamedTuple):
    """One comparison of shared rooms under way."""

    store: Store
    remote: Remote
    scope: Scope
    own: Responder
    state: State
    pushing: bool
    outcome: Outcome

    def settle(self, pair: Pair, away: bool) -> int:
        """Make a pair equal, as far as its rules let things flow; returns how many records stay on one side.

        ``away``: the two were out of touch for longer than deletions are remembered, so what just one side has
        from before that was deleted on the other, or never got there.  It is neither taken nor given.
        """
        withheld = 0
        for what in COLLECTIONS:
            if what in pair.pulled | pair.pushed:
                withheld += self._settle_kind(pair, what, away)
        if SETTINGS in pair.pulled:
            for collection, key in settings_of(pair.there.key):
                self._take(pair, list(self.remote.get(collection, [key])))
        if SETTINGS in pair.pushed and self.pushing:
            for collection, key in settings_of(pair.here.key):
                self._offer(pair, self.own.get(collection, [key]))
        return withheld

    def _settle_kind(self, pair: Pair, what: str, away: bool) -> int:
        kind, withheld = COLLECTIONS[what], 0
        here, there = f"{kind}/{pair.here.key}", f"{kind}/{pair.there.key}"
        surplus: Sequence[str] | None = None
        known: set[str] = set()
        if what in pair.pulled:
            index = self._index(here, there, DELETIONS in pair.pulled)
            found = find_difference(index, lambda ranges: self.remote.ranges(there, ranges))
            self.outcome.trips += found.trips
            if found.wanted or found.surplus:
                self.outcome.differing.append(here)
            withheld += self._take_wanted(pair, there, here, found.wanted, away)
            surplus, known = found.surplus, {*found.wanted}
            unknown = [key for key in surplus if key not in known]
            if unknown and DELETIONS in pair.pulled and not pair.there.whole:
                # A feed that shows just a part of a room hides what was deleted; of keys that we name we are told.
                for pages in self._in_parts(there, unknown):
                    self._take(pair, [page.only(lambda record: record.dead) for page in pages])
        if what in pair.pushed and self.pushing:
            withheld += self._offer_surplus(pair, here, surplus, known if away else None)
        return withheld

    def _index(self, here: str, there: str, tombstones: bool) -> RangeIndex:
        """Return the order of a local collection as it would be under the other side's name."""
        entries: list[tuple[int, str, int]] = []
        after: str | None = ""
        while after is not None:

            def job(reader: Reader, after: str = after) -> tuple[list[tuple[int, str, int]], str | None]:
                records = reader.scan(here, after)
                page = [
                    (record.stamp, record.key, record_crc(msgspec.structs.replace(record, collection=there)))
                    for record in records
                    if (tombstones or not record.dead) and (" " in record.key or not here.startswith("visits/"))
                ]
                return page, records[-1].key if records else None

            page, after = self.store.read(job)
            entries += page
        return RangeIndex.of(entries)

    def _in_parts(self, collection: str, keys: Sequence[str]) -> Iterator[list[Page]]:
        for start in range(0, len(keys), PAGE_RECORDS):
            # All of the answer at once: contents are asked for on the same connection, one exchange at a time.
            yield list(self.remote.get(collection, keys[start : start + PAGE_RECORDS]))

    def _take_wanted(self, pair: Pair, there: str, here: str, keys: Sequence[str], away: bool) -> int:
        withheld = 0
        self.outcome.wanted += len(keys)
        for pages in self._in_parts(there, keys):
            for page in pages:
                kept = self._known_or_new(page, here) if away else page
                withheld += len(page.records) - len(kept.records)
                self._take(pair, [kept])
        return withheld

    def _known_or_new(self, page: Page, here: str) -> Page:
        """Leave out what is not here and may have been deleted here, so long ago that this is forgotten."""

        def job(reader: Reader) -> tuple[int, set[str]]:
            return reader.horizon(), {record.key for record in reader.get_many(here, list(page.by_key()))}

        horizon, held = self.store.read(job)
        return page.only(lambda record: record.key in held or record.dead or created(record) >= horizon)

    def _take(self, pair: Pair, pages: Iterable[Page]) -> None:
        for page in pages:
            page = translated(page, {pair.there.key: pair.here.key}, lambda record: _flows(record, pair.pulled))
            self.outcome.pulled += _apply(self.store, self.remote, self.scope, page)

    def _offer_surplus(self, pair: Pair, here: str, keys: Sequence[str] | None, known: set[str] | None) -> int:
        """Offer these records, or all; with ``known``, of the old ones just those that are there in some version."""
        withheld, horizon = 0, self.state.horizon
        pages = self.own.scan(here) if keys is None else self.own.get(here, keys, asked=False)
        for page in pages:
            if known is not None:
                kept = page.only(lambda record: record.dead or record.key in known or created(record) >= horizon)
                withheld += len(page.records) - len(kept.records)
                page = kept
            self.outcome.surplus += len(page.records)
            self._offer(pair, [page])
        return withheld

    def _offer(self, pair: Pair, pages: Iterable[Page]) -> None:
        for page in pages:
            page = translated(page, {pair.here.key: pair.there.key}, lambda record: _flows(record, pair.pushed))
            self.outcome.pushed += push_page(self.store, self.remote, page, self.scope)


def _apply(
    store: Store, remote: Remote, scope: Scope, page: Page, note: Callable[[Any], None] = lambda _writer: None
) -> Applied:
    """Merge a page from a peer that is not trusted; what it refers to it has to send, unless it may see it here."""
    if any(record.content for record in page.records):
        page = _with_proved_contents(store, remote, scope, page)

    def job(writer: Writer) -> Applied:
        applied = take_in(writer, scope, page)
        note(writer)
        return applied

    return store.write(job)


def _with_proved_contents(store: Store, remote: Remote, scope: Scope, page: Page) -> Page:
    own, uploads = Responder(store, scope), Uploads()
    closed = [request for request in contents_of(page.records) if not own.opens(request.content)]
    for part in remote.body(closed) if closed else ():
        uploads.add(part)
        store_parts(store, [part])
    fetch_contents(store, remote, page.records)
    refused = {request.content for request in closed} - uploads.proved
    return page.only(lambda record: record.content not in refused)
