"""What a server throws away by itself, as its own rules say."""

from hypothesis import given
from hypothesis import strategies as st

from mirror.citadel.meaning.expiry import DAY_S, MAILBOX, Mode, Policies, Policy

NUMBERS = st.sets(st.integers(1, 30), min_size=1)
NOW = 100 * DAY_S


@given(NUMBERS, st.integers(0, 10), st.sets(st.integers(31, 40)))
def test_what_a_server_purges_beyond_a_number_has_expired_whatever_is_posted_afterwards(
    numbers: set[int], newest: int, posted: set[int]
) -> None:
    listed = sorted(numbers)
    kept = listed[len(listed) - newest :] if newest < len(listed) else listed
    gone = [(number, 0) for number in listed if number not in kept]
    assert Policy(Mode.NEWEST, newest).expired(gone, sorted({*kept, *posted}), NOW) == {number for number, _ in gone}


@given(NUMBERS, st.integers(1, 10), st.data())
def test_what_is_among_the_newest_was_deleted_by_somebody(numbers: set[int], newest: int, data: st.DataObject) -> None:
    deleted = data.draw(st.sampled_from(sorted(numbers)[-newest:]))
    listed = sorted(numbers - {deleted})
    assert Policy(Mode.NEWEST, newest).expired([(deleted, 0)], listed, NOW) == set()


def test_what_is_older_than_so_many_days_has_expired_and_nothing_where_nothing_does() -> None:
    gone = [(1, NOW - 3 * DAY_S - 1), (2, NOW - 3 * DAY_S)]
    assert Policy(Mode.DAYS, 3).expired(gone, [], NOW) == {1}
    for mode in (Mode.NEXT_LEVEL, Mode.NEVER, 7):
        assert Policy(mode, 0).expired(gone, [], NOW) == set()


def test_a_rooms_own_policy_comes_before_its_floors_or_that_of_mailboxes_and_that_before_the_sites() -> None:
    policies = Policies()
    policies.set("c_ep_mode", "3")
    policies.set("c_ep_value", "9")
    policies.floor(1, {"f_ep_expire_mode": "2", "f_ep_expire_value": "4"})
    policies.room(1, {"QRfloor": "1"})
    policies.room(2, {"QRfloor": "1", "QRexpire_mode": "1"})
    policies.room(3, {"QRfloor": "0"})
    policies.room(4, {"QRfloor": "1", "QRflags": str(MAILBOX)})
    found = [policies.of(number) for number in range(1, 6)]
    assert found == [Policy(2, 4), Policy(1, 0), Policy(3, 9), Policy(3, 9), Policy()]
    policies.set("c_mbxep_mode", "2")
    policies.set("c_mbxep_value", "7")
    assert [policies.of(4), policies.of(3)] == [Policy(2, 7), Policy(3, 9)]
