"""Records and drafts as JSON: whatever a head holds, there is a line, and it is read as the same again."""

import json

import msgspec
import pytest

from mirror.model.draft import Draft
from mirror.model.errors import BadRecord
from mirror.model.record import Record, pack_head
from mirror.wire.readable import draft_as_json, draft_from_json, record_as_json, record_from_json

HEADS = {
    "a map": pack_head({"a": ["x", 5, None, True, 1.5], "b": {"c": 1}}),
    "no MessagePack": b"\xc1",
    "no map": b"\x91\x01",
    "cut off": b"\x81\xa1a",
    "bytes inside": pack_head({"a": [b"\xff"]}),
    "a number as a name": msgspec.msgpack.encode({"a": {1: 2}}),
    "not a number": pack_head({"a": float("nan")}),
    "infinite": pack_head({"a": [float("-inf")]}),
    "a moment": b"\x81\xa1a\xd6\xff\0\0\0\0",
    "an extension": b"\x81\xa1a\xd4\x01\0",
    "names out of order": b"\x82\xa1b\x01\xa1a\x02",
    "one name twice": b"\x82\xa1a\x01\xa1a\x02",
    "nested deep": b"\x81\xa1a" + b"\x91" * 500 + b"\x01",
}


@pytest.mark.parametrize("what", sorted(HEADS))
def test_every_head_has_a_line_that_is_read_as_the_same(what: str) -> None:
    record = Record("pictures", "k", 9, "a", 1, head=HEADS[what])
    line = json.dumps(record_as_json(record), allow_nan=False).encode()
    assert record_from_json(line) == record
    draft = Draft("pictures", "k", head=HEADS[what])
    assert draft_from_json(json.dumps(draft_as_json(draft), allow_nan=False).encode()) == draft


def test_what_people_can_read_they_are_shown_in_any_case() -> None:
    view = record_as_json(Record("pictures", "k", 9, "a", 1, head=HEADS["names out of order"]))
    assert view["head"] == {"a": 2, "b": 1}
    assert "head" not in record_as_json(Record("pictures", "k", 9, "a", 1, head=HEADS["no map"]))


SURROGATE = b'"\\ud800"'


@pytest.mark.parametrize(
    "line",
    [
        b'{"collection":"pictures","key":%s}',
        b'{"collection":%s,"key":"k"}',
        b'{"collection":"pictures","key":"k","origin":%s}',
        b'{"collection":"pictures","key":"k","head":{"a":%s}}',
        b'{"collection":"pictures","key":"k","head":{%s:1}}',
        b'{"collection":"pictures","key":"k","text":%s}',
        b'{"collection":"pictures","key":"k","past":{%s:1}}',
        b'{"collection":"pictures","key":"k","head_base64":%s}',
        b'{"collection":"users","key":"k","fields":{"a":%s}}',
        b'{"collection":"users","key":"k","changed":[%s]}',
        b'{"collection":"users","key":"k","base":{"stamp":1,"origin":%s}}',
    ],
)
def test_half_a_surrogate_pair_is_refused(line: bytes) -> None:
    """In a record or in a draft, whichever has such a member; never with anything but a BadRecord."""
    refused = 0
    for read in (record_from_json, draft_from_json):
        try:
            read(line % SURROGATE)
        except BadRecord:
            refused += 1
    assert refused


@pytest.mark.parametrize("number", ["9" * 30, "-" + "9" * 30, "1e400"])
@pytest.mark.parametrize("member", ["stamp", "born", "size", "past", "base"])
def test_a_number_that_no_record_can_hold_is_refused(member: str, number: str) -> None:
    inside = {"past": f'{{"a":{number}}}', "base": f'{{"stamp":{number},"origin":"a"}}'}.get(member, number)
    read = draft_from_json if member == "base" else record_from_json
    with pytest.raises(BadRecord):
        read(f'{{"collection":"pictures","key":"k","{member}":{inside}}}'.encode())
