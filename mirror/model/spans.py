"""Dates, times and durations of iCalendar (RFC 5545 sections 3.3.4 to 3.3.6) as numbers.

Times are as a wall clock shows them, whatever zone they are said to be in; no zone is looked up here.
"""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

_DURATION = re.compile(r"([+-]?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII)
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d))?(Z?)", re.ASCII)
_MOST = 366 * 10_000
"""Days of a duration; longer ones are none."""


class Span(NamedTuple):
    """A duration: days, which have as many hours as the wall clock says, and seconds; both negative before a start."""

    days: int
    seconds: int


class Wall(NamedTuple):
    """What a clock and a calendar on a wall show; ``is_date`` where no time is told, ``is_utc`` in UTC."""

    shows: datetime
    is_date: bool = False
    is_utc: bool = False

    def __str__(self) -> str:
        # Not strftime, which does not pad years before 1000.
        day = f"{self.shows.year:04}{self.shows.month:02}{self.shows.day:02}"
        time = f"T{self.shows.hour:02}{self.shows.minute:02}{self.shows.second:02}"
        return day if self.is_date else day + time + ("Z" if self.is_utc else "")

    def after(self, passed: Span) -> "Wall | None":
        """Return what is shown after a duration; None where no calendar goes so far."""
        try:
            return self._replace(shows=self.shows + timedelta(days=passed.days, seconds=passed.seconds))
        except OverflowError:
            return None


def span(value: str) -> Span | None:
    """Return a duration, or None for what is none."""
    found = _DURATION.fullmatch(value.strip().upper())
    if not found or not any(found.groups()[1:]):
        return None
    weeks, days, hours, minutes, seconds = (int(part[:10]) if part else 0 for part in found.groups()[1:])
    days += weeks * 7
    if days > _MOST or hours > _MOST or minutes > _MOST * 60 or seconds > _MOST * 3600:
        return None
    sign = -1 if found[1] == "-" else 1
    return Span(sign * days, sign * (hours * 3600 + minutes * 60 + seconds))


def wall(value: str) -> Wall | None:
    """Return a date or a time, or None for what is none."""
    found = _TIME.fullmatch(value.strip().upper())
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    try:
        shows = datetime(year, month, day, hour, minute, min(second, 59))
    except ValueError:
        return None
    return Wall(shows, found[4] is None, bool(found[7]))
