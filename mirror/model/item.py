"""The rank of a calendar or contact item: which of two versions its own standard calls the newer.

RFC 5546 section 2.1.5: the greater SEQUENCE, then the later DTSTAMP; LAST-MODIFIED (RFC 5545 3.8.7.3)
or a card's REV (RFC 6350 6.7.4) stand where they are given.  Reads the message's text only.
"""

from datetime import UTC, date, datetime
from typing import NamedTuple

from icalendar import Calendar, Component


class Rank(NamedTuple):
    """Greater is newer; an item that cannot be read has the least rank."""

    sequence: int = 0
    modified: int = 0


def item_rank(message: bytes) -> Rank:
    """Return the rank of the item in a serialized message."""
    upper = message.upper()
    start = upper.find(b"BEGIN:VCALENDAR")
    if start >= 0:
        return _calendar_rank(message[start:].partition(b"\0")[0])
    start = upper.find(b"BEGIN:VCARD")
    if start >= 0:
        return Rank(0, _revision(message[start:].partition(b"\0")[0]))
    return Rank()


def _calendar_rank(text: bytes) -> Rank:
    end = text.upper().rfind(b"END:VCALENDAR")
    try:
        calendar = Calendar.from_ical(text[: end + len(b"END:VCALENDAR")])
        ranks = [_component_rank(part) for part in calendar.walk() if part.name in ("VEVENT", "VTODO", "VJOURNAL")]
    except (ValueError, KeyError, IndexError, AttributeError, TypeError):
        return Rank()  # not iCalendar after all: the version alone decides
    return max(ranks, default=Rank())


def _component_rank(component: Component) -> Rank:
    sequence = component.get("SEQUENCE", 0)
    moments = [component.get(name) for name in ("LAST-MODIFIED", "DTSTAMP")]
    times = [_unix(moment.dt) for moment in moments if moment is not None and hasattr(moment, "dt")]
    return Rank(max(0, int(sequence)), times[0] if times else 0)


def _unix(moment: date) -> int:
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp())


def _revision(card: bytes) -> int:
    for line in card.splitlines():
        name, _, value = line.partition(b":")
        if name.split(b";")[0].strip().upper() == b"REV":
            return _revision_time(value.strip().decode("ascii", "replace"))
    return 0


def _revision_time(text: str) -> int:
    try:
        return _unix(datetime.fromisoformat(text))
    except ValueError:
        return 0
