"""Limits and canonical bytes of records."""

import pytest

from mirror.model.errors import BadRecord
from mirror.model.kinds import check_collection
from mirror.model.record import INLINE_LIMIT, Record, pack_head, record_bytes, record_crc, validate


def test_a_head_is_canonical_whatever_the_order() -> None:
    assert pack_head({"b": 1, "a": 2}) == pack_head({"a": 2, "b": 1})


def test_bytes_and_crc_are_those_of_the_example_in_the_protocol_document() -> None:
    record = Record("users", "alpha:1", 65536, "alpha", 1)
    assert record_bytes(record).hex() == "9ba57573657273a7616c7068613a31ce00010000a5616c70686101c290c400c400c40000"
    assert record_crc(record) == 0x87B525EF6E7B8B6B


@pytest.mark.parametrize(
    "record",
    [
        Record("users", "", 1, "a", 1),
        Record("users", "k" * 1025, 1, "a", 1),
        Record("users", "k", 0, "a", 0),
        Record("users", "k", 5, "a", 6),
        Record("users", "k", 5, "", 1),
        Record("users", "k", 5, "a", 1, body=b"x" * (INLINE_LIMIT + 1)),
        Record("users", "k", 5, "a", 1, content=b"short", size=INLINE_LIMIT + 1),
        Record("users", "k", 5, "a", 1, size=3),
        Record("users", "k", 5, "a", 1, dead=True, body=b"x"),
        Record("users", "k", 5, "a", 1, past=(("b", 9),)),
        Record("users", "k", 5, "a", 1, past=(("c", 2), ("b", 2))),
        Record("users", "k", 5, "a", 1, past=(("a", 2),)),
    ],
)
def test_records_that_break_a_limit_are_refused(record: Record) -> None:
    with pytest.raises(BadRecord):
        validate(record)


@pytest.mark.parametrize("name", ["", "Users", "messages", "users/x", "a b", "files/", "x" * 80, "files/a|b"])
def test_names_that_are_no_collection(name: str) -> None:
    with pytest.raises(BadRecord):
        check_collection(name)


@pytest.mark.parametrize("name", ["users", "messages/alpha:1", "something-new", "something-new/room"])
def test_names_of_collections(name: str) -> None:
    check_collection(name)
