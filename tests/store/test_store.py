"""What a store promises: durability, one transaction a call, digests that fit, one process."""

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.model.errors import BadRecord, StampAhead
from mirror.model.fields import values_of
from mirror.model.record import Record
from mirror.model.stamp import make_stamp
from mirror.store.base import MissingContent, StoredCursor, StoreError, StoreInUse
from mirror.store.check import check_store
from mirror.store.sqlite.store import FILE, SqliteStore

Make = Callable[..., SqliteStore]


def record(key: str, stamp: int = 10, origin: str = "a", body: bytes = b"x", collection: str = "pictures") -> Record:
    return Record(collection, key, stamp, origin, stamp, body=body)


def test_records_and_cursor_survive_a_restart(make_store: Make, tmp_path) -> None:
    store = SqliteStore(tmp_path, "a")

    def job(writer) -> None:
        writer.apply([record("k")])
        writer.set_cursor("b", "pull", StoredCursor("e", 7, True))

    store.write(job)
    epoch, root = store.epoch, store.read(lambda reader: reader.root())
    store.close()
    again = SqliteStore(tmp_path)
    assert again.read(lambda reader: (reader.get("pictures", "k"), reader.cursor("b", "pull"), reader.root())) == (
        record("k"),
        StoredCursor("e", 7, True),
        root,
    )
    assert again.epoch == epoch
    again.close()


def test_a_failing_job_leaves_nothing(make_store: Make) -> None:
    store = make_store("a")

    def job(writer) -> None:
        writer.apply([record("k")])
        raise BadRecord("no")

    with pytest.raises(BadRecord):
        store.write(job)
    assert store.read(lambda reader: reader.root()).digest.count == 0
    assert store.write(lambda writer: writer.apply([record("k")])).written == 1


def test_a_group_undoes_only_what_failed(make_store: Make) -> None:
    store = make_store("a")
    far = Record("pictures", "far", make_stamp(1 << 46), "a", 1)
    results = store.write_group(
        [lambda w: w.apply([record("one")]), lambda w: w.apply([far]), lambda w: w.apply([record("two")])]
    )
    assert isinstance(results[1], StampAhead)
    assert store.read(lambda reader: sorted(r.key for r in reader.scan_all("pictures"))) == ["one", "two"]


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


def test_a_record_waits_for_its_content(make_store: Make) -> None:
    store = make_store("a")
    body = b"large" * 10_000
    content = hashlib.sha256(body).digest()
    large = Record("pictures", "k", 10, "a", 10, content=content, size=len(body))
    with pytest.raises(MissingContent):
        store.write(lambda writer: writer.apply([large]))
    store.write(lambda writer: writer.add_content(content, len(body), 0, body[:20_000]))
    assert store.read(lambda reader: reader.content_have(content)) == 20_000
    assert store.write(lambda writer: writer.add_content(content, len(body), 20_000, body[20_000:]))
    store.write(lambda writer: writer.apply([large]))
    assert store.read(lambda reader: reader.body(large)) == body


def test_content_with_another_hash_is_forgotten(make_store: Make) -> None:
    store = make_store("a")
    content = hashlib.sha256(b"right").digest()
    with pytest.raises(BadRecord, match="another SHA-256"):
        store.write(lambda writer: writer.add_content(content, 20_000, 0, b"wrong" * 4000))
    assert store.read(lambda reader: reader.content_have(content)) == 0


def test_a_tombstone_stays_when_the_old_version_returns(make_store: Make) -> None:
    store = make_store("a")
    first = store.write(lambda writer: writer.put(record("k")))
    store.write(lambda writer: writer.delete("pictures", "k"))
    store.write(lambda writer: writer.apply([first]))
    assert store.read(lambda reader: reader.get("pictures", "k")).dead


