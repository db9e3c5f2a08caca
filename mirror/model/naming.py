"""Which part of an item each of its lines belongs to, and what a part's name says of its class.

A part is a property with all its lines, an attendee, properties that only make sense together (start, end and
recurrence; a card's names), all alarms of an event, a time zone, the message's subject, or the rest of the message.
Names follow from the text alone, so all nodes give the same ones.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from mirror.model.checksum import crc64
from mirror.model.content_lines import Component, Line, in_capitals, in_small, name_of, parse_component
from mirror.model.frame import Frame, Slot
from mirror.model.item import ITEM_COMPONENTS, Item
from mirror.model.limits import (
    ALARMS,
    AROUND,
    IDENTITIES,
    LABELS,
    MARKS,
    MAX_NAME,
    PICTURES,
    PROPERTIES,
    REVISIONS,
    TEXTS,
    TIMES,
    ZONES,
    Class,
    by_class,
)
from mirror.model.transfer import PLAIN, Style

MESSAGE = "message"
"""The part that every edit writes anew: the message around the item, and what the head says besides."""
SUBJECT = "subject"
ENCODING = "encoding"
"""The part that tells in which style an encoded item is written, see mirror.model.transfer."""
CHARSET = "charset"
"""The part that tells which charset the message declares for the item, see mirror.model.charset."""
REVISION = "revision"
WHEN = "when"
IDENTITY = "identity"
"""A component's UID; there even if that is empty, as the component is."""
ALARMS_INSIDE = "within"
"""The components inside an event; the name sorts behind all properties, where they have to be."""
SETTLED = "settled "
"""Parts named so, and the CRC-64 of a version that lost, say that the item was written by someone who had seen both.

They hold nothing: to whoever does not know them they are properties that were taken out."""
SHARE = "share "
"""Parts named so, and a number, hold those of an item's very many properties whose names come to that number."""
MANY_SHARES = PROPERTIES.count // 2
FEW_SHARES = PROPERTIES.count // (IDENTITIES.count + 1)
"""Such parts of each component: where there is one of them in the item, and where there are more."""
SEPARATOR = "\n"
"""Between the place of a component and the name of one of its parts: what no content line can hold."""

_TOGETHER = {
    WHEN: ("DTSTART", "DTEND", "DUE", "DURATION", "RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID"),
    REVISION: ("SEQUENCE", "DTSTAMP", "LAST-MODIFIED", "REV", "PRODID"),
    IDENTITY: ("UID",),
    "name": ("N", "FN"),
}
_TOLD_BY = {IDENTITY: "UID", WHEN: "RECURRENCE-ID"}
"""The parts of an event that its place is told by, and which of their properties does."""
_KINDS = ("VCALENDAR", "VCARD")
_GROUP_OF = {name: group for group, names in _TOGETHER.items() for name in names}
_CLASSES = {
    WHEN: TIMES,
    REVISION: REVISIONS,
    IDENTITY: IDENTITIES,
    **dict.fromkeys(("PHOTO", "LOGO", "SOUND", "KEY", "ATTACH"), PICTURES),
    **dict.fromkeys(("DESCRIPTION", "NOTE", "COMMENT", "X-ALT-DESC"), TEXTS),
}
AROUND_ITEM = (MESSAGE, SUBJECT, CHARSET, ENCODING)
"""Parts that are no content lines: of these every byte counts."""
_UNNOTICED = (REVISION, MESSAGE, CHARSET, ENCODING)

_encode = msgspec.msgpack.Encoder().encode
_decode_styles = msgspec.msgpack.Decoder(list[Style | None]).decode


@lru_cache(maxsize=16_384)
def class_of(name: str) -> Class:
    """Return which class of parts a name is of; it follows from the name alone."""
    if name.startswith(SETTLED):
        return MARKS
    if name in (MESSAGE, SUBJECT):  # no other name is of their class, so nothing ever drives the message out
        return AROUND
    if name in (CHARSET, ENCODING):
        return LABELS
    _, separator, own = name.rpartition(SEPARATOR)
    if separator and not own:
        return ZONES
    if own == ALARMS_INSIDE:
        return ALARMS
    return _CLASSES.get(own) or _CLASSES.get(name_of(own if own.endswith(":") else f"{own}:")) or PROPERTIES


