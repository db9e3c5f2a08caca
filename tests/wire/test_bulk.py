"""Pages, parts, answers and drafts in batches: what is parsed is what was formatted."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.model.draft import Base, Draft
from mirror.model.errors import BadRecord
from mirror.model.record import Record, pack_head, record_crc
from mirror.wire.batch import Batch, BatchReader, frame
from mirror.wire.bulk import (
    format_answers,
    format_drafts,
    format_overwrites,
    format_page,
    format_part,
    names_base,
    parse_answers,
    parse_drafts,
    parse_overwrites,
    parse_page,
    parse_part,
)
from mirror.wire.codec import ENCODINGS, JSON, MSGPACK, Bound, Cursor, Entry, Listed, Range, payload_batch
from mirror.wire.errors import ProtocolError
from mirror.wire.receiver import Receiver
from mirror.wire.values import Answer, ContentPart, Page

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
@given(records=st.lists(RECORDS, max_size=4), cursor=CURSORS, left=st.integers(-1, 1 << 40))
def test_page(encoding: str, records: list[Record], cursor: Cursor | None, left: int) -> None:
    page = Page(records, [record_crc(record) for record in records], cursor, left=left)
    assert parse_page(over_the_wire(format_page(page, encoding))) == page


@given(st.binary(min_size=32, max_size=32), st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.binary(max_size=200))
def test_part(content: bytes, offset: int, size: int, data: bytes) -> None:
    part = ContentPart(content, offset, size, data)
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


# -- drafts -------------------------------------------------------------------------------------------

VECTORS = st.dictionaries(WORDS, STAMPS, max_size=3).map(lambda vector: tuple(sorted(vector.items())))
BASES = st.one_of(st.none(), st.builds(Base, STAMPS, WORDS, VECTORS), st.builds(Base, STAMPS, WORDS, VECTORS, STAMPS))
HEADS = st.dictionaries(
    st.text(max_size=8), st.one_of(st.text(max_size=8), st.integers(0, 1 << 62), st.booleans()), max_size=3
).map(pack_head)
DRAFTS = st.builds(
    Draft,
    st.sampled_from(["users", "messages/a:1", "pictures", "visits/a:1"]),
    WORDS,
    BASES,
    st.booleans(),
    HEADS,
    BODIES,
    st.one_of(st.just(b""), st.binary(min_size=32, max_size=32)),
    st.integers(0, 1 << 40),
    st.lists(st.text(max_size=8), max_size=3).map(tuple),
    st.one_of(st.none(), CRCS),
).map(lambda draft: draft if draft.content else msgspec.structs.replace(draft, size=0))


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(drafts=st.lists(DRAFTS, max_size=4))
def test_drafts(encoding: str, drafts: list[Draft]) -> None:
    batch = over_the_wire(format_drafts(drafts, encoding))
    assert names_base(batch)
    assert parse_drafts(batch) == drafts


@given(st.lists(RECORDS, max_size=3))
def test_overwrites(records: list[Record]) -> None:
    batch = over_the_wire(format_overwrites(records))
    assert not names_base(batch)
    assert parse_overwrites(batch) == records


def test_a_draft_in_json_can_be_read_and_written_by_people() -> None:
    draft = Draft("users", "a:1", Base(65536, "a", (("b", 9),)), head=pack_head({"u_fullname": "Ann"}), only_if=255)
    payload = format_drafts([draft], JSON).payload
    assert payload.decode() == (
        '{"collection": "users", "key": "a:1", "base": {"stamp": 65536, "origin": "a", "past": {"b": 9}}, '
        '"fields": {"u_fullname": "Ann"}, "only_if": "00000000000000ff"}\n'
    )
    item = Draft("messages/a:1", "euid:x", body=b"text", head=pack_head({"k": 1}), changed=("subject",))
    assert format_drafts([item], JSON).payload.decode() == (
        '{"collection": "messages/a:1", "key": "euid:x", "head": {"k": 1}, "text": "text", "changed": ["subject"]}\n'
    )


def test_a_draft_of_a_later_version_may_have_more() -> None:
    payload = msgspec.msgpack.encode([["pictures", "k", None, False, b"", b"x", b"", 0, [], None, "new"]])
    assert parse_drafts(payload_batch("drafts", 1, MSGPACK, payload)) == [Draft("pictures", "k", body=b"x")]


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        '{"key": "k"}',
        '{"collection": "users", "key": 5}',
        '{"collection": "users", "key": "k", "head": {}}',
        '{"collection": "pictures", "key": "k", "fields": {}}',
        '{"collection": "users", "key": "k", "base": {"stamp": 1}}',
        '{"collection": "users", "key": "k", "base": []}',
        '{"collection": "users", "key": "k", "only_if": "ff"}',
        '{"collection": "users", "key": "k", "only_if": 255}',
        '{"collection": "users", "key": "k", "changed": [1]}',
        '{"collection": "users", "key": "\\ud800"}',
        "{" * 100_000,
    ],
)
def test_what_is_no_draft_is_refused(line: str) -> None:
    payload = line.encode()
    with pytest.raises(BadRecord, match="a JSON draft cannot be read"):
        parse_drafts(payload_batch("drafts", 1, JSON, payload))


def test_a_header_that_says_something_else_of_the_base_is_refused() -> None:
    with pytest.raises(ProtocolError, match="Base='guessed': 'named' is the one there is"):
        names_base(Batch({"Base": "guessed"}, b""))
