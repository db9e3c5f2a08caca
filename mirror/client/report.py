"""What a round did, for people and for scripts."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Problem(NamedTuple):
    """One file, or a folder where no file is named, that could not be kept equal, and why."""

    folder: str
    name: str
    why: str


@dataclass
class Report:
    """Counts of what was done on either side; what waits, what could not be done, what is to be known."""

    sent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("new", "changed", "deleted"), 0))
    received: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("new", "changed", "deleted"), 0))
    conflicts: int = 0
    held: dict[str, int] = field(default_factory=dict)
    """By folder, deletions that wait for somebody to accept them."""
    left_out: dict[str, int] = field(default_factory=dict)
    """By folder, what is in its room and can be no file of it."""
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problem(self, folder: str, name: str, why: str) -> None:
        self.problems.append(Problem(folder, name, why))

    def count(self, counts: dict[str, int], what: str, number: int = 1) -> None:
        """Add to one of the counts, of what was sent or received."""
        counts[what] = counts.get(what, 0) + number

    def begin_anew(self) -> None:
        """Forget what is to be told of a round that is made once more; what was done was done."""
        for told in (self.held, self.left_out, self.problems, self.notes):
            told.clear()

    @property
    def done(self) -> int:
        """How much was done: 0 of a quiet round."""
        return sum(self.sent.values()) + sum(self.received.values())
