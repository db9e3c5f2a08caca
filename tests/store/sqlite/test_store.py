"""What a SQLite store alone promises: one file, one process, and that older files are brought up to date."""

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mirror.model.record import Record
from mirror.store.check import check_store
from mirror.store.errors import StoreDamaged, StoreError, StoreInUse
from mirror.store.sqlite.store import FILE, PAGE_BYTES, SqliteStore

Make = Callable[..., SqliteStore]


def record(key: str, body: bytes = b"x") -> Record:
    return Record("pictures", key, 10, "a", 10, body=body)


def test_a_second_process_is_refused_by_name(make_store: Make, tmp_path) -> None:
    store = SqliteStore(tmp_path, "a", purpose="ctdlmirror daemon")
    with pytest.raises(StoreInUse, match="in use by ctdlmirror daemon, process"):
        SqliteStore(tmp_path)
    store.close()
    SqliteStore(tmp_path).close()


def test_no_store_and_a_newer_one_are_refused(tmp_path) -> None:
    with pytest.raises(StoreError, match="init"):
        SqliteStore(tmp_path)
    SqliteStore(tmp_path, "a").close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="newer ctdlmirror"):
        SqliteStore(tmp_path)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("UPDATE record SET body = x'00' WHERE key = 'k1'", "'k1'.*CRC is wrong"),
        ("UPDATE collection SET total = total + 1 WHERE name = 'pictures'", "digest of pictures is"),
        ("UPDATE collection SET count = 9 WHERE name = ''", "digest of the whole store"),
        ("DELETE FROM record WHERE key = 'k2'", "digest of pictures is"),
        ("UPDATE content_part SET data = zeroblob(length(data))", "another SHA-256"),
        ("DELETE FROM content", "content .* is missing"),
        ("UPDATE record SET origin = 99 WHERE key = 'k1'", "'k1'.*it names origin 99, which is not there"),
        ("UPDATE record SET collection = 99 WHERE key = 'k1'", "'k1'.*it names collection 99, which is not there"),
        ("UPDATE record SET past = x'c1' WHERE key = 'k1'", "'k1'.*cannot be read"),
        ("UPDATE record SET head = x'c1' WHERE key = 'k1'", "head is no MessagePack map"),
        ("UPDATE record SET body = 'text' WHERE key = 'k1'", "'k1'.*CRC is wrong"),
    ],
)
def test_check_names_what_is_wrong(make_store: Make, damage: str, complaint: str) -> None:
    store = make_store("a")
    store.write(lambda writer: [writer.put(record(f"k{n}")) for n in range(3)])
    store.write(lambda writer: writer.put(writer.store_body(record("large"), b"l" * 50_000)))
    assert check_store(store).problems == []
    store.write(lambda writer: writer.connection.execute(damage))
    assert any(re.search(complaint, problem) for problem in check_store(store).problems)


def test_check_names_what_sqlite_finds_wrong_with_its_file(tmp_path: Path) -> None:
    """An index that lacks rows, and then pages that are none: said in lines, whatever can still be read."""
    store = SqliteStore(tmp_path, "a")
    store.write(lambda writer: [writer.put(record(f"k{n}", body=b"x" * 10_000)) for n in range(40)])
    root = store.read(lambda reader: index_root(reader, "record_dead"))
    other = store.read(lambda reader: index_root(reader, "record_key"))
    store.close()
    with open(tmp_path / FILE, "r+b") as file:
        copy_page(file, root, other)
    store = SqliteStore(tmp_path)
    problems = check_store(store).problems
    store.close()
    assert any("record_key" in problem for problem in problems), problems
    with open(tmp_path / FILE, "r+b") as file:
        for page in range(8, 30):
            file.seek(page * PAGE_BYTES)
            file.write(b"\xff" * PAGE_BYTES)
    store = SqliteStore(tmp_path)
    assert any("malformed" in problem for problem in check_store(store).problems)
    store.close()


def index_root(reader: Any, name: str) -> int:
    (page,) = reader.connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    return int(page)


def copy_page(file: Any, source: int, destination: int) -> None:
    """Have one page of a store's file say what another one says."""
    file.seek((source - 1) * PAGE_BYTES)
    page = file.read(PAGE_BYTES)
    file.seek((destination - 1) * PAGE_BYTES)
    file.write(page)


def test_a_row_that_names_what_is_not_there_is_an_error_in_a_line(make_store: Make) -> None:
    """It was a KeyError, which a session answers with an internal error."""
    store = make_store("a")
    store.write(lambda writer: writer.put(record("k")))
    store.write(lambda writer: writer.connection.execute("UPDATE record SET origin = 99"))
    with pytest.raises(StoreDamaged, match="origin 99"):
        store.read(lambda reader: reader.feed(0))


def test_a_backup_is_a_store(make_store: Make, tmp_path) -> None:
    store = make_store("a")
    store.write(lambda writer: writer.put(record("k")))
    (tmp_path / "copy").mkdir()
    store.backup(tmp_path / "copy" / FILE)
    copy = SqliteStore(tmp_path / "copy")
    old = copy.epoch
    assert copy.read(lambda reader: reader.root()) == store.read(lambda reader: reader.root())
    assert copy.renew_epoch() != old
    copy.close()


def test_a_store_of_the_second_version_learns_what_it_has_seen(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, "a")
    store.write(lambda writer: writer.put(Record("files/r", "k", 1, "x", 1, body=b"x")))
    store.write(lambda writer: writer.delete("files/r", "k"))
    store.write(lambda writer: writer.put(Record("files/r", "l", 1, "x", 1, body=b"x")))
    seen = store.read(lambda reader: reader.heard()).newest
    assert set(seen) == {"a"}
    store.close()
    connection = sqlite3.connect(tmp_path / FILE)
    connection.executescript(
        "DROP INDEX record_dead; ALTER TABLE origin DROP COLUMN newest;"
        "DROP INDEX conflict_open; ALTER TABLE conflict DROP COLUMN winner_past;"
        "ALTER TABLE conflict DROP COLUMN parts;"
        "DROP INDEX record_feed; DROP INDEX collection_changed; ALTER TABLE collection DROP COLUMN changed;"
        "DROP TABLE aside; DROP INDEX conflict_party; ALTER TABLE conflict DROP COLUMN party;"
        "ALTER TABLE origin DROP COLUMN party; DROP TABLE status; DROP TABLE place; PRAGMA user_version = 2;"
    )
    connection.close()
    store = SqliteStore(tmp_path, "a")
    assert store.read(lambda reader: reader.heard()).newest == seen
    assert check_store(store).problems == []
    store.close()


def test_a_job_alone_in_its_commit_takes_no_savepoint(make_store: Make) -> None:
    store = make_store("a")
    statements: list[str] = []
    store._connection.set_trace_callback(statements.append)
    store.write(lambda writer: writer.put(record("k")))
    alone = [one for one in statements if "SAVEPOINT" in one]
    statements.clear()
    store.write_group([lambda writer: writer.put(record("l")), lambda writer: writer.put(record("m"))])
    beside = [one for one in statements if "SAVEPOINT" in one]
    assert (len(alone), len(beside)) == (0, 2)
