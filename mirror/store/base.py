"""What a store promises.

A store keeps records, digests, contents, cursors and conflicts; all that one call to ``write`` does is
one transaction, durable before the call returns.  Readers see a consistent state for the length of one
call to ``read``.  ``Reader`` and ``Writer`` in this package are the vocabulary of such a call.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from mirror.model.digest import Digest
from mirror.model.errors import MirrorError
from mirror.model.record import Record, Version
from mirror.model.stamp import HybridClock

T = TypeVar("T")


class StoreError(MirrorError):
    """The store cannot be opened, read or written."""


class StoreInUse(StoreError):
    """Another process has the store open."""


class StoreDamaged(StoreError):
    """What is stored contradicts itself; ``ctdlmirror check`` tells more."""


class MissingContent(StoreError):
    """Records refer to contents that must be stored before them."""

    def __init__(self, contents: Sequence[tuple[bytes, int]]) -> None:
        super().__init__(f"{len(contents)} contents are missing")
        self.contents = list(contents)


class FeedPage(NamedTuple):
    """A stretch of a store's feed.  ``sequence`` is the last place looked at, shared or not."""

    records: list[Record]
    crcs: list[int]
    sequence: int
    more: bool
    trimmed: int = 0


class Applied(NamedTuple):
    """What became of records that came in (numbers of records)."""

    written: int = 0
    already_held: int = 0
    conflicts: int = 0

    def __add__(self, other: tuple[Any, ...]) -> "Applied":
        return Applied(*(mine + its for mine, its in zip(self, other, strict=True)))


class Conflict(NamedTuple):
    """A version that lost to a concurrent one."""

    number: int
    noticed_ms: int
    loser: Record
    winner: Version
    restored_ms: int


class StoredCursor(NamedTuple):
    """How far an exchange with a peer has come: a place in the feed of the store named by ``epoch``."""

    epoch: str = ""
    sequence: int = 0
    complete: bool = False


Allows = Callable[[str], bool]
"""Tells whether a collection may be seen."""


def everything(_collection: str) -> bool:
    """Allows all collections."""
    return True


class Reading(Protocol):
    """Runs functions on one consistent state of a store."""

    def read(self, job: Callable[[Any], T]) -> T: ...


class Store(Reading, Protocol):
    """A store that is open."""

    node: str
    clock: HybridClock

    @property
    def epoch(self) -> str: ...

    def write(self, job: Callable[[Any], T]) -> T:
        """Run ``job`` with a Writer in a transaction; return once it is durable."""
        ...

    def pin(self) -> "Pinned":
        """Return a reading of the store as it is now, however it changes meanwhile."""
        ...

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called after commits; returns what ends that."""
        ...

    def close(self) -> None: ...


class Pinned(Reading, Protocol):
    """A pinned state of a store."""

    def close(self) -> None: ...


class RootState(NamedTuple):
    """The whole store in one line: its epoch, the end of its feed, the digest over everything."""

    epoch: str
    sequence: int
    digest: Digest
    horizon: int = 0
