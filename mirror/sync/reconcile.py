"""Reconciliation: two nodes find what differs without a cursor, and exchange just that."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from mirror.model.applied import Applied
from mirror.model.digest import Digest
from mirror.model.keys import MESSAGE_PREFIX, filed_key, split_key
from mirror.model.kinds import HORIZON_KEY, NODES
from mirror.model.nodes import Vector, horizon_of, joined, newest_by_origin
from mirror.model.record import Record
from mirror.model.texts import is_message, own_text, text_of
from mirror.store.base import PAGE_RECORDS, Reader, Store, Writer
from mirror.store.values import PULL, PUSH, StoredCursor
from mirror.sync.absence import (
    Absence,
    HorizonMoved,
    check_compared,
    check_horizon,
    check_marker,
    find_absence,
    marker_of,
    newest_of,
)
from mirror.sync.copying import end_copy
from mirror.sync.listing import Difference, find_difference
from mirror.sync.pull import Progress, Wait, apply_page, fetch_contents, in_time, refuse_to_wait
from mirror.sync.push import push_page
from mirror.sync.remote import Remote
from mirror.sync.responder import Responder
from mirror.sync.scope import EVERYTHING, Scope
from mirror.wire.values import Page, State


class Reconciled(msgspec.Struct):
    """What a reconciliation found and did (numbers of records, of round trips)."""

    state: State
    differing: list[str] = []
    pulled: Applied = Applied()
    pushed: Applied = Applied()
    wanted: int = 0
    surplus: int = 0
    trips: int = 1
    absence: Absence = Absence()
    refused: int = 0
    """Records that were deleted while one of the two was away too long, and so were deleted again."""


def differing(ours: dict[str, Digest], theirs: dict[str, Digest]) -> list[str]:
    """Return the names of collections whose digests are not equal, in order."""
    empty = Digest()
    return [
        name for name in sorted(ours.keys() | theirs.keys()) if not ours.get(name, empty).same(theirs.get(name, empty))
    ]


def reconcile(
    store: Store,
    remote: Remote,
    peer: str,
    *,
    push: bool = False,
    scope: Scope = EVERYTHING,
    progress: Progress | None = None,
    wait: Wait = refuse_to_wait,
) -> Reconciled:
    """Make a store hold all that the other side has, and with ``push`` the other way round too.

    Afterwards the cursors stand where the two states that were compared ended, so tailing goes on there.
    """
    own = Responder(store, scope, peer=peer)
    before, newest = own.info(), newest_of(remote)
    state = remote.info(before.digest)
    work = _Work(
        store,
        own,
        remote,
        peer,
        push,
        find_absence(store, remote, state),
        Reconciled(state),
        progress,
        before.sequence,
        set(),
        newest,
        wait,
    )
    outcome = work.outcome
    outcome.absence = work.absence
    if state.collections is not None and before.collections is not None:
        outcome.differing = differing(before.collections, state.collections)
        work.settle_all(state.horizon)

    def job(writer: Writer) -> None:
        writer.set_cursor(peer, PULL, StoredCursor(state.epoch, state.sequence, True))
        writer.note_newest(work.newest)
        if push or not outcome.surplus:
            # What we pulled just now comes after ``before`` and is offered again at most once.
            writer.set_cursor(peer, PUSH, StoredCursor(state.epoch, before.sequence, True))
        if not state.partial:
            end_copy(writer, peer)

    store.write(job)
    return outcome


class _Work(NamedTuple):
    """One reconciliation under way."""

    store: Store
    own: Responder
    remote: Remote
    peer: str
    push: bool
    absence: Absence
    outcome: Reconciled
    progress: Progress | None
    after: int
    """Where our feed ended before the comparison began."""
    compared: set[tuple[str, str]]
    """Collections and keys of what came from the other side, when it matters where records came from."""
    newest: Vector
    """Up to where the other side has what each origin wrote, and so have we once all was compared, not before."""
    wait: Wait

    def settle_all(self, horizon: int) -> None:
        """Exchange all that differs.  Raises HorizonMoved where theirs is another one by now.

        Signs of life are read first and taken over last: whoever has a node's has all that it said before.
        """
        collections = self.outcome.differing
        signs = self.read_signs() if NODES in collections else (Page([], []), Page([], []))
        for collection in collections:
            if collection != NODES:
                self.settle(collection)
        if NODES in collections and self.remote.heard().horizon.stamp != horizon:
            raise HorizonMoved("deletions were forgotten there while all was compared: try again")
        self.exchange_signs(*signs)

    def settle(self, collection: str) -> None:
        """Find what differs in a collection and exchange it."""
        found = self._find(collection)
        surplus, seen = set(found.surplus), _Seen(set(), [])
        for start in range(0, len(found.wanted), PAGE_RECORDS):
            keys = found.wanted[start : start + PAGE_RECORDS]
            # A message that gives way to another one of its id is kept beside that, and not under its key any more.
            # Where one side was away too long it is to be judged first whether it was deleted.
            told = self.push and not self.absence
            giving_way = [key for key in keys if told and key in surplus and key.startswith(MESSAGE_PREFIX)]
            ours_before = list(self.own.get(collection, giving_way)) if giving_way else []
            for page in self._get(collection, keys):
                self._take(self._without_deleted(page, seen) if self.absence else page)
            for page in ours_before:
                self._offer(page)
        if self.absence.there.away:
            self._forget_deleted(collection, found, seen)
        if self.push:
            for page in self.own.get(collection, found.surplus):
                self._offer(page)

    def read_signs(self) -> tuple[Page, Page]:
        """Return the signs of life that differ, theirs and ours, as they are now, with the horizons."""
        found = self._find(NODES)
        theirs = self._get(NODES, found.wanted) if found.wanted else []
        return _as_one(theirs), _as_one(self.own.get(NODES, found.surplus) if self.push else ())

    def exchange_signs(self, theirs: Page, ours: Page) -> None:
        """Take signs and horizon over, and give ours, each in one transaction.

        Between a horizon and what those have seen who agreed to it a third node could bring back what they deleted.
        """
        if self.absence.here.away:
            ours = self._join_horizons(theirs, ours)
        elif theirs.records:
            self._apply(theirs, lambda writer: check_marker(writer, theirs.records, self.after, self.compared))
        self._offer(ours)

    def _join_horizons(self, theirs: Page, ours: Page) -> Page:
        """Replace both horizons by one later than both, and take their signs; returns what to offer them.

        If we took theirs, they would not learn from ours that they were away, and would go on judging third nodes
        by what they alone have seen.
        """
        marker = marker_of(theirs.records)

        def join(writer: Writer) -> None:
            joint = joined(writer.heard().horizon, horizon_of(marker), writer.origin())
            check_compared(writer, joint.stamp, self.after, self.compared)
            writer.advance_horizon(joint)

        if self.store.read(lambda reader: reader.lacking(self.peer)):
            return Page([], [])  # their signs are not taken over now, so neither is what they agreed to
        self._apply(_without_marker(theirs), join)
        joint = self.own.get(NODES, [HORIZON_KEY]) if self.push else ()
        return _as_one([*joint, _without_marker(ours)])

    def _find(self, collection: str) -> Difference:
        index = self.own.index(collection)
        found = find_difference(index, lambda ranges: self.remote.ranges(collection, ranges))
        self.outcome.trips += found.trips
        self.outcome.wanted += len(found.wanted)
        self.outcome.surplus += len(found.surplus)
        return found

    def _get(self, collection: str, keys: list[str]) -> list[Page]:
        # All of the answer at once: contents are asked for on the same connection, one exchange at a time.
        return list(self.remote.get(collection, keys))

    def _take(self, page: Page) -> None:
        self._apply(page, lambda writer: check_horizon(writer, self.absence.horizon))
        for origin, stamp in newest_by_origin(page.records).items():
            self.newest[origin] = max(stamp, self.newest.get(origin, 0))
        if self.absence:
            self.compared.update((record.collection, record.key) for record in page.records)

    def _apply(self, page: Page, guard: Callable[[Any], None]) -> None:
        def step() -> Applied:
            return apply_page(self.store, self.remote, page, self.peer, progress=self.progress, guard=guard)

        self.outcome.pulled += in_time(step, self.wait)

    def _offer(self, page: Page) -> None:
        self.outcome.pushed += in_time(partial(push_page, self.store, self.remote, page, self.own.scope), self.wait)

    def _without_deleted(self, page: Page, seen: "_Seen") -> Page:
        """Refuse what they still have although it was deleted here, so long ago that the tombstone is gone.

        And delete what we still have in an incarnation that was deleted there.
        """
        if not page.records:
            return page
        fetch_contents(self.store, self.remote, filter(is_message, page.records))
        theirs, ours = self.store.read(lambda reader: _versions(reader, page.records))
        seen.theirs.update(theirs)
        keys = page.by_key()
        seen.ours_only.extend(one for thing, one in ours.items() if thing not in theirs and one.key in keys)
        both = {thing: one for thing, one in ours.items() if thing in theirs}
        self._refuse(self.absence.there.deleted(_newer_incarnations(both, theirs)))
        refused = self.absence.here.deleted(_newer_incarnations(theirs, ours))
        if not refused:
            return page
        failed = fetch_contents(self.store, self.remote, refused)
        left_out = {record.key for record in refused}
        self._refuse([record for record in refused if record.content not in failed])
        if self.push:
            for dead in self.own.get(refused[0].collection, sorted(left_out)):
                self._offer(dead)
        return page.only(lambda record: record.key not in left_out)

    def _forget_deleted(self, collection: str, found: Difference, seen: "_Seen") -> None:
        """Delete what we still have although it was deleted there, so long ago that the tombstone is gone."""
        wanted = set(found.wanted)
        only_here = [key for key in found.surplus if key not in wanted]
        self._refuse(self.absence.there.deleted(self._unseen(seen.ours_only, seen)))
        for page in list(self.own.get(collection, only_here)):
            self._refuse(self.absence.there.deleted(self._unseen(page.records, seen)))

    def _unseen(self, records: Sequence[Record], seen: "_Seen") -> list[Record]:
        """Return the records of ours of which the other side showed no version, under whatever key."""
        things = self.store.read(lambda reader: [_thing(reader, record) for record in records])
        return [record for thing, record in zip(things, records, strict=True) if thing not in seen.theirs]

    def _refuse(self, records: list[Record]) -> None:
        if records:
            self.outcome.refused += self.store.write(lambda writer: writer.refuse_revival(records))


Thing = tuple[str, str]
"""What tells a record from the others of its collection: its key, and of a message its text."""


class _Seen(NamedTuple):
    """What was met in one collection: the things of which they have a version, and what only we had a version of."""

    theirs: set[Thing]
    ours_only: list[Record]
    """Under a key that they have too, but for another message."""


def _thing(reader: Reader, record: Record) -> Thing:
    if not is_message(record) or (record.content and not reader.content_complete(record.content)):
        return record.key, ""
    return split_key(record.key)[0], text_of(record, lambda one: own_text(one, reader.body))


def _versions(reader: Reader, theirs: Sequence[Record]) -> tuple[dict[Thing, Record], dict[Thing, Record]]:
    """Return their records by the things that they are, and what is here of those, or under their keys."""
    shown = {_thing(reader, record): record for record in theirs}
    filed = [filed_key(plain, text) for plain, text in shown if text]
    keys = dict.fromkeys([*(record.key for record in theirs), *(plain for plain, _ in shown), *filed])
    held = reader.get_many(theirs[0].collection, list(keys))
    return shown, {_thing(reader, record): record for record in held}


def _newer_incarnations(records: Mapping[Thing, Record], held: Mapping[Thing, Record]) -> list[Record]:
    """Return the records of which ``held`` has nothing, or just something that was born or died before."""
    return [record for thing, record in records.items() if thing not in held or held[thing].era < record.era]


def _without_marker(page: Page) -> Page:
    return page.only(lambda record: record.key != HORIZON_KEY)


def _as_one(pages: Iterable[Page]) -> Page:
    """Return pages of records as one, which is taken in as a whole."""
    held = list(pages)
    return Page(
        [record for page in held for record in page.records],
        [crc for page in held for crc in page.crcs],
        unfit=tuple(one for page in held for one in page.unfit),
    )
