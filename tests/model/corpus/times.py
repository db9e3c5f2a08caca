"""Times of the corpus, all in Central Europe: in a zone of the item, in UTC, or as a date alone."""

from datetime import UTC, datetime, timedelta, timezone

from corpus.lines import Line, with_value

FORMAT = "%Y%m%dT%H%M%S"


def shifted(line: Line, by: timedelta) -> Line:
    """Return a line whose times, separated by commas, are later by so much; of dates the days count."""
    return with_value(line, ",".join(_shifted(value, by) for value in line.value.split(",")))


def _shifted(value: str, by: timedelta) -> str:
    if len(value) == 8:
        return (datetime.strptime(value, "%Y%m%d") + timedelta(days=max(1, by.days))).strftime("%Y%m%d")
    end = "Z" if value.endswith("Z") else ""
    return (datetime.strptime(value.removesuffix("Z"), FORMAT) + by).strftime(FORMAT) + end


def in_utc(line: Line, value: str) -> str:
    """Return one time of a line in UTC; a date, and what has no zone, as it is."""
    if len(value) == 8 or value.endswith("Z") or not line.parameter("TZID"):
        return value
    local = datetime.strptime(value, FORMAT)
    zone = timezone(timedelta(hours=2 if _begin(local.year, 3) <= local < _begin(local.year, 10) else 1))
    return local.replace(tzinfo=zone).astimezone(UTC).strftime(FORMAT) + "Z"


def _begin(year: int, month: int) -> datetime:
    """Return the last Sunday of a month of 31 days, at two o'clock."""
    last = datetime(year, month, 31, 2)
    return last - timedelta(days=(last.weekday() + 1) % 7)
