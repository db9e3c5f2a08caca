"""The hybrid logical clock."""

import pytest

from mirror.model.errors import StampAhead
from mirror.model.stamp import HybridClock, format_stamp, make_stamp


def test_stamps_rise_even_when_the_clock_goes_back() -> None:
    times = iter([1000, 900, 900, 1001])
    clock = HybridClock(lambda: next(times))
    stamps = [clock.tick() for _ in range(4)]
    assert stamps == sorted(set(stamps))


def test_a_stamp_from_elsewhere_is_followed() -> None:
    clock = HybridClock(lambda: 1000)
    clock.observe(make_stamp(1500))
    assert clock.tick() > make_stamp(1500)


def test_a_stamp_too_far_ahead_is_refused_and_changes_nothing() -> None:
    clock = HybridClock(lambda: 1000, max_ahead_ms=60_000)
    with pytest.raises(StampAhead, match="60 s is accepted"):
        clock.observe(make_stamp(1000 + 60_001))
    assert clock.tick() == make_stamp(1000)


def test_stamps_are_shown_as_times() -> None:
    assert format_stamp(make_stamp(0, 3)) == "1970-01-01T00:00:00.000Z+3"
    assert format_stamp((1 << 63) - 1).startswith(("stamp", "6429"))
