"""Names of an item's parts: what they are made of, and what follows from them.

A part of a component is named by the component's place and a name of its own, with LF between, which no content line
can hold.  A place is the component's name, UID, RECURRENCE-ID and TZID, with LF between; that of the item itself is
empty.  What is one of a list is named by the list and what tells it apart, with a colon between.
"""

import hashlib
from functools import lru_cache

from mirror.model.limits import (
    ALARMS,
    ANSWERS,
    AROUND,
    DEFAULTS,
    ENTRIES,
    IDENTITIES,
    LABELS,
    LISTS,
    MARKS,
    PICTURES,
    PROPERTIES,
    REVISIONS,
    TEXTS,
    TIMES,
    ZONES,
    ZONES_KEPT,
    Class,
)

SEPARATOR = "\n"
"""Between the fields of a place, and behind it."""
MAX_TOLD = 120
"""Bytes of a value in a name; of longer ones it has the beginning and a hash."""
ITEM_COMPONENTS = ("VEVENT", "VTODO", "VJOURNAL")

# Parts around the item.
MESSAGE = "message"
"""The part that every edit writes anew: the message around the item, and what the head says besides."""
SUBJECT = "subject"
CHARSET = "charset"
"""The part that tells which charset the message declares for the item, see mirror.model.charset."""
ENCODING = "encoding"
"""The part that tells in which style an encoded item is written, see mirror.model.transfer."""
AROUND_ITEM = (MESSAGE, SUBJECT, CHARSET, ENCODING)
"""Parts that are no content lines: of these every byte counts."""
SETTLED = "settled "
"""Parts named so, and the CRC-64 of a version that lost, say that the item was written by someone who had seen both.

They hold nothing: to whoever does not know them they are properties that were taken out."""

# Parts of several properties.
IDENTITY = "identity"
"""A component's UID; there even if that is empty, as the component is."""
WHEN = "when"
REVISION = "revision"
NAME = "name"
DONE = "STATUS"
"""Of a task, how far it is done."""
INSIDE = "within"
"""The components inside an event that are no alarms; the name sorts behind all properties, where they have to be."""
TOGETHER = {
    **dict.fromkeys(("DTSTART", "DTEND", "DUE", "DURATION", "RRULE", "RDATE", "EXRULE", "RECURRENCE-ID"), WHEN),
    **dict.fromkeys(("SEQUENCE", "DTSTAMP", "LAST-MODIFIED", "X-MOZ-GENERATION", "REV", "PRODID"), REVISION),
    "UID": IDENTITY,
    **dict.fromkeys(("N", "FN"), NAME),
    **dict.fromkeys(("X-ALT-DESC", "STYLED-DESCRIPTION"), "DESCRIPTION"),
    **dict.fromkeys(("GEO", "X-APPLE-STRUCTURED-LOCATION", "X-APPLE-MAPKIT-HANDLE"), "LOCATION"),
}
"""Properties that make sense only together, by the part that they are in.  Of cards GEO is a property of its own."""
TASK_TOGETHER = dict.fromkeys(("COMPLETED", "PERCENT-COMPLETE"), DONE)

