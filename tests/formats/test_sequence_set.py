"""Sets of message numbers made from marks: just those, in few bytes."""

from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.sequence_set import CUT_BYTES, SequenceSet, set_of, with_numbers

NUMBERS = st.sets(st.integers(1, 300))


@given(NUMBERS, NUMBERS)
def test_a_set_has_just_the_marked_ones_of_a_rooms_messages(listed: set[int], some: set[int]) -> None:
    marked = listed & some
    read = SequenceSet(set_of(marked, sorted(listed)))
    assert {number for number in listed if number in read} == marked


def test_a_range_reaches_over_what_is_in_no_room() -> None:
    assert set_of({2, 5, 90}, [2, 5, 90, 100]) == "2:90"
    assert set_of({2, 90}, [2, 5, 90]) == "2,90"
    assert set_of((), [1, 2]) == ""


def test_of_a_set_that_is_too_long_the_lowest_become_one_range() -> None:
    marked = set(range(1000, 9000, 2))
    text = set_of(marked, range(1000, 9000))
    assert len(text.encode()) < CUT_BYTES
    read = SequenceSet(text)
    assert all(number in read for number in marked), "what was read stays read"
    assert 8999 not in read and 8997 not in read and 1001 in read


@given(NUMBERS, NUMBERS)
def test_the_numbers_in_which_two_sets_differ_are_those_that_one_of_them_has(one: set[int], other: set[int]) -> None:
    sets = [SequenceSet(set_of(marked, range(1, 301))) for marked in (one, other)]
    assert sets[0].differing(sets[1], 300) == sorted(one ^ other)
    assert sets[0].differing(sets[1], len(one ^ other) - 1) is None or one == other


def test_a_set_without_an_end_differs_by_more_than_can_be_told() -> None:
    assert SequenceSet("1:*").differing(SequenceSet("1:7"), 1000) is None
    assert SequenceSet("1:*").differing(SequenceSet("2:*"), 1000) == [1]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted), max_size=6))
def test_ranges_have_no_number_in_common(pairs: list[list[int]]) -> None:
    read = SequenceSet(",".join(f"{lower}:{upper}" for lower, upper in pairs))
    told = [number for lower, upper in read.ranges() for number in range(lower, upper + 1)]
    assert sorted(set(told)) == told == [number for number in range(52) if number in read]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted), max_size=6), NUMBERS, NUMBERS)
def test_a_set_with_some_more_and_others_less_has_just_these_otherwise(
    pairs: list[list[int]], added: set[int], removed: set[int]
) -> None:
    text = ",".join(f"{lower}:{upper}" for lower, upper in pairs)
    told, changed = SequenceSet(text), SequenceSet(with_numbers(text, added, removed))
    wanted = {number for number in range(302) if (number in told or number in added) and number not in removed}
    assert {number for number in range(302) if number in changed} == wanted


def test_a_set_without_an_end_keeps_none() -> None:
    assert with_numbers("5:*", {3}, {7}) == "3,5:6,8:*"
    assert with_numbers("", {1, 2, 4}, ()) == "1:2,4"
