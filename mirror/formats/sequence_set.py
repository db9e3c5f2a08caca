"""Sets of message numbers in IMAP syntax (``1:7,9``), as Citadel keeps what a user has seen.

``*`` as a lower bound is the lowest number there is, as an upper bound the highest (recording 08: ``*:61``).
"""

from bisect import bisect_right

from mirror.formats.errors import CitadelError

HIGHEST = (1 << 63) - 1


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

    def __bool__(self) -> bool:
        return any(upper > 0 for upper in self._upper)


def _parse_range(part: str) -> tuple[int, int]:
    lower, colon, upper = part.strip().partition(":")
    try:
        first = 0 if lower == "*" else int(lower)
        if not colon:
            return (HIGHEST, HIGHEST) if lower == "*" else (first, first)
        return first, HIGHEST if upper == "*" else int(upper)
    except ValueError:
        raise CitadelError(f"{part[:40]!r} is no range of message numbers") from None
