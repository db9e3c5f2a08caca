"""One comparison of shared rooms: what differs is found, taken and offered, as far as the rules let it flow."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import msgspec

from mirror.model.applied import Applied
from mirror.model.digest import Digest
from mirror.model.errors import BadContent, StampAhead
from mirror.model.kinds import Collection
from mirror.model.record import Record, created
from mirror.model.stamp import stamp_ms
from mirror.store.base import PAGE_RECORDS, Store, Writer
from mirror.store.values import Listing, Place
from mirror.sync.derived import Sums, blocks_over, digest_over, entries_of
from mirror.sync.index import RangeIndex
from mirror.sync.listing import Difference, Versions, find_difference
from mirror.sync.offers import take_in
from mirror.sync.pull import Wait, contents_of, in_time, store_parts
from mirror.sync.push import push_page
from mirror.sync.reconcile import Reconciled
from mirror.sync.remote import Remote
from mirror.sync.responder import Responder
from mirror.sync.scope import Scope, Text
from mirror.sync.share.names import KIND_OF, settings_of, what_of
from mirror.sync.share.pairs import Pair, inward, outward
from mirror.sync.uploads import Uploads
from mirror.wire.values import Page, State
from netconf.rules import DELETIONS, MARKS, SETTINGS

MAX_TRIED = 262_144
"""Versions that rules keep on one side of which an exchange takes note, some 100 bytes each."""
MAX_LATER = 16
"""Pages of what is a little ahead that are put off; then they are waited for."""


class _Renamed(NamedTuple):
    """What records of ours are to the other side, in whose name for their collection they are compared."""

    there: str
    tombstones: bool

    def derive(self, record: Record, text: Text, now_ms: int) -> Record | None:
        """Return a record as it is called there, None for what is not compared."""
        of_user = what_of(record) == MARKS and " " not in record.key  # a user's relation to the room, no mark
        if of_user or (record.dead and not self.tombstones):
            return None
        return msgspec.structs.replace(record, collection=self.there)

    def fades(self, record: Record) -> int | None:
        """What is held is compared whatever its age."""
        return None


class Forgotten(NamedTuple):
    """Before which stamps deletions are forgotten, here and there; 0 where that does not count.

    What just one side has from before was deleted on the other, or never got there: it is neither taken nor given.
    """

    here: int = 0
    there: int = 0


class Tried:
    """The versions in which rooms still differed after all was exchanged, since a rule keeps them on one side.

    They are known by their CRCs, and not fetched or offered in vain again while the rules stay what they are.
    """

    def __init__(self, limit: int = MAX_TRIED) -> None:
        self._limit = limit
        self._crcs: dict[str, tuple[str, frozenset[int]]] = {}

    def of(self, collection: str, state: str) -> frozenset[int]:
        """Return the CRCs of those of a collection, tried in that state of its pair."""
        held, crcs = self._crcs.get(collection, ("", frozenset()))
        return crcs if held == state else frozenset()

    def note(self, collection: str, state: str, crcs: Sequence[int]) -> None:
        """Take note of what was tried just now; if it is too much, it is tried again."""
        self._crcs.pop(collection, None)
        if sum(len(held) for _, held in self._crcs.values()) + len(crcs) <= self._limit:
            self._crcs[collection] = (state, frozenset(crcs))


class Settling(NamedTuple):
    """One comparison of shared rooms under way."""

    store: Store
    peer: str
    remote: Remote
    scope: Scope
    own: Responder
    state: State
    pushing: bool
    outcome: Reconciled
    sums: Sums
    tried: Tried
    wait: Wait
    later: list[Page]
    """What is a little ahead: it is taken when all else was compared, so that it holds up nothing but itself."""
    later_offers: list[Page]
    """What of ours is a little ahead, under their names: it is offered then."""

    def settle(self, pair: Pair, forgotten: Forgotten, anew: bool) -> int:
        """Make a pair equal, as far as its rules let things flow; returns how many records stay on one side.

        ``anew``: what was pushed so far does not count.  Where the other side shows nothing there is nothing to compare
        with, and all is offered then; else the cursor tells what it has taken.
        """
        withheld = 0
        for what in KIND_OF:
            if what in pair.pulled | pair.pushed:
                withheld += self._settle_kind(pair, what, forgotten, anew)
        if SETTINGS in pair.pulled:
            for collection, key in settings_of(pair.there.key):
                self._take(pair, list(self.remote.get(collection, [key])))
        if SETTINGS in pair.pushed and self.pushing:
            for collection, key in settings_of(pair.here.key):
                self._offer(pair, self.own.get(collection, [key]))
        return withheld

    def _settle_kind(self, pair: Pair, what: str, forgotten: Forgotten, anew: bool) -> int:
        kind, withheld = KIND_OF[what], 0
        here, there = (str(Collection(kind, room.key)) for room in pair)
        offered: Sequence[str] | None = None
        known: set[str] = set()
        versions = Versions()
        if what in pair.pulled:
            found = self._find(here, there, DELETIONS in pair.pulled, versions)
            self.outcome.trips += found.trips
            vain = self.tried.of(here, pair.state)
            wanted = [key for key in found.wanted if versions.theirs[key] not in vain]
            offered = [key for key in found.surplus if versions.ours[key] not in vain]
            if wanted or offered:
                self.outcome.differing.append(here)
            withheld += self._take_wanted(pair, there, here, wanted, forgotten.here)
            known = {*found.wanted}
            self._take_deletions(pair, there, [key for key in found.surplus if key not in known])
        pushes = what in pair.pushed and self.pushing
        if pushes and (anew or offered is not None):
            withheld += self._offer_surplus(pair, here, offered, known, forgotten.there)
        tried = (*versions.theirs.values(), *(versions.ours.values() if pushes else ()))
        self.tried.note(here, pair.state, () if withheld or self.later or self.later_offers else tried)
        return withheld

    def _take_deletions(self, pair: Pair, there: str, keys: Sequence[str]) -> None:
        """Ask what is deleted there of keys that are shown just here, where the other side's feed would not tell.

        A feed that shows just a part of a room hides what was deleted; of keys that we name we are told.
        """
        if keys and DELETIONS in pair.pulled and not pair.there.whole:
            for pages in self._in_parts(there, keys):
                self._take(pair, [page.only(lambda record: record.dead) for page in pages])

    def _find(self, here: str, there: str, tombstones: bool, versions: Versions) -> Difference:
        """Find out in which keys a collection here differs from the one there."""
        renamed, now_ms = _Renamed(there, tombstones), self.store.clock.now_ms()
        sums = self.store.read(lambda reader: self.sums.of((here, renamed), reader, here, renamed, now_ms))
        if self.state.collections is not None and self.state.collections.get(there, Digest()).same(digest_over(sums)):
            return Difference()  # what has changed there since is in the feed

        def load(lower: Place, upper: Place | None) -> list[Listing]:
            return self.store.read(lambda reader: entries_of(reader, here, renamed, now_ms, lower, upper))

        index = RangeIndex(blocks_over(sums), load)
        return find_difference(index, lambda ranges: self.remote.ranges(there, ranges), versions)

    def _in_parts(self, collection: str, keys: Sequence[str]) -> Iterator[list[Page]]:
        for start in range(0, len(keys), PAGE_RECORDS):
            # All of the answer at once: contents are asked for on the same connection, one exchange at a time.
            yield list(self.remote.get(collection, keys[start : start + PAGE_RECORDS]))

    def _take_wanted(self, pair: Pair, there: str, here: str, keys: Sequence[str], before: int) -> int:
        withheld = 0
        self.outcome.wanted += len(keys)
        for pages in self._in_parts(there, keys):
            for page in pages:
                kept = self._known_or_new(page, here, before) if before else page
                withheld += len(page.records) - len(kept.records)
                self._take(pair, [kept])
        return withheld

    def _known_or_new(self, page: Page, here: str, before: int) -> Page:
        """Leave out what is not here and was created before a stamp."""
        held = self.store.read(lambda reader: {one.key for one in reader.get_many(here, list(page.by_key()))})
        return page.only(lambda record: record.key in held or record.dead or created(record) >= before)

    def _take(self, pair: Pair, pages: Iterable[Page]) -> None:
        for page in pages:
            ours = inward(page, [pair])
            try:
                self.outcome.pulled += self._apply(ours)
            except StampAhead as error:
                if not error.wait_ms:
                    raise
                self._put_off(ours)

    def _put_off(self, page: Page) -> None:
        """Take what may be taken by now of a page, and keep the rest for later."""
        due, ahead = self._parted(page)
        if len(self.later) == MAX_LATER:
            self.take_later()
        self.later.append(ahead._replace(unfit=()))
        self._apply_in_time(due)

    def _parted(self, page: Page) -> tuple[Page, Page]:
        """Return what of a page is not ahead of the time, and what is."""
        now_ms = self.store.clock.now_ms()
        due = page.only(lambda record: stamp_ms(record.stamp) <= now_ms)
        return due, page.only(lambda record: stamp_ms(record.stamp) > now_ms)

    def take_later(self) -> None:
        """Wait for what was put off, and take it."""
        while self.later:
            self._apply_in_time(self.later[-1])
            del self.later[-1]

    def offer_later(self) -> None:
        """Wait for what was put off of ours, and offer it."""
        while self.later_offers:
            self._offer_in_time(self.later_offers[-1])
            del self.later_offers[-1]

    def _apply_in_time(self, page: Page) -> None:
        self.outcome.pulled += in_time(partial(self._apply, page), self.wait)

    def _apply(self, page: Page) -> Applied:
        return apply_proved(self.store, self.remote, self.scope, page, self.peer)

    def _offer_surplus(self, pair: Pair, here: str, keys: Sequence[str] | None, known: set[str], before: int) -> int:
        """Offer these records, or all; of those created before a stamp just what is ``known`` there in some version."""
        withheld = 0
        pages = self.own.scan(here) if keys is None else self.own.get(here, keys, asked=False)
        for page in pages:
            kept = page.only(lambda record: record.dead or record.key in known or created(record) >= before)
            withheld += len(page.records) - len(kept.records)
            self.outcome.surplus += len(kept.records)
            self._offer(pair, [kept])
        return withheld

    def _offer(self, pair: Pair, pages: Iterable[Page]) -> None:
        for page in pages:
            due, ahead = self._parted(outward(page, [pair]))
            if ahead.records:
                if len(self.later_offers) == MAX_LATER:
                    self.offer_later()
                self.later_offers.append(ahead)
            self._offer_in_time(due)

    def _offer_in_time(self, page: Page) -> None:
        """Offer a page, once the other side takes it: its clock may be a little behind ours."""
        self.outcome.pushed += in_time(partial(push_page, self.store, self.remote, page, self.scope), self.wait)


def apply_proved(
    store: Store,
    remote: Remote,
    scope: Scope,
    page: Page,
    peer: str,
    note: Callable[[Writer], None] = lambda _writer: None,
) -> Applied:
    """Merge a page from a peer that is not trusted; what it refers to it has to send, unless it may see it here."""
    if any(record.content for record in page.records):
        page = _with_proved_contents(store, remote, scope, page, peer)

    def job(writer: Writer) -> Applied:
        applied = take_in(writer, scope, page, writer.clock.now_ms(), peer)
        note(writer)
        return applied

    return store.write(job)


def _with_proved_contents(store: Store, remote: Remote, scope: Scope, page: Page, peer: str) -> Page:
    """Return a page without those records whose contents the peer has not sent, though it may not see them here."""
    own, uploads = Responder(store, scope), Uploads()
    closed = [request for request in contents_of(page.records) if not own.opens(request.content)]
    for part in remote.body(closed) if closed else ():
        uploads.add(part)
        with suppress(BadContent):  # then it is not proved
            store_parts(store, [part], party=f"peer {peer}")
    refused = {request.content for request in closed} - uploads.proved
    return page.only(lambda record: record.content not in refused)
