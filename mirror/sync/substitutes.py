"""Comparing with a peer of which something was set aside: its records' CRCs stand for our own's in all sums.

So what both sides would call equal is equal but for what was set aside, and that costs O(1) for each such record.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from mirror.model.digest import MASK, Digest
from mirror.store.base import Reader
from mirror.store.values import Listing, Substitute

Substitutes = Mapping[str, Sequence[Substitute]]
"""By collection."""
NONE: Substitutes = {}


class Changes(NamedTuple):
    """Entries that stand in a collection's order for a peer, and those that do not."""

    added: Sequence[Listing] = ()
    removed: Sequence[Listing] = ()

    def within(self, lower: tuple[int, str], upper: tuple[int, str]) -> tuple[int, int]:
        """Return what is added to the number of records, and to the sum of their CRCs, of a range."""
        added = [one.crc for one in self.added if lower <= one[:2] < upper]
        removed = [one.crc for one in self.removed if lower <= one[:2] < upper]
        return len(added) - len(removed), sum(added) - sum(removed)

    def applied(
        self, entries: Iterable[tuple[int, str, int]], lower: tuple[int, str], upper: tuple[int, str]
    ) -> list[Listing]:
        """Return the entries of a range with these changes, in order."""
        gone = set(self.removed)
        kept = [one for one in (Listing(*entry) for entry in entries) if one not in gone]
        return sorted([*kept, *(one for one in self.added if lower <= one[:2] < upper)])


def read_substitutes(reader: Reader, peer: str) -> Substitutes:
    """Return what stands for what when comparing with a peer; nothing for no peer."""
    return by_collection(reader.substitutes(peer)) if peer else NONE


def by_collection(substitutes: Iterable[Substitute]) -> Substitutes:
    """Return them by their collections."""
    found: defaultdict[str, list[Substitute]] = defaultdict(list)
    for one in substitutes:
        found[one.collection].append(one)
    return found


def changes_in(substitutes: Substitutes, collection: str) -> Changes:
    """Return how a collection's order differs for the peer."""
    found = substitutes.get(collection, ())
    return Changes([one.theirs for one in found], [one.own for one in found if one.own is not None])


def substituted(
    digests: Mapping[str, Digest], substitutes: Substitutes, reads: Callable[[str], bool]
) -> dict[str, Digest]:
    """Return collections' digests as the peer has them."""
    changed = dict(digests)
    for collection, found in substitutes.items():
        if reads(collection):
            changed[collection] = _with(changed.get(collection, Digest()), found)
    return changed


def root_with(root: Digest, substitutes: Substitutes) -> Digest:
    """Return the digest over everything as the peer has it."""
    for found in substitutes.values():
        root = _with(root, found)
    return root


def _with(digest: Digest, found: Iterable[Substitute]) -> Digest:
    count, newest, total = digest
    for one in found:
        count += one.own is None
        newest = max(newest, one.theirs.stamp)
        total += one.theirs.crc - (one.own.crc if one.own is not None else 0)
    return Digest(count, newest, total & MASK)
