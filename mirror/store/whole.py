"""All of a collection or of a body, piece by piece, so that memory stays flat: for whoever writes it somewhere."""

from collections.abc import Iterator

from mirror.model.record import Record
from mirror.store.base import PART_BYTES, Reading


def all_records(reading: Reading, collection: str) -> Iterator[Record]:
    """Yield the records of a collection in the order of their keys, tombstones included."""
    after = ""
    while page := reading.read(lambda reader, key=after: reader.scan(collection, key)):  # type: ignore[misc]
        yield from page
        after = page[-1].key


def living_records(reading: Reading, collection: str) -> Iterator[Record]:
    """Yield the living records of a collection in the order of their keys."""
    return (record for record in all_records(reading, collection) if not record.dead)


def body_blocks(reading: Reading, record: Record) -> Iterator[bytes]:
    """Yield a record's body in blocks, wherever it is kept."""
    if not record.content:
        yield record.body
    offset = 0
    while offset < record.size:
        block = reading.read(lambda reader, at=offset: reader.content_parts(record.content, at, PART_BYTES))  # type: ignore[misc]
        if not block:
            return  # it is not here as a whole, which a check tells
        yield block
        offset += len(block)
