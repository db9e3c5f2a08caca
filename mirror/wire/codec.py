"""What is in a batch: records, ranges, keys and parts of content, in MessagePack or in JSON.

MessagePack is what peers speak.  JSON is for people and for clients in other languages (mirror.wire.readable).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from mirror.model.checksum import crc64
from mirror.model.errors import BadRecord
from mirror.model.judge import Unfit, judge, sort_out
from mirror.model.record import Record, record_crc
from mirror.wire.batch import Batch, header_int
from mirror.wire.cursors import GREATEST as GREATEST
from mirror.wire.cursors import LEAST as LEAST
from mirror.wire.cursors import Bound as Bound
from mirror.wire.cursors import ContentRequest as ContentRequest
from mirror.wire.cursors import Cursor as Cursor
from mirror.wire.cursors import Entry as Entry
from mirror.wire.cursors import Listed as Listed
from mirror.wire.cursors import Range as Range
from mirror.wire.cursors import parse_cursor as parse_cursor
from mirror.wire.errors import ProtocolError
from mirror.wire.readable import json_lines, lines_of, record_as_json, record_from_json

MSGPACK = "msgpack"
JSON = "json"
ENCODINGS = (MSGPACK, JSON)
MAX_RECORDS = 8192
"""Records in one batch at most."""

_encode = msgspec.msgpack.Encoder().encode
_decode_records = msgspec.msgpack.Decoder(list[Record]).decode
_decode_raw = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


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
    return Batch(header, _encode(records) if encoding == MSGPACK else json_lines(map(record_as_json, records)))


class Checked(NamedTuple):
    """Records that have passed all checks, with their CRCs, and those that have not."""

    records: list[Record]
    crcs: list[int]
    unfit: tuple[Unfit, ...] = ()


def read_records(batch: Batch) -> Checked:
    """Decode and check a batch of records.  Raises ProtocolError or BadRecord; never returns a part."""
    if batch.header.get("Encoding") == MSGPACK:
        try:
            records = _decode_records(batch.payload)
            for record in records:
                judge(record)
        except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError, BadRecord):
            return _sort_out(batch)
        encoded = msgspec.msgpack.Encoder()
        crcs = [crc64(encoded.encode(record)) for record in records]
        if checksum(crcs) != batch.header.get("Crc"):
            return _sort_out(batch)  # one that is told in other bytes than these is set aside, and stops no other
    else:
        records = [record_from_json(line) for line in lines_of(batch.payload)]
        crcs = [record_crc(record) for record in records]
        for record in records:
            judge(record)
    _check_batch(batch, crcs)
    return Checked(records, crcs)


def _check_batch(batch: Batch, crcs: Sequence[int]) -> None:
    """Raise ProtocolError unless a batch holds as many records as it says, with these CRCs."""
    count = header_int(batch.header, "Count", MAX_RECORDS)
    if len(crcs) != count:
        raise ProtocolError(f"a batch says Count={count} and holds {len(crcs)} records")
    if batch.header.get("Crc") != checksum(crcs):
        raise ProtocolError("a batch's CRC does not match its records; nothing of it was applied")


def _sort_out(batch: Batch) -> Checked:
    """Decode a batch of which not all can be taken, record by record."""
    parts: list[msgspec.Raw] = _decode(batch.payload, _decode_raw)
    datas = [bytes(part) for part in parts]
    _check_batch(batch, [crc64(data) for data in datas])
    found = [sort_out(data) for data in datas]
    records = [one for one in found if isinstance(one, Record)]
    unfit = tuple(one for one in found if isinstance(one, Unfit))
    return Checked(records, [record_crc(record) for record in records], unfit)


def typed_batch(kind: str, items: list[Any]) -> Batch:
    """Return a MessagePack batch of other values: ranges, keys, content requests."""
    return payload_batch(kind, len(items), MSGPACK, _encode(items))


def payload_batch(kind: str, count: int, encoding: str, payload: bytes) -> Batch:
    """Return a batch of encoded values, with the CRC-64 of their bytes."""
    header = {"Type": kind, "Count": str(count), "Encoding": encoding, "Crc": f"{crc64(payload):016x}"}
    return Batch(header, payload)


def read_typed(batch: Batch, kind: str, item: Any) -> list[Any]:
    """Decode and check what ``typed_batch`` made.  Raises ProtocolError."""
    in_json = batch.header.get("Encoding") == JSON
    decoder = msgspec.json.Decoder(list[item]) if in_json else msgspec.msgpack.Decoder(list[item])
    return read_payload(batch, kind, decoder.decode)


def read_payload(batch: Batch, kind: str, decoder: Callable[[bytes], list[Any]], limit: int = 1 << 20) -> list[Any]:
    """Check and decode what ``payload_batch`` made, up to ``limit`` values.  Raises ProtocolError."""
    header = batch.header
    if header.get("Type") != kind:
        raise ProtocolError(f"a batch of Type={header.get('Type', '')[:40]!r} where {kind!r} was expected")
    if header.get("Crc") != f"{crc64(batch.payload):016x}":
        raise ProtocolError("a batch's CRC does not match its payload")
    items: list[Any] = _decode(batch.payload, decoder)
    if len(items) != header_int(header, "Count", limit):
        raise ProtocolError("a batch's Count does not match its payload")
    return items


def _decode(payload: bytes, decoder: Callable[[bytes], Any]) -> Any:
    try:
        return decoder(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, OverflowError) as error:
        raise ProtocolError(f"a batch's payload cannot be decoded: {error}") from None
