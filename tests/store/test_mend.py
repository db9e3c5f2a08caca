"""What 0.1.0 let in and no node takes is written anew: what can be kept is, the rest is in the conflict log."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from mirror.model.fields import values_of
from mirror.model.judge import finding
from mirror.model.record import Record, pack_head, record_bytes, record_crc
from mirror.store.check import check_store
from mirror.store.mend import mend_store
from mirror.store.sqlite.store import SqliteStore
from mirror.store.tables import Row
from mirror.sync.exchange import MirrorExchange
from mirror.sync.responder import Responder
from mirror.sync.round import Round, exchange_all

Make = Callable[..., SqliteStore]
STAMP = 1_700_000_000_000 << 16
RIGHT = ["Ann", STAMP, "a"]
MESSAGEPACK = msgspec.msgpack.encode


def fields(**values: Any) -> bytes:
    return pack_head({"u_fullname": RIGHT, **values})


BAD: dict[str, Record] = {
    "a value that is a list": Record("users", "a:1", STAMP, "a", STAMP, head=fields(x=[["b", "c"], STAMP, "a"])),
    "a value that is a map": Record("users", "a:2", STAMP, "a", STAMP, head=fields(x=[{"b": 1}, STAMP, "a"])),
    "a value that is none": Record("users", "a:3", STAMP, "a", STAMP, head=fields(x=[None, STAMP, "a"])),
    "a value with a fraction": Record("users", "a:4", STAMP, "a", STAMP, head=fields(x=[1.5, STAMP, "a"])),
    "a value with a NUL": Record("users", "a:5", STAMP, "a", STAMP, head=fields(x=["b\0", STAMP, "a"])),
    "too large a value": Record("users", "a:6", STAMP, "a", STAMP, head=fields(x=["b" * 40_000, STAMP, "a"])),
    "no field at all": Record("users", "a:7", STAMP, "a", STAMP, head=fields(x="b")),
    "too many fields": Record(
        "users", "a:8", STAMP, "a", STAMP, head=fields(**{f"x{n}": ["b", STAMP - 9, "a"] for n in range(300)})
    ),
    "a head of fields that is no map": Record("users", "a:9", STAMP, "a", STAMP, head=MESSAGEPACK([1])),
    "a head that is no MessagePack": Record("pictures", "a:1", STAMP, "a", STAMP, head=b"\xc1", body=b"picture"),
    "an item with odd authors": Record(
        "messages/r", "euid:1", STAMP, "a", 1, head=pack_head({"n": 5, "written": {"SUMMARY": "x"}}), body=b"item"
    ),
    "a past of too many": Record(
        "users", "a:10", STAMP, "a", STAMP, past=tuple((f"o{n:04}", STAMP - n - 1) for n in range(1500)), head=fields()
    ),
    "a tombstone that says something": Record("users", "a:11", STAMP, "a", 1, dead=True, head=fields()),
}


def force(store: SqliteStore, record: Record) -> None:
    """Store a record as it is, as 0.1.0 could."""
    store.write(lambda writer: writer.replace(record.collection, [(record, record_crc(record))], []))


def exchange(store: SqliteStore, other: SqliteStore) -> None:
    exchange_all(Round(MirrorExchange(store, other.node), True), Responder(other), other.epoch)


@pytest.mark.parametrize("what", sorted(BAD))
def test_it_is_found_mended_and_goes_to_the_next_node(make_store: Make, what: str) -> None:
    bad, a, b = BAD[what], make_store("a"), make_store("b")
    force(a, bad)
    assert finding(bad)
    assert any(finding(bad) in problem for problem in check_store(a).problems)
    (line,) = mend_store(a)
    assert f"{bad.collection} {bad.key!r}: written anew" in line
    assert check_store(a).problems == []
    assert mend_store(a) == []
    exchange(b, a)
    held = a.read(lambda reader: reader.get(bad.collection, bad.key))
    assert held == b.read(lambda reader: reader.get(bad.collection, bad.key))
    assert held is not None
    assert (held.dead, held.body, held.version > bad.version) == (bad.dead, bad.body, True)
    (conflict,) = a.read(lambda reader: reader.conflicts())
    assert record_bytes(conflict.loser) == record_bytes(bad)


def test_what_every_node_takes_is_kept(make_store: Make) -> None:
    store = make_store("a")
    for bad in BAD.values():
        force(store, bad)
    assert len(mend_store(store)) == len(BAD)

    def values(key: str) -> dict[str, Any]:
        return values_of(store.read(lambda reader: reader.get("users", key)))

    for number in range(1, 8):
        assert values(f"a:{number}") == {"u_fullname": "Ann"}
    assert len(values("a:8")) == 128
    assert values("a:8")["u_fullname"] == "Ann"
    assert values("a:9") == {}
    item = store.read(lambda reader: reader.get("messages/r", "euid:1"))
    assert item is not None
    assert item.head == pack_head({"n": 5})


def test_a_sign_of_life_stays_its_nodes_own(make_store: Make) -> None:
    """Mending it says nothing of when that node was last heard of; the horizon is nobody's to mend."""
    store = make_store("a")
    sign = Record("nodes", "c", STAMP, "c", 1, head=pack_head({"seen": 5}))
    force(store, sign)
    force(store, Record("nodes", "*", STAMP, "c", 1, head=pack_head({"nodes": 5})))
    lines = mend_store(store)
    assert ["cannot be mended" in line for line in lines] == [False, True]
    held = store.read(lambda reader: reader.get("nodes", "c"))
    assert held == msgspec.structs.replace(sign, head=b"")
    assert store.read(lambda reader: reader.conflicts()) == []


def test_what_has_gone_from_its_place_is_left_alone(make_store: Make) -> None:
    store = make_store("a")
    bad = BAD["a value that is a list"]
    force(store, bad)
    one = store.read(lambda reader: reader.check_records(0))[0]
    store.write(lambda writer: writer.replace("users", [], [Row(one.sequence, bad, record_crc(bad))]))
    assert mend_store(store) == []
