"""Comparing two nodes, and the rooms that two share: what differs is named, and nothing else."""

from collections.abc import Callable

import msgspec
import pytest

from mirror.model.record import Record
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.bootstrap import copy_all
from mirror.sync.responder import Responder
from mirror.sync.share.verify import compare_shares
from mirror.sync.verify import compare_nodes
from mirror.wire.status import ComparisonStatus, DifferenceStatus, PairStatus

Make = Callable[..., SqliteStore]
Pair = tuple[SqliteStore, SqliteStore]


def put(store: SqliteStore, collection: str, key: str, body: bytes = b"") -> Record:
    written: Record = store.write(lambda writer: writer.put(Record(collection, key, 1, "x", 1, body=body)))
    return written


@pytest.fixture
def equal(make_store: Make) -> Pair:
    """A store and its complete copy."""
    ours, theirs = make_store("a"), make_store("b")
    for number in range(200):
        put(theirs, "messages/r", f"id:{number}")
    remote = Responder(theirs)
    assert copy_all(ours, remote, remote.info()).unequal == []
    return ours, theirs


def test_a_copy_is_equal(equal: Pair) -> None:
    ours, theirs = equal
    found = compare_nodes(Responder(ours), Responder(theirs))
    assert (found.equal, found.differing, found.records) == (True, {}, {})
    assert (found.here, found.there, found.told_by) == ("a", "b", "a")
    assert found.digests[0].startswith("200:") and found.digests[0] == found.digests[1]
    assert found.collections == 1


def test_what_differs_is_named_by_side(equal: Pair) -> None:
    ours, theirs = equal
    put(ours, "messages/r", "id:mine")
    put(theirs, "messages/r", "id:yours")
    for store in equal:
        put(store, "system-messages", "hello", store.node.encode())
    found = compare_nodes(Responder(ours), Responder(theirs))
    assert list(found.differing) == ["messages/r", "system-messages"]
    assert found.differing["messages/r"][0].startswith("201:")
    assert found.records["messages/r"] == DifferenceStatus(["id:mine"], ["id:yours"], [])
    assert found.records["system-messages"] == DifferenceStatus([], [], ["hello"])
    assert compare_nodes(Responder(ours), Responder(theirs), index=Responder(ours).index) == found


def test_the_other_side_has_the_same_the_other_way_round(equal: Pair) -> None:
    ours, theirs = equal
    put(ours, "messages/r", "id:mine")
    put(theirs, "messages/r", "id:yours")
    here, there = (compare_nodes(Responder(one), Responder(other)) for one, other in (equal, equal[::-1]))
    assert here.turned() == msgspec.structs.replace(there, told_by="a")
    lobby = {"r": PairStatus("Lobby", "r", "Foyer", BOTH_WAYS, BOTH_WAYS, BOTH_WAYS, True)}
    rooms = compare_shares(Responder(ours).scan, Responder(theirs), lobby)
    shared = ComparisonStatus("a", "b", "a", rooms=rooms).turned().rooms[1]
    assert (shared.room, shared.there, shared.missing, shared.unsent) == ("Foyer", "Lobby", ["id:mine"], ["id:yours"])


def test_only_the_first_differences_are_named(equal: Pair) -> None:
    ours, theirs = equal
    for number in range(5):
        put(ours, f"messages/s{number}", "id:1")
        put(ours, "messages/r", f"id:new{number}")
    found = compare_nodes(Responder(ours), Responder(theirs), limit=3)
    assert len(found.differing) == 6
    assert list(found.records) == list(found.differing)[:3]
    assert found.records["messages/r"].only_here == ["id:new0", "id:new1", "id:new2"]


# -- shared rooms -------------------------------------------------------------------------------------


@pytest.fixture
def shared(make_store: Make) -> Pair:
    """Two stores that hold the same message and the same mark in a room, each under its own key of the room."""
    ours, theirs = make_store("a"), make_store("b")
    for collection, key in (("messages", "id:both"), ("visits", "ann id:both"), ("visits", "ann")):
        record = put(ours, f"{collection}/a:1", key)
        if key != "ann":  # what a person may do in a room is each side's own
            there = msgspec.structs.replace(record, collection=f"{collection}/b:9")
            theirs.write(lambda writer, there=there: writer.apply([there]))  # type: ignore[misc]
    return ours, theirs


BOTH_WAYS = ["messages", "marks", "deletions"]


def paired(
    pulled: list[str] = BOTH_WAYS,
    pushed: list[str] = BOTH_WAYS,
    readable: list[str] = BOTH_WAYS,
    whole: bool = True,
) -> dict[str, PairStatus]:
    return {"a:1": PairStatus("Lobby", "b:9", "Foyer", pulled, pushed, readable, whole)}


def compare(pair: Pair, rooms: dict[str, PairStatus]) -> list[tuple[object, ...]]:
    ours, theirs = pair
    return [
        (one.room, one.there, one.what, one.records, one.missing, one.unsent)
        for one in compare_shares(Responder(ours).scan, Responder(theirs), rooms)
    ]


def test_shared_rooms_are_compared_under_their_own_names(shared: Pair) -> None:
    assert compare(shared, paired()) == [
        ("Lobby", "Foyer", "marks", 1, [], []),
        ("Lobby", "Foyer", "messages", 1, [], []),
    ]


def test_what_should_have_travelled_is_missing_or_unsent(shared: Pair) -> None:
    ours, theirs = shared
    put(ours, "messages/a:1", "id:mine")
    put(theirs, "messages/b:9", "id:yours")
    assert compare(shared, paired())[1] == ("Lobby", "Foyer", "messages", 2, ["id:yours"], ["id:mine"])
    assert not compare_shares(Responder(ours).scan, Responder(theirs), paired())[1].equal


def test_what_the_rules_keep_on_one_side_is_neither(shared: Pair) -> None:
    ours, theirs = shared
    put(ours, "messages/a:1", "id:mine")
    put(theirs, "messages/b:9", "id:yours")
    nothing: list[str] = []
    assert compare(shared, paired(pulled=nothing))[1][4:] == ([], ["id:mine"])
    assert compare(shared, paired(pushed=nothing))[1][4:] == (["id:yours"], [])
    assert compare(shared, paired(whole=False))[1][4:] == (["id:yours"], [])


def test_what_the_other_side_does_not_show_is_not_compared(shared: Pair) -> None:
    assert compare(shared, paired(readable=["marks"])) == [("Lobby", "Foyer", "marks", 1, [], [])]


def test_deletions_count_only_where_they_are_shared(shared: Pair) -> None:
    ours, _ = shared
    put(ours, "messages/a:1", "id:gone")
    ours.write(lambda writer: writer.delete("messages/a:1", "id:gone"))
    assert compare(shared, paired())[1][5] == ["id:gone"]
    only_messages = ["messages"]
    assert compare(shared, paired(only_messages, only_messages))[0] == ("Lobby", "Foyer", "messages", 1, [], [])