def fits(texts: Mapping[str, bytes | None]) -> bool:
    """Tell whether parts are as many and as large as merging can keep."""
    classes = by_class(texts, class_of)
    return all(
        len(names) <= class_.count
        and all(len(texts[name] or b"") <= class_.size and len(name.encode()) <= MAX_NAME for name in names)
        for class_, names in classes.items()
    )


def is_noticed(name: str) -> bool:
    """Tell whether a part is one that a user would miss."""
    return name.rpartition(SEPARATOR)[2] not in _UNNOTICED and not name.startswith(SETTLED)


def place_of(name: str) -> str:
    """Return the place of the component that a part belongs to."""
    return name.rpartition(SEPARATOR)[0]


def kind_at(place: str) -> str:
    """Return the name of the component at a place; empty of the item as a whole."""
    return place.partition(SEPARATOR)[0]


def needed(place: str) -> list[str]:
    """Return the names of the parts without which a component at this place is not shown."""
    told = place.split(SEPARATOR)
    return [f"{place}{SEPARATOR}{name}" for name in ([IDENTITY, WHEN] if told[2] else [IDENTITY])]


# -- from an item -------------------------------------------------------------------------------------


def texts_of(item: Item | None, body: bytes, rest: bytes, shares: int | None = None) -> tuple[str, dict[str, bytes]]:
    """Return an item's kind, and the texts of its parts by name.  A message without a readable one has one: itself.

    ``shares`` tells into how many parts the properties of a component are put, 0 where each has its own; None where
    that is to be seen by their number.
    """
    if item is None:
        return whole_texts(body, rest)
    texts = _around(item.frame, rest)
    for name, lines in _named_lines(item.component):
        if name in texts:
            return whole_texts(body, rest)  # two components of one name: nothing could tell their properties apart
        texts[name] = b"\n".join(lines)
    if shares is None:
        shares = _shares(texts)
    kind = item.component.name
    return (f"{kind} in {shares}", _shared_out(texts, shares)) if shares else (kind, texts)


def whole_texts(body: bytes, rest: bytes) -> tuple[str, dict[str, bytes]]:
    """Return kind and texts of a message that is compared as a whole."""
    return "", {MESSAGE: _encode([rest, body])}


def _shares(texts: Iterable[str]) -> int:
    places = [place_of(name) for name in texts if class_of(name) is PROPERTIES]
    if len(places) <= PROPERTIES.count:
        return 0
    return FEW_SHARES if len(set(places)) > 2 else MANY_SHARES


def _shared_out(texts: Mapping[str, bytes], shares: int) -> dict[str, bytes]:
    """Return the parts of an item whose properties are put into so many at each place; their names tell which."""
    shared: dict[str, bytes] = {}
    for name, text in texts.items():
        if class_of(name) is PROPERTIES:
            place, separator, own = name.rpartition(SEPARATOR)
            name = f"{place}{separator}{SHARE}{crc64(own.encode()) % shares}"
        shared[name] = b"\n".join([shared[name], text]) if name in shared else text
    return shared


def shares_of(kind: str) -> int:
    """Return into how many parts the properties of each component of an item of this kind are put; 0 for none."""
    return int(kind.rpartition(" ")[2]) if " " in kind else 0


def component_of(kind: str) -> str:
    """Return the name of the component that an item of this kind is."""
    return kind.partition(" ")[0]


def _around(frame: Frame, rest: bytes) -> dict[str, bytes]:
    texts = {MESSAGE: _encode([rest, frame.pieces, frame.slots])}
    if frame.subject:
        texts[SUBJECT] = frame.subject
    if frame.charset:
        texts[CHARSET] = frame.charset
    if frame.styles:
        texts[ENCODING] = _encode(frame.styles)
    return texts


def _named_lines(component: Component) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the names of an item's parts with their lines."""
    yield from properties("", component)
    others: dict[str, list[bytes]] = {}
    for inside in component.inside:
        if inside.name in ITEM_COMPONENTS:
            yield from properties(_place(inside), inside)
        else:
            others.setdefault(_place(inside), []).extend(inside.written())
    yield from others.items()


def _place(component: Component) -> str:
    told_by = (*_TOLD_BY.values(), "" if component.name in ITEM_COMPONENTS else "TZID")
    return SEPARATOR.join([component.name, *(_plain(component.first(name)) for name in told_by), ""])


