"""The other side of an exchange, as the engine sees it.

Implemented by mirror.peer over a connection and by mirror.sync.responder right on a store; the simulation
puts its faults between the two.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from mirror.model.applied import Applied
from mirror.model.digest import Digest
from mirror.model.errors import MirrorError
from mirror.model.nodes import Heard
from mirror.wire.codec import ContentRequest, Cursor, Range
from mirror.wire.values import Answer, ContentPart, Offered, Page, State


class SyncError(MirrorError):
    """An exchange that cannot go on."""


class StaleCursor(SyncError):
    """A cursor into a store's former life; only reconciliation tells what changed."""


class Denied(SyncError):
    """What was asked for or offered is not shared with the one who asked."""


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

    def body(self, requests: Sequence[ContentRequest]) -> Iterator[ContentPart]:
        """Yield contents from the offsets asked for."""
        ...

    def lacks(self, requests: Sequence[ContentRequest]) -> list[ContentRequest]:
        """Return those contents that it lacks, with the offsets from which it lacks them."""
        ...

    def offer(self, offered: Iterable[Offered]) -> Applied:
        """Give it contents and records; they are durable there once this returns."""
        ...
