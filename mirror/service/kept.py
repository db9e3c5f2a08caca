"""What is worked out from all records of one collection, kept in memory: the cost of asking follows the change.

Whoever asks gets it as of the very state that is read, so rights and data never come from different states.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

from mirror.model.digest import Digest
from mirror.model.record import Record
from mirror.store.base import Reader

FEW = 1000
"""Changes of the whole store that are always looked through, before reading the collection anew is considered."""


class Book(Protocol):
    """What is worked out from the records of a collection, one after another."""

    def holds(self, record: Record) -> bool:
        """Tell whether ``put`` would change nothing."""
        ...

    def put(self, record: Record) -> None:
        """Take a record's present version in, be it alive or not."""
        ...

    def copy(self) -> Self:
        """Return the same, to be changed apart from this."""
        ...


B = TypeVar("B", bound=Book)


class _Held(NamedTuple, Generic[B]):
    """A book, and the state it is of."""

    sequence: int
    digest: Digest
    book: B


class Kept(Generic[B]):
    """One collection's book, shared by all who read a store.  Thread-safe: a book that was given out never changes."""

    def __init__(self, collection: str, empty: Callable[[], B]) -> None:
        self._collection = collection
        self._empty = empty
        self._lock = threading.Lock()
        self._held: _Held[B] | None = None

    def at(self, reader: Reader) -> B:
        """Return the book as of the state that is read, which must be a committed one: no Writer may ask."""
        with self._lock:
            held, sequence, digest = self._held, reader.last_sequence(), reader.digest(self._collection)
            if held is None:
                book = self._anew(reader)
            elif held.digest == digest:
                book, sequence = held.book, max(sequence, held.sequence)
            elif sequence < held.sequence:
                return self._anew(reader)  # a state pinned before: not kept, for the next one asks of the present again
            elif held.sequence < reader.trimmed() or sequence - held.sequence > FEW + digest.count:
                book = self._anew(reader)  # deletions since were forgotten, or to read all of it costs less
            else:
                book = _changed(held.book, self._changes(reader, held.sequence))
            self._held = _Held(sequence, digest, book)
            return book

    def _anew(self, reader: Reader) -> B:
        book = self._empty()
        for record in reader.scan_all(self._collection):
            book.put(record)
        return book

    def _changes(self, reader: Reader, after: int) -> Iterator[Record]:
        more = True
        while more:
            page = reader.feed(after, collection=self._collection)
            yield from page.records
            after, more = page.sequence, page.more


def _changed(book: B, records: Iterator[Record]) -> B:
    """Return the book with changed records; the same one where they change nothing in it."""
    made = book
    for record in records:
        if not made.holds(record):
            made = made.copy() if made is book else made
            made.put(record)
    return made
