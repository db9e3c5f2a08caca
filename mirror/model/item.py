"""Calendar and contact items inside a serialized message: where they are, and which of two is the newer.

RFC 5546 section 2.1.5: the greater SEQUENCE, then the later DTSTAMP; LAST-MODIFIED (RFC 5545 3.8.7.3)
or a card's REV (RFC 6350 6.7.4) stand where they are given.
"""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from mirror.model.content_lines import Component, parse_component
from mirror.model.frame import Frame, find_frame

MAX_PARSED = 8 * 1024 * 1024
"""Bytes of an item that is looked into; larger ones are compared as a whole.

More than the parts that mirror.model.limits allows can make together, so what merging makes is looked into again."""
MAX_MESSAGE = 64 * 1024 * 1024
"""Bytes of a message in which an item is looked for: more than MAX_COPIES encoded ones can have."""
MAX_COPIES = 2
"""Copies of an item in one message; where there are more of them it is compared as a whole."""
ITEM_COMPONENTS = ("VEVENT", "VTODO", "VJOURNAL")

_MOMENT = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:T(\d\d):?(\d\d):?(\d\d)(?:\.\d*)?)?Z?", re.ASCII)


class Rank(NamedTuple):
    """Greater is newer; an item that cannot be read has the least rank."""

    sequence: int = 0
    modified: int = 0


class Item(NamedTuple):
    """An item, and the message around it."""

    frame: Frame
    component: Component

    @property
    def rank(self) -> Rank:
        """What its own standard orders versions by."""
        if self.component.name == "VCARD":
            return Rank(0, _unix(self.component.first("REV")))
        parts = [part for part in self.component.inside if part.name in ITEM_COMPONENTS]
        return max((_component_rank(part) for part in parts), default=Rank())


def find_item(message: bytes) -> Item | None:
    """Return the item in a serialized message, or None when there is none that can be read."""
    found = find_frame(message) if len(message) <= MAX_MESSAGE else None
    if found is None:
        return None
    frame, text = found
    if len(text) > MAX_PARSED or len(frame.slots) > MAX_COPIES:
        return None
    try:
        return Item(frame, parse_component(text))
    except ValueError:  # it is not what it looked like
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
