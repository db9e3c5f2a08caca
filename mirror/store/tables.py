"""What the rules of writing ask of a backend: a few operations on its tables, which decide nothing.

A backend is a class that has them; the rules (mirror.store.ledger) stand on top.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

from mirror.model.edit import Loser
from mirror.model.record import Record
from mirror.model.status import Status
from mirror.store.base import Reader
from mirror.store.values import Aside, Conflict, Place, StoredCursor

T = TypeVar("T")


class Row(NamedTuple):
    """A record where it stands in the feed, with its CRC."""

    sequence: int
    record: Record
    crc: int


class Held(NamedTuple):
    """What is told of a record without reading it: its place in the feed, its CRC."""

    sequence: int
    crc: int


class ContentState(NamedTuple):
    """How many bytes a content has, and how many of them are stored."""

    size: int
    have: int


Added = tuple[Record, int]
"""A record to be written, and its CRC."""


class Tables(Reader, Protocol):
    """What a backend can do to its tables inside one transaction.  No call here decides anything.

    Every call may raise StoreError.
    """

    def held(self, collection: str, keys: Iterable[str]) -> dict[str, Held]:
        """Return, by key, where those of the records stand that are there."""
        ...

    def at(self, sequence: int) -> Record:
        """Return the record at a place of the feed that is taken."""
        ...

    def replace(self, collection: str, added: Sequence[Added], removed: Sequence[Row]) -> None:
        """Write records at the end of the feed, in order, and take others out.

        Digests and sums over stretches change with them; a sequence is never given out twice.
        """
        ...

    def rows(self, collection: str) -> list[Row]:
        """Return all of a small collection."""
        ...

    def tombstones(self, before: int) -> list[Row]:
        """Return all tombstones with stamps below ``before``."""
        ...

    def living_after(self, sequence: int) -> Iterator[Record]:
        """Yield what came after a place of the feed and is alive."""
        ...

    def crowded(self, collection: str, keys: Iterable[str]) -> set[str]:
        """Return those of some messages' keys, held or not, behind which ``#`` and something stand in other keys."""
        ...

    def oddly_keyed(self) -> list[int]:
        """Return the places in the feed of messages, items and files whose keys 0.1.0 may have made otherwise."""
        ...

    def keyed_behind(self, collection: str, ending: str) -> list[int]:
        """Return the places in the feed of a collection's records whose keys end so."""
        ...

    def rows_after(self, collection: str, place: Place, until: int, count: int) -> list[Row]:
        """Return some records behind a place in a collection's order, in order, up to a place of the feed."""
        ...

    def lower_newest(self, limit: int, stamp: int) -> None:
        """Have every origin whose newest stamp is beyond a limit have that stamp as its newest."""
        ...

    def note_newest(self, newest: Mapping[str, int]) -> None:
        """Remember, by origin, the greatest stamp that ever came here."""
        ...

    def log_conflict(self, noticed_ms: int, loser: Loser, winner: Record, party: str) -> bool:
        """Keep a losing version; returns whether it was not kept already."""
        ...

    def conflicts_of(self, party: str) -> int:
        """Return how many conflicts of a party are not resolved."""
        ...

    def unknown_origins(self, names: Iterable[str]) -> set[str]:
        """Return those origins that never came here."""
        ...

    def origins_of(self, party: str) -> int:
        """Return how many origins came here through a party that is no mirror."""
        ...

    def note_origins(self, party: str, names: Iterable[str]) -> None:
        """Remember through whom origins came that were not known."""
        ...

    def shared_origins(self) -> frozenset[str]:
        """Return the origins that came through shared rooms, and not from a mirror."""
        ...

    def forget_newest(self, names: Iterable[str]) -> None:
        """Take all that is known of origins back: what came of them came through no mirror."""
        ...

    def open_conflicts(self, collection: str, keys: Iterable[str]) -> list[Conflict]:
        """Return the conflicts about these records that are not resolved."""
        ...

    def resolve_conflict(self, number: int, resolved_ms: int) -> None:
        """Mark a conflict as resolved."""
        ...

    def conflicts_before(self, number: int, limit: int) -> list[Conflict]:
        """Return the conflicts with numbers below one, the greatest first."""
        ...

    def rewrite_conflict(self, conflict: Conflict) -> None:
        """Put a conflict in the place of the one of its number; one that would say the same as another goes."""
        ...

    def attempt(self, job: Callable[[], T]) -> T:
        """Run a part of a job; if it fails, what it wrote is undone, and the job may go on."""
        ...

    def put_aside(self, one: Aside) -> None:
        """Keep a record of a peer apart, in place of what was kept of its key before."""
        ...

    def has_aside(self, peer: str) -> bool:
        """Tell whether anything of a peer is kept apart."""
        ...

    def take_aside(self, peer: str, collection: str, keys: Iterable[str]) -> None:
        """Keep records of a peer apart no more."""
        ...

    def due_aside(self, now_ms: int | None) -> list[Aside]:
        """Return what is due by a moment, or all."""
        ...

    def signs_aside(self, peer: str) -> list[Aside]:
        """Return the signs of life that were set aside of a peer."""
        ...

    def put_statuses(self, place: str, statuses: Iterable[Status]) -> None:
        """Remember what a place says now, in the place of what it said of the same things before."""
        ...

    def move_statuses(self, collection: str, moved: Mapping[str, str]) -> None:
        """Have what places said of things under some keys be of the same things under others."""
        ...

    def drop_statuses(self, place: str, collection: str, foreign: Iterable[str]) -> None:
        """Forget what a place said of things that it has no more."""
        ...

    def content_state(self, content: bytes) -> ContentState | None:
        """Return what is stored of a content, or None."""
        ...

    def begin_content(self, content: bytes, size: int) -> None:
        """Make room for a content of which nothing is here."""
        ...

    def append_content(self, content: bytes, have: int, data: bytes) -> None:
        """Store the bytes of a content behind the ``have`` bytes that are here."""
        ...

    def content_blocks(self, content: bytes) -> Iterator[bytes]:
        """Yield what is stored of a content, in order."""
        ...

    def forget_content(self, content: bytes) -> None:
        """Drop a content and its parts."""
        ...

    def rename_content(self, content: bytes, name: bytes) -> None:
        """Keep a content under another name, which is free."""
        ...

    def unused_contents(self) -> dict[bytes, int]:
        """Return the contents that neither a record nor a conflict refers to, with the bytes there are of each."""
        ...

    def set_meta(self, name: str, value: str | int) -> None:
        """Keep a text or number about the store itself."""
        ...

    def set_cursor(self, peer: str, direction: str, cursor: StoredCursor) -> None:
        """Remember how far an exchange has come."""
        ...
