"""What is in a batch: records, ranges, keys and parts of content, in MessagePack or in JSON.

MessagePack is what peers speak.  JSON is for people and for clients in other languages: one object a
record, one record a line, heads and texts readable.
"""

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from mirror.model.checksum import crc64
from mirror.model.errors import BadRecord
from mirror.model.kinds import check_collection
from mirror.model.merge import check_head
from mirror.model.record import Record, pack_head, record_crc, unpack_head, validate
from mirror.model.stamp import format_stamp
from mirror.wire.batch import Batch, header_int
from mirror.wire.errors import ProtocolError

MSGPACK = "msgpack"
JSON = "json"
ENCODINGS = (MSGPACK, JSON)
MAX_RECORDS = 8192
"""Records in one batch at most."""


class Cursor(NamedTuple):
    """A place in a store's feed: everything up to ``sequence`` has been seen."""

    epoch: str
    sequence: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.sequence}"


def parse_cursor(text: str) -> Cursor:
    """Read a cursor.  Raises ProtocolError."""
    epoch, colon, sequence = text.partition(":")
    if not colon or not (sequence.isascii() and sequence.isdigit()) or len(sequence) > 18 or len(epoch) > 64:
        raise ProtocolError(f"{text[:80]!r} is no cursor (epoch:sequence)")
    return Cursor(epoch, int(sequence))


class Bound(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """A place in the order of a collection: records are ordered by (stamp, key)."""

    stamp: int
    key: str


LEAST = Bound(0, "")
GREATEST = Bound((1 << 63) - 1, "")


class Range(msgspec.Struct, array_like=True, gc=False):
    """The records from ``lower`` up to but without ``upper``: how many, and the sum of their CRCs mod 2^64."""

    lower: Bound
    upper: Bound
    count: int
    total: int


class Entry(msgspec.Struct, array_like=True, gc=False):
    """One record as reconciliation lists it."""

    stamp: int
    key: str
    crc: int


class Listed(msgspec.Struct, array_like=True, gc=False):
    """A range that was too small to split: all its entries."""

    lower: Bound
    upper: Bound
    entries: list[Entry]


class ContentRequest(msgspec.Struct, array_like=True, gc=False):
    """A body wanted by its SHA-256, from an offset in bytes."""

    content: bytes
    offset: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode_records = msgspec.msgpack.Decoder(list[Record]).decode


def checksum(crcs: Sequence[int]) -> str:
    """Return a batch's CRC: the CRC-64 of its records' CRC-64s, eight bytes each, big-endian, in order."""
    return f"{crc64(b''.join([crc.to_bytes(8, 'big') for crc in crcs])):016x}"


def records_batch(
    records: list[Record], crcs: Sequence[int], cursor: Cursor | None = None, encoding: str = MSGPACK
) -> Batch:
    """Return the batch of these records; ``crcs`` are theirs, in the same order."""
    header = {"Type": "records", "Count": str(len(records)), "Encoding": encoding, "Crc": checksum(crcs)}
    if cursor is not None:
        header["Cursor"] = str(cursor)
    return Batch(header, _encode(records) if encoding == MSGPACK else _json_lines(records))


class Checked(NamedTuple):
    """Records that have passed all checks, with their CRCs."""

    records: list[Record]
    crcs: list[int]


def read_records(batch: Batch) -> Checked:
    """Decode and check a batch of records.  Raises ProtocolError or BadRecord; never returns a part."""
    header = batch.header
    count = header_int(header, "Count", MAX_RECORDS)
    if header.get("Encoding") == MSGPACK:
        records = _decode(batch.payload, _decode_records)
        encoded = msgspec.msgpack.Encoder()
        crcs = [crc64(encoded.encode(record)) for record in records]
    else:
        records = [record_from_json(line) for line in batch.payload.splitlines() if line.strip()]
        crcs = [record_crc(record) for record in records]
    if len(records) != count:
        raise ProtocolError(f"a batch says Count={count} and holds {len(records)} records")
    if header.get("Crc") != checksum(crcs):
        raise ProtocolError("a batch's CRC does not match its records; nothing of it was applied")
    for name in {record.collection for record in records}:
        check_collection(name)
    for record in records:
        validate(record)
        check_head(record)
    return Checked(records, crcs)


def typed_batch(kind: str, items: list[Any]) -> Batch:
    """Return a MessagePack batch of other values: ranges, keys, content requests."""
    payload = _encode(items)
    header = {"Type": kind, "Count": str(len(items)), "Encoding": MSGPACK, "Crc": f"{crc64(payload):016x}"}
    return Batch(header, payload)


def read_typed(batch: Batch, kind: str, item: Any) -> list[Any]:
    """Decode and check what ``typed_batch`` made.  Raises ProtocolError."""
    header = batch.header
    if header.get("Type") != kind:
        raise ProtocolError(f"a batch of Type={header.get('Type', '')[:40]!r} where {kind!r} was expected")
    if header.get("Crc") != f"{crc64(batch.payload):016x}":
        raise ProtocolError("a batch's CRC does not match its payload")
    decoder = (
        msgspec.json.Decoder(list[item]) if header.get("Encoding") == JSON else msgspec.msgpack.Decoder(list[item])
    )
    items: list[Any] = _decode(batch.payload, decoder.decode)
    if len(items) != header_int(header, "Count", 1 << 20):
        raise ProtocolError("a batch's Count does not match its payload")
    return items


def _decode(payload: bytes, decoder: Callable[[bytes], Any]) -> Any:
    try:
        return decoder(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, OverflowError) as error:
        raise ProtocolError(f"a batch's payload cannot be decoded: {error}") from None


def record_as_json(record: Record) -> dict[str, Any]:
    """Return a record as plain values that can be read by a person."""
    view: dict[str, Any] = {
        "collection": record.collection,
        "key": record.key,
        "stamp": record.stamp,
        "time": format_stamp(record.stamp),
        "origin": record.origin,
        "born": record.born,
    }
    if record.dead:
        view["dead"] = True
    if record.past:
        view["past"] = dict(record.past)
    if record.head:
        view["head"] = unpack_head(record.head)
    if record.body:
        view.update(_text_or_base64(record.body))
    if record.content:
        view.update(content=record.content.hex(), size=record.size)
    return view


def _text_or_base64(body: bytes) -> dict[str, str]:
    try:
        return {"text": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _json_lines(records: Iterable[Record]) -> bytes:
    lines = [json.dumps(record_as_json(record), ensure_ascii=False) for record in records]
    return "".join(line + "\n" for line in lines).encode()


def record_from_json(line: bytes) -> Record:
    """Read one JSON object as a record.  Raises BadRecord.  ``time`` is for people and ignored."""
    try:
        view = json.loads(line)
        body = view["text"].encode() if "text" in view else base64.b64decode(view.get("base64", ""), validate=True)
        return Record(
            collection=_text(view["collection"]),
            key=_text(view["key"]),
            stamp=int(view.get("stamp", 0)),
            origin=_text(view.get("origin", "")),
            born=int(view.get("born", view.get("stamp", 0))),
            dead=view.get("dead", False) is True,
            past=tuple(sorted((_text(name), int(stamp)) for name, stamp in view.get("past", {}).items())),
            head=pack_head(dict(view.get("head", {}))),
            body=body,
            content=bytes.fromhex(view.get("content", "")),
            size=int(view.get("size", 0)),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise BadRecord(f"a JSON record cannot be read ({type(error).__name__}: {error})") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
