"""Exports after public reports, each with its right value."""

from collections.abc import Callable
from pathlib import Path

from mirror.citadel.migr.importing import import_file
from mirror.model.fields import values_of
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
CASES = Path(__file__).parent / "cases"


def alive(store: SqliteStore, collection: str) -> list[str]:
    return store.read(lambda reader: [one.key for one in reader.scan_all(collection) if not one.dead])


def test_what_a_second_export_has_no_more_is_deleted_and_a_user_made_again_is_another_one(make_store: Make) -> None:
    store = make_store("m")
    import_file(store, CASES / "second-export-1.xml")
    assert len(alive(store, "messages/alpha:1")) == 2
    report = import_file(store, CASES / "second-export-2.xml")
    assert (report.deleted, report.held) == (3, [])
    assert alive(store, "messages/alpha:1") == ["id:b@x.example"]
    assert alive(store, "rooms") == ["alpha:1", "alpha:2", "alpha:3"]
    names = store.read(
        lambda reader: {k: values_of(reader.get("users", k))["u_fullname"] for k in alive(store, "users")}
    )
    assert names == {"alpha:1": "admin", "alpha:7": "Ann"}


def test_a_rough_export_is_taken_over_whole_with_one_notice(make_store: Make) -> None:
    store = make_store("m")
    report = import_file(store, CASES / "rough-export.xml")
    assert report.notices == ["line 9: <user>: 1 control characters were replaced"]
    assert (report.refused, report.why_incomplete, report.applied.written) == ([], "", 11)
    assert len(alive(store, "messages/alpha:1")) == 2
    assert alive(store, "orphans") == []