def test_the_newest_stamp_falls_when_its_record_gives_way(make_store: Make) -> None:
    """A late edit of an old incarnation loses to a new one; nodes that saw both must agree with those that saw one."""
    winner = Record("messages/r", "id:k", 10, "a", 9, body=b"born after the deletion")
    loser = Record("messages/r", "id:k", 20, "b", 1, body=b"edited late")
    one, two = make_store("a"), make_store("b")
    one.write(lambda writer: writer.apply([winner]))
    for version in (loser, winner):
        two.write(lambda writer, version=version: writer.apply([version]))
    assert one.read(lambda reader: reader.root()).digest == two.read(lambda reader: reader.root()).digest
    assert check_store(two).problems == []


def test_a_lost_version_can_be_restored(make_store: Make) -> None:
    store = make_store("a")
    store.write(lambda writer: writer.apply([record("k", 10, "a", b"mine")]))
    store.write(lambda writer: writer.apply([record("k", 20, "b", b"theirs")]))
    (conflict,) = store.read(lambda reader: reader.conflicts())
    assert conflict.loser.body == b"mine"
    store.write(lambda writer: writer.restore(conflict.number))
    assert store.read(lambda reader: reader.get("pictures", "k")).body == b"mine"
    assert store.read(lambda reader: reader.conflict_count()) == 0
    with pytest.raises(StoreError, match="no conflict 99"):
        store.write(lambda writer: writer.restore(99))


def test_setting_a_field_leaves_the_others(make_store: Make) -> None:
    store = make_store("a")
    store.write(lambda writer: writer.set_fields("users", "k", {"name": "Ann", "mail": "m"}))
    store.write(lambda writer: writer.set_fields("users", "k", {"name": "Anna"}))
    assert values_of(store.read(lambda reader: reader.get("users", "k"))) == {"name": "Anna", "mail": "m"}


def test_a_pinned_state_does_not_change(make_store: Make) -> None:
    store = make_store("a")
    store.write(lambda writer: writer.put(record("before")))
    pinned = store.pin()
    store.write(lambda writer: writer.put(record("after")))
    assert pinned.read(lambda reader: reader.root()).digest.count == 1
    assert store.read(lambda reader: reader.root()).digest.count == 2
    pinned.close()


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("UPDATE record SET body = x'00' WHERE key = 'k1'", "'k1'.*CRC is wrong"),
        ("UPDATE collection SET total = total + 1 WHERE name = 'pictures'", "digest of pictures is"),
        ("UPDATE collection SET count = 9 WHERE name = ''", "digest of the whole store"),
        ("DELETE FROM record WHERE key = 'k2'", "digest of pictures is"),
        ("UPDATE content_part SET data = zeroblob(length(data))", "another SHA-256"),
        ("DELETE FROM content", "content .* is missing"),
    ],
)
def test_check_names_what_is_wrong(make_store: Make, damage: str, complaint: str) -> None:
    store = make_store("a")
    store.write(lambda writer: [writer.put(record(f"k{n}")) for n in range(3)])
    store.write(lambda writer: writer.put(writer.store_body(record("large"), b"l" * 50_000)))
    assert check_store(store).problems == []
    store.write(lambda writer: writer.connection.execute(damage))
    import re

    assert any(re.search(complaint, problem) for problem in check_store(store).problems)


@given(
    st.lists(
        st.tuples(st.sampled_from("kl"), st.integers(1, 5), st.sampled_from("abc"), st.sampled_from((b"1", b"2"))),
        min_size=1,
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_any_order_gives_equal_digests(tmp_path_factory, versions, chance) -> None:
    records = [record(key, stamp, origin, body) for key, stamp, origin, body in versions]
    roots = []
    for node in ("x", "y"):
        store = SqliteStore(tmp_path_factory.mktemp(node), node)
        for one in records:
            store.write(lambda writer, one=one: writer.apply([one]))
        roots.append(store.read(lambda reader: reader.root()).digest)
        assert check_store(store).problems == []
        store.close()
        chance.shuffle(records)
    assert roots[0] == roots[1]


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
    connection.executescript("DROP INDEX record_dead; ALTER TABLE origin DROP COLUMN newest; PRAGMA user_version = 2;")
    connection.close()
    store = SqliteStore(tmp_path, "a")
    assert store.read(lambda reader: reader.heard()).newest == seen
    assert check_store(store).problems == []
    store.close()
