"""One collection's entries in order, with fingerprints of any range: what reconciliation compares.

The algorithm family is range-based set reconciliation (A. Meyer, "Range-Based Set Reconciliation", 2022;
negentropy).  A range's fingerprint is the number of its records and the sum of their CRCs mod 2^64.
"""

from collections.abc import Iterable
from itertools import accumulate, pairwise

from sortedcontainers import SortedList

from mirror.model.digest import MASK
from mirror.wire.codec import Bound, Entry, Listed, Range

BRANCHES = 16
"""Into how many parts a range that differs is split."""
LIST_LIMIT = 64
"""Entries in a range that is listed instead of split."""


class RangeIndex:
    """Entries of one collection as of one moment."""

    def __init__(self, entries: Iterable[tuple[int, str, int]]) -> None:
        """``entries`` are (stamp, key, CRC)."""
        self._entries = SortedList(entries)
        self._totals = [0, *accumulate(crc for _, _, crc in self._entries)]

    def __len__(self) -> int:
        return len(self._entries)

    def _position(self, bound: Bound) -> int:
        return int(self._entries.bisect_left((bound.stamp, bound.key, -1)))

    def _between(self, lower: Bound, upper: Bound, first: int, last: int) -> Range:
        return Range(lower, upper, last - first, (self._totals[last] - self._totals[first]) & MASK)

    def fingerprint(self, lower: Bound, upper: Bound) -> Range:
        """Return the fingerprint of the entries from ``lower`` up to but without ``upper``."""
        return self._between(lower, upper, self._position(lower), self._position(upper))

    def entries(self, lower: Bound, upper: Bound) -> list[Entry]:
        """Return the entries of a range."""
        return [Entry(*entry) for entry in self._entries[self._position(lower) : self._position(upper)]]

    def differs(self, asked: Range) -> bool:
        """Tell whether the asker's fingerprint of a range is another than ours."""
        ours = self.fingerprint(asked.lower, asked.upper)
        return (ours.count, ours.total) != (asked.count, asked.total)

    def answer(self, asked: Range) -> list[Range] | Listed:
        """Return the parts of a range, or its entries when there are few."""
        first, last = self._position(asked.lower), self._position(asked.upper)
        if last - first <= LIST_LIMIT:
            return Listed(asked.lower, asked.upper, self.entries(asked.lower, asked.upper))
        steps = [first + (last - first) * part // BRANCHES for part in range(1, BRANCHES)]
        places = [(asked.lower, first), *((self._bound(step), step) for step in steps), (asked.upper, last)]
        return [self._between(lower, upper, start, end) for (lower, start), (upper, end) in pairwise(places)]

    def _bound(self, position: int) -> Bound:
        stamp, key, _ = self._entries[position]
        return Bound(stamp, key)
