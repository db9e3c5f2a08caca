"""Pages, parts and answers in batches: what is parsed is what was formatted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.model.record import Record, record_crc
from mirror.wire.batch import Batch, BatchReader, frame
from mirror.wire.bulk import format_answers, format_page, format_part, parse_answers, parse_page, parse_part
from mirror.wire.codec import ENCODINGS, Bound, Cursor, Entry, Listed, Range
from mirror.wire.errors import ProtocolError
from mirror.wire.receiver import Receiver
from mirror.wire.values import Answer, Page, Part

STAMPS = st.integers(1, (1 << 63) - 1)
CRCS = st.integers(0, (1 << 64) - 1)
WORDS = st.text("abcdefghij:-", min_size=1, max_size=12)
BOUNDS = st.builds(Bound, STAMPS, WORDS)
RANGES = st.builds(Range, BOUNDS, BOUNDS, st.integers(0, 1 << 40), CRCS)
LISTED = st.builds(Listed, BOUNDS, BOUNDS, st.lists(st.builds(Entry, STAMPS, WORDS, CRCS), max_size=3))
BODIES = st.one_of(st.binary(max_size=40), st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace")))
RECORDS = st.builds(
    lambda key, stamp, dead, past, body: Record(
        "pictures", key, stamp, "a", 1, dead, past=past, body=b"" if dead else body
    ),
    WORDS,
    STAMPS,
    st.booleans(),
    st.just(()),
    BODIES,
)
CURSORS = st.one_of(st.none(), st.builds(Cursor, st.text("0123456789abcdef", max_size=16), st.integers(0, 10**18 - 1)))


def over_the_wire(batch: Batch) -> Batch:
    """Return a batch as the other side has it."""
    receiver = Receiver()
    receiver.feed(b"".join(frame(batch)))
    received = BatchReader(receiver).next()
    assert isinstance(received, Batch)
    return received


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(records=st.lists(RECORDS, max_size=4), cursor=CURSORS)
def test_page(encoding: str, records: list[Record], cursor: Cursor | None) -> None:
    page = Page(records, [record_crc(record) for record in records], cursor)
    assert parse_page(over_the_wire(format_page(page, encoding))) == page


@given(st.binary(min_size=32, max_size=32), st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.binary(max_size=200))
def test_part(content: bytes, offset: int, size: int, data: bytes) -> None:
    part = Part(content, offset, size, data)
    assert parse_part(over_the_wire(format_part(part))) == part


@given(st.lists(st.one_of(RANGES, LISTED), max_size=6))
def test_answers(answers: list[Answer]) -> None:
    parsed = [answer for batch in format_answers(answers) for answer in parse_answers(over_the_wire(batch))]
    listed = [answer for answer in answers if isinstance(answer, Listed)]
    assert parsed == [*listed, *(answer for answer in answers if isinstance(answer, Range))]


def test_listed_ranges_go_in_several_batches() -> None:
    answers: list[Answer] = [Listed(Bound(1, "a"), Bound(2, "b"), [])] * 257
    assert [len(parse_answers(batch)) for batch in format_answers(answers)] == [256, 1]


@pytest.mark.parametrize("content", ["", "zz", "00", "0" * 66])
def test_a_part_is_named_by_a_sha_256(content: str) -> None:
    with pytest.raises(ProtocolError, match="is no SHA-256"):
        parse_part(Batch({"Type": "content", "Content": content, "Offset": "0", "Total": "1"}, b"x"))
