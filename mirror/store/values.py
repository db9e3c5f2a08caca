"""What a store is told and what it tells, as values: who sent records, pages, listings, cursors, conflicts.

Stamps are those of mirror.model.stamp, sizes are in bytes, times of day in Unix milliseconds.  No value here knows the
store that it came from, nor asks it anything.
"""

from collections.abc import Callable
from typing import NamedTuple

from mirror.model.applied import Applied
from mirror.model.digest import Digest
from mirror.model.judge import Unfit
from mirror.model.record import Record, Version

PULL = "pull"
PUSH = "push"
"""Directions of a peer's cursors: how far we have read its feed, how far it has been given ours."""

Place = tuple[int, str]
"""Where a record stands in its collection's order: stamp and key."""


class Source(NamedTuple):
    """Who sent records: a ``peer``, and whether that is a ``mirror``, with which everything is shared.

    ``ordered`` is whether they are the next of its feed, all before them having come.
    """

    peer: str
    mirror: bool = True
    ordered: bool = False


class Acting(NamedTuple):
    """On whose behalf a job writes, and what that party may cause in all (numbers)."""

    name: str
    conflicts: int
    """Conflicts that nobody has resolved."""
    origins: int = 0
    """Origins that no mirror told of, which bases of its drafts may name; 0 for as many as there are."""
    may: Callable[[Record | None, Record], None] | None = None
    """Raises where a version of its may not take the place of what is there, the first of the two; None: it may."""


class FeedPage(NamedTuple):
    """A stretch of a store's feed.  ``sequence`` is the last place looked at, shared or not."""

    records: list[Record]
    crcs: list[int]
    sequence: int
    more: bool
    trimmed: int = 0


class StoredCursor(NamedTuple):
    """How far an exchange with a peer has come: a place in the feed of the store named by ``epoch``."""

    epoch: str = ""
    sequence: int = 0
    complete: bool = False


class RootState(NamedTuple):
    """The whole store in one line: its epoch, the end of its feed, the digest over everything."""

    epoch: str
    sequence: int
    digest: Digest
    horizon: int = 0


class Block(NamedTuple):
    """The records from ``start`` to the next block's: how many, and the sum of their CRCs mod 2^64."""

    start: Place
    count: int  # type: ignore[assignment]  # a tuple has a method of that name
    total: int


class Listing(NamedTuple):
    """One record as comparing sees it."""

    stamp: int
    key: str
    crc: int


class Checked(NamedTuple):
    """A record as it is stored, None where it cannot be read, and a line for everything that is wrong with that."""

    sequence: int
    record: Record | None
    problems: tuple[str, ...] = ()


class Aside(NamedTuple):
    """A record of a peer that was set aside; ``due_ms`` is when its stamp may be taken, 0 for other reasons."""

    peer: str
    unfit: Unfit
    noticed_ms: int
    due_ms: int = 0
    mirror: bool = True


class Substitute(NamedTuple):
    """What stands for ``own`` when comparing with a peer whose version, ``theirs``, was set aside."""

    collection: str
    own: "Listing | None"
    theirs: "Listing"


class Conflict(NamedTuple):
    """A version that lost to a concurrent one."""

    number: int
    noticed_ms: int
    loser: Record
    winner: Version
    resolved_ms: int
    """When it was resolved, 0 while it is not."""
    winner_past: tuple[tuple[str, int], ...] = ()
    """What the winner had seen besides; nothing where a store of 0.1.0 kept the conflict."""
    parts: tuple[str, ...] = ()
    """Of an item, the names of the parts that were lost; none where a store of 0.1.0 kept the conflict."""


class DraftResult(NamedTuple):
    """What became of a draft: the version that is here now, if any, and what that took (numbers of records)."""

    record: Record | None
    applied: Applied


class Repaired(NamedTuple):
    """What was written anew because it lay ahead of the clock: records, versions that lost, signs of life left out."""

    records: int = 0
    losers: int = 0
    signs: int = 0


class Renamed(NamedTuple):
    """What was said to be another origin's: how many records, and conflicts."""

    records: int = 0
    conflicts: int = 0
