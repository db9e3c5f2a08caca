"""Instances of a series: which one a RECURRENCE-ID or an EXDATE speaks of, however it is written.

One instance may be told in the series' time zone, in UTC, or by its date alone (RFC 5545 section 3.8.4.4).  What is the
same is seen by the time zones and the start that stand in the item.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mirror.model.content_lines import Line, inside_of
from mirror.model.names import SEPARATOR, WHEN, at, kind_at, own_name, place_of, series_of
from mirror.model.spans import Wall, wall
from mirror.model.values import parameters, zone
from mirror.model.zones import Zone

RECURRENCE_ID = "RECURRENCE-ID"


class Series(NamedTuple):
    """What tells which instances there are: how the series' start is written, and the zones of its item."""

    start: Wall | None
    zone: str
    zones: Mapping[str, Zone]

    def instance(self, line: Line) -> str:
        """Return what tells an instance apart: its time in UTC, or its date; else, as it is told."""
        shows, zone = self._shows(line)
        if shows is None:
            return line.value.strip()
        if shows.is_date or shows.is_utc:
            return str(shows)
        try:
            return str(self.zones[zone].utc(shows))
        except (KeyError, ValueError, OverflowError):
            return str(shows)

    def as_started(self, line: Line) -> str:
        """Return an instance as it would be told as the start is; as it is written where that cannot be said."""
        shows, zone = self._shows(line)
        if shows is None or self.start is None:
            return line.value.strip()
        try:
            if self.start.is_utc and not shows.is_utc:
                shows = self.zones[zone].utc(shows)
            elif not self.start.is_utc and self.zone and (shows.is_utc or zone != self.zone):
                shows = self.zones[self.zone].local(shows if shows.is_utc else self.zones[zone].utc(shows))
        except (KeyError, ValueError, OverflowError):
            return line.value.strip()
        return str(shows)

    def _shows(self, line: Line) -> tuple[Wall | None, str]:
        """Return what an instance's clock shows, and its zone: that of the start where it says none."""
        shows = wall(line.value)
        told = _zone_of(line)
        if shows is None or self.start is None:
            return shows, told
        if self.start.is_date:
            return shows._replace(is_date=True, is_utc=False, shows=shows.shows.replace(hour=0, minute=0, second=0)), ""
        if shows.is_date:
            time = self.start.shows.time()
            return Wall(shows.shows.replace(hour=time.hour, minute=time.minute, second=time.second), False,
                        self.start.is_utc), self.zone  # fmt: skip
        return shows, told or self.zone


def series_at(place: str, *told: Mapping[str, bytes]) -> Series:
    """Return the series that a component at a place speaks of, or is, by the texts of parts; the first that tell it."""
    start = next(filter(None, (_line(texts.get(at(series_of(place), WHEN)), "DTSTART") for texts in told)), None)
    zones: dict[str, Zone] = {}
    for texts in told:
        for name, component in _zones(texts):
            zones.setdefault(name, component)
    return Series(wall(start.value) if start else None, _zone_of(start) if start else "", zones)


def recurrence_line(when: bytes | None) -> Line | None:
    """Return the line that tells of which instance times are."""
    return _line(when, RECURRENCE_ID)


def _line(text: bytes | None, name: str) -> Line | None:
    try:
        lines = inside_of("X", text).lines if text else []
    except ValueError:
        lines = []
    return next((line for line in lines if line.name == name), None)


def _zone_of(line: Line) -> str:
    return (parameters(line).get("TZID") or [""])[0]


def _zones(texts: Mapping[str, bytes]) -> Iterator[tuple[str, Zone]]:
    for name, text in texts.items():
        place = place_of(name)
        if kind_at(place) != "VTIMEZONE" or own_name(name):
            continue
        try:
            yield zone(place.split(SEPARATOR)[3]), Zone(inside_of("X", text).inside[0])
        except (ValueError, IndexError, OverflowError):
            continue
