"""Users and rooms are found by the names they are shown under now."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.formats.names import ROOM_IN_USE, ROOM_MAILBOX
from mirror.model.record import Record
from mirror.service.directory import Directory, Found, password_matches
from mirror.store.base import Store
from mirror.store.open import Options, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path, "a", options=Options(durable=False))
    yield opened
    opened.close()


def user(store: Store, key: str, name: str, level: int = 4) -> None:
    values = {"u_fullname": name, "u_axlevel": level, "u_password": f"secret of {key}"}
    store.write(lambda writer: writer.set_fields("users", key, values))


def room(store: Store, key: str, name: str, flags: int = ROOM_IN_USE) -> None:
    store.write(lambda writer: writer.set_fields("rooms", key, {"QRname": name, "QRflags": flags}))


def found_user(store: Store, directory: Directory, name: str) -> str | None:
    record = store.read(lambda reader: directory.find_user(reader, name))
    return record.key if record is not None else None


def looked_up(store: Store, kind: str, name: str) -> Found | None:
    return store.read(lambda reader: Directory().look_up(reader, kind, name))


def test_a_user_is_found_by_the_present_name(store: Store) -> None:
    directory = Directory()
    user(store, "a:1", "Ann")
    assert found_user(store, directory, " aNN ") == "a:1"
    user(store, "a:1", "Anna")
    assert found_user(store, directory, "Ann") is None
    assert found_user(store, directory, "Anna") == "a:1"
    user(store, "b:1", "Anna")
    assert found_user(store, directory, "Anna (b)") == "b:1"
    store.write(lambda writer: writer.delete("users", "a:1"))
    assert found_user(store, directory, "Anna") == "b:1"
    user(store, "b:1", "Anna", level=0)
    assert found_user(store, directory, "Anna") is None


def test_a_room_is_found_by_name_key_or_a_mailbox_by_its_stored_name(store: Store) -> None:
    room(store, "a:1", "Lobby")
    room(store, "b:1", "Lobby")
    room(store, "a:2", "0000000001.Mail", ROOM_IN_USE | ROOM_MAILBOX)
    room(store, "a:3", "")
    room(store, "a:4", "Old", 0)
    assert looked_up(store, "rooms", "lobby") == Found("a:1", "Lobby")
    assert looked_up(store, "rooms", "Lobby (B)") == Found("b:1", "Lobby (b)")
    assert looked_up(store, "rooms", "b:1") == Found("b:1", "Lobby (b)")
    assert looked_up(store, "rooms", "0000000001.mail") == Found("a:2", "0000000001.Mail")
    assert looked_up(store, "rooms", "a:2") == Found("a:2", "0000000001.Mail")
    assert looked_up(store, "rooms", "a:3") == Found("a:3", "")
    assert looked_up(store, "rooms", "Old") is None
    assert looked_up(store, "rooms", "") is None


def test_similar_names_are_few_and_in_order(store: Store) -> None:
    for number in range(9):
        room(store, f"a:{number}", f"Room {8 - number}")
    assert store.read(lambda reader: Directory().similar(reader, "rooms", "OOM")) == [f"Room {n}" for n in range(5)]
    assert store.read(lambda reader: Directory().similar(reader, "users", "oom")) == []


def test_an_empty_password_matches_nothing() -> None:
    assert not password_matches(Record("users", "a:1", 1, "a", 1), "")
