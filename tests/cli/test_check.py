"""Checking a store by command, and having what an older version let in mended."""

from local import LocalNode

from mirror.model.fields import values_of
from mirror.model.record import Record, pack_head, record_crc
from mirror.store.open import open_store

STAMP = 1_700_000_000_000 << 16


def force(node: LocalNode, record: Record) -> None:
    """Store a record as it is, as 0.1.0 could."""
    store = open_store(node.directory)
    store.write(lambda writer: writer.replace(record.collection, [(record, record_crc(record))], []))
    store.close()


def test_a_sound_store_has_no_problems(node: LocalNode) -> None:
    assert "no problems" in node.run("check").stdout
    assert node.json("check")["mended"] == []


def test_what_no_node_takes_is_told_and_with_mend_written_anew(node: LocalNode) -> None:
    fields = {"u_fullname": ["Ann", STAMP, "a"], "x": [["a list"], STAMP, "a"]}
    force(node, Record("users", "a:1", STAMP, "a", STAMP, head=pack_head(fields)))
    found = node.run("check", code=1).stdout
    assert "'a:1'" in found and "1 problems" in found
    told = node.json("check", "--mend")
    assert (len(told["mended"]), told["problems"]) == (1, [])
    assert "'a:1': written anew without 'x' of its head" in told["mended"][0]
    assert "no problems" in node.run("check", "--mend").stdout
    store = open_store(node.directory)
    assert values_of(store.read(lambda reader: reader.get("users", "a:1"))) == {"u_fullname": "Ann"}
    store.close()
    (conflict,) = node.json("conflicts", "list")
    assert conflict["loser"]["head"]["x"] == [["a list"], STAMP, "a"]
