"""Calendar and contact items inside a serialized message: where they are, and what they say of their version.

RFC 5546 section 2.1.5: the greater SEQUENCE, then the later DTSTAMP; LAST-MODIFIED (RFC 5545 3.8.7.3)
or a card's REV (RFC 6350 6.7.4) stand where they are given.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from mirror.model.content_lines import Component, has_old_rules, parse_component
from mirror.model.frame import Frame, find_frame
from mirror.model.memory import kept_of_small
from mirror.model.names import ITEM_COMPONENTS
from mirror.model.stamp import stamp_ms

MAX_PARSED = 8 * 1024 * 1024
"""Bytes of an item that is looked into; larger ones are compared as a whole.

More than the parts that mirror.model.limits allows can make together, so what merging makes is looked into again."""
MAX_MESSAGE = 64 * 1024 * 1024
"""Bytes of a message in which an item is looked for: more than MAX_COPIES encoded ones can have."""
MAX_COPIES = 2
"""Copies of an item in one message; where there are more of them it is compared as a whole."""

_MOMENT = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:[Tt ](\d\d):?(\d\d)(?::?(\d\d))?(?:[.,]\d*)?)?(?:[Zz]|([+-])(\d\d):?(\d\d)?)?", re.ASCII
)
_SEQUENCE = re.compile(r"\+?0*(\d{1,10})", re.ASCII)


class Rank(NamedTuple):
    """What orders versions before their stamps do: greater is newer.  ``modified`` is in Unix seconds."""

    sequence: int = 0
    modified: int = 0


class Told(NamedTuple):
    """What an item says of its version; None is what it does not say, or says so that it cannot be read."""

    sequence: int | None = None
    modified: int | None = None

    def rank(self, stamp: int, sequence: int = 0) -> Rank:
        """Return the rank of an item that was written at a stamp.

        The version's own time stands for one that is not told, and ``sequence`` for the number: what is not told is no
        step back.
        """
        told = sequence if self.sequence is None else self.sequence
        return Rank(told, stamp_ms(stamp) // 1000 if self.modified is None else self.modified)


class Item(NamedTuple):
    """An item, and the message around it."""

    frame: Frame
    component: Component
    is_old: bool = False
    """It is of vCard 2.1 or vCalendar 1.0."""

    @property
    def told(self) -> Told:
        """What the item says of its version."""
        if self.component.name == "VCARD":
            return Told(None, unix_seconds(self.component.first("REV")))
        said = [component_told(part) for part in self.component.inside if part.name in ITEM_COMPONENTS]
        return Told(_greatest(one.sequence for one in said), _greatest(one.modified for one in said))


def find_item(message: bytes) -> Item | None:
    """Return the item in a serialized message, or None when there is none that can be read."""
    found = find_frame(message) if len(message) <= MAX_MESSAGE else None
    if found is None:
        return None
    frame, text = found
    if len(text) > MAX_PARSED or len(frame.slots) > MAX_COPIES:
        return None
    old = has_old_rules(text)
    try:
        return Item(frame, parse_component(text, old), old)
    except ValueError:  # it is not what it looked like
        return None


def item_told(message: bytes) -> Told:
    """Return what the item in a serialized message says of its version."""
    item = find_item(message)
    return item.told if item is not None else Told()


def component_told(component: Component) -> Told:
    """Return what an event, task or journal entry says of its version."""
    modified = (unix_seconds(component.first(name)) for name in ("LAST-MODIFIED", "DTSTAMP"))
    return Told(sequence_of(component), next((one for one in modified if one is not None), None))


def sequence_of(component: Component) -> int | None:
    """Return the SEQUENCE that an event, task or journal entry says."""
    found = _SEQUENCE.fullmatch(component.first("SEQUENCE").strip())
    return int(found[1]) if found else None


@kept_of_small
def unix_seconds(text: str) -> int | None:
    """Return a moment of iCalendar or vCard as Unix seconds; None for what is none."""
    found = _MOMENT.fullmatch(text.strip())
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    ahead = timedelta(hours=int(found[8] or 0), minutes=int(found[9] or 0))
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        seconds = int((moment + (ahead if found[7] == "-" else -ahead)).timestamp())
    except (ValueError, OverflowError):
        return None
    return max(seconds, 0)


def _greatest(numbers: Iterable[int | None]) -> int | None:
    return max((number for number in numbers if number is not None), default=None)


def may_have_overrides(message: bytes) -> bool:
    """Tell, at a glance, whether a message may hold instances of a series that are other than the series says."""
    lower = message.lower()
    return b"recurrence-id" in lower or b"content-transfer-encoding" in lower
