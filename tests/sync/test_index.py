"""Fingerprints of ranges: the same from blocks as from all entries, however the ranges lie."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.model.checksum import crc64
from mirror.model.record import Record
from mirror.store.base import BLOCK_RECORDS
from mirror.store.check import check_store
from mirror.store.sqlite.blocks import LIMIT
from mirror.store.sqlite.store import SqliteStore
from mirror.store.values import Block
from mirror.sync import listing
from mirror.sync.index import RangeIndex
from mirror.sync.listing import Endless, find_difference
from mirror.wire.codec import GREATEST, LEAST, Bound, Listed, Range


def entry_of(stamp: int, key: str, content: int) -> tuple[int, str, int]:
    """Return an entry with the CRC of all that it is of, as records have it: two of one CRC are no records."""
    return stamp, key, crc64(f"{stamp}|{key}|{content}".encode())


ENTRY = st.builds(entry_of, st.integers(1, 9), st.text("ab", max_size=3), st.integers(0, 9))
ENTRIES = st.lists(ENTRY, max_size=60, unique_by=lambda entry: entry[:2])
BOUND = st.one_of(st.just(LEAST), st.just(GREATEST), st.builds(Bound, st.integers(0, 10), st.text("ab", max_size=3)))


def in_blocks(entries: list[tuple[int, str, int]], size: int) -> RangeIndex:
    """Return the index of entries cut into blocks of ``size``."""
    ordered = sorted(entries)
    blocks = []
    for at in range(0, len(ordered), size):
        part = ordered[at : at + size]
        start = (0, "") if at == 0 else part[0][:2]
        blocks.append(Block(start, len(part), sum(crc for _, _, crc in part)))

    def load(lower, upper):
        return [e for e in ordered if e[:2] >= lower and (upper is None or e[:2] < upper)]

    return RangeIndex(blocks, load)


@given(ENTRIES, st.integers(1, 9), BOUND, BOUND)
def test_a_range_sums_up_to_its_entries(entries, size: int, one: Bound, two: Bound) -> None:
    lower, upper = sorted((one, two))
    index = in_blocks(entries, size)
    inside = sorted(e for e in entries if (lower.stamp, lower.key) <= e[:2] < (upper.stamp, upper.key))
    assert index.fingerprint(lower, upper) == Range(lower, upper, len(inside), sum(e[2] for e in inside) % 2**64)
    assert [(e.stamp, e.key, e.crc) for e in index.entries(lower, upper)] == inside


@given(ENTRIES, ENTRIES, st.integers(1, 9), st.integers(1, 9))
def test_exactly_the_difference_is_found(ours, theirs, our_size: int, their_size: int) -> None:
    mine, other = in_blocks(ours, our_size), in_blocks(theirs, their_size)

    def ask(ranges):
        answers = []
        for asked in ranges:
            if other.differs(asked):
                answer = other.answer(asked)
                answers += answer if isinstance(answer, list) else [answer]
        return answers

    found = find_difference(mine, ask)
    assert sorted(found.wanted) == sorted(key for _, key, _ in set(theirs) - set(ours))
    assert sorted(found.surplus) == sorted(key for _, key, _ in set(ours) - set(theirs))


def test_a_large_range_is_split_between_blocks_and_covers_all() -> None:
    index = in_blocks([(n, "k", n) for n in range(1, 5001)], 100)
    parts = index.answer(Range(LEAST, GREATEST, 0, 0))
    assert not isinstance(parts, Listed)
    assert (parts[0].lower, parts[-1].upper, len(parts)) == (LEAST, GREATEST, 16)
    assert all(left.upper == right.lower for left, right in pairwise(parts))
    assert sum(part.count for part in parts) == 5000


def test_a_store_keeps_its_blocks_small_and_right(make_store: Callable[..., SqliteStore]) -> None:
    store = make_store("a")
    order = [n * 7919 % 6000 for n in range(6000)]
    for at in range(0, 6000, 700):
        records = [Record("messages/r", f"id:{n}", n + 1, "x", 1, body=b"m") for n in order[at : at + 700]]
        store.write(lambda writer, records=records: writer.apply(records))
    store.write(lambda writer: [writer.delete("messages/r", f"id:{n}") for n in range(0, 6000, 3)])
    blocks = store.read(lambda reader: reader.blocks("messages/r"))
    assert sum(block.count for block in blocks) == 6000
    assert max(block.count for block in blocks) <= LIMIT
    assert len(blocks) >= 6000 // LIMIT
    assert check_store(store).problems == []


def test_a_store_written_before_there_were_blocks_gets_them(make_store: Callable[..., SqliteStore]) -> None:
    store = make_store("a")
    records = [Record("messages/r", f"id:{n}", n + 1, "x", 1) for n in range(3000)]
    store.write(lambda writer: writer.apply(records))

    def forget(writer) -> None:
        writer.connection.execute("DELETE FROM block")
        writer.reset()

    store.write(forget)
    assert [block.count for block in store.read(lambda reader: reader.blocks("messages/r"))] == [3000]
    assert check_store(store).problems == []
    store.write(lambda writer: writer.put(Record("messages/r", "id:new", 1, "x", 1)))
    blocks = store.read(lambda reader: reader.blocks("messages/r"))
    assert max(block.count for block in blocks) <= BLOCK_RECORDS + 1
    assert check_store(store).problems == []


def test_who_answers_with_ever_new_ranges_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = RangeIndex.of([(5, "k", 7)])
    monkeypatch.setattr(listing, "MAX_TRIPS", 20)
    with pytest.raises(Endless, match="after 21 round trips"):
        find_difference(mine, lambda asked: [Range(LEAST, GREATEST, 5, 1)])
    monkeypatch.setattr(listing, "MAX_PENDING", 1000)
    with pytest.raises(Endless, match="ranges still to be compared"):
        find_difference(mine, lambda asked: [Range(LEAST, GREATEST, 5, 1)] * 2 * len(asked) * 2)
