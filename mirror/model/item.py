"""Calendar and contact items inside a serialized message: where they are, and which of two is the newer.

RFC 5546 section 2.1.5: the greater SEQUENCE, then the later DTSTAMP; LAST-MODIFIED (RFC 5545 3.8.7.3)
or a card's REV (RFC 6350 6.7.4) stand where they are given.
"""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from mirror.model.content_lines import Component, parse_component

MAX_PARSED = 8 * 1024 * 1024
"""Bytes of a message in which an item is looked for; larger ones are compared as a whole.

More than the parts that mirror.model.limits allows can make together, so what merging makes is looked into again."""
ITEM_COMPONENTS = ("VEVENT", "VTODO", "VJOURNAL")

_MOMENT = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:T(\d\d):?(\d\d):?(\d\d)(?:\.\d*)?)?Z?", re.ASCII)


class Rank(NamedTuple):
    """Greater is newer; an item that cannot be read has the least rank."""

    sequence: int = 0
    modified: int = 0


class Item(NamedTuple):
    """An item, and the bytes of the message before and after it."""

    before: bytes
    component: Component
    after: bytes
    line_end: str

    @property
    def rank(self) -> Rank:
        """What its own standard orders versions by."""
        if self.component.name == "VCARD":
            return Rank(0, _unix(self.component.first("REV")))
        parts = [part for part in self.component.inside if part.name in ITEM_COMPONENTS]
        return max((_component_rank(part) for part in parts), default=Rank())


def find_item(message: bytes) -> Item | None:
    """Return the item in a serialized message, or None when there is none that can be read."""
    place = _place(message) if len(message) <= MAX_PARSED else None
    if place is None:
        return None
    start, end = place
    try:
        text = message[start:end].decode("utf-8")
        component = parse_component(text)
    except ValueError:  # not UTF-8, or not what it looked like
        return None
    return Item(message[:start], component, message[end:], "\r\n" if "\r\n" in text else "\n")


def _place(message: bytes) -> tuple[int, int] | None:
    upper = message.upper()
    for kind in (b"VCALENDAR", b"VCARD"):
        start, last = upper.find(b"BEGIN:" + kind), upper.rfind(b"END:" + kind)
        if 0 <= start < last:
            return start, last + len(b"END:" + kind)
    return None


def item_rank(message: bytes) -> Rank:
    """Return the rank of the item in a serialized message."""
    item = find_item(message)
    return item.rank if item is not None else Rank()


def _component_rank(component: Component) -> Rank:
    sequence = component.first("SEQUENCE").strip()
    modified = component.first("LAST-MODIFIED") or component.first("DTSTAMP")
    known = sequence.isascii() and sequence.isdigit() and len(sequence) <= 10
    return Rank(int(sequence) if known else 0, _unix(modified))


def _unix(text: str) -> int:
    """Return a moment of iCalendar or vCard as Unix seconds; 0 for what is none."""
    found = _MOMENT.fullmatch(text.strip())
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()) if found else [0] * 6
        return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:
        return 0
