"""What nodes tell each other, as values: a state, pages of records, parts of contents, shared rooms.

The engine speaks in these; how they stand on the wire is beside them in this package.
"""

from collections.abc import Callable
from typing import NamedTuple

from mirror.model.digest import Digest
from mirror.model.record import Record
from mirror.wire.codec import Cursor, Listed, Range


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


class SharedRoom(NamedTuple):
    """A room as one side shares it with the other.  ``remote`` is its name there, empty where it is the same.

    ``mark`` changes when the rule does; ``whole`` is whether all of the room's messages and files are shown.
    """

    key: str
    name: str
    remote: str
    pushes: bool
    pulls: bool
    what: frozenset[str]
    mark: str = ""
    whole: bool = True

    def points_at(self, other: "SharedRoom") -> bool:
        return self.remote.casefold() == other.name.casefold()
