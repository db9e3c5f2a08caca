"""Comparing two nodes: which collections differ, and the first records in which they do.

Asks both sides through mirror.sync.remote, so it knows neither connections nor who wants to see the outcome.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

import msgspec

from mirror.model.digest import Digest
from mirror.model.kinds import Collection
from mirror.model.record import record_crc
from mirror.sync.index import RangeIndex
from mirror.sync.listing import find_difference, list_entries
from mirror.sync.reconcile import differing
from mirror.sync.remote import Remote
from mirror.sync.share.names import KIND_OF
from mirror.sync.substitutes import NONE, Changes, Substitutes, changes_in, substituted
from mirror.wire.status import PairStatus
from mirror.wire.values import Page
from netconf.rules import DELETIONS, MARKS

MAX_DIFFERENCES = 10
"""Collections of which records are named, and keys named of each, unless asked for more."""


class Differences(NamedTuple):
    """The first keys of one collection that are on one side only, or of which the sides hold different versions."""

    only_here: list[str]
    only_there: list[str]
    versions_differ: list[str]


class NodeState(NamedTuple):
    """One side of a comparison: its name, the digest over everything, each collection's."""

    node: str
    digest: Digest
    collections: dict[str, Digest]


class Verified(NamedTuple):
    """The outcome of comparing two nodes; ``records`` tells more of the first collections that differ."""

    ours: NodeState
    theirs: NodeState
    differing: list[str]
    records: dict[str, Differences]
    aside: int = 0
    """How many of their records are set aside here: but for those the nodes may be equal."""

    @property
    def equal(self) -> bool:
        return not self.differing

    @property
    def collections(self) -> list[str]:
        """The names of all collections that either side holds."""
        return sorted(self.ours.collections.keys() | self.theirs.collections.keys())


def compare_nodes(
    ours: Remote, theirs: Remote, limit: int = MAX_DIFFERENCES, substitutes: Substitutes = NONE
) -> Verified:
    """Compare all that two nodes hold, as they are now.  Raises what the remotes raise.

    ``substitutes`` are what of the other node was set aside here: that is no difference.
    """
    left, right = _state(ours), _state(theirs)
    as_there = substituted(left.collections, substitutes, lambda _name: True)
    names = differing(as_there, right.collections)
    records = {name: _differences(ours, theirs, name, limit, changes_in(substitutes, name)) for name in names[:limit]}
    return Verified(left, right, names, records, sum(map(len, substitutes.values())))


def _state(remote: Remote) -> NodeState:
    state = remote.info()
    return NodeState(state.node, state.digest, state.collections or {})


def _differences(ours: Remote, theirs: Remote, collection: str, limit: int, changes: Changes) -> Differences:
    entries = ((entry.stamp, entry.key, entry.crc) for entry in list_entries(ours, collection))
    index = RangeIndex.of(entries).with_changes(changes)
    found = find_difference(index, lambda ranges: theirs.ranges(collection, ranges))
    both = set(found.wanted) & set(found.surplus)
    return Differences(
        sorted(set(found.surplus) - both)[:limit], sorted(set(found.wanted) - both)[:limit], sorted(both)[:limit]
    )


# -- shared rooms -------------------------------------------------------------------------------------


class ComparedRoom(NamedTuple):
    """One kind of thing in one shared room: how many records were compared, and the keys of those that differ.

    ``missing`` should have come here, ``unsent`` gone there; what just the rules keep on one side is neither.
    """

    room: str
    there: str
    what: str
    records: int
    missing: list[str]
    unsent: list[str]

    @property
    def equal(self) -> bool:
        return not (self.missing or self.unsent)


class Listing(Remote, Protocol):
    """A remote that shows whole collections: this machine's own node."""

    def getall(self, selector: str) -> Iterator[Page]:
        """Yield all records of a collection."""
        ...


def compare_shares(ours: Listing, theirs: Remote, paired: Mapping[str, PairStatus]) -> list[ComparedRoom]:
    """Compare the rooms that are shared with a peer, by their keys here, in everything that both sides show."""
    return [
        _compare_room(ours, theirs, key, pair, what)
        for key, pair in sorted(paired.items())
        for what in sorted({*pair.pulled, *pair.pushed} & KIND_OF.keys())
        if what in pair.readable  # else they take what we send and show nothing, so there is nothing to compare with
    ]


def _compare_room(ours: Listing, theirs: Remote, key: str, pair: PairStatus, what: str) -> ComparedRoom:
    here, there = str(Collection(KIND_OF[what], key)), str(Collection(KIND_OF[what], pair.key))
    tombstones = DELETIONS in pair.pulled
    records = [
        msgspec.structs.replace(record, collection=there)
        for page in ours.getall(here)
        for record in page.records
        if (tombstones or not record.dead) and (what != MARKS or " " in record.key)
    ]
    index = RangeIndex.of((record.stamp, record.key, record_crc(record)) for record in records)
    found = find_difference(index, lambda ranges: theirs.ranges(there, ranges))
    missing = sorted(set(found.wanted)) if what in pair.pulled else []
    unsent = sorted(set(found.surplus) - set(found.wanted)) if what in pair.pushed and pair.whole else []
    return ComparedRoom(pair.here, pair.name, what, len(records), missing, unsent)
