"""The clocks of this machine that are read."""

import time

import pytest

from mirror.peer.clocks import SYSTEM


def test_time_in_suspend_counts_as_time_that_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The monotonic clock stands still then: a node that slept for a day would doubt a clock that is right."""
    told = {time.CLOCK_BOOTTIME: 86_400_000_000_000, time.CLOCK_MONOTONIC: 5_000_000_000}
    monkeypatch.setattr(time, "clock_gettime_ns", told.__getitem__)
    assert SYSTEM.elapsed_ms() == 86_400_000
