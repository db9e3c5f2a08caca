"""What is kept of a collection is that of the state that is read, and costs what has changed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mirror.formats.names import Names
from mirror.model.nodes import Horizon
from mirror.model.record import Record
from mirror.service import kept
from mirror.service.kept import Kept
from mirror.store.base import Reader, Store
from mirror.store.open import Options, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path, "a", options=Options(durable=False))
    for number in range(3):
        name(opened, f"a:{number}", f"User {number}")
    yield opened
    opened.close()


def name(store: Store, key: str, shown: str) -> None:
    store.write(lambda writer: writer.set_fields("users", key, {"u_fullname": shown, "u_axlevel": 4}))


class Watched:
    """A reader that notes how often a whole collection, and how often the feed, is read."""

    def __init__(self, reader: Reader, read: list[str]) -> None:
        self._reader = reader
        self._read = read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def scan_all(self, collection: str) -> Iterator[Record]:
        self._read.append("all")
        return self._reader.scan_all(collection)

    def feed(self, *arguments: Any, **named: Any) -> Any:
        self._read.append("feed")
        return self._reader.feed(*arguments, **named)


def shown(names: Names) -> list[str]:
    return sorted(names.shown().values())


def asking(users: Kept[Names], read: Callable[..., Any]) -> tuple[list[str], list[str]]:
    """Return the names as of a state, and what was read for them."""
    looked: list[str] = []
    names: list[str] = read(lambda reader: shown(users.at(Watched(reader, looked))))  # type: ignore[arg-type]
    return names, looked


def test_only_what_has_changed_is_read(store: Store) -> None:
    users = Kept("users", Names)
    assert asking(users, store.read) == (["User 0", "User 1", "User 2"], ["all"])
    assert asking(users, store.read)[1] == []
    store.write(lambda writer: writer.put(Record("pictures", "k", 1, "x", 1)))
    assert asking(users, store.read)[1] == []
    name(store, "a:1", "Ann")
    store.write(lambda writer: writer.delete("users", "a:2"))
    assert asking(users, store.read) == (["Ann", "User 0"], ["feed"])


def test_what_was_given_out_never_changes(store: Store) -> None:
    users = Kept("users", Names)
    before = store.read(users.at)
    name(store, "a:1", "Ann")
    assert store.read(users.at) is not before
    assert shown(before) == ["User 0", "User 1", "User 2"]


def test_a_change_that_does_not_matter_makes_nothing_new(store: Store) -> None:
    users = Kept("users", Names)
    before = store.read(users.at)
    store.write(lambda writer: writer.set_fields("users", "a:1", {"u_timescalled": 5}))
    assert store.read(users.at) is before


def test_a_pinned_state_has_its_own_and_leaves_the_present_one_alone(store: Store) -> None:
    users = Kept("users", Names)
    pinned = store.pin()
    name(store, "a:1", "Ann")
    present = store.read(users.at)
    assert asking(users, pinned.read) == (["User 0", "User 1", "User 2"], ["all"])
    assert store.read(users.at) is present
    pinned.close()


def test_a_pinned_state_with_the_same_records_shares_them(store: Store) -> None:
    users = Kept("users", Names)
    pinned = store.pin()
    store.write(lambda writer: writer.put(Record("pictures", "k", 1, "x", 1)))
    present = store.read(users.at)
    assert pinned.read(users.at) is present
    pinned.close()


def test_deletions_that_were_forgotten_meanwhile_are_noticed(store: Store) -> None:
    users = Kept("users", Names)
    store.read(users.at)
    store.write(lambda writer: writer.delete("users", "a:1"))
    store.write(lambda writer: writer.advance_horizon(Horizon(writer.clock.tick(), (writer.origin(),))))
    assert asking(users, store.read) == (["User 0", "User 2"], ["all"])


def test_after_more_changes_than_there_are_records_all_is_read_instead(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "FEW", 5)
    users = Kept("users", Names)
    store.read(users.at)
    for number in range(10):
        store.write(lambda writer: writer.put(Record("pictures", f"k{number}", 1, "x", 1)))  # noqa: B023
    name(store, "a:1", "Ann")
    assert asking(users, store.read) == (["Ann", "User 0", "User 2"], ["all"])
