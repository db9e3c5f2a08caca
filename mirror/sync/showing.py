"""What a scope shows of a store: records, digests and indexes, all of them by the one decision about each record.

Every answer is as of one moment (Unix milliseconds), which whoever answers names.  What is kept is kept for the moments
for which it holds.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mirror.model.digest import MASK, Digest, digest_of
from mirror.model.record import Record, record_crc
from mirror.store.base import Reader, Reading
from mirror.store.values import Listing, Place
from mirror.sync.derived import Span, Sum, Sums, blocks_over, digest_over, entries_of, span_over, text_from
from mirror.sync.index import Load, RangeIndex
from mirror.sync.scope import Scope, Text
from mirror.wire.values import Page

CACHED_INDEXES = 4


class _Kept(NamedTuple):
    """An index, with the store's own digest and the moments for which it is good."""

    digest: Digest
    span: Span
    order: RangeIndex


class _Shown(NamedTuple):
    """What is derived from a record for who sees it."""

    scope: Scope

    def derive(self, record: Record, text: Text, now_ms: int) -> Record | None:
        return self.scope.shown(record, text, now_ms)

    def fades(self, record: Record) -> int | None:
        return self.scope.fades(record)


class Showing:
    """Shows collections that may be read at all; whether they may was asked before."""

    def __init__(self, scope: Scope, sums: Sums) -> None:
        self._scope = scope
        self._shown = _Shown(scope)
        self._sums = sums
        self._indexes: dict[str, _Kept] = {}

    def records(self, reader: Reader, records: Iterable[Record], now_ms: int, asked: bool = False) -> Iterator[Record]:
        """Yield what may be seen of records; ``asked`` if it was the other side that named their keys."""
        text = text_from(reader)
        for record in records:
            shown = self._scope.shown(record, text, now_ms, asked)
            if shown is not None:
                yield shown

    def page(self, reader: Reader, records: Iterable[Record], now_ms: int, asked: bool = False) -> Page:
        """Return a page, outside the feed, of what may be seen of records."""
        shown = list(self.records(reader, records, now_ms, asked))
        return Page(shown, [record_crc(record) for record in shown])

    def digest(self, reader: Reader, collection: str, now_ms: int) -> Digest:
        """Return the digest of what may be seen of a collection."""
        if self._scope.whole(collection):
            return reader.digest(collection)
        keys = self._scope.keys(collection)
        if keys is not None:
            return digest_of(self.records(reader, reader.get_many(collection, keys), now_ms))
        entries = self.within_spans(reader, collection)
        if entries is not None:
            newest = max((entry.stamp for entry in entries), default=0)
            return Digest(len(entries), newest, sum(entry.crc for entry in entries) & MASK)
        return digest_over(self._sums_of(reader, collection, now_ms))

    def within_spans(self, reader: Reader, collection: str) -> list[Listing] | None:
        """Return what may be seen of a collection where that is found by keys alone, in their order, else None."""
        spans = self._scope.spans(collection)
        if spans is None:
            return None
        return [entry for lower, upper in spans for entry in reader.entries_by_key(collection, lower, upper)]

    def _sums_of(self, reader: Reader, collection: str, now_ms: int) -> list[Sum]:
        return self._sums.of((self._scope.signature, collection), reader, collection, self._shown, now_ms)

    def index(self, reader: Reader, collection: str, now_ms: int, reading: Reading) -> RangeIndex:
        """Return the order of what may be seen of a collection; what it has to look up later it asks ``reading``."""
        digest = reader.digest(collection)
        kept = self._indexes.get(collection)
        if kept is not None and kept.digest == digest and kept.span.holds(now_ms):
            return kept.order
        if len(self._indexes) >= CACHED_INDEXES:
            self._indexes.pop(next(iter(self._indexes)))
        span, index = self._make_index(reader, collection, now_ms, reading)
        self._indexes[collection] = _Kept(digest, span, index)
        return index

    def _make_index(self, reader: Reader, collection: str, now_ms: int, reading: Reading) -> tuple[Span, RangeIndex]:
        def load(lower: Place, upper: Place | None) -> list[Listing]:
            return reading.read(lambda later: self._entries(later, collection, now_ms, lower, upper))

        if self._scope.whole(collection):
            return Span(), RangeIndex(reader.blocks(collection), load)
        within = self.within_spans(reader, collection)
        if within is not None:
            return Span(), RangeIndex.of(within)
        keys = self._scope.keys(collection)
        if keys is None:
            sums = self._sums_of(reader, collection, now_ms)
            return span_over(sums), RangeIndex(blocks_over(sums), load)
        records = reader.get_many(collection, keys)
        shown = self.records(reader, records, now_ms)
        entries = [(record.stamp, record.key, record_crc(record)) for record in shown]
        return Span().without(map(self._scope.fades, records), now_ms), RangeIndex.of(entries)

    def load(self, reader: Reader, collection: str, now_ms: int) -> Load | None:
        """Return what loads an index's entries with a reader at hand; None where they are in the index already."""
        if self._scope.keys(collection) is not None or self._scope.spans(collection) is not None:
            return None
        return lambda lower, upper: self._entries(reader, collection, now_ms, lower, upper)

    def _entries(
        self, reader: Reader, collection: str, now_ms: int, lower: Place, upper: Place | None
    ) -> list[Listing]:
        if self._scope.whole(collection):
            return reader.entries(collection, lower, upper)
        return entries_of(reader, collection, self._shown, now_ms, lower, upper)
