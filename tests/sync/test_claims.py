"""One place has one attachment in the whole network, as far as its nodes can hear each other."""

from collections.abc import Callable

import pytest

from mirror.store.base import Store
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.claims import CLAIMS, PlaceTaken, claim, read_claim, read_claims, release

PLACE = "citadel:alpha"
Make = Callable[..., SqliteStore]


def claimed(store: Store, name: str = "alpha", *, take_over: bool = False) -> None:
    door = f"citadel:///{store.node}"
    store.write(lambda writer: claim(writer, PLACE, store.node, name, door, take_over=take_over))


def bring(source: Store, target: Store) -> None:
    """Bring all that one node knows of claims, and its sign of life, to another one."""
    source.write(lambda writer: writer.beat())
    records = source.read(lambda reader: [*reader.scan(CLAIMS), *reader.signs()])
    target.write(lambda writer: writer.apply(records))


def holder(store: Store) -> str:
    held = store.read(lambda reader: read_claim(reader, PLACE))
    return held.node if held is not None else ""


def test_who_claims_again_what_it_has_writes_nothing(make_store: Make) -> None:
    store = make_store("a")
    claimed(store)
    sequence = store.read(lambda reader: reader.last_sequence())
    claimed(store)
    assert store.read(lambda reader: reader.last_sequence()) == sequence
    store.write(lambda writer: claim(writer, PLACE, "a", "alpha", "citadel://h"))
    (held,) = store.read(lambda reader: list(read_claims(reader)))
    assert (held.place, held.node, held.name, held.door) == (PLACE, "a", "alpha", "citadel://h")


def test_a_second_node_is_refused_with_who_has_it_and_what_to_do(make_store: Make) -> None:
    first, second = make_store("a"), make_store("b")
    claimed(first)
    bring(first, second)
    with pytest.raises(PlaceTaken, match=r"citadel:alpha is attached to node a as alpha since 2.*its last sign of"):
        claimed(second)
    assert holder(second) == "a"


def test_a_node_follows_no_server_twice_by_two_doors(make_store: Make) -> None:
    store = make_store("a")
    claimed(store)
    with pytest.raises(PlaceTaken, match="'ctdlmirror attach remove alpha' there frees it"):
        claimed(store, "again")
    claimed(store, "again", take_over=True)


def test_who_frees_it_lets_another_one_have_it_and_nobody_else_can_free_it(make_store: Make) -> None:
    first, second = make_store("a"), make_store("b")
    claimed(first)
    bring(first, second)
    assert not second.write(lambda writer: release(writer, PLACE, "b"))
    assert first.write(lambda writer: release(writer, PLACE, "a"))
    bring(first, second)
    claimed(second)
    bring(second, first)
    assert holder(first) == holder(second) == "b"
    with pytest.raises(PlaceTaken):
        claimed(first)


def test_a_claim_of_a_node_that_is_gone_can_be_taken_over(make_store: Make) -> None:
    first, second = make_store("a"), make_store("b")
    claimed(first)
    bring(first, second)
    claimed(second, take_over=True)
    bring(second, first)
    with pytest.raises(PlaceTaken, match="attached to node b"):
        claimed(first)


def test_of_two_claims_that_did_not_know_of_each_other_the_newer_one_stands_on_both(make_store: Make) -> None:
    first, second = make_store("a"), make_store("b")
    claimed(first)
    claimed(second)
    bring(first, second)
    bring(second, first)
    assert holder(first) == holder(second) == "b"
    claimed(second)
    with pytest.raises(PlaceTaken):
        claimed(first)
