"""What a VTIMEZONE (RFC 5545 section 3.6.5) says: how far a time of its zone is from UTC.

Only what stands in an item is looked at: nodes with other time zone databases would come to other ends.  Rules are read
as far as programs write them, one onset a year; of a zone that says it otherwise nothing is known.
"""

import calendar
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from mirror.model.content_lines import Component
from mirror.model.spans import Wall, wall

_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)(\d\d)?", re.ASCII)
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_DAY = re.compile(r"([+-]?\d)?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_KNOWN_RULES = {"FREQ", "BYMONTH", "BYDAY", "BYMONTHDAY", "UNTIL", "INTERVAL", "WKST"}


class _Observance(NamedTuple):
    """STANDARD or DAYLIGHT: from when on, in which years again, and the offsets before and after."""

    first: datetime
    before: timedelta
    after: timedelta
    rule: dict[str, str]
    dates: tuple[datetime, ...]

    def last_onset(self, at: datetime) -> datetime | None:
        """Return the latest onset up to a time of the zone's clock before it."""
        onsets = [one for one in (self.first, *self.dates) if one <= at]
        if self.rule:
            onsets += [one for year in (at.year, at.year - 1) for one in self._in_year(year) if self.first <= one <= at]
        return max(onsets, default=None)

    def _in_year(self, year: int) -> Iterator[datetime]:
        until = wall(self.rule.get("UNTIL", ""))
        months = [int(month) for month in self.rule.get("BYMONTH", str(self.first.month)).split(",")]
        for month in months:
            day = _day_of(self.rule, year, month, self.first.day)
            if day is None:
                continue
            onset = self.first.replace(year=year, month=month, day=day)
            end = None if until is None else until.shows + (self.before if until.is_utc else timedelta(0))
            if end is None or onset <= end or (until is not None and until.is_date and onset.date() <= end.date()):
                yield onset


class Zone:
    """A zone as one item has it.  Raises ValueError, also later, where it cannot be told what it says."""

    def __init__(self, component: Component) -> None:
        self._observances = [_observance(part) for part in component.inside if part.name in ("STANDARD", "DAYLIGHT")]
        if not self._observances:
            raise ValueError("a time zone without observances")

    def utc(self, time: Wall) -> Wall:
        """Return a time of the zone as one of UTC."""
        return Wall(time.shows - self._offset(time.shows), is_utc=True)

    def local(self, time: Wall) -> Wall:
        """Return a time of UTC as one of the zone."""
        for observance in self._observances:
            for offset in (observance.after, observance.before):
                shows = time.shows + offset
                if self._offset(shows) == offset:
                    return Wall(shows)
        raise ValueError("a time that the zone's clock does not show")

    def _offset(self, shows: datetime) -> timedelta:
        onsets = [(onset, one) for one in self._observances if (onset := one.last_onset(shows)) is not None]
        if not onsets:
            return min(self._observances, key=lambda one: one.first).before
        return max(onsets, key=lambda pair: pair[0])[1].after


def _observance(component: Component) -> _Observance:
    start = wall(component.first("DTSTART"))
    if start is None:
        raise ValueError("an observance without a start")
    rules = [line.value for line in component.lines if line.name == "RRULE"]
    rule = _rule(rules[0]) if len(rules) == 1 else {}
    if len(rules) > 1:
        raise ValueError("an observance with several rules")
    dates = _dates(line.value for line in component.lines if line.name == "RDATE")
    before, after = (_offset(component.first(name)) for name in ("TZOFFSETFROM", "TZOFFSETTO"))
    return _Observance(start.shows, before, after, rule, tuple(dates))


def _dates(values: Iterable[str]) -> Iterator[datetime]:
    for value in values:
        for one in value.split(","):
            told = wall(one)
            if told is None:
                raise ValueError("an onset that is no time")
            yield told.shows


def _rule(value: str) -> dict[str, str]:
    rule = dict(part.split("=", 1) for part in value.strip().upper().rstrip(";").split(";"))
    if rule.get("FREQ") != "YEARLY" or rule.get("INTERVAL", "1") != "1" or not rule.keys() <= _KNOWN_RULES:
        raise ValueError("a rule that is not that of a year")
    return rule


def _day_of(rule: dict[str, str], year: int, month: int, usual: int) -> int | None:
    """Return the day of a month on which a rule's onset is in a year; the first one where there are several."""
    if not 1 <= month <= 12 or not 1 <= year <= 9998:
        return None
    length = calendar.monthrange(year, month)[1]
    numbers = [int(day) for day in rule["BYMONTHDAY"].split(",")] if "BYMONTHDAY" in rule else []
    days = [day if day > 0 else length + 1 + day for day in numbers]
    found = _DAY.fullmatch(rule.get("BYDAY", ""))
    if "BYDAY" in rule:
        if not found:
            raise ValueError("a rule of several weekdays")
        weekday = _WEEKDAYS.index(found[2])
        fitting = [day for day in range(1, length + 1) if calendar.weekday(year, month, day) == weekday]
        if found[1]:
            at = int(found[1])
            fitting = [fitting[at - 1 if at > 0 else at]] if at and -len(fitting) <= at <= len(fitting) else []
        days = [day for day in fitting if not numbers or day in days]
    elif not numbers:
        days = [usual] if usual <= length else []
    return min((day for day in days if 1 <= day <= length), default=None)


def _offset(value: str) -> timedelta:
    found = _OFFSET.fullmatch(value.strip())
    if not found:
        raise ValueError("an offset that is none")
    seconds = int(found[2]) * 3600 + int(found[3]) * 60 + int(found[4] or 0)
    return timedelta(seconds=-seconds if found[1] == "-" else seconds)
