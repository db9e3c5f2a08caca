"""What belongs to a room or a user."""

from mirror.model.containers import collections_in, is_container, records_of, room_told_of
from mirror.model.kinds import KINDS


def test_a_rooms_sharing_ends_before_it_is_emptied() -> None:
    names = collections_in("rooms", "a:1")
    assert names[0] == "netconf/a:1"
    assert set(names) == {f"{kind.name}/a:1" for kind in KINDS.values() if kind.per_room}


def test_what_is_told_of_rooms_and_users_elsewhere() -> None:
    assert set(records_of("rooms", "a:1")) == {("room-info", "a:1"), ("pictures", "room a:1")}
    assert set(records_of("users", "a:1")) == {("bios", "a:1"), ("inbox-rules", "a:1"), ("pictures", "user a:1")}
    assert collections_in("users", "a:1") == []
    assert [name for name in KINDS if is_container(name)] == ["users", "rooms"]


def test_the_room_of_which_a_record_tells() -> None:
    told = [("rooms", "a:1"), *records_of("rooms", "a:1"), *((name, "x") for name in collections_in("rooms", "a:1"))]
    assert {room_told_of(collection, key) for collection, key in told} == {"a:1"}
    of_user = [("users", "a:1"), *records_of("users", "a:1")]
    assert {room_told_of(collection, key) for collection, key in of_user} == {""}
