"""Framing: whatever way the bytes arrive, the same batches; whatever is wrong is named."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.model.checksum import crc64
from mirror.model.errors import MirrorError
from mirror.model.record import Record, record_bytes, record_crc
from mirror.wire.batch import WINDOW, Batch, BatchReader, Marker, frame
from mirror.wire.codec import (
    ENCODINGS,
    Bound,
    Cursor,
    Range,
    checksum,
    parse_cursor,
    read_records,
    read_typed,
    records_batch,
    typed_batch,
)
from mirror.wire.errors import ProtocolError, Refused
from mirror.wire.receiver import Receiver

RECORDS = [
    Record("users", "alpha:1", 65536, "alpha", 1, head=b"\x81\xa1a\x93\x01\x02\xa1b"),
    Record("messages/alpha:2", "id:x|é", 1 << 62, "beta", 1, past=(("alpha", 7),), body=b"\xff\0\n000\n"),
    Record("pictures", "user alpha:1", 9, "beta", 0, dead=True),
]


def read_all(data: bytes, sizes: list[int]) -> list[Batch]:
    """Feed bytes in pieces of the given sizes and return the batches."""
    receiver, batches, at = Receiver(), [], 0
    reader = BatchReader(receiver)
    pieces = iter(sizes)
    while True:
        item = reader.next()
        if item is Marker.END_OF_LISTING:
            return batches
        if isinstance(item, Batch):
            batches.append(item)
            continue
        assert at < len(data), "the listing has no end"
        step = next(pieces, len(data))
        receiver.feed(data[at : at + step])
        at += step


@given(st.binary(max_size=200_000), st.lists(st.integers(1, 70_000), max_size=20))
def test_a_payload_survives_framing_however_it_arrives(payload: bytes, sizes: list[int]) -> None:
    data = b"".join(frame(Batch({"Type": "x"}, payload))) + b"000\n"
    (batch,) = read_all(data, sizes)
    assert batch.payload == payload
    assert batch.header == {"Type": "x", "Size": str(len(payload))}


def test_windows_are_as_the_seed_sketched_them() -> None:
    data = b"".join(frame(Batch({}, b"x" * (WINDOW + 2344))))
    assert data.startswith(b"Size=67879\nDATA CHUNK 65535\n")
    assert b"\x78CHUNK 2344\n" in data
    assert data.endswith(b"xEND\n")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_records_survive_either_encoding(encoding: str) -> None:
    crcs = [record_crc(record) for record in RECORDS[1:]]
    batch = records_batch(RECORDS[1:], crcs, Cursor("e", 5), encoding)
    (received,) = read_all(b"".join(frame(batch)) + b"000\n", [])
    assert read_records(received) == (RECORDS[1:], crcs, ())
    assert parse_cursor(received.header["Cursor"]) == Cursor("e", 5)


@given(st.data())
def test_a_flipped_byte_never_passes_as_other_records(data: st.DataObject) -> None:
    batch = records_batch(RECORDS, [record_crc(record) for record in RECORDS])
    at = data.draw(st.integers(0, len(batch.payload) - 1))
    bit = data.draw(st.integers(0, 7))
    payload = bytearray(batch.payload)
    payload[at] ^= 1 << bit
    with pytest.raises(MirrorError):
        read_records(Batch(batch.header, bytes(payload)))


@given(st.binary(max_size=300))
def test_any_bytes_give_batches_or_a_protocol_error(data: bytes) -> None:
    receiver = Receiver()
    receiver.feed(data)
    reader = BatchReader(receiver)
    try:
        while isinstance(reader.next(), Batch):
            pass
    except ProtocolError:
        pass


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"Size=99999999999\nDATA CHUNK 1\n", "Size"),
        (b"Size=5\nDATA CHUNK 65536\n", "chunk of"),
        (b"Size=5\nDATA CHUNK 0\n", "chunk of"),
        (b"Size=5\nDATA CHUNK 6\n", "longer than its Size"),
        (b"Size=5\nDATA CHUNK 2\nabEND\n", "ended after 2"),
        (b"hello\n", "where a batch's header"),
        (b"A=1\nA=2\n", "twice"),
        (b"x" * 5000, "longer than"),
        (b"A=\xff\n", "UTF-8"),
    ],
)
def test_what_is_wrong_is_named(data: bytes, complaint: str) -> None:
    with pytest.raises(ProtocolError, match=complaint):
        read_all(data + b"\n", [])


def test_typed_batches_are_checked() -> None:
    ranges = [Range(Bound(0, ""), Bound(9, "k"), 3, 1 << 63)]
    batch = typed_batch("ranges", ranges)
    assert read_typed(batch, "ranges", Range) == ranges
    with pytest.raises(ProtocolError, match="expected"):
        read_typed(batch, "keys", str)
    with pytest.raises(ProtocolError, match="CRC"):
        read_typed(Batch(batch.header, batch.payload + b"x"), "ranges", Range)
    with pytest.raises(ProtocolError, match="decoded"):
        read_typed(typed_batch("ranges", ["x"]), "ranges", Range)


@pytest.mark.parametrize("text", ["", "x", "e:", "e:-1", "e:" + "9" * 19, "e:١", "x" * 65 + ":1"])
def test_cursors_that_are_none(text: str) -> None:
    with pytest.raises(ProtocolError):
        parse_cursor(text)


@given(st.lists(st.integers(1, 40), max_size=20))
def test_a_listing_that_cannot_go_on_says_why_and_ends(sizes: list[int]) -> None:
    whole = b"".join(frame(records_batch(RECORDS, [record_crc(record) for record in RECORDS], None)))
    with pytest.raises(Refused) as refused:
        read_all(whole + b"510 the disk is gone, x=y\r\n000\n", sizes)
    assert (refused.value.code, refused.value.text) == (510, "the disk is gone, x=y")


def test_a_listing_can_be_broken_off_before_its_first_batch() -> None:
    with pytest.raises(Refused, match="576 reconcile"):
        read_all(b"576 reconcile\n000\n", [])


@pytest.mark.parametrize("rest", [b"Type=x\n", b"510 again\n", b"END\n", b"\n"])
def test_nothing_comes_after_the_line_that_breaks_a_listing_off(rest: bytes) -> None:
    with pytest.raises(ProtocolError, match="should have ended"):
        read_all(b"510 no\n" + rest + b"000\n", [])


@pytest.mark.parametrize("line", [b"5100 x", b"51 x", b"200 ok", b"510x"])
def test_only_an_error_breaks_a_listing_off(line: bytes) -> None:
    with pytest.raises(ProtocolError, match="was expected"):
        read_all(line + b"\n000\n", [])


def test_an_error_in_the_middle_of_a_batch_is_none() -> None:
    with pytest.raises(ProtocolError, match="was expected"):
        read_all(b"Type=x\n510 no\n000\n", [])


@pytest.mark.parametrize("more", [True, False])
def test_a_record_in_other_bytes_is_set_aside_and_stops_no_other(more: bool) -> None:
    """A later version's record may have more in it; what is written otherwise would have another CRC here."""
    good = [Record("files/r", key, 5, "a", 5, body=b"x") for key in ("one", "two")]
    told = msgspec.msgpack.decode(record_bytes(good[0]))
    strange = msgspec.msgpack.encode([*told, "more"]) if more else b"\xdc\x00\x0b" + record_bytes(good[0])[1:]
    data = [strange, record_bytes(good[1])]
    header = {"Type": "records", "Count": "2", "Encoding": "msgpack", "Crc": checksum(map(crc64, data))}
    checked = read_records(Batch(header, b"\x92" + b"".join(data)))
    assert checked.records == good[1:]
    assert [(one.key, one.data, one.crc) for one in checked.unfit] == [("one", strange, crc64(strange))]
