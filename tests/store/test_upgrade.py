"""A store that version 0.1.0 wrote is read as it is: the same records, digests and conflicts, and no fault in it.

The file was made by commit 6b41f7f: a node that imported the sample export, with posts, a deletion, a file, and an
event and a user's name that were changed at two nodes at once.  What 0.1.0 read in it stands beside it.
"""

import json
import lzma
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.model.record import Record, record_crc
from mirror.store.base import Reader
from mirror.store.check import check_store
from mirror.store.sqlite.store import SqliteStore

DATA = Path(__file__).parent / "data"
TOLD = json.loads((DATA / "store-0.1.0.json").read_text("utf-8"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    (tmp_path / "store.sqlite").write_bytes(lzma.decompress((DATA / "store-0.1.0.sqlite.xz").read_bytes()))
    opened = SqliteStore(tmp_path)
    yield opened
    opened.close()


def digests(reader: Reader) -> dict[str, str]:
    return {name: str(digest) for name, digest in reader.digests().items()}


def test_node_epoch_and_digests_are_the_same(store: SqliteStore) -> None:
    assert (store.node, store.epoch) == (TOLD["node"], TOLD["epoch"])
    assert store.read(digests) == TOLD["digests"]
    assert store.read(lambda reader: str(reader.root().digest)) == TOLD["root"]


def test_records_are_the_same(store: SqliteStore) -> None:
    def told(record: Record) -> list[object]:
        where = [record.collection, record.key, record.stamp, record.origin, record.dead]
        return [*where, f"{record_crc(record):016x}"]

    found = store.read(lambda reader: sorted(told(r) for name in TOLD["digests"] for r in reader.scan_all(name)))
    assert found == TOLD["records"]


def test_conflicts_are_the_same(store: SqliteStore) -> None:
    found = [
        [one.number, one.loser.collection, one.loser.key, one.loser.stamp, one.loser.origin]
        for one in store.read(lambda reader: list(reader.conflicts(limit=100)))
    ]
    assert found == TOLD["conflicts"]
    assert len(found) == 2


def test_a_check_finds_nothing_before_and_after_writing(store: SqliteStore) -> None:
    assert check_store(store).problems == []
    store.write(lambda writer: writer.set_fields("users", "new", {"fullname": "Somebody"}))
    assert check_store(store).problems == []
    assert {**store.read(digests), "users": ""} == {**TOLD["digests"], "users": ""}
