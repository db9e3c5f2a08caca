"""An item in a message that says it as a file would: most do, and then it is found at a glance, and taken as it stands.

Of what is not as plain, by whatever it is, ``mirror.formats.vdir_item`` says what it is.  What is found here is found
there as well, and the same; tests hold the two together.  Bytes in, bytes out.
"""

import re
from typing import NamedTuple

from mirror.model.keys import key_of_id
from mirror.model.kinds import ITEM_PREFIX

CALENDAR, CARD, NOTE = "VCALENDAR", "VCARD", "VNOTE"
ENDINGS = {CALENDAR: ".ics", CARD: ".vcf", NOTE: ".vnt"}
"""How the names of an item's files end."""
SMALL = 64 * 1024
"""Bytes of a message up to which it is looked at like that."""

_REST = rb"[;:][^\r\n\0]*\r\n(?:[ \t][^\r\n\0]*\r\n)*"
"""What follows a property's name."""
_OUTER = rb"(?:(?!(?:BEGIN|END|UID)[;:])[A-Z0-9-]+" + _REST + rb")*"
_INNER = rb"(?:(?!(?:BEGIN|END)[;:])[A-Z0-9-]+" + _REST + rb")*"
_OF_CARDS = rb"(?:(?:[A-Za-z0-9_-]+\.)?(?!(?:BEGIN|END|AGENT)[;:])[A-Z0-9-]+" + _REST + rb")*"
_INNERMOST = rb"(?:BEGIN:([A-Z0-9-]+)\r\n" + _OUTER + rb"END:\4\r\n)*"
_COMPONENTS = rb"(?:BEGIN:([A-Z0-9-]+)\r\n" + _INNER + _INNERMOST + rb"END:\3\r\n)*"
_PLAIN = re.compile(
    rb"\xff[^\0]{2}(?:[^M\0][^\0]*\0){0,99}MContent-type: text/(?:calendar|vcard)(?:; charset=UTF-8)?\r\n\r\n"
    rb"(BEGIN:(?:(VCALENDAR)\r\n"
    + _OUTER
    + _COMPONENTS
    + rb"END:VCALENDAR|VCARD\r\n"
    + _OF_CARDS
    + rb"END:VCARD)\r\n)\0"
)
"""A message with nothing but its item.

Properties stand before the components inside, since a component is written so; a UID where it is the item's own.
Nothing in it can be matched in two ways, so it needs no possessive quantifiers, of which Python 3.11.2 overlooks some.
"""
_UID = re.compile(rb"\n(?:[A-Za-z0-9_-]+\.)?UID(?::([^\r\n\"]+)\r\n(?![ \t]))?")
_OLD_OR_CUT = re.compile(rb"\nVERSION[^:]*:[ \t]*(?:2\.1|1\.0)|=\r\n")
"""Of vCard 2.1 or vCalendar 1.0, or what may be quoted-printable: these have other rules for lines."""


class VdirItem(NamedTuple):
    """What a file holds: which kind of item, its UID, what a list of items would show of it, and the file's bytes."""

    kind: str
    uid: str
    summary: str
    data: bytes

    @property
    def key(self) -> str:
        """The key of its record."""
        return key_of_id(ITEM_PREFIX, self.uid)


def plain_item(body: bytes) -> VdirItem | None:
    """Return the item in a message, its summary left out; None where it is not plain to see, or there is none."""
    found = _PLAIN.fullmatch(body) if len(body) <= SMALL else None
    if found is None or _OLD_OR_CUT.search(found[1]):
        return None
    uid = _UID.search(found[1])
    if uid is None or uid[1] is None:
        return None
    return VdirItem(CALENDAR if found[2] else CARD, uid[1].decode("utf-8", "surrogateescape").strip(), "", found[1])
