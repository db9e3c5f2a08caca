"""Reconciliation: two nodes find what differs without a cursor, and exchange just that."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from mirror.model.digest import Digest
from mirror.store.base import Applied, Store, StoredCursor
from mirror.store.reader import PAGE_RECORDS
from mirror.sync.index import RangeIndex
from mirror.sync.pull import PULL, PUSH, Progress, apply_page
from mirror.sync.push import push_page
from mirror.sync.remote import Answer, Remote, State
from mirror.sync.responder import Responder
from mirror.sync.scope import EVERYTHING, Scope
from mirror.wire.codec import GREATEST, LEAST, Entry, Listed, Range

RANGES_A_TRIP = 128
"""Ranges asked for in one round trip."""


class Outcome(msgspec.Struct):
    """What a reconciliation found and did (numbers of records, of round trips)."""

    state: State
    differing: list[str] = []
    pulled: Applied = Applied()
    pushed: Applied = Applied()
    wanted: int = 0
    surplus: int = 0
    trips: int = 1


class Difference(msgspec.Struct):
    """The keys of one collection in which two nodes differ; a key whose versions differ is in both."""

    wanted: list[str] = []
    surplus: list[str] = []
    trips: int = 0


def differing(ours: dict[str, Digest], theirs: dict[str, Digest]) -> list[str]:
    """Return the names of collections whose digests are not equal, in order."""
    empty = Digest()
    return [
        name for name in sorted(ours.keys() | theirs.keys()) if not ours.get(name, empty).same(theirs.get(name, empty))
    ]


def find_difference(index: RangeIndex, ask: Callable[[Sequence[Range]], list[Answer]]) -> Difference:
    """Descend into the ranges that differ until all entries in question are listed.  ``ask`` is one trip."""
    found = Difference()
    pending = [index.fingerprint(LEAST, GREATEST)]
    while pending:
        asked, pending = pending[:RANGES_A_TRIP], pending[RANGES_A_TRIP:]
        found.trips += 1
        for answer in ask(asked):
            if isinstance(answer, Listed):
                _compare(index, answer, found)
            elif index.differs(answer):
                pending.append(index.fingerprint(answer.lower, answer.upper))
    return found


def _compare(index: RangeIndex, listed: Listed, found: Difference) -> None:
    theirs = {(entry.stamp, entry.key, entry.crc) for entry in listed.entries}
    ours = {(entry.stamp, entry.key, entry.crc) for entry in index.entries(listed.lower, listed.upper)}
    found.wanted += sorted(key for _, key, _ in theirs - ours)
    found.surplus += sorted(key for _, key, _ in ours - theirs)


def list_entries(remote: Remote, collection: str) -> list[Entry]:
    """Return all entries of a collection as reconciliation lists them."""
    entries: list[Entry] = []

    def ask(ranges: Sequence[Range]) -> list[Answer]:
        answers = remote.ranges(collection, ranges)
        entries.extend(entry for answer in answers if isinstance(answer, Listed) for entry in answer.entries)
        return answers

    find_difference(RangeIndex.of(()), ask)
    return entries


def reconcile(
    store: Store,
    remote: Remote,
    peer: str,
    *,
    push: bool = False,
    scope: Scope = EVERYTHING,
    progress: Progress | None = None,
) -> Outcome:
    """Make a store hold all that the other side has, and with ``push`` the other way round too.

    Afterwards the cursors stand where the two states that were compared ended, so tailing goes on there.
    """
    own = Responder(store, scope)
    before = own.info()
    state = remote.info(before.digest)
    outcome = Outcome(state)
    if state.collections is not None and before.collections is not None:
        outcome.differing = differing(before.collections, state.collections)
        for collection in outcome.differing:
            _reconcile_collection(own, store, remote, peer, collection, push, outcome, progress)

    def job(writer: Any) -> None:
        writer.set_cursor(peer, PULL, StoredCursor(state.epoch, state.sequence, True))
        if push or not outcome.surplus:
            # What we pulled just now comes after ``before`` and is offered again at most once.
            writer.set_cursor(peer, PUSH, StoredCursor(state.epoch, before.sequence, True))

    store.write(job)
    return outcome


def _reconcile_collection(
    own: Responder,
    store: Store,
    remote: Remote,
    peer: str,
    collection: str,
    push: bool,
    outcome: Outcome,
    progress: Progress | None,
) -> None:
    index = own.index(collection)
    found = find_difference(index, lambda ranges: remote.ranges(collection, ranges))
    outcome.trips += found.trips
    outcome.wanted += len(found.wanted)
    outcome.surplus += len(found.surplus)
    for start in range(0, len(found.wanted), PAGE_RECORDS):
        # All of the answer first: contents are asked for on the same connection, one exchange at a time.
        for page in list(remote.get(collection, found.wanted[start : start + PAGE_RECORDS])):
            outcome.pulled += apply_page(store, remote, page, peer, progress=progress)
    if push:
        for page in own.get(collection, found.surplus):
            outcome.pushed += push_page(store, remote, page, own.scope)
