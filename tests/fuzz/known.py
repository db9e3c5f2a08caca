"""Inputs that once stopped a node or its peers for good: the first life of each seed of the fuzzer begins with them."""

from collections.abc import Iterator
from typing import Any

import msgspec
from hostile import Step

from mirror.model.checksum import crc64
from mirror.model.draft import Draft
from mirror.model.limits import MAX_INT
from mirror.model.record import MAX_PAST, Record, pack_head, record_bytes
from mirror.model.stamp import make_stamp
from mirror.wire.batch import Batch, frame
from mirror.wire.bulk import format_drafts
from mirror.wire.codec import JSON, MSGPACK, checksum, payload_batch

DAY_MS = 86_400_000
OFFER = b"SYNC all|offer"
MARKS, MESSAGES, SHARED = "visits/alpha:32", "messages/alpha:32", "messages/alpha:2"
NO_VALUES: tuple[Any, ...] = ([], ["a"], {"a": 1}, None, 1.5, "a\0b", MAX_INT + 1, "v" * 40_000)
"""What a field cannot hold."""
NO_HEADS = (b"\xc1", b"\x91\x01", b"\xc0", b"\x81\xa1a", b"\xff")
NOT_IN_JSON: tuple[dict[str, Any], ...] = ({"a": b"\xff"}, {"a": float("nan")}, {"a": {1: b""}})
"""Heads that JSON cannot say."""
NO_JSON = (
    rb'{"collection":"users","key":"alpha:3","fields":{"u_fullname":"\ud800"}}',
    rb'{"collection":"users","key":"\udc00","fields":{"u_fullname":"x"}}',
    rb'{"collection":"messages/alpha:2","key":"id:x","text":"\ud800"}',
    rb'{"collection":"users","key":"alpha:3","base":{"stamp":' + b"9" * 30 + rb',"origin":"a"},"fields":{}}',
    rb'{"collection":"users","key":"alpha:3","base":{"stamp":-' + b"9" * 30 + rb',"origin":"a"},"fields":{}}',
)
LISTINGS = (b"SYNC all|getall", b"SYNC all|since", b"SYNC pictures|newest|99", b"SYNC all|conflicts|all")


def known_steps(now_ms: int) -> Iterator[Step]:
    """Yield them, for a node whose time (Unix milliseconds) this is."""
    yield from _values()
    yield from _heads(make_stamp(now_ms))
    yield from _json()
    yield from _from_a_peer(now_ms)
    for party in ("admin", "peer", "user"):
        for line in LISTINGS:
            yield Step(party, line)


def _values() -> Iterator[Step]:
    """A user's own read mark, and names of users, with what no field can hold."""
    for at, value in enumerate(NO_VALUES):
        yield _drafts("user", Draft(MARKS, f"alpha:9 known-{at}", head=_head({"v_seen": value})))
        yield _drafts("admin", Draft("users", f"known:{at}", head=_head({"u_fullname": value})))
    many = {f"f{at}": "x" for at in range(24_000)}
    yield _drafts("user", Draft(MARKS, "alpha:9 many", head=pack_head(many)))
    yield _drafts("admin", Draft("users", "known:many", head=pack_head(many)))
    yield _drafts("user", Draft(MESSAGES, "id:a\0b", body=b"x"))


def _heads(now: int) -> Iterator[Step]:
    for at, head in enumerate(NO_HEADS):
        yield _drafts("admin", Draft("pictures", f"known-{at}", head=head))
    odd = [Record("pictures", f"odd-{at}", now, "beta", 1, head=_head(head)) for at, head in enumerate(NOT_IN_JSON)]
    yield page_of("peer", *map(record_bytes, odd))


def _json() -> Iterator[Step]:
    for line in NO_JSON:
        batch = payload_batch("drafts", 1, JSON, line + b"\n")
        batch.header["Base"] = "named"
        yield Step("admin", OFFER, b"".join(frame(batch)))


def _from_a_peer(now_ms: int) -> Iterator[Step]:
    """Pages of a mirror and of a partner: garbage among what is right, pasts that are full, stamps of the future."""
    now, ahead = make_stamp(now_ms), make_stamp(now_ms + 400 * DAY_MS)
    crowd = tuple((f"known-{at:05}", now - 1 - at) for at in range(MAX_PAST))
    for party, origin in (("peer", "beta"), ("share", "gamma")):
        right = Record(SHARED, f"id:right of {origin}", now, origin, now, body=b"x")
        other = msgspec.structs.replace(right, key=f"id:of {origin}")
        spoilt: list[Record] = [
            msgspec.structs.replace(other, head=b"\xc1"),
            msgspec.structs.replace(other, key="id:a\0b"),
            msgspec.structs.replace(other, stamp=ahead),
            msgspec.structs.replace(other, past=crowd),
            msgspec.structs.replace(other, past=(*crowd, ("known-x", 1))),
            msgspec.structs.replace(other, past=(("a\0", 5),)),
        ]
        for one in spoilt:
            yield page_of(party, record_bytes(right), record_bytes(one))
    for collection in ("pictures", "files/alpha:2"):
        line = f'{{"collection":"{collection}","key":"large","stamp":{now},"origin":"beta","born":1,"size":{"9" * 30}}}'
        yield Step("peer", OFFER, b"".join(frame(payload_batch("records", 1, JSON, line.encode() + b"\n"))))


def _head(values: dict[str, Any]) -> bytes:
    return msgspec.msgpack.encode(values)


def _drafts(party: str, draft: Draft) -> Step:
    return Step(party, OFFER, b"".join(frame(format_drafts([draft]))))


def page_of(party: str, *datas: bytes) -> Step:
    """Return the step of a peer that sends records, whatever these are."""
    payload = bytes([0x90 + len(datas)]) + b"".join(datas)
    crc = checksum([crc64(data) for data in datas])
    batch = Batch({"Type": "records", "Count": str(len(datas)), "Encoding": MSGPACK, "Crc": crc}, payload)
    return Step(party, OFFER, b"".join(frame(batch)))
