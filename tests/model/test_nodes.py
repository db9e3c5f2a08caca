"""When nodes agree that deletions may be forgotten."""

import pytest

from mirror.model.errors import BadRecord
from mirror.model.kinds import HORIZON_KEY, NODES
from mirror.model.nodes import (
    Heard,
    Horizon,
    agreed_horizon,
    horizon_of,
    horizon_record,
    joined,
    sign_record,
    vector_held,
)
from mirror.model.record import Record


def sign(node: str, stamp: int, **seen: int) -> Record:
    head = sign_record(node, Heard(signs=seen, newest=seen)).head
    return Record(NODES, node, stamp, node, stamp, head=head)


def test_all_who_are_alive_must_have_heard_each_other() -> None:
    signs = [sign("a", 100, b=60, c=10), sign("b", 90, a=55, c=10), sign("c", 10)]
    assert agreed_horizon(signs, "a", 50) == Horizon(50, ("a", "b"))
    assert agreed_horizon(signs, "a", 58) == Horizon()  # b has a's sign of 55 only
    assert agreed_horizon(signs, "a", 5) == Horizon()  # c, alive since then, has heard of nobody
    assert agreed_horizon(signs, "c", 50) == Horizon()  # who gave no sign itself decides nothing


def test_one_node_alone_agrees_with_itself() -> None:
    assert agreed_horizon([sign("a", 100)], "a", 50) == Horizon(50, ("a",))


def test_who_lacks_a_sign_of_those_who_agreed_was_away() -> None:
    horizon = Horizon(50, ("a", "b"))
    assert horizon.known_by({"a": 50, "b": 70})
    assert not horizon.known_by({"a": 50, "b": 49})
    assert not horizon.known_by({"a": 50})
    assert Horizon().known_by({})


def test_joining_is_later_than_both_and_differs_by_who_joins() -> None:
    one, other = Horizon(50 << 16, ("a",)), Horizon(60 << 16, ("b",))
    joint = joined(one, other, "a")
    assert joint.stamp > other.stamp and joint.nodes == ("a", "b")
    assert joined(other, one, "b").stamp not in (joint.stamp, other.stamp)
    assert joined(joint, other, "a") == joint
    assert joined(one, Horizon(), "a") == one


def test_the_record_of_a_horizon_round_trips() -> None:
    horizon = Horizon(50, ("a", "b"))
    record = horizon_record("a", horizon)
    assert horizon_of(record) == horizon
    assert vector_held([record, sign("a", 3)]) == {"a": 3}
    assert horizon_of(None) == Horizon()


@pytest.mark.parametrize("head", [b"\x81\xa5nodes\x01", b"\x81\xa5nodes\x91\x01", b"junk"])
def test_a_horizon_that_names_no_nodes_is_refused(head: bytes) -> None:
    with pytest.raises(BadRecord, match=r"nodes|head"):
        horizon_of(Record(NODES, HORIZON_KEY, 50, "a", 1, head=head))