# Lists.
VALUE_LISTS = ("EXDATE", "CATEGORIES", "RESOURCES")
"""Properties that have several values in a line: there is a part for their lines, and one for each value."""
CALENDAR_LISTS = frozenset(("ATTENDEE", "ATTACH", "RELATED-TO", "CONFERENCE", "IMAGE"))
"""Properties of events that may stand often, told apart by their values."""
INLINE = frozenset(("ATTACH", "IMAGE"))
"""Of these, properties that may hold what they speak of; such are one part."""
CARD_LISTS = frozenset(
    [
        "TEL",
        "EMAIL",
        "ADR",
        "LABEL",
        "URL",
        "IMPP",
        "MEMBER",
        "RELATED",
        "LANG",
        "CALURI",
        "CALADRURI",
        "FBURL",
        "X-SOCIALPROFILE",
        "X-ABDATE",
        "X-ABRELATEDNAMES",
        "X-ADDRESSBOOKSERVER-MEMBER",
        "X-AIM",
        "X-GADUGADU",
        "X-GTALK",
        "X-GOOGLE-TALK",
        "X-GROUPWISE",
        "X-ICQ",
        "X-JABBER",
        "X-MSN",
        "X-QQ",
        "X-SIP",
        "X-SKYPE",
        "X-SKYPE-USERNAME",
        "X-TWITTER",
        "X-YAHOO",
    ]
)
"""Properties of cards that may stand often, told apart by their values and parameters."""
CHANGING = CARD_LISTS - frozenset(
    ["MEMBER", "X-ADDRESSBOOKSERVER-MEMBER", "RELATED", "CALURI", "CALADRURI", "FBURL", "LANG"]
)
"""Lists whose entries are changed, as a telephone number is; of the others they are put in and taken out."""
CARD_SINGLES = frozenset(
    ["BDAY", "ANNIVERSARY", "DEATHDATE", "GENDER", "KIND", "VERSION", "PHOTO", "LOGO", "SOUND", "KEY"]
)
"""Properties of cards that are one part whatever their parameters: they may stand once, or hold much."""
ALARM = "VALARM:"
ALARM_BY_TIME = f"{ALARM}ACTION:"
"""Alarms that nothing tells apart but when and how they ring."""
ATTENDEE = "ATTENDEE:"
ANSWER = "PARTSTAT:"
"""What an attendee answers, named as the attendee is."""

# Parts that stand for others.
SHARE = "share "
"""Parts named so, and a number, hold those of an item's very many properties whose names come to that number."""
MANY_SHARES = PROPERTIES.count // 2
FEW_SHARES = PROPERTIES.count // (IDENTITIES.count + 1)
"""Such parts of each component: where there is one of them in the item, and where there are more."""
KEPT = "kept"
"""Of a time zone that was taken out, what it said: in case that it is needed."""
DEFAULT = " *"
"""Behind the name of a list: the edit of those of its entries that are not named.  0.1.0 edited lists as a whole."""

_UNNOTICED = (REVISION, MESSAGE, CHARSET, ENCODING, KEPT)
_CLASSES = {
    WHEN: TIMES,
    REVISION: REVISIONS,
    IDENTITY: IDENTITIES,
    INSIDE: ALARMS,
    KEPT: ZONES_KEPT,
    "EXDATE": LISTS,
    **dict.fromkeys(("PHOTO", "LOGO", "SOUND", "KEY", "ATTACH", "IMAGE"), PICTURES),
    **dict.fromkeys(("DESCRIPTION", "NOTE", "COMMENT"), TEXTS),
}

_kept = lru_cache(maxsize=32_768)
"""What follows from a name is asked again and again."""


@_kept
def class_of(name: str) -> Class:
    """Return which class of parts a name is of; it follows from the name alone."""
    if name.startswith(SETTLED):
        return MARKS
    if name in AROUND_ITEM:  # no other names are of their classes, so nothing ever drives the message out
        return AROUND if name == MESSAGE else LABELS
    _, separator, own = name.rpartition(SEPARATOR)
    if separator and not own:
        return ZONES
    if own.endswith(DEFAULT):
        return DEFAULTS
    if own.startswith(ALARM):
        return ALARMS
    if own.startswith(ANSWER):
        return ANSWERS
    if own.partition(":")[0] in VALUE_LISTS and ":" in own:
        return ENTRIES
    return _CLASSES.get(own) or _CLASSES.get(own.partition(";")[0]) or PROPERTIES


@_kept
def is_noticed(name: str) -> bool:
    """Tell whether a part is one that a user would miss."""
    own = own_name(name)
    return own not in (*_UNNOTICED, *VALUE_LISTS) and not name.startswith(SETTLED) and not own.endswith(DEFAULT)


def told(text: str) -> str:
    """Return text as a name has it: bounded, in one line, and of what is not UTF-8 as Latin-1."""
    data = text.encode("utf-8", "surrogateescape")
    if not text.isascii():
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    if len(data) > MAX_TOLD:
        text = f"{text[: MAX_TOLD // 4]}#{hashlib.sha256(data).hexdigest()[:32]}"
    return text.replace(SEPARATOR, " ")


