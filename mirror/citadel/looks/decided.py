"""What is done about things that a server has no more: too many at once wait until somebody has decided.

Values alone: what was decided, what expires, what waits, what is gone.
"""

import enum
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from mirror.citadel.meaning.expiry import Policy
from mirror.formats.errors import CitadelError


class DeletionsHeldBack(CitadelError):
    """So much is gone on a server that it is not deleted here before somebody accepts that."""

    exit_code = 11


class Verdict(enum.Enum):
    """What is done about more deletions at once than a set share."""

    HOLD = "they wait"
    DELETE = "they are deleted here, too"
    KEEP = "they stay, as the mirror's own"


class Decision(NamedTuple):
    """What somebody decided about such deletions: of these collections up to so many, of all where none is named.

    What is gone since then, besides what was decided about, waits.
    """

    verdict: Verdict = Verdict.HOLD
    of: Mapping[str, int] | None = None

    def about(self, collection: str, missing: int) -> Verdict:
        """Return what is done where so many are missing of a collection."""
        told = self.of is None or missing <= self.of.get(collection, 0)
        return self.verdict if told else Verdict.HOLD


UNDECIDED = Decision()


class Expiry(NamedTuple):
    """What of a server's messages may have been thrown away by itself: policies by collections, and the time there.

    ``keep``, where that stays here, as the mirror's own.
    """

    policies: Mapping[str, Policy]
    now: int
    keep: bool


NOTHING_EXPIRES = Expiry({}, 0, False)


class HeldBack(msgspec.Struct):
    """Deletions that wait until somebody accepts them: how many of how many of a collection."""

    collection: str
    gone: int
    told: int


class Gone(msgspec.Struct):
    """A record that the server has no more, in words: it is deleted here, or ``held`` back.

    What is in a room that is gone is not named by itself.
    """

    what: str
    collection: str
    key: str
    held: bool
