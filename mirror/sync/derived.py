"""Sums over what is derived from a collection: what a party may see of it, or what it is called on the other side.

The store keeps sums over stretches of each collection's order.  What is derived from a stretch stays the same for as
long as the store's own sum over it does, so just the stretches that changed since are read again: the cost follows the
change, and nobody has to tell of it.  What a rule shows may hang on the time as well; so each sum knows for which
moments it holds.  Moments are Unix milliseconds, and no clock is read here.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from mirror.model.digest import MASK, Digest, add_digests
from mirror.model.record import Record, record_crc
from mirror.store.base import PAGE_RECORDS, Reader
from mirror.store.values import Block, Listing, Place
from mirror.sync.scope import Text

KEPT_SUMS = 131_072
"""Sums kept at a time, some 400 bytes each; they cover 16 million records or more."""
TEXT_BYTES = 256 * 1024
"""Bytes of a large body that are read to judge it."""
FOREVER = 1 << 62
"""A moment later than all."""


def text_from(reader: Reader) -> Text:
    """Return what gives a record's body, or of a large one its beginning."""

    def text(record: Record) -> bytes:
        return reader.content_parts(record.content, 0, TEXT_BYTES) if record.content else record.body

    return text


class Derivation(Protocol):
    """What becomes of one record, whatever the others are; it keeps its key and its stamp."""

    def derive(self, record: Record, text: Text, now_ms: int) -> Record | None:
        """Return what a record becomes at a moment, None for nothing."""
        ...

    def fades(self, record: Record) -> int | None:
        """Return the moment from which it becomes something else, None if it never does."""
        ...


class Span(NamedTuple):
    """The moments for which something holds: from ``since_ms`` up to before ``until_ms``."""

    since_ms: int = 0
    until_ms: int = FOREVER

    def holds(self, now_ms: int) -> bool:
        return self.since_ms <= now_ms < self.until_ms

    def without(self, moments: Iterable[int | None], now_ms: int) -> "Span":
        """Return the span around a moment of which these, where something changes, are not inside."""
        since, until = self
        for moment in moments:
            if moment is not None and moment <= now_ms:
                since = max(since, moment)
            elif moment is not None:
                until = min(until, moment)
        return Span(since, until)


class Sum(NamedTuple):
    """What was derived from the stretch that begins at ``source.start`` and ends before ``upper``."""

    source: Block
    upper: Place | None
    digest: Digest
    span: Span


class Sums:
    """Keeps sums for whoever asks by the same name, those least lately made dropped first.

    What is kept is never changed, only replaced, so several threads may ask.
    """

    def __init__(self, limit: int = KEPT_SUMS) -> None:
        self._limit = limit
        self._kept: dict[Hashable, list[Sum]] = {}

    def of(self, name: Hashable, reader: Reader, collection: str, derivation: Derivation, now_ms: int) -> list[Sum]:
        """Return the sums over a collection as of a moment, in order.  ``name`` stands for all that they hang on."""
        before = self._kept.get(name, [])
        sums = _brought_up_to_date(before, reader, collection, derivation, now_ms)
        if sums != before:
            self._keep(name, sums)
        return sums

    def _keep(self, name: Hashable, sums: list[Sum]) -> None:
        self._kept.pop(name, None)
        self._kept[name] = sums
        size = sum(len(kept) for kept in list(self._kept.values()))
        for oldest in list(self._kept):
            if size <= self._limit:
                break
            size -= len(self._kept.pop(oldest, ()))


def _brought_up_to_date(
    before: Sequence[Sum], reader: Reader, collection: str, derivation: Derivation, now_ms: int
) -> list[Sum]:
    known = {(one.source, one.upper): one for one in before}
    blocks = reader.blocks(collection)
    sums = []
    uppers: list[Place | None] = [*(later.start for later in blocks[1:]), None]
    for block, upper in zip(blocks, uppers):  # without blocks, one upper is left over
        kept = known.get((block, upper))
        if kept is None or not kept.span.holds(now_ms):
            kept = _sum_up(reader, collection, derivation, now_ms, block, upper)
        sums.append(kept)
    return sums


def _sum_up(
    reader: Reader, collection: str, derivation: Derivation, now_ms: int, block: Block, upper: Place | None
) -> Sum:
    text, moments = text_from(reader), []
    count = newest = total = 0
    for record in _records(reader, collection, block.start, upper):
        moments.append(derivation.fades(record))
        derived = derivation.derive(record, text, now_ms)
        if derived is not None:
            count, newest, total = count + 1, max(newest, derived.stamp), total + record_crc(derived)
    return Sum(block, upper, Digest(count, newest, total & MASK), Span().without(moments, now_ms))


def entries_of(
    reader: Reader, collection: str, derivation: Derivation, now_ms: int, lower: Place, upper: Place | None
) -> list[Listing]:
    """Return what is derived from a stretch of a collection at a moment."""
    text = text_from(reader)
    derived = (derivation.derive(one, text, now_ms) for one in _records(reader, collection, lower, upper))
    return [Listing(record.stamp, record.key, record_crc(record)) for record in derived if record is not None]


def _records(reader: Reader, collection: str, lower: Place, upper: Place | None) -> Iterator[Record]:
    keys = [entry.key for entry in reader.entries(collection, lower, upper)]
    for start in range(0, len(keys), PAGE_RECORDS):
        yield from reader.get_many(collection, keys[start : start + PAGE_RECORDS])


# -- what follows from sums ---------------------------------------------------------------------------


def digest_over(sums: Iterable[Sum]) -> Digest:
    """Return the digest of all that was derived from a collection."""
    return add_digests(one.digest for one in sums)


def span_over(sums: Iterable[Sum]) -> Span:
    """Return the moments for which all sums hold."""
    since, until = 0, FOREVER
    for one in sums:
        since, until = max(since, one.span.since_ms), min(until, one.span.until_ms)
    return Span(since, until)


def blocks_over(sums: Iterable[Sum]) -> list[Block]:
    """Return the sums as blocks for a RangeIndex."""
    return [Block(one.source.start, one.digest.count, one.digest.total) for one in sums]
