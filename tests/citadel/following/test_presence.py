"""Whose marks are asked for next: who is there in turns, who left once more, nobody else."""

from mirror.citadel.following.presence import Rounds, Turn

LIKELY = {1: [10, 11, 12], 2: [10, 20], 3: [30], 4: [40]}
OTHERS = {3: [31, 32, 33], 4: [41]}


def rounds() -> Rounds:
    return Rounds(LIKELY.__getitem__, lambda user, after: [room for room in OTHERS.get(user, []) if room > after])


def turn(some: Rounds, now: float, most: int = 100) -> Turn | None:
    found = some.next(most)
    if found is not None:
        some.done(found, now)
    return found


def test_where_somebody_is_and_was_last_is_asked_for_each_time() -> None:
    some = rounds()
    assert some.near({1: frozenset({11})}, 0) == [Turn(1, [11])]
    assert some.near({1: frozenset({12})}, 1) == [Turn(1, [11, 12])]
    assert some.near({}, 2) == [Turn(1, [12])]
    assert some.near({}, 3) == []


def test_of_who_is_there_all_rooms_are_asked_for_in_turns_and_once_more_after_that() -> None:
    some = rounds()
    some.near({1: frozenset({10}), 2: frozenset()}, 0)
    assert turn(some, 1, 2) == Turn(1, [10, 11])
    assert turn(some, 1, 2) == Turn(2, [10, 20])
    assert turn(some, 1, 2) == Turn(1, [12])
    some.near({}, 2)
    some.near({}, 3)
    assert turn(some, 4) == Turn(2, [10, 20]), "who left in the middle of a round may have set marks since"
    assert turn(some, 4) == Turn(1, [10, 11, 12])
    assert turn(some, 5) is None and some.is_over


def test_of_all_users_some_rooms_are_asked_for_and_until_then_not_all_marks_are_here() -> None:
    some = rounds()
    some.of_all([1, 2], [30, 10, 20])
    some.of_all([1], [])
    assert some.is_urgent and some.rooms_of_all == {10, 20, 30} and not some.pending
    assert some.as_of(1) == 0
    turns = [turn(some, 1, 2) for _ in range(4)]
    assert turns == [Turn(user, rooms, besides=True) for user in (2, 1) for rooms in ([10, 20], [30])]
    assert some.is_over and not some.rooms_of_all and some.as_of(2) == 2


def test_marks_are_here_as_of_the_beginning_of_the_oldest_round_that_came_to_its_end() -> None:
    some = rounds()
    assert some.as_of(1) == 1, "where nobody can have set any, as of now"
    some.begin([1, 2], 5)
    assert some.as_of(6) == 0
    turn(some, 7)
    assert some.as_of(7) == 0
    turn(some, 8)
    assert some.as_of(9) == 9
    some.near({1: frozenset()}, 10)
    turn(some, 11)
    assert some.as_of(12) == 10


def test_who_logged_in_again_during_a_round_is_asked_for_once_more() -> None:
    some = rounds()
    some.begin([1], 0)
    some.begin([1], 1)
    assert [turn(some, at) is not None for at in (2, 3, 4)] == [True, True, False]


def test_who_is_gone_is_asked_for_no_more() -> None:
    some = rounds()
    some.near({1: frozenset({10})}, 0)
    some.forget(1)
    assert turn(some, 1) is None and some.near({}, 2) == [] and some.is_over


def test_of_everybody_the_likely_rooms_come_first_then_what_is_asked_for_besides_then_all_others() -> None:
    some = rounds()
    some.begin([3, 4], 0)
    some.besides(2, 10)
    some.besides(3, 32)
    found = [turn(some, 1, 2) for _ in range(7)]
    besides = [Turn(3, [32], besides=True), Turn(2, [10], besides=True)]
    assert found == [Turn(3, [30]), Turn(4, [40]), *besides, Turn(3, [31, 32]), Turn(4, [41]), Turn(3, [33])]
    assert some.is_over and turn(some, 2) is None


def test_pending_are_those_who_are_there_or_may_have_set_marks_since_they_were_asked_for() -> None:
    some = rounds()
    some.begin([2], 0)
    some.near({1: frozenset({10})}, 0)
    some.besides(4, 41)
    assert some.pending == {1, 2, 4}
    some.near({}, 1)
    while turn(some, 2):
        pass
    assert some.pending == set()