def _plain(text: str) -> str:
    """Return text as a name may have it: what is not UTF-8 as Latin-1."""
    if text.isascii():
        return text
    data = text.encode("utf-8", "surrogateescape")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def properties(prefix: str, component: Component) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the names, behind a prefix, of the parts that a component's properties are, with their lines."""
    groups: dict[str, list[bytes]] = {IDENTITY: []} if prefix else {}
    for line in component.lines:
        groups.setdefault(_group(line, component.name), []).append(line.raw)
    for name, lines in groups.items():
        yield prefix + name, lines
    if component.name in ITEM_COMPONENTS and component.inside:
        yield prefix + ALARMS_INSIDE, [line for inside in component.inside for line in inside.written()]


def _group(line: Line, component: str) -> str:
    name = line.name
    if name in _GROUP_OF:
        return _GROUP_OF[name]
    if name == "ATTENDEE":
        return f"{name}:{in_small(_plain(line.value))}"
    if component == "VCARD":  # a card has several numbers and addresses, told apart by their parameters
        return in_capitals(_plain(line.text[: len(line.text) - len(line.value)]))
    return name


def is_read_as(name: str, text: bytes) -> bool:
    """Tell whether a text inside the component that a name speaks of is that part, and nothing besides."""
    place, separator, own = name.rpartition(SEPARATOR)
    if place and (place.count(SEPARATOR) != 3 or (own and kind_at(place) not in ITEM_COMPONENTS)):
        return False
    if separator and not own:
        inside = _inside("X", text)
        return inside is not None and not inside.lines and {_place(one) for one in inside.inside} == {name}
    return any(_is_part(kind, place + separator, own, text) for kind in ([kind_at(place)] if place else _KINDS))


def _is_part(kind: str, prefix: str, own: str, text: bytes) -> bool:
    component = _inside(kind, text)
    if component is None:
        return False
    if prefix and own in _TOLD_BY:
        told, value = _TOLD_BY[own], prefix.split(SEPARATOR)[1 if own == IDENTITY else 2]
        if _plain(component.first(told)) != value:
            return False
    found = {name: b"\n".join(lines) for name, lines in properties("", component)}
    if own.startswith(SHARE):
        return all(class_of(name) is PROPERTIES for name in found)
    return found == ({own: text} if text else {}) and (bool(text) or own == IDENTITY)


def _inside(kind: str, text: bytes) -> Component | None:
    lines = [f"BEGIN:{kind}".encode(), *([text] if text else []), f"END:{kind}".encode()]
    try:
        return parse_component(b"\n".join(lines))
    except ValueError:
        return None


# -- back ---------------------------------------------------------------------------------------------


def rest_of(message: bytes) -> bytes:
    """Return what a head says besides the parts' edits, from the part MESSAGE."""
    rest: bytes = msgspec.msgpack.decode(message)[0]
    return rest


def whole_of(message: bytes) -> bytes:
    """Return a message without a readable item, from its part MESSAGE."""
    whole: bytes = msgspec.msgpack.decode(message)[1]
    return whole


def frame_of(texts: Mapping[str, bytes]) -> Frame:
    """Return the frame that an item's parts say."""
    told: list[Any] = msgspec.msgpack.decode(texts[MESSAGE])
    slots = tuple(Slot(*slot) for slot in told[2])
    styles = _styles(texts.get(ENCODING), slots)
    return Frame(tuple(told[1]), slots, texts.get(SUBJECT, b""), texts.get(CHARSET, b""), styles)


def _styles(held: bytes | None, slots: tuple[Slot, ...]) -> tuple[Style | None, ...]:
    """Return the styles of the slots; a style is of use only where it fits: the message may be another's."""
    told = _read_styles(held) if held else []
    styles = (told + [None] * len(slots))[: len(slots)]
    return tuple(None if slot.encoding in PLAIN else style for slot, style in zip(slots, styles, strict=True))


def _read_styles(held: bytes) -> list[Style | None]:
    """Return styles from a part, which a head from elsewhere may hold: None for what is no style."""
    try:
        told = _decode_styles(held)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return []
    return [style if style and style.width >= 0 and style.end in (b"\n", b"\r\n") else None for style in told]
