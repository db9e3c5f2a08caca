"""What an import is told to accept, and what it tells: what it read, wrote and deleted, and what was not right."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from mirror.citadel.looks.decided import Decision, Gone, HeldBack, Verdict
from mirror.citadel.looks.lost import IsLost, nothing_lost
from mirror.citadel.meaning.damaged import WHAT_TO_DO, AskDamaged, nobody_damaged
from mirror.citadel.meaning.purge import Purge
from mirror.model.applied import Applied

MAX_NOTICES = 1000
"""Lines of a sort that a report has at most; of more just the number."""


class Accepted(NamedTuple):
    """What is done although it is doubtful: taking an ``older`` export, deleting very much at once.

    ``incomplete``: what comes counts as all that there is, whatever is missing.  ``keep`` what would be held back, as
    the mirror's own; ``keep_expired`` what the server threw away by itself.
    """

    older: bool = False
    deletions: bool = False
    incomplete: bool = False
    keep: bool = False
    keep_expired: bool = False
    site_settings: bool = False
    """Whether of a server that is paired the settings and system messages that a site shares are taken over."""
    purge: Purge | None = None
    """What the server may have thrown away in its purge hour, which is kept where it is in use elsewhere."""
    of: Mapping[str, int] | None = None
    """Deletions and what is kept are of these collections alone, and so many of each; of all where none is named."""
    damaged: AskDamaged = nobody_damaged
    """Asked, once all was told, which users are not told though the server did not delete them."""
    damaged_why: str = WHAT_TO_DO
    """In words, why these wait."""
    lost: IsLost = nothing_lost
    """Asked of messages that are gone whether the server lost them."""

    @property
    def decision(self) -> Decision:
        """What is done about very many deletions at once."""
        kept = Verdict.KEEP if self.keep else Verdict.HOLD
        return Decision(Verdict.DELETE if self.deletions else kept, self.of)


NOTHING_ACCEPTED = Accepted()


class Report(msgspec.Struct):
    """What an import did: numbers of elements read and records written, and what was not as it should be."""

    node: str = ""
    elements: dict[str, int] = {}
    applied: Applied = Applied()
    notices: list[str] = []
    refused: list[str] = []
    notices_left_out: int = 0
    lost: int = 0
    """Whole elements that were refused."""
    first_lost: str = ""
    passed_over: int = 0
    """Messages in nothing but queues and killed rooms, which are not taken over."""
    truncated: bool = False
    """Whether the export ended before its end tag."""
    deleted: int = 0
    """Records that the server has no more; they are counted as written, too."""
    held: list[HeldBack] = []
    """Deletions that wait until somebody accepts them."""
    gone: list[Gone] = []
    """The first of what was deleted or is held back."""

    @property
    def why_incomplete(self) -> str:
        """Why what was imported is not all that the server has; nothing where it is."""
        reasons = []
        if self.truncated:
            reasons.append("the export ends before its end tag")
        if self.lost:
            reasons.append(f"{self.lost} of its elements were refused, the first in {self.first_lost}")
        return "; ".join(reasons)

    @property
    def lines(self) -> int:
        """How much was named that was not as it should be."""
        return len(self.notices) + len(self.refused) + self.notices_left_out

    def notice(self, text: str) -> None:
        """Name what somebody should know."""
        self._remember(self.notices, text)

    def refuse(self, element: str, line: int, reason: str) -> None:
        """Name what is left out of an element of which the rest is taken over."""
        self._remember(self.refused, f"line {line}: <{element}>: {reason}")

    def lose(self, text: str) -> None:
        """Name an element, or a record of it, that is left out as a whole."""
        self._remember(self.refused, text)
        self.lost += 1
        self.first_lost = self.first_lost or text

    def _remember(self, where: list[str], text: str) -> None:
        if len(where) < MAX_NOTICES:
            where.append(text)
        else:
            self.notices_left_out += 1
