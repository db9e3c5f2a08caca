"""When all is compared with a peer the next time."""

from collections.abc import Callable

from mirror.peer.comparing import SPREAD, Comparisons
from mirror.store.sqlite.store import SqliteStore

DAY_S = 86_400.0


class Clock:
    """The time of a test, in Unix milliseconds."""

    now = 0

    @classmethod
    def pass_s(cls, seconds: float) -> None:
        cls.now += int(seconds * 1000)


def test_it_is_due_a_day_after_the_last_one_whoever_asks(make_store: Callable[..., SqliteStore]) -> None:
    Clock.now = 1_700_000_000_000
    store = make_store("a", now_ms=lambda: Clock.now)
    Comparisons(store, "b", DAY_S).done()
    assert 0.9 * DAY_S <= Comparisons(store, "b", DAY_S).due_s() <= 1.1 * DAY_S
    Clock.pass_s(DAY_S / 2)  # as after a restart
    assert 0.4 * DAY_S <= Comparisons(store, "b", DAY_S).due_s() <= 0.6 * DAY_S
    Clock.pass_s(DAY_S)
    assert 0 <= Comparisons(store, "b", DAY_S).due_s() <= SPREAD * DAY_S
    Comparisons(store, "b", DAY_S).done()
    assert 0.9 * DAY_S <= Comparisons(store, "b", DAY_S).due_s() <= 1.1 * DAY_S


def test_with_a_peer_of_which_nothing_is_known_it_is_due_soon(make_store: Callable[..., SqliteStore]) -> None:
    store = make_store("a")
    Comparisons(store, "b", DAY_S).done()
    assert 0 <= Comparisons(store, "c", DAY_S).due_s() <= SPREAD * DAY_S


def test_a_clock_that_was_set_back_puts_it_off_by_one_interval_at_most(make_store: Callable[..., SqliteStore]) -> None:
    Clock.now = 1_700_000_000_000
    store = make_store("a", now_ms=lambda: Clock.now)
    Comparisons(store, "b", DAY_S).done()
    Clock.pass_s(-400 * DAY_S)
    assert Comparisons(store, "b", DAY_S).due_s() <= 1.1 * DAY_S
