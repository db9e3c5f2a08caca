"""Two users or rooms of one name: both are shown, told apart the same way on every node."""

import random

from mirror.formats.names import shown_names
from mirror.model.edit import with_fields
from mirror.model.record import Record


def room(key: str, name: str, born: int = 10, flags: int = 2) -> Record:
    return with_fields(None, "rooms", key, {"QRname": name, "QRflags": flags}, born, key.partition(":")[0])


def user(key: str, name: str, level: int = 4) -> Record:
    return with_fields(None, "users", key, {"u_fullname": name, "u_axlevel": level}, 10, key.partition(":")[0])


def test_the_older_one_keeps_the_plain_name() -> None:
    records = [room("b:1", "Lobby", 10), room("a:1", "lobby", 20), room("a:2", "Other", 20)]
    assert shown_names(records) == {"b:1": "Lobby", "a:1": "lobby (a)", "a:2": "Other"}


def test_the_order_of_records_does_not_matter() -> None:
    records = [room(f"{node}:{number}", "Lobby") for node in "abc" for number in range(3)]
    shown = shown_names(records)
    assert len(set(shown.values())) == 9
    assert shown["a:0"] == "Lobby"
    for _ in range(20):
        random.shuffle(records)
        assert shown_names(records) == shown


def test_a_name_that_looks_like_ours_is_not_taken() -> None:
    shown = shown_names([room("a:1", "Lobby"), room("b:1", "Lobby"), room("c:1", "Lobby (b)")])
    assert shown == {"a:1": "Lobby", "b:1": "Lobby (b:1)", "c:1": "Lobby (b)"}


def test_mailboxes_deleted_users_and_dead_rooms_have_no_names() -> None:
    assert shown_names([room("a:1", "0000000001.Mail", flags=2 | 16384), room("a:2", "Old", flags=0)]) == {}
    assert shown_names([user("a:1", "Ann"), user("b:1", "Ann"), user("c:1", "Ann", 0)]) == {
        "a:1": "Ann",
        "b:1": "Ann (b)",
    }
