"""Sets of message numbers in IMAP syntax (``1:7,9``), as Citadel keeps what a user has seen.

``*`` as a lower bound is the lowest number there is, as an upper bound the highest (recording 08: ``*:61``).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from mirror.formats.errors import CitadelError
from mirror.formats.numbers import parse_number

HIGHEST = (1 << 63) - 1
NOTHING_SEEN = "*:0"
"""What a server tells of who has seen nothing in a room, or was never there..."""
EMPTIED = "0"
"""... and what it exports where all that was seen was marked unread again; to a session it tells that as nothing."""
CUT_BYTES = 4095
"""Bytes of a set that a server keeps: of one that is as long the last number may be cut in two."""


_ROOM_FOR_FRONT = 42
"""Bytes kept for the range of the lowest numbers: two of the longest, a colon and a comma."""


class SequenceSet:
    """An immutable set of message numbers."""

    def __init__(self, text: str) -> None:
        """Raises CitadelError when ``text`` is no such set."""
        ranges = sorted(_parse_range(part) for part in text.split(",") if part)
        self._lower = [lower for lower, _ in ranges]
        self._upper: list[int] = []
        highest = -1
        for _, upper in ranges:
            highest = max(highest, upper)
            self._upper.append(highest)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._lower, number) - 1
        return at >= 0 and number <= self._upper[at]

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Yield the ranges of the set, from the least on; no two have a number in common."""
        after = -1
        for lower, upper in zip(self._lower, self._upper, strict=True):
            if upper > after:
                yield max(lower, after + 1), upper
                after = upper

    def differing(self, other: "SequenceSet", most: int) -> list[int] | None:
        """Return the numbers that are in one of the two sets alone, None where they are more than ``most``."""
        numbers: list[int] = []
        ranges = [*self.ranges(), *other.ranges()]
        bounds = sorted({bound for lower, upper in ranges for bound in (lower, upper + 1)})
        for lower, upper in pairwise(bounds):
            if (lower in self) != (lower in other):
                if upper - lower > most - len(numbers):
                    return None
                numbers += range(lower, upper)
        return numbers

    @property
    def highest(self) -> int:
        """The greatest number of the set, 0 where it is empty."""
        return max([0, *self._upper[-1:]])

    def __bool__(self) -> bool:
        return any(upper > 0 for upper in self._upper)


def set_of(marked: Collection[int], listed: Iterable[int], limit: int = CUT_BYTES) -> str:
    """Return a set that has just those of a room's messages which are marked, in fewer bytes than ``limit``.

    What lies between messages counts for nothing, so a range reaches over it.  Of a set that is too long the ranges of
    the lowest numbers become one, as the server itself cuts it: what lies between them is marked as well.
    """
    runs: list[tuple[int, int]] = []
    going_on = False
    for number in listed:
        if number in marked and going_on:
            runs[-1] = (runs[-1][0], number)
        elif number in marked:
            runs.append((number, number))
        going_on = number in marked
    texts = [str(first) if first == last else f"{first}:{last}" for first, last in runs]
    size, kept = 0, len(texts)
    while kept and size + len(texts[kept - 1]) + 1 < limit - _ROOM_FOR_FRONT:
        kept -= 1
        size += len(texts[kept]) + 1
    front = [f"{runs[0][0]}:{runs[kept - 1][1]}"] if kept else []
    return ",".join([*front, *texts[kept:]])


def with_numbers(text: str, added: Collection[int], removed: Collection[int]) -> str:
    """Return a set with some numbers more and others less.  Raises CitadelError for what is no set."""
    away = sorted(set(removed))
    ranges = [part for one in SequenceSet(text).ranges() for part in _without(one, away)]
    ranges = sorted([*ranges, *((number, number) for number in set(added) - set(away))])
    joined: list[tuple[int, int]] = []
    for lower, upper in ranges:
        if joined and lower <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(upper, joined[-1][1]))
        else:
            joined.append((lower, upper))
    return ",".join(str(lower) if lower == upper else f"{lower}:{_bound(upper)}" for lower, upper in joined)


def _without(one: tuple[int, int], away: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield what is left of a range without some numbers, which are in order."""
    lower, upper = one
    for number in away[bisect_left(away, lower) : bisect_right(away, upper)]:
        if lower < number:
            yield lower, number - 1
        lower = number + 1
    if lower <= upper:
        yield lower, upper


def _bound(upper: int) -> str:
    return "*" if upper == HIGHEST else str(upper)


class Readable(NamedTuple):
    """What of a set can be read, as a set's text, and what is left out of it, with why."""

    text: str
    left_out: list[str]


def readable_set(text: str) -> Readable:
    """Return what of a set can be relied on: a bad entry, or one that was cut, takes no other along."""
    parts = [part for part in text.split(",") if part.strip()]
    left_out: list[str] = []
    if parts and len(text.encode()) >= CUT_BYTES:
        left_out.append(f"{parts.pop()[:40]!r} may be cut: the server keeps {CUT_BYTES} bytes of a set")
    kept: list[str] = []
    for part in parts:
        try:
            _parse_range(part)
        except CitadelError as error:
            left_out.append(str(error))
        else:
            kept.append(part)
    return Readable(",".join(kept), left_out)


def _parse_range(part: str) -> tuple[int, int]:
    lower, colon, upper = part.strip().partition(":")
    try:
        first = 0 if lower == "*" else parse_number(lower, "its beginning")
        if not colon:
            return (HIGHEST, HIGHEST) if lower == "*" else (first, first)
        last = HIGHEST if upper == "*" else parse_number(upper, "its end")
    except ValueError:
        raise CitadelError(f"{part[:40]!r} is no range of message numbers") from None
    if last < first:
        raise CitadelError(f"{part[:40]!r} is no range of message numbers: it ends before it begins")
    return first, last
