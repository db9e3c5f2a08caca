"""Supervision with a clock, a pause and a chance that are handed in."""

import random
from collections.abc import Callable

import gevent
import pytest
from gevent.event import Event

from mirror.model.errors import MirrorError
from mirror.peer.supervision import WAITING, Pauses, Supervisor, run_together


class Done(BaseException):
    """Ends a supervisor, as killing its greenlet does."""


class Watch:
    """Time that passes only when it is told to, and the pauses that were made."""

    def __init__(self, tries: int) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []
        self._tries = tries

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        if len(self.slept) == self._tries:
            raise Done


class Least(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return a


class Greatest(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return b


def supervised(
    work: Callable[[Supervisor, Watch], None], tries: int = 1, chance: random.Random | None = None
) -> tuple[Supervisor, Watch]:
    watch = Watch(tries)
    supervisor = Supervisor(
        "work",
        Pauses(1.0, 60.0),
        clock=lambda: watch.seconds,
        now=lambda: 1000 + watch.seconds,
        sleep=watch.sleep,
        chance=chance or Greatest(),
    )
    with pytest.raises(Done):
        supervisor.run(lambda: work(supervisor, watch))
    return supervisor, watch


def fails(_supervisor: Supervisor, _watch: Watch) -> None:
    raise MirrorError("no")


def test_pauses_double_up_to_a_limit() -> None:
    _, watch = supervised(fails, tries=8)
    assert watch.slept == [2, 4, 8, 16, 32, 60, 60, 60]


def test_pauses_lie_between_half_and_all_of_the_limit() -> None:
    _, watch = supervised(fails, tries=3, chance=Least())
    assert watch.slept == [1, 2, 4]
    _, watch = supervised(fails, tries=50, chance=random.Random(1))
    assert all(30 <= slept <= 60 for slept in watch.slept[6:])
    assert len(set(watch.slept)) == 50


def test_after_a_million_failures_a_pause_is_still_a_number() -> None:
    assert Pauses(0.1, 300.0).limit(1_000_000) == 300.0


def test_work_that_went_well_for_long_is_soon_begun_again() -> None:
    def goes_well_once(_supervisor: Supervisor, watch: Watch) -> None:
        if len(watch.slept) == 5:
            watch.seconds += 61
        raise MirrorError("no")

    _, watch = supervised(goes_well_once, tries=7)
    assert watch.slept == [2, 4, 8, 16, 32, 2, 4]


def test_work_that_fails_soon_after_each_success_is_begun_ever_more_rarely() -> None:
    def fails_once_up(supervisor: Supervisor, _watch: Watch) -> None:
        supervisor.enter("live")
        supervisor.succeeded("")
        raise MirrorError("a bad page")

    _, watch = supervised(fails_once_up, tries=8)
    assert watch.slept == [2, 4, 8, 16, 32, 60, 60, 60]


def test_failures_are_forgotten_once_the_work_has_gone_on_for_longer_than_a_pause() -> None:
    counted: list[int] = []

    def goes_on(supervisor: Supervisor, watch: Watch) -> None:
        supervisor.enter("live")
        supervisor.succeeded("")
        watch.seconds += 60
        counted.append(supervisor.health.failures)
        watch.seconds += 1 if len(watch.slept) == 3 else 0
        counted.append(supervisor.health.failures)
        raise MirrorError("lost")

    _, watch = supervised(goes_on, tries=5)
    assert counted == [0, 0, 1, 1, 2, 2, 3, 0, 1, 1]
    assert watch.slept == [2, 4, 8, 2, 4]


def test_health_tells_what_failed_and_since_when() -> None:
    def once_up(supervisor: Supervisor, watch: Watch) -> None:
        supervisor.enter("live")
        supervisor.enter("live")
        watch.seconds += 5
        if not watch.slept:
            raise MirrorError("lost")
        supervisor.succeeded("")
        assert (supervisor.health.error, supervisor.health.failures) == ("", 1)
        raise ValueError("odd")

    supervisor, _ = supervised(once_up)
    health = supervisor.health
    assert (health.phase, health.since, health.error, health.failures) == (WAITING, 1005.0, "lost", 1)
    supervisor, _ = supervised(once_up, tries=2)
    assert (supervisor.health.error, supervisor.health.failures) == ("ValueError: odd", 2)


def test_an_unexpected_error_is_told_in_full_and_work_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    def breaks(_supervisor: Supervisor, _watch: Watch) -> None:
        raise ZeroDivisionError("really")

    supervised(breaks, tries=2)
    (told,) = [record for record in caplog.records if record.exc_info]
    assert told.levelname == "ERROR" and told.message == "work: unexpected ZeroDivisionError: really"


def test_the_same_error_is_told_once_an_hour_with_how_often_it_came(caplog: pytest.LogCaptureFixture) -> None:
    supervised(fails, tries=70)
    told = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert told == ["work: no", "work: no (63 more times since this was told last)"]


def test_two_errors_that_take_turns_are_told_once_each(caplog: pytest.LogCaptureFixture) -> None:
    def alternates(_supervisor: Supervisor, watch: Watch) -> None:
        raise MirrorError("odd" if len(watch.slept) % 2 else "even")

    supervised(alternates, tries=20)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == ["work: even", "work: odd"]


def test_success_is_told_at_first_and_after_what_was_told(caplog: pytest.LogCaptureFixture) -> None:
    def flaps(supervisor: Supervisor, watch: Watch) -> None:
        supervisor.succeeded(", pushing too")
        raise MirrorError("lost" if len(watch.slept) < 5 else "lost in another way")

    caplog.set_level("INFO")
    supervised(flaps, tries=10)
    up = "work is up, pushing too"
    assert [record.message for record in caplog.records] == [up, "work: lost", up, "work: lost in another way", up]


def test_the_first_worker_that_ends_ends_all() -> None:
    ended: list[str] = []
    begun = Event()

    def waits() -> None:
        try:
            begun.set()
            Event().wait()
        finally:
            ended.append("waits")

    def fails_soon() -> None:
        begun.wait()
        raise MirrorError("the first")

    with pytest.raises(MirrorError, match="the first"):
        run_together([waits, fails_soon])
    assert ended == ["waits"]


def test_workers_die_with_who_runs_them() -> None:
    ended: list[int] = []
    begun = Event()

    def waits(number: int) -> None:
        try:
            begun.set()
            Event().wait()
        finally:
            ended.append(number)

    owner = gevent.spawn(run_together, [lambda: waits(1), lambda: waits(2)])
    begun.wait()
    owner.kill()
    assert sorted(ended) == [1, 2]


def test_a_worker_that_fails_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise MirrorError("no")

    with pytest.raises(MirrorError, match="no"):
        run_together([fails, fails])
    assert capsys.readouterr().err == ""


def test_a_worker_that_just_returns_ends_all_without_an_error() -> None:
    run_together([lambda: None, lambda: Event().wait() and None])
