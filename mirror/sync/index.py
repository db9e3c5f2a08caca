"""One collection's order with fingerprints of any range: what reconciliation compares.

The algorithm family is range-based set reconciliation (A. Meyer, "Range-Based Set Reconciliation", 2022;
negentropy).  A range's fingerprint is the number of its records and the sum of their CRCs mod 2^64.
Sums over blocks come from the store; entries are loaded only where a range ends inside a block.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from itertools import accumulate, pairwise, starmap
from operator import itemgetter

from sortedcontainers import SortedList

from mirror.model.digest import MASK
from mirror.store.base import BLOCK_RECORDS
from mirror.store.values import Block, Place
from mirror.sync.substitutes import Changes
from mirror.wire.codec import Bound, Entry, Listed, Range

BRANCHES = 16
"""Into how many parts a range that differs is split."""
LIST_LIMIT = 64
"""Entries in a range that is listed instead of split."""
FEW_BLOCKS = 4
"""A range over fewer blocks is split between entries, which have to be loaded for that."""
KEPT_BLOCKS = 1024
"""Blocks whose entries are kept at a time."""

_CRC = itemgetter(2)

Load = Callable[[Place, Place | None], Iterable[tuple[int, str, int]]]
"""Returns (stamp, key, CRC) from a place up to before another."""


NO_CHANGES = Changes()


class RangeIndex:
    """The order of one collection as of one moment."""

    def __init__(self, blocks: Sequence[Block], load: Load, changes: Changes = NO_CHANGES) -> None:
        """``changes`` are what stands for what where a peer compares."""
        self._changes = changes
        self._starts = SortedList(block.start for block in blocks)
        self._counts = [0, *accumulate(block.count for block in blocks)]
        self._totals = [0, *accumulate(block.total for block in blocks)]
        self._load = load
        self._loaded: dict[int, list[tuple[int, str, int]]] = {}

    def with_changes(self, changes: Changes) -> "RangeIndex":
        """Return the same order as a peer sees it, of which something was set aside."""
        other = copy(self)
        other._changes = changes
        return other

    @classmethod
    def of(cls, entries: Iterable[tuple[int, str, int]]) -> "RangeIndex":
        """Return the index of entries (stamp, key, CRC) that are at hand."""
        ordered = sorted(entries)
        blocks = []
        for at in range(0, len(ordered), BLOCK_RECORDS):
            part = ordered[at : at + BLOCK_RECORDS]
            blocks.append(Block(part[0][:2] if at else (0, ""), len(part), sum(crc for _, _, crc in part)))

        def load(lower: Place, upper: Place | None) -> list[tuple[int, str, int]]:
            end = len(ordered) if upper is None else bisect_left(ordered, (*upper, -1))
            return ordered[bisect_left(ordered, (*lower, -1)) : end]

        return cls(blocks, load)

    def _block(self, at: int) -> list[tuple[int, str, int]]:
        if at not in self._loaded:
            if len(self._loaded) >= KEPT_BLOCKS:
                self._loaded.pop(next(iter(self._loaded)))
            upper = self._starts[at + 1] if at + 1 < len(self._starts) else None
            self._loaded[at] = sorted(self._load(self._starts[at], upper))
        return self._loaded[at]

    def _inside(self, at: int, lower: Place, upper: Place) -> list[tuple[int, str, int]]:
        entries = self._block(at)
        return entries[bisect_left(entries, (*lower, -1)) : bisect_left(entries, (*upper, -1))]

    def _pieces(self, lower: Place, upper: Place) -> tuple[int, int, list[tuple[int, str, int]]]:
        """Return the blocks that lie wholly in a range (first, behind the last) and the entries outside them."""
        first = self._starts.bisect_left(lower)
        last = self._starts.bisect_left(upper)  # the block before this one may reach over the range's end
        loose: list[tuple[int, str, int]] = []
        if first > 0 and (first == len(self._starts) or self._starts[first] != lower):
            loose += self._inside(first - 1, lower, upper)
        if last > first and not (last < len(self._starts) and self._starts[last] == upper):
            last -= 1
            loose += self._inside(last, lower, upper)
        return first, max(first, last), loose

    def fingerprint(self, lower: Bound, upper: Bound) -> Range:
        """Return the fingerprint of the entries from ``lower`` up to but without ``upper``."""
        first, last, loose = self._pieces(_place(lower), _place(upper))
        count = self._counts[last] - self._counts[first] + len(loose)
        total = self._totals[last] - self._totals[first] + sum(map(_CRC, loose))
        if self._changes is not NO_CHANGES:
            more, sum_ = self._changes.within(_place(lower), _place(upper))
            count, total = count + more, total + sum_
        return Range(lower, upper, count, total & MASK)

    def entries(self, lower: Bound, upper: Bound) -> list[Entry]:
        """Return the entries of a range, in order."""
        first = max(0, self._starts.bisect_right(_place(lower)) - 1)
        last = self._starts.bisect_left(_place(upper))
        found = (entry for at in range(first, last) for entry in self._inside(at, _place(lower), _place(upper)))
        if self._changes is NO_CHANGES:
            return list(starmap(Entry, found))
        return list(starmap(Entry, self._changes.applied(found, _place(lower), _place(upper))))

    def differs(self, asked: Range) -> bool:
        """Tell whether the asker's fingerprint of a range is another than ours."""
        return self.fingerprint(asked.lower, asked.upper) != asked

    def answer(self, asked: Range, ours: Range | None = None) -> list[Range] | Listed:
        """Return the parts of a range, or its entries when there are few; ``ours`` is its fingerprint if at hand."""
        if (ours or self.fingerprint(asked.lower, asked.upper)).count <= LIST_LIMIT:
            return Listed(asked.lower, asked.upper, self.entries(asked.lower, asked.upper))
        bounds = [asked.lower, *self._splits(asked.lower, asked.upper), asked.upper]
        return [self.fingerprint(lower, upper) for lower, upper in pairwise(bounds)]

    def answer_all(self, ranges: Sequence[Range], load: Load | None = None) -> list[Range | Listed]:
        """Return the answers for those ranges that differ; ``load`` replaces for once what entries are loaded with."""
        usual = self._load
        self._load = load or usual
        try:
            answers: list[Range | Listed] = []
            for asked in ranges:
                ours = self.fingerprint(asked.lower, asked.upper)
                if ours != asked:
                    answer = self.answer(asked, ours)
                    answers.extend(answer) if isinstance(answer, list) else answers.append(answer)
            return answers
        finally:
            self._load = usual

    def _splits(self, lower: Bound, upper: Bound) -> list[Bound]:
        """Return where to split a range: between blocks while there are enough, else between entries."""
        first = self._starts.bisect_right(_place(lower))
        last = self._starts.bisect_left(_place(upper))
        if last - first >= FEW_BLOCKS:
            return [Bound(*self._starts[at]) for at in _evenly(first - 1, last)]
        entries = self.entries(lower, upper)
        return [Bound(entries[at].stamp, entries[at].key) for at in _evenly(0, len(entries))]


def _evenly(first: int, last: int) -> list[int]:
    parts = min(BRANCHES, last - first)
    return [first + (last - first) * part // parts for part in range(1, parts)]


def _place(bound: Bound) -> Place:
    return (bound.stamp, bound.key)
