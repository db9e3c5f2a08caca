"""Putting a store back: what was backed up is there, proved, and known as another life of the store."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mirror.model.record import Record
from mirror.store.errors import StoreError, StoreExists, StoreInUse
from mirror.store.open import open_store
from mirror.store.restore import restore
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]


def test_a_backup_is_back_with_a_new_epoch(make_store: Make, tmp_path: Path) -> None:
    store = make_store("a")
    for number in range(3):
        store.write(lambda writer, n=number: writer.put(Record("messages/r", f"id:{n}", 1, "x", 1)))  # type: ignore[misc]
    store.backup(tmp_path / "backup")
    (tmp_path / "again").mkdir()
    restored = restore(tmp_path / "again", "a", tmp_path / "backup")
    assert (restored.report.records, restored.report.problems) == (3, [])
    opened = open_store(tmp_path / "again")
    try:
        assert opened.epoch == restored.epoch != store.epoch
        digests = [one.read(lambda reader: reader.root()).digest for one in (store, opened)]
        assert digests[0] == digests[1]
    finally:
        opened.close()


def test_a_store_that_is_there_is_never_replaced(make_store: Make, tmp_path: Path) -> None:
    make_store("a").backup(tmp_path / "backup")
    (tmp_path / "again").mkdir()
    restored = restore(tmp_path / "again", "a", tmp_path / "backup")
    with pytest.raises(StoreExists, match="move it away"):
        restore(tmp_path / "again", "a", tmp_path / "backup")
    opened = open_store(tmp_path / "again")
    try:
        assert opened.epoch == restored.epoch
        with pytest.raises(StoreInUse):
            restore(tmp_path / "again", "a", tmp_path / "backup")
    finally:
        opened.close()


def test_another_nodes_backup_is_refused(make_store: Make, tmp_path: Path) -> None:
    make_store("a").backup(tmp_path / "backup")
    (tmp_path / "again").mkdir()
    with pytest.raises(StoreError):
        restore(tmp_path / "again", "b", tmp_path / "backup")
    assert not (tmp_path / "again" / "store.sqlite").exists()


def test_after_a_backup_that_was_refused_a_good_one_is_put_back(make_store: Make, tmp_path: Path) -> None:
    make_store("a").backup(tmp_path / "backup")
    (tmp_path / "cut").write_bytes((tmp_path / "backup").read_bytes()[:40_000])
    again = tmp_path / "again"
    (again / "restoring-of-one-that-was-killed").mkdir(parents=True)
    with pytest.raises(StoreError, match="cut cannot be put back"):
        restore(again, "a", tmp_path / "cut")
    assert restore(again, "a", tmp_path / "backup").report.problems == []
    assert {path.name for path in again.iterdir()} <= {"store.sqlite", "lock"}
