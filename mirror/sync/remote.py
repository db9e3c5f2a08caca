"""The other side of an exchange, as the engine sees it.

Implemented by mirror.peer over a connection and by mirror.sync.responder right on a store; the simulation
puts its faults between the two.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from mirror.model.digest import Digest
from mirror.model.errors import MirrorError
from mirror.model.nodes import Heard
from mirror.model.record import Record
from mirror.store.base import Applied
from mirror.wire.codec import ContentRequest, Cursor, Listed, Range


class SyncError(MirrorError):
    """An exchange that cannot go on."""


class StaleCursor(SyncError):
    """A cursor into a store's former life; only reconciliation tells what changed."""


class Denied(SyncError):
    """What was asked for or offered is not shared with the one who asked."""


class State(NamedTuple):
    """A node's state: the end of its feed, the digest of all that is shared, and each collection's.

    ``collections`` is None when the digest was the one the asker already knew.
    """

    node: str
    epoch: str
    sequence: int
    digest: Digest
    collections: dict[str, Digest] | None
    horizon: int = 0
    """The stamp before which it has dropped its tombstones."""

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.epoch, self.sequence)


class Page(NamedTuple):
    """Records with their CRCs, and how far in the feed they reach (None outside the feed)."""

    records: list[Record]
    crcs: list[int]
    cursor: Cursor | None = None
    trimmed: int = 0
    """Up to where the feed has lost tombstones since; not told on the wire."""

    def only(self, keeps: Callable[[Record], bool]) -> "Page":
        """Return the page with just the records for which ``keeps`` says so; it reaches as far as before."""
        pairs = [pair for pair in zip(self.records, self.crcs, strict=True) if keeps(pair[0])]
        return self._replace(records=[record for record, _ in pairs], crcs=[crc for _, crc in pairs])

    def by_key(self) -> dict[str, Record]:
        """Return the records of a page of one collection by their keys."""
        return {record.key: record for record in self.records}


class Part(NamedTuple):
    """A part of a content: ``data`` at ``offset`` of ``size`` bytes."""

    content: bytes
    offset: int
    size: int
    data: bytes


Answer = Range | Listed
Offered = Page | Part


class Remote(Protocol):
    """What can be asked of the other side.  Every call may raise a MirrorError."""

    def info(self, known: Digest | None = None) -> State:
        """Return its state."""
        ...

    def heard(self) -> Heard:
        """Return what it has heard of all other nodes.  Raises Denied."""
        ...

    def since(self, cursor: Cursor) -> Iterator[Page]:
        """Yield what changed after a cursor.  Raises StaleCursor."""
        ...

    def get(self, collection: str, keys: Sequence[str]) -> Iterator[Page]:
        """Yield those of the records that are there."""
        ...

    def ranges(self, collection: str, ranges: Sequence[Range]) -> list[Answer]:
        """Return, for each range that differs, either its parts or all its entries."""
        ...

    def body(self, requests: Sequence[ContentRequest]) -> Iterator[Part]:
        """Yield contents from the offsets asked for."""
        ...

    def lacks(self, requests: Sequence[ContentRequest]) -> list[ContentRequest]:
        """Return those contents that it lacks, with the offsets from which it lacks them."""
        ...

    def offer(self, offered: Iterable[Offered]) -> Applied:
        """Give it contents and records; they are durable there once this returns."""
        ...
