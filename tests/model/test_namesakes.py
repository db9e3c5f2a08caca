"""Different messages of one message id are all kept, whatever the order and grouping in which their versions come."""

import itertools
import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from namesake_versions import PLAIN, State, canonical, edit, histories, own, state_of, take, version

from mirror.model.edit import tombstone
from mirror.model.keys import filed_key
from mirror.model.merge import check_head
from mirror.model.namesakes import normal
from mirror.model.record import Record, validate
from mirror.model.texts import ANY, text_of


def alive(state: State) -> list[bytes]:
    return sorted(one.body for one in state.values() if not one.dead)


A, C = version("first", 10, "a"), version("third", 12, "c")
B = edit(A, "second", 20, "b")
DELETED = tombstone(A, 30, "d")


def test_a_message_an_edit_of_it_another_message_and_a_deletion_come_in_all_orders() -> None:
    every = (A, B, C, DELETED)
    for size in range(1, 5):
        for some in itertools.combinations(every, size):
            states = [state_of(order) for order in itertools.permutations(some)]
            assert len({tuple(canonical(state)) for state in states}) == 1
            expected = [C.body] if C in some else []
            if DELETED not in some and (A in some or B in some):
                expected.append(B.body if B in some else A.body)
            assert alive(states[0]) == sorted(expected)


def test_the_filed_one_keeps_stamp_origin_birth_and_body() -> None:
    state = state_of([A, C])
    first, second = sorted((A, C), key=own)
    assert state == {PLAIN: first, filed_key(PLAIN, own(second)): msgspec.structs.replace(
        second, key=filed_key(PLAIN, own(second)))}  # fmt: skip


def test_one_mail_that_came_two_ways_is_one_and_no_conflict() -> None:
    here, there = version("text", 10, "citadel:a", way="a"), version("text", 11, "citadel:b", way="b", born=10)
    crlf = msgspec.structs.replace(here, stamp=9, born=9, body=here.body.replace(b"\n", b"\r\n"))
    for order in itertools.permutations((here, there, crlf)):
        state: State = {}
        assert [loss for one in order for loss in take(state, one)] == []
        assert list(state.values()) == [there]


def test_a_deletion_meets_its_message_before_and_after_that_is_filed() -> None:
    first, second = sorted((A, C), key=own)
    dead = tombstone(second, 30, "d")
    for order in itertools.permutations((first, second, dead)):
        assert alive(state_of(order)) == [first.body]
    gone = tombstone(first, 30, "d")
    for order in itertools.permutations((first, second, gone)):
        assert alive(state_of(order)) == [second.body]


def test_a_deletion_of_a_filed_message_holds_where_that_came_under_the_plain_key() -> None:
    first, second = sorted((A, C), key=own)
    filed = state_of([first, second])[filed_key(PLAIN, own(second))]
    dead = tombstone(filed, 30, "d")
    for order in itertools.permutations((first, second, dead)):
        assert alive(state_of(order)) == [first.body]
    assert alive(state_of([second, dead])) == []


def test_an_edit_stands_for_the_message_that_it_was_made_from() -> None:
    assert text_of(B, own) == own(A)
    back = edit(B, "first", 40, "a")
    assert (text_of(back, own), back.head) == (own(A), b"")
    dead = tombstone(B, 50, "a")
    assert text_of(dead, own) == own(A)
    for record in (B, dead):
        validate(record)
        check_head(record)


def test_two_edits_of_one_message_are_one_message_and_a_conflict() -> None:
    one, other = edit(A, "one", 20, "a"), edit(A, "other", 21, "b")
    state = state_of([A, one])
    (loss,) = take(state, other)
    assert (loss.loser, alive(state)) == (one, [other.body])


def test_a_deletion_by_010_takes_all_of_its_id_that_was_there_and_nothing_later() -> None:
    old = msgspec.structs.replace(tombstone(A, 30, "d"), head=b"")
    later = version("later", 40, "b")
    for order in itertools.permutations((A, C, old, later)):
        assert alive(state_of(order)) == [later.body]
    assert text_of(old, own) == ANY


def test_a_message_that_came_as_if_it_stood_for_any_text_stands_for_its_own_alone() -> None:
    old = msgspec.structs.replace(tombstone(version("gone", 5), 6, "d"), head=b"")
    stranger = version("of a stranger", 40, "m", key=filed_key(PLAIN, ANY))
    for order in itertools.permutations((A, C, old, stranger)):
        assert sorted(alive(state_of(order))) == sorted((A.body, C.body, stranger.body))


@settings(max_examples=300)
@given(histories(), st.randoms(use_true_random=False), st.integers(0, 7))
def test_what_is_held_follows_from_the_versions_alone(made: list[Record], chance: random.Random, cut: int) -> None:
    expected = state_of(made)
    again = made + made
    chance.shuffle(again)
    assert canonical(state_of(again)) == canonical(expected)
    joint, other = state_of(made[:cut]), list(state_of(made[cut:]).values())
    chance.shuffle(other)
    for one in other:
        take(joint, one)
    assert canonical(joint) == canonical(expected)
    for one in expected.values():
        validate(one)
        check_head(one)


@settings(max_examples=200)
@given(histories())
def test_every_text_is_held_once_and_none_is_lost_unseen(made: list[Record]) -> None:
    state: State = {}
    lost = [loss.loser.body for one in made for loss in take(state, one)]
    texts = [text_of(one, own) for one in state.values()]
    assert len(set(texts)) == len(texts)
    for one in made:
        later = [other for other in made if other is not one and (other.era, other.version) >= (one.era, one.version)]
        of_it = [other for other in later if text_of(normal(other, own), own) in (text_of(normal(one, own), own), ANY)]
        assert one.dead or own(one) in map(own, living(state)) or one.body in lost or of_it


def living(state: State) -> list[Record]:
    return [one for one in state.values() if not one.dead]