@_kept
def own_name(name: str) -> str:
    """Return a part's name without the place of its component."""
    return name.rpartition(SEPARATOR)[2]


@_kept
def family(name: str) -> str:
    """Return the name of the property, or component, that a part is, or is one of."""
    return own_name(name).partition(":")[0].partition(";")[0]


@_kept
def place_of(name: str) -> str:
    """Return the place of the component that a part belongs to."""
    return name.rpartition(SEPARATOR)[0]


def at(place: str, own: str) -> str:
    """Return the name of a part of the component at a place."""
    return f"{place}{SEPARATOR}{own}" if place else own


@_kept
def kind_at(place: str) -> str:
    """Return the name of the component at a place; empty of the item as a whole."""
    return place.partition(SEPARATOR)[0]


@_kept
def is_override(place: str) -> bool:
    """Tell whether the component at a place speaks of one instance of a series."""
    return bool(place) and place.split(SEPARATOR)[2:3] not in ([], [""])


@_kept
def is_value(name: str) -> bool:
    """Tell whether a part is one of the values that stand in a list's lines."""
    own = own_name(name)
    return ":" in own and family(name) in VALUE_LISTS


@_kept
def is_never_shown(name: str) -> bool:
    """Tell whether a part speaks of others, and is nothing that a text could show."""
    own = own_name(name)
    return own == KEPT or own.endswith(DEFAULT)


@_kept
def may_change(name: str) -> bool:
    """Tell whether a part is of a list whose entries are changed, so that their texts may come to have other names."""
    return family(name) in CHANGING or own_name(name).startswith(ALARM_BY_TIME)


@_kept
def series_of(place: str) -> str:
    """Return the place of the series that a component at a place speaks of, or is itself."""
    fields = place.split(SEPARATOR)
    return SEPARATOR.join([*fields[:2], "", *fields[3:]])


def is_zone(name: str) -> bool:
    """Tell whether a part is a time zone as the text has it."""
    return name.endswith(SEPARATOR) and kind_at(place_of(name)) == "VTIMEZONE"


def needed(place: str) -> list[str]:
    """Return the names of the parts without which a component at this place is not shown."""
    return [at(place, own) for own in ([IDENTITY, WHEN] if is_override(place) else [IDENTITY])]


@_kept
def context_of(name: str) -> str:
    """Return the part that a part was written under, so that it holds only while that is as it was; empty for none.

    An attendee's answer is to the time that was asked for, and a task is done for the time that it had.
    """
    place, _, own = name.rpartition(SEPARATOR)
    if own.startswith(ANSWER) or (own == DONE and kind_at(place) == "VTODO"):
        return at(place, WHEN)
    return ""


@_kept
def outlives(name: str) -> bool:
    """Tell whether a part stays although a later version is without it: it is shown only with what it speaks of."""
    own = own_name(name)
    return own == KEPT or own.startswith(ANSWER)


@_kept
def default_of(name: str) -> str:
    """Return the name that stands for all entries of a list that are not named; empty of what is in no list."""
    place, _, own = name.rpartition(SEPARATOR)
    listed, colon, _ = own.partition(":")
    return at(place, listed + DEFAULT) if colon and not own.startswith((ATTENDEE, ANSWER)) else ""


# -- kinds of items -----------------------------------------------------------------------------------


def component_of(kind: str) -> str:
    """Return the name of the component that an item of this kind is."""
    return "VCALENDAR" if kind == OLD_CALENDAR else kind.partition(" ")[0]


OLD_CALENDAR = "VCAL 1.0"
"""The kind of items of vCalendar 1.0; it sorts before that of the others, which so win over it as a whole."""


def shares_of(kind: str) -> int:
    """Return into how many parts the properties of each component of an item of this kind are put; 0 for none."""
    return int(kind.rpartition(" ")[2]) if " in " in kind else 0
