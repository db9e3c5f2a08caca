"""The record: the unit of replication, its canonical bytes and its CRC.

A record is one version of one thing.  Its canonical form is a MessagePack array of the fields below in
their order (shortest integer forms, maps and lists as MessagePack has them); the CRC-64 of those bytes
is what digests add up.  Knows nothing of types, merging, storage or the wire.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from mirror.model.checksum import crc64
from mirror.model.errors import BadRecord
from mirror.model.stamp import MAX_STAMP

INLINE_LIMIT = 16 * 1024
"""Bodies longer than this many bytes are content-addressed: kept and sent apart from their records."""
MAX_KEY = 1024
"""Bytes of UTF-8 in a key."""
MAX_HEAD = 8 * 1024 * 1024
"""Bytes in a head: as many as the fields or parts of mirror.model.limits can take."""
MAX_CONTENT = 1 << 40
"""Bytes in one content-addressed body."""
MAX_ORIGIN = 255
"""Characters in an origin."""
MAX_PAST = 1024
"""Origins in a record's past.  Of more the greatest by (stamp, origin) are kept: see mirror.model.limits."""
DERIVED = "citadel:"
"""Origins that begin so wrote at the times of the data, so that a later stamp of theirs proves nothing seen."""
LEAST = ""
"""In a past, no origin: the least stamp of all versions that it was ever joined from, where no other entry tells it."""


Past = tuple[tuple[str, int], ...]
"""Origins with stamps, in the order of the origins."""


class Version(NamedTuple):
    """When and where a version was written; totally ordered."""

    stamp: int
    origin: str


class Record(msgspec.Struct, array_like=True, gc=False):
    """One version of one thing.

    ``born`` is the stamp at which this incarnation was created: a tombstone kills every incarnation
    born before it, however late that was edited.  ``past`` is a version vector without the record's own
    version: the newest stamp of every other origin that this version has seen and replaces.
    ``head`` is a MessagePack map, ``body`` opaque bytes; a body over INLINE_LIMIT is named by
    ``content`` (its SHA-256) and ``size`` (bytes) instead.
    """

    collection: str
    key: str
    stamp: int
    origin: str
    born: int
    dead: bool = False
    past: Past = ()
    head: bytes = b""
    body: bytes = b""
    content: bytes = b""
    size: int = 0

    @property
    def version(self) -> Version:
        return Version(self.stamp, self.origin)

    @property
    def era(self) -> tuple[int, bool]:
        """What is compared before anything else: the birth of the incarnation, or its death."""
        return (self.stamp, True) if self.dead else (self.born, False)


_encoder = msgspec.msgpack.Encoder()
_head_decoder = msgspec.msgpack.Decoder(dict[str, Any])


def record_bytes(record: Record) -> bytes:
    """Return the canonical bytes of a record."""
    return _encoder.encode(record)


def record_crc(record: Record) -> int:
    """Return the CRC-64 of a record's canonical bytes."""
    return crc64(_encoder.encode(record))


def pack_head(fields: dict[str, Any]) -> bytes:
    """Return a head's canonical bytes: a MessagePack map with its keys in code point order."""
    return _encoder.encode(dict(sorted(fields.items()))) if fields else b""


def unpack_head(head: bytes) -> dict[str, Any]:
    """Return a head as a dict.  Raises BadRecord."""
    if not head:
        return {}
    try:
        return _head_decoder.decode(head)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadRecord(f"a record's head is no MessagePack map: {error}") from None


def vector_of(record: Record) -> dict[str, int]:
    """Return the version vector of a record: all that it has seen, itself included."""
    vector = vector_in(record.past)
    vector[record.origin] = max(record.stamp, vector.get(record.origin, 0))
    return vector


def created(record: Record) -> int:
    """Return a stamp before which nobody can have known of a record's incarnation.

    What was imported, and items that were never seen deleted, are born before all else; theirs is the least known.
    """
    return record.born if record.born > 1 else least_of(record)


def vector_in(past: Past) -> dict[str, int]:
    """Return the version vector that a ``past`` is."""
    vector = dict(past)
    vector.pop(LEAST, None)
    return vector


