"""Backups as files: private, whole or not there, and put back beside nothing of the store that was there before."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror.model.record import Record
from mirror.store.check import check_store
from mirror.store.errors import StoreError, StoreExists, StoreMissing
from mirror.store.open import back_up, files_in, open_store
from mirror.store.restore import restore
from mirror.store.sqlite import copies
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]


@pytest.fixture
def store(make_store: Make) -> SqliteStore:
    store = make_store("a")
    store.write(lambda writer: writer.put(Record("files/r", "k", 1, "x", 1, body=b"x")))
    return store


def directory_of(store: SqliteStore) -> Path:
    return store._path.parent


def modes_seen(monkeypatch: pytest.MonkeyPatch, directory: Path) -> list[int]:
    """Return a list to which the modes of the files in a directory are added while a backup is written."""
    modes: list[int] = []
    pack = copies._pack

    def look(copy: Path, files: dict[str, bytes]) -> None:
        modes.extend(stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir())
        pack(copy, files)

    monkeypatch.setattr(copies, "_pack", look)
    return modes


def test_a_backup_is_private_while_it_is_written_whatever_the_umask(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "to").mkdir()
    modes = modes_seen(monkeypatch, tmp_path / "to")
    mask = os.umask(0)
    try:
        back_up(directory_of(store), tmp_path / "to" / "b", {"mirror.toml": b"x"})
    finally:
        os.umask(mask)
    assert modes == [0o600]
    assert stat.S_IMODE((tmp_path / "to" / "b").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["b"]


def test_a_backup_that_fails_leaves_nothing_and_one_that_was_killed_is_removed_by_the_next(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "to"
    to.mkdir()
    (to / ".b.killed.partial").write_bytes(b"half of it")

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(copies, "_pack", fail)
        with pytest.raises(StoreError, match="disk is full"):
            back_up(directory_of(store), to / "b", {})
    assert list(to.iterdir()) == []
    back_up(directory_of(store), to / "b", {})
    assert [path.name for path in to.iterdir()] == ["b"]


@pytest.mark.parametrize("name", ["a|b", "two\nlines", "quo'te", "question?mark=1#", "ünï"])
def test_a_backup_has_the_name_that_it_was_given(store: SqliteStore, tmp_path: Path, name: str) -> None:
    back_up(directory_of(store), tmp_path / name, {"f": b"1"})
    assert files_in(tmp_path / name) == {"f": b"1"}


def test_a_file_or_link_that_is_there_is_not_replaced(store: SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreExists):
        back_up(directory_of(store), tmp_path / "link", {})
    assert not (tmp_path / "elsewhere").exists()


def test_a_store_that_is_not_there_is_not_backed_up_as_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing, match="is its disk mounted"):
        back_up(tmp_path, tmp_path / "b", {})
    assert list(tmp_path.iterdir()) == []


def test_what_a_daemon_that_was_killed_left_in_its_log_is_in_the_backup(store: SqliteStore, tmp_path: Path) -> None:
    """Nobody has the store open, and its last commits are in the log alone."""
    killed = tmp_path / "killed"
    shutil.copytree(directory_of(store), killed)
    assert (killed / "store.sqlite-wal").stat().st_size
    back_up(killed, tmp_path / "b", {})
    (tmp_path / "again").mkdir()
    assert restore(tmp_path / "again", "a", tmp_path / "b").report.records == 1


def test_secrets_in_a_backup_are_not_in_the_store_that_is_put_back(store: SqliteStore, tmp_path: Path) -> None:
    back_up(directory_of(store), tmp_path / "b", {"secrets.toml": b"correct horse battery"})
    (tmp_path / "again").mkdir()
    restore(tmp_path / "again", "a", tmp_path / "b")
    assert b"correct horse" in (tmp_path / "b").read_bytes()
    assert b"correct horse" not in (tmp_path / "again" / "store.sqlite").read_bytes()


def test_a_file_of_nothing_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "again").mkdir()
    with pytest.raises(StoreError, match="holds no store"):
        restore(tmp_path / "again", "a", tmp_path / "empty")
    assert not (tmp_path / "again" / "store.sqlite").exists()


def test_the_log_of_the_store_that_was_there_is_not_taken_for_the_backups(store: SqliteStore, tmp_path: Path) -> None:
    """It ended malformed: SQLite played the old pages into the store that was put back."""
    back_up(directory_of(store), tmp_path / "b", {})
    again = tmp_path / "again"
    again.mkdir()
    shutil.copy(directory_of(store) / "store.sqlite-wal", again)
    (again / "store.sqlite-shm").write_bytes(b"stale")
    log = (again / "store.sqlite-wal").read_bytes()
    restore(again, "a", tmp_path / "b")
    assert {path.name for path in again.iterdir()} == {"lock", "store.sqlite", "store.sqlite-wal.old"}
    assert (again / "store.sqlite-wal.old").read_bytes() == log
    opened = open_store(again)
    try:
        assert check_store(opened).problems == []
    finally:
        opened.close()
