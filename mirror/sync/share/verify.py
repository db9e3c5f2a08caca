"""Comparing the rooms that two nodes share: what should be on both sides and is not is named, and nothing else."""

from collections.abc import Callable, Iterator, Mapping

import msgspec

from mirror.model.kinds import Collection
from mirror.model.record import record_crc
from mirror.sync.index import RangeIndex
from mirror.sync.listing import find_difference
from mirror.sync.remote import Remote
from mirror.sync.share.names import KIND_OF
from mirror.sync.share.pairs import Pair
from mirror.wire.status import PairStatus, RoomComparison
from mirror.wire.values import Page
from netconf.rules import DELETIONS, MARKS

Listing = Callable[[str], Iterator[Page]]
"""Yields all records of one of our collections."""


def pair_status(pair: Pair) -> PairStatus:
    """Return how it is with two rooms that belong together."""
    return PairStatus(
        here=pair.here.name,
        key=pair.there.key,
        name=pair.there.name,
        pulled=sorted(pair.pulled),
        pushed=sorted(pair.pushed),
        readable=sorted(pair.there.what) if pair.there.pushes else [],
        whole=pair.whole,
    )


def compare_shares(ours: Listing, theirs: Remote, paired: Mapping[str, PairStatus]) -> list[RoomComparison]:
    """Compare the rooms that are shared with a peer, by their keys here, in everything that both sides show."""
    return [
        _compare_room(ours, theirs, key, pair, what)
        for key, pair in sorted(paired.items())
        for what in sorted({*pair.pulled, *pair.pushed} & KIND_OF.keys())
        if what in pair.readable  # else they take what we send and show nothing, so there is nothing to compare with
    ]


def _compare_room(ours: Listing, theirs: Remote, key: str, pair: PairStatus, what: str) -> RoomComparison:
    here, there = str(Collection(KIND_OF[what], key)), str(Collection(KIND_OF[what], pair.key))
    tombstones = DELETIONS in pair.pulled
    records = [
        msgspec.structs.replace(record, collection=there)
        for page in ours(here)
        for record in page.records
        if (tombstones or not record.dead) and (what != MARKS or " " in record.key)
    ]
    index = RangeIndex.of((record.stamp, record.key, record_crc(record)) for record in records)
    found = find_difference(index, lambda ranges: theirs.ranges(there, ranges))
    missing = sorted(set(found.wanted)) if what in pair.pulled else []
    unsent = sorted(set(found.surplus) - set(found.wanted)) if what in pair.pushed and pair.whole else []
    return RoomComparison(pair.here, pair.name, what, len(records), missing, unsent)
