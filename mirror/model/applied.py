"""What became of versions that came in: what merging them reports, and what an offer is answered with."""

from typing import NamedTuple


class Applied(NamedTuple):
    """What became of records that came in (numbers of records)."""

    written: int = 0
    already_held: int = 0
    conflicts: int = 0

    def __add__(self, other: tuple[int, ...]) -> "Applied":  # type: ignore[override]  # adds up, number by number
        return Applied(*(mine + its for mine, its in zip(self, other, strict=True)))
