"""Range-based set reconciliation: which keys of one collection differ between a store and the other side.

The method is that of negentropy (Meyer, "Range-Based Set Reconciliation", 2022): fingerprints of ranges, split
where they differ, several ranges a round trip.
"""

from collections.abc import Callable, Sequence

import msgspec

from mirror.sync.index import RangeIndex
from mirror.sync.remote import Remote, SyncError
from mirror.wire.codec import GREATEST, LEAST, Entry, Listed, Range
from mirror.wire.values import Answer

RANGES_A_TRIP = 128
"""Ranges asked for in one round trip."""
MAX_TRIPS = 65_536
MAX_PENDING = 1 << 20
"""Round trips of one comparison, and ranges that wait to be asked for: ten million records that all differ need some
thousand trips.  Who answers with ever new ranges would never come to an end."""


class Endless(SyncError):
    """The other side answers ranges with ever new ranges."""


class Difference(msgspec.Struct):
    """The keys of one collection in which two nodes differ; a key whose versions differ is in both."""

    wanted: list[str] = []
    surplus: list[str] = []
    trips: int = 0


class Versions(msgspec.Struct):
    """The CRCs of the versions in which two nodes differ, by their keys."""

    theirs: dict[str, int] = {}
    ours: dict[str, int] = {}


def find_difference(
    index: RangeIndex, ask: Callable[[Sequence[Range]], list[Answer]], versions: Versions | None = None
) -> Difference:
    """Descend into the ranges that differ until all entries in question are listed.  ``ask`` is one trip.

    What was found goes into ``versions`` too, if they are given.
    """
    found = Difference()
    pending = [index.fingerprint(LEAST, GREATEST)]
    while pending:
        asked, pending = pending[:RANGES_A_TRIP], pending[RANGES_A_TRIP:]
        found.trips += 1
        if found.trips > MAX_TRIPS or len(pending) > MAX_PENDING:
            raise Endless(f"after {found.trips} round trips there are {len(pending)} ranges still to be compared")
        for answer in ask(asked):
            if isinstance(answer, Listed):
                _compare(index, answer, found, versions)
            elif (ours := index.fingerprint(answer.lower, answer.upper)) != answer:
                pending.append(ours)
    return found


def _compare(index: RangeIndex, listed: Listed, found: Difference, versions: Versions | None) -> None:
    theirs = {(entry.stamp, entry.key, entry.crc) for entry in listed.entries}
    ours = {(entry.stamp, entry.key, entry.crc) for entry in index.entries(listed.lower, listed.upper)}
    found.wanted += sorted(key for _, key, _ in theirs - ours)
    found.surplus += sorted(key for _, key, _ in ours - theirs)
    if versions is not None:
        versions.theirs.update((key, crc) for _, key, crc in theirs - ours)
        versions.ours.update((key, crc) for _, key, crc in ours - theirs)


def list_entries(remote: Remote, collection: str) -> list[Entry]:
    """Return all entries of a collection as reconciliation lists them."""
    entries: list[Entry] = []

    def ask(ranges: Sequence[Range]) -> list[Answer]:
        answers = remote.ranges(collection, ranges)
        entries.extend(entry for answer in answers if isinstance(answer, Listed) for entry in answer.entries)
        return answers

    find_difference(RangeIndex.of(()), ask)
    return entries
