"""What 0.1.0 kept under other keys: it is moved when its store is opened, alike on every node."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mirror.formats.message import serialize_message
from mirror.model.keys import key_of_id
from mirror.model.record import Record
from mirror.store.base import Writer
from mirror.store.check import check_store
from mirror.store.ledger.moving import KEYS_MOVED
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
UID = "p" * 950 + "1"
CUT = ("euid:" + UID)[:400]
TODAY = key_of_id("euid:", UID)


def body(uid: str, size: int = 10) -> bytes:
    event = f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:{uid}\nSUMMARY:{'s' * size}\nEND:VEVENT\nEND:VCALENDAR\n"
    return serialize_message([("E", uid.encode()), ("M", event.encode())])


def record(key: str, text: bytes, stamp: int = 10, collection: str = "messages/r") -> Record:
    return Record(collection, key, stamp, "citadel:alpha", 1, body=text)


def reopened(store: SqliteStore, records: list[Record]) -> SqliteStore:
    """Return a store that held these when 0.1.0 wrote it, opened by this version."""

    def job(writer: Writer) -> None:
        writer.apply(records)
        writer.set_meta(KEYS_MOVED, 0)

    store.write(job)
    directory = Path(store._path).parent
    store.close()
    return SqliteStore(directory)


def everything(store: SqliteStore, collection: str = "messages/r") -> list[Record]:
    return store.read(lambda reader: reader.scan(collection))


@pytest.mark.parametrize("key", [CUT, "euid:" + UID])
def test_a_cut_key_and_an_overlong_one_become_the_key_of_today(make_store: Make, key: str) -> None:
    held = record(key, body(UID))
    other = record("euid:" + "o" * 395, body("o" * 395))
    mark = Record("visits/r", f"alpha:3 {key}", 5, "citadel:alpha", 1)
    store = reopened(make_store("a"), [held, other, mark])
    try:
        assert everything(store) == [other, record(TODAY, held.body)]
        assert [one.key for one in everything(store, "visits/r")] == [f"alpha:3 {TODAY}"]
        assert check_store(store).problems == []
        before = store.read(lambda reader: reader.root())
    finally:
        store.close()
    again = SqliteStore(Path(store._path).parent)
    assert again.read(lambda reader: reader.root()) == before
    again.close()


def test_both_forms_of_one_thing_become_one(make_store: Make) -> None:
    late = record("euid:" + UID, body(UID, 30), stamp=20)
    store = reopened(make_store("a"), [record(CUT, body(UID)), late])
    assert [(one.key, one.stamp) for one in everything(store)] == [(TODAY, 20)]
    assert check_store(store).problems == []
    store.close()


def test_a_body_that_is_kept_apart_is_looked_into(make_store: Make) -> None:
    store = make_store("a")
    kept = store.write(lambda writer: writer.store_body(record(CUT, b""), body(UID, 20_000)))
    store = reopened(store, [kept])
    assert [one.key for one in everything(store)] == [TODAY]
    store.close()


def test_a_file_is_kept_under_its_composed_name(make_store: Make) -> None:
    store = reopened(make_store("a"), [record("Cafe\u0301.txt", b"text", collection="files/r")])
    assert [one.key for one in everything(store, "files/r")] == ["Caf\u00e9.txt"]
    store.close()


def test_a_new_record_is_written_under_the_key_of_today(make_store: Make) -> None:
    store = make_store("a")
    result = store.write(lambda writer: writer.overwrite(record("euid:" + UID, body(UID))))
    assert result.record is not None
    assert result.record.key == TODAY
