"""What the log is told of what goes wrong again and again, by a clock that is handed in."""

import logging

import pytest

from mirror.faults import AGAIN_S, MAX_EACH, MAX_PARTIES, Faults
from mirror.model.errors import MirrorError

log = logging.getLogger("mirror.test")


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def faults(clock: Clock) -> Faults:
    return Faults(clock)


def test_the_same_fault_is_told_again_after_an_hour_with_how_often_it_came(
    faults: Faults, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    assert [faults.tell(log, "beta", "no good") for _ in range(1000)] == [True, *[False] * 999]
    clock.seconds = AGAIN_S
    assert faults.tell(log, "beta", "no good")
    clock.seconds = 2 * AGAIN_S
    assert faults.tell(log, "beta", "no good")
    assert [record.message for record in caplog.records] == [
        "beta: no good",
        "beta: no good (999 more times since this was told last)",
        "beta: no good",
    ]


def test_faults_of_different_parties_are_different(faults: Faults) -> None:
    assert faults.tell(log, "beta", "no good") and faults.tell(log, "gamma", "no good")


def test_faults_that_differ_in_numbers_alone_are_the_same(faults: Faults) -> None:
    assert faults.tell(log, "beta", "127.0.0.1:4711 was silent for 3 s")
    assert not faults.tell(log, "beta", "127.0.0.1:815 was silent for 30 s")


def test_a_party_with_many_different_faults_does_not_fill_the_log(
    faults: Faults, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(10_000):
        faults.tell(log, "beta", "x" * number)
    assert len(caplog.records) == MAX_EACH + 1
    assert caplog.records[-1].message.endswith("whatever else is wrong there is only counted for an hour")
    assert faults.tell(log, "gamma", "y"), "others are still told of"
    clock.seconds = AGAIN_S
    faults.tell(log, "beta", "something new")
    assert caplog.records[-1].message == "beta: something new"


def test_many_parties_do_not_fill_the_memory(faults: Faults) -> None:
    for number in range(2 * MAX_PARTIES):
        faults.tell(log, f"party {number}", "no good", logging.DEBUG)
    assert len(faults._parties) == MAX_PARTIES
    assert not faults.tell(log, f"party {2 * MAX_PARTIES - 1}", "no good")


def test_an_error_is_told_with_its_traceback(faults: Faults, caplog: pytest.LogCaptureFixture) -> None:
    faults.tell(log, "beta", "odd", logging.ERROR, ValueError("x"))
    assert caplog.records[0].exc_info is not None and caplog.records[0].levelname == "ERROR"


def test_a_fault_is_one_line_of_bounded_length(faults: Faults, caplog: pytest.LogCaptureFixture) -> None:
    faults.tell(log, "beta", "one\ntwo\x1b[31m" + "x" * 10_000)
    assert caplog.records[0].message.startswith("beta: one two [31mxxx")
    assert len(caplog.records[0].message) < 1100


def test_what_fails_at_a_change_is_told_with_a_traceback_only_where_nobody_expected_it(
    faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    for error in (MirrorError("the {disk} is gone"), ZeroDivisionError("odd")):
        for _ in range(2):
            with faults.looking(log, "what became of users"):
                raise error
    assert [(record.message, record.exc_info is not None) for record in caplog.records] == [
        ("what became of users: cannot be read: the {disk} is gone; trying again at the next change", False),
        (
            "what became of users: cannot be read: unexpected ZeroDivisionError: odd; trying again at the next change",
            True,
        ),
    ]
    with pytest.raises(KeyboardInterrupt), faults.looking(log, "what became of users"):
        raise KeyboardInterrupt