def least_of(record: Record) -> int:
    """Return the least stamp of all versions that went into a record."""
    return min((stamp for _, stamp in record.past), default=record.stamp)


def past_of(vector: Mapping[str, int], version: Version, least: int = MAX_STAMP) -> Past:
    """Return a vector as the canonical ``past`` of a record of that version.

    ``least`` is the least stamp that it was joined from; it is kept where no entry, nor the version itself, tells it.
    Of too many origins the greatest by (stamp, origin) are kept.  Both are joins: what is the greatest of all is
    among the greatest of every part, so it does not matter in which order pasts are joined and cut.
    """
    entries = [(stamp, name) for name, stamp in vector.items() if name != version.origin]
    least = min([least, version.stamp, *(stamp for stamp, _ in entries)])
    kept = sorted(entries)[-MAX_PAST:]
    told = min([version.stamp, *(stamp for stamp, _ in kept)])
    past = sorted((name, stamp) for stamp, name in kept)
    return ((LEAST, least), *past) if least < told else tuple(past)


def covers(newer: Record, older: Record) -> bool:
    """Tell whether ``newer`` was written by someone who had seen ``older``.

    Of versions that were derived from a place's data that is told of just the one that is named: their stamps are the
    data's own times, so a later one was not written by someone who had seen the earlier.
    """
    if older.origin.startswith(DERIVED):
        return vector_of(newer).get(older.origin) == older.stamp
    if newer.origin == older.origin and newer.stamp >= older.stamp:
        return True
    return any(origin == older.origin and stamp >= older.stamp for origin, stamp in newer.past)


def validate(record: Record) -> None:
    """Raise BadRecord when a record from outside breaks a limit or contradicts itself."""
    where = f"record {record.collection} {record.key[:80]!r}"
    if not record.key or len(record.key) > MAX_KEY or len(record.key.encode()) > MAX_KEY:
        raise BadRecord(f"{where}: a key has 1 to {MAX_KEY} bytes")
    if "\0" in record.key or "\0" in record.origin:
        raise BadRecord(f"{where}: neither its key nor its origin may hold a NUL")
    if not 0 < record.stamp < 1 << 63 or not 0 <= record.born <= record.stamp:
        raise BadRecord(f"{where}: stamp {record.stamp} born {record.born} is out of range")
    if not record.origin or len(record.origin) > MAX_ORIGIN:
        raise BadRecord(f"{where}: an origin has 1 to {MAX_ORIGIN} characters")
    if len(record.head) > MAX_HEAD or len(record.body) > INLINE_LIMIT:
        raise BadRecord(f"{where}: head of {len(record.head)}, body of {len(record.body)} bytes is over the limit")
    if record.content:
        if len(record.content) != 32 or record.body or not INLINE_LIMIT < record.size <= MAX_CONTENT:
            raise BadRecord(f"{where}: bad reference to content of {record.size} bytes")
    elif record.size:
        raise BadRecord(f"{where}: a size without content")
    if record.dead and (record.body or record.content):
        raise BadRecord(f"{where}: a tombstone has no body")
    if record.past:
        _validate_past(record, where)


def _validate_past(record: Record, where: str) -> None:
    origins = [origin for origin, _ in record.past]
    if origins != sorted(set(origins)) or record.origin in origins:
        raise BadRecord(f"{where}: its past is not a sorted list of other origins")
    if any(not 0 < stamp <= record.stamp for _, stamp in record.past):
        raise BadRecord(f"{where}: its past names a stamp later than its own")
    if any("\0" in origin for origin in origins):
        raise BadRecord(f"{where}: an origin in its past holds a NUL")
    if any(len(origin) > MAX_ORIGIN for origin in origins):
        raise BadRecord(f"{where}: an origin in its past has more than {MAX_ORIGIN} characters")
    if origins[0] == LEAST and not record.past[0][1] < min([record.stamp, *(stamp for _, stamp in record.past[1:])]):
        raise BadRecord(f"{where}: its past tells a least stamp that is not the least")
    if len(origins) > MAX_PAST + (origins[0] == LEAST):
        raise BadRecord(f"{where}: its past names more than {MAX_PAST} origins")
