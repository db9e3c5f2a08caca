"""The one judge: what every node of this protocol takes.

What a peer sends, what a client drafts, what an import finds and what merging makes is measured by this alone.  A node
that took or wrote anything else would stop replication with every other one for good.
"""

from typing import Any, NamedTuple

import msgspec

from mirror.model.checksum import crc64
from mirror.model.errors import BadRecord
from mirror.model.kinds import HORIZON_KEY, NODES, check_collection
from mirror.model.merge import check_head
from mirror.model.nodes import horizon_of, newest_seen, vector_seen
from mirror.model.record import MAX_KEY, MAX_ORIGIN, Record, past_of, record_bytes, validate, vector_in


class Unfit(NamedTuple):
    """A record that this node cannot take: what can be told of it, its bytes as they came, and why.

    ``crc`` is the CRC-64 of those bytes: its sender's own, since what is sent is canonical.
    """

    collection: str
    key: str
    stamp: int
    crc: int
    data: bytes
    reason: str


def judge(record: Record) -> None:
    """Raise BadRecord, saying what is wrong, unless every node would take a record."""
    check_collection(record.collection)
    validate(record)
    check_head(record)
    if record.collection == NODES:
        _judge_sign(record)


def finding(record: Record) -> str:
    """Return what is wrong with a record in a line, or an empty string."""
    try:
        judge(record)
    except BadRecord as error:
        return str(error)
    return ""


def _judge_sign(record: Record) -> None:
    """Raise BadRecord unless what a node says of itself can be read, and a later word of it counts.

    Nobody deletes what nodes say.  A horizon that was deleted, or born later than all are, would hide those that come
    after it, and a store knows by two places up to where it has forgotten deletions: that one, and one of its own.
    """
    if record.dead:
        raise BadRecord(f"record {NODES} {record.key[:80]!r}: what nodes say of themselves is never deleted")
    if record.key == HORIZON_KEY and record.born != 1:
        raise BadRecord(f"record {NODES} {HORIZON_KEY}: a horizon is born at 1, not {record.born}")
    horizon_of(record)
    newest_seen(record)
    vector_seen(record)


_decode_record = msgspec.msgpack.Decoder(Record).decode
_encode = msgspec.msgpack.Encoder().encode


def cannot(record: Record, reason: str) -> Unfit:
    """Return a record that can be read as one that cannot be taken."""
    data = _encode(record)
    return Unfit(record.collection, record.key, record.stamp, crc64(data), data, reason)


def in_collection(unfit: Unfit, collection: str) -> Unfit:
    """Return what cannot be taken as a record of another collection."""
    told: Any = msgspec.msgpack.decode(unfit.data)
    data = _encode([collection, *told[1:]])
    return unfit._replace(collection=collection, data=data, crc=crc64(data))


def sort_out(data: bytes) -> Record | Unfit:
    """Read one record's MessagePack: a record that may be taken, or what can be told of it.

    Raises BadRecord where not even that can be told: then there is nothing that could be set aside.
    """
    try:
        record = _decode_record(data)
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError) as error:
        collection, key, stamp = _told(data)
        return Unfit(collection, key, stamp, crc64(data), data, f"it cannot be read: {error}")
    wrong = finding(record)
    if wrong and record.dead and not finding(cut := _with_less_past(record)):
        return cut
    if not wrong and record_bytes(record) != data:
        wrong = "it has more in it, or is written otherwise, than records of this protocol"
    if not wrong:
        return record
    _check_told(record.collection, record.key, record.stamp)
    return Unfit(record.collection, record.key, record.stamp, crc64(data), data, wrong)


def _with_less_past(dead: Record) -> Record:
    """Return a tombstone with as much of its past as every node takes: a deletion is never set aside for that."""
    past = [(name, stamp) for name, stamp in dead.past if len(name) <= MAX_ORIGIN and 0 < stamp <= dead.stamp]
    least = min((stamp for _, stamp in past), default=dead.stamp)
    return msgspec.structs.replace(dead, past=past_of(vector_in(tuple(past)), dead.version, least))


def _told(data: bytes) -> tuple[str, str, int]:
    """Return collection, key and stamp of what is no record of this version.  Raises BadRecord."""
    try:
        told: Any = msgspec.msgpack.decode(data)
        collection, key, stamp = told[:3]
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, ValueError, RecursionError) as error:
        raise BadRecord(f"a record cannot be read at all: {error}") from None
    if not isinstance(collection, str) or not isinstance(key, str) or not isinstance(stamp, int):
        raise BadRecord("a record names neither its collection nor its key")
    _check_told(collection, key, stamp)
    return collection, key, stamp


def _check_told(collection: str, key: str, stamp: int) -> None:
    """Raise BadRecord unless a record could stand in a collection's order, whatever else is wrong with it."""
    check_collection(collection)
    if not 0 < len(key.encode()) <= MAX_KEY or not 0 < stamp < 1 << 63:
        raise BadRecord("a record's key or stamp is out of range")
