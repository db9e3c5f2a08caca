"""Which part of an item each of its lines belongs to.  Names follow from the text alone, so all nodes give the same.

What parts there are is said in mirror.model.names.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from mirror.model.answers import taken_apart
from mirror.model.checksum import crc64
from mirror.model.content_lines import Component, Line, inside_of
from mirror.model.frame import Frame, Slot
from mirror.model.item import Item
from mirror.model.limits import ANSWERS, ENTRIES, MAX_NAME, PROPERTIES
from mirror.model.lists import entries
from mirror.model.names import (
    ALARM,
    ANSWER,
    ATTENDEE,
    CALENDAR_LISTS,
    CARD_LISTS,
    CARD_SINGLES,
    CHARSET,
    DONE,
    ENCODING,
    FEW_SHARES,
    IDENTITY,
    INLINE,
    INSIDE,
    ITEM_COMPONENTS,
    KEPT,
    MANY_SHARES,
    MESSAGE,
    OLD_CALENDAR,
    SEPARATOR,
    SHARE,
    SUBJECT,
    TASK_TOGETHER,
    TOGETHER,
    VALUE_LISTS,
    at,
    class_of,
    default_of,
    family,
    kind_at,
    own_name,
    place_of,
    told,
)
from mirror.model.transfer import PLAIN, Style
from mirror.model.values import address, meaning_of, parameters, said_by, value_of_type

_NOT_IN_NAMES = ("ENCODING", "CHARSET", "VALUE", "PREF", "MEDIATYPE")
"""Parameters that say nothing of which property of its name it is."""

_encode = msgspec.msgpack.Encoder().encode
_decode_styles = msgspec.msgpack.Decoder(list[Style | None]).decode

Texts = dict[str, bytes]
"""What parts hold, by their names."""


class Named(NamedTuple):
    """A kind of item, and the texts of its parts in their order."""

    kind: str
    texts: Texts


# -- from an item -------------------------------------------------------------------------------------


def named(item: Item | None, body: bytes, rest: bytes, shares: int | None = None) -> Named:
    """Return the parts of an item.  A message without a readable one has one: itself.

    ``shares`` tells into how many parts the properties of a component are put, 0 where each has its own and each value
    of a list, and each answer, too; None where that is to be seen by their number.
    """
    if item is None:
        return whole(body, rest)
    kind = OLD_CALENDAR if item.component.name == "VCALENDAR" and item.is_old else item.component.name
    texts = _texts(item, rest, apart=not shares)
    if texts is not None and shares is None and (shares := _shares(texts)):
        texts = _texts(item, rest, apart=False)
    if texts is None:
        return whole(body, rest)
    return Named(f"{kind} in {shares}", _shared_out(texts, shares)) if shares else Named(kind, texts)


def _texts(item: Item, rest: bytes, apart: bool) -> Texts | None:
    """Return the texts of an item's parts; None of two components of one place, which nothing could tell apart."""
    texts = around(item.frame, rest)
    for name, text in item_texts(item.component, apart):
        if name in texts:
            return None
        texts[name] = text
    return texts


def whole(body: bytes, rest: bytes) -> Named:
    """Return a message that is compared as a whole."""
    return Named("", {MESSAGE: _encode([rest, body])})


def fits(texts: Mapping[str, bytes | None]) -> bool:
    """Tell whether parts are as many and as large as merging can keep."""
    counts: dict[str, int] = {}
    for name, text in texts.items():
        class_ = class_of(name)
        counts[class_.holds] = count = counts.get(class_.holds, 0) + 1
        if count > class_.count or (text is not None and len(text) > class_.size):
            return False
        if len(name) > MAX_NAME // 4 and len(name.encode()) > MAX_NAME:
            return False
    return True


def _shares(texts: Texts) -> int:
    bounded = (PROPERTIES, ENTRIES, ANSWERS)
    if len(texts) <= min(many.count for many in bounded):
        return 0
    classes = Counter(class_of(name).holds for name in texts)
    if all(classes[many.holds] <= many.count for many in bounded):
        return 0
    places = {place_of(name) for name in texts if class_of(name) is PROPERTIES}
    return FEW_SHARES if len(places) > 2 else MANY_SHARES


def _shared_out(texts: Texts, shares: int) -> Texts:
    """Return the parts of an item whose properties are put into so many at each place; their names tell which."""
    shared: Texts = {}
    for name, text in texts.items():
        if class_of(name) is PROPERTIES and name != "VERSION":  # which says how all others are to be read
            name = at(place_of(name), f"{SHARE}{crc64(own_name(name).encode()) % shares}")
        shared[name] = b"\n".join([shared[name], text]) if name in shared else text
    return shared


def around(frame: Frame, rest: bytes) -> Texts:
    """Return the parts of a message around its item, and of what its head says besides."""
    texts = {MESSAGE: _encode([rest, frame.pieces, frame.slots])}
    if frame.subject:
        texts[SUBJECT] = frame.subject
    if frame.charset:
        texts[CHARSET] = frame.charset
    if frame.styles:
        texts[ENCODING] = _encode(frame.styles)
    return texts


def item_texts(component: Component, apart: bool = True) -> Iterator[tuple[str, bytes]]:
    """Yield the names of an item's parts and their texts; with values of lists and answers ``apart``."""
    yield from texts_at("", component, apart)
    others: dict[str, list[bytes]] = {}
    for inside in component.inside:
        if inside.name in ITEM_COMPONENTS:
            yield from texts_at(place(inside), inside, apart)
        else:
            others.setdefault(place(inside) + SEPARATOR, []).extend(inside.written())
    for name, lines in others.items():
        yield name, b"\n".join(lines)


def place(component: Component) -> str:
    """Return the place of a component inside an item."""
    told_by = ("UID", "RECURRENCE-ID", "" if component.name in ITEM_COMPONENTS else "TZID")
    return SEPARATOR.join([component.name, *(told(component.first(name)) for name in told_by)])


def texts_at(where: str, component: Component, apart: bool = True) -> Iterator[tuple[str, bytes]]:
    """Yield the names and texts of the parts of a component at a place; not of the components inside an item."""
    parts: dict[str, list[Line]] = {IDENTITY: []} if where else {}
    listed: dict[str, str] = {}
    for name, lines in by_name(component):
        if name in parts:
            parts[name].extend(lines)
        else:
            parts[name] = lines
    for name, lines in parts.items():
        if apart and len(lines) == 1 and name.startswith(ATTENDEE):
            text, answer = taken_apart(lines[0])
            yield at(where, name), text
            yield at(where, ANSWER + name.removeprefix(ATTENDEE)), answer
            continue
        if apart and name in VALUE_LISTS:
            listed |= {f"{name}:{value}": alone for line in lines for value, alone in entries(line)}
        yield at(where, name), lines[0].raw if len(lines) == 1 else b"\n".join([line.raw for line in lines])
    if component.name in ITEM_COMPONENTS:
        for name, raws in _by_alarm(component.inside).items():
            yield at(where, name), b"\n".join(raws)
    for name, alone in listed.items():
        yield at(where, name), alone.encode("utf-8", "surrogateescape")


def _by_alarm(inside: Iterable[Component]) -> dict[str, list[bytes]]:
    """Return the lines of components inside an event, by the own names of their parts."""
    alarms: dict[str, list[bytes]] = {}
    for one in inside:
        alarms.setdefault(alarm(one), []).extend(one.written())
    return alarms


def by_name(component: Component) -> Iterator[tuple[str, list[Line]]]:
    """Yield a component's lines with the own names of their parts; those that a card binds together at once."""
    if component.name != "VCARD":
        for line in component.lines:
            yield _calendar_name(line, component.name), [line]
        return
    groups: dict[str, list[Line]] = {}
    for number, line in enumerate(component.lines):
        groups.setdefault(line.group.upper() or f"\n{number}", []).append(line)
    for lines in groups.values():
        yield group_name(lines), lines


def _calendar_name(line: Line, component: str) -> str:
    name = line.name
    if component == "VTODO" and name in TASK_TOGETHER:
        return DONE
    if name in CALENDAR_LISTS and component in ITEM_COMPONENTS:
        if name in INLINE and "ENCODING" in parameters(line):  # it is in the item, not named by it
            return name
        return f"{name}:{told(address(line.value) if name == 'ATTENDEE' else value_of_type(name, line.value))}"
    return TOGETHER.get(name, name)


# -- names of cards' properties, and of alarms --------------------------------------------------------

_SATELLITES = ("X-ABLABEL", "X-ABADR")
"""Properties that only say something of another one in their group."""


def group_name(lines: list[Line]) -> str:
    """Return the own name of the part that properties of one group of a card are: not by its label."""
    if len(lines) == 1:
        return card_name(lines[0])
    speaking = [line for line in lines if line.name not in _SATELLITES] or lines
    return min(card_name(line) for line in speaking)


def card_name(line: Line) -> str:
    """Return the own name of the part that a property of a card would be if it stood alone."""
    return _card_name(line.name, line.text)


@lru_cache(maxsize=8192)
def _card_name(name: str, text: str) -> str:
    if name in TOGETHER and name != "GEO":
        return TOGETHER[name]
    if name in CARD_SINGLES or name in VALUE_LISTS:
        return name
    line = Line(name, b"", text)
    known = {one: held for one, held in parameters(line).items() if one not in _NOT_IN_NAMES}
    said = "".join(f";{one}={','.join(held)}".replace(":", ".") for one, held in sorted(known.items()))
    if name not in CARD_LISTS:
        return told(name + said)
    return f"{told(name + said)}:{told(value_of_type(name, said_by(line)[1]))}"


def alarm(component: Component) -> str:
    """Return the own name of the part that a component inside an event is."""
    if component.name != "VALARM":
        return INSIDE
    known = component.first("UID") or component.first("X-WR-ALARMUID")
    if known:
        return f"{ALARM}{told(known)}"
    rings = sorted(meaning_of(line) for line in component.lines if line.name in ("ACTION", "TRIGGER"))
    return f"{ALARM}{told(' '.join(rings))}"


# -- of one part alone --------------------------------------------------------------------------------


def read_alone(name: str, text: bytes, old: bool = False) -> dict[str, bytes]:
    """Return the parts, by their own names, that a part's text would be read as.  Raises ValueError."""
    kind = kind_at(place_of(name))
    if kind and kind not in ITEM_COMPONENTS:
        return {own_name(name): b"\n".join(inside.written()) for inside in inside_of("X", text, old).inside}
    found: dict[str, bytes] = {}
    for one in [kind] if kind else ["VCALENDAR", "VCARD"]:
        component = inside_of(one, text, old)
        found = dict(texts_at("", component))
        if own_name(name) in found:
            break
    return found


def reads_as(name: str, text: bytes) -> bool:
    """Tell whether a text, where it stands in the component that a part's name speaks of, is that part and no other."""
    where, own = place_of(name), own_name(name)
    if where and where.count(SEPARATOR) != 3:
        return False
    if own.startswith(ANSWER):
        return re.fullmatch(rb"[A-Z-]{1,32}", text) is not None
    try:
        if where and kind_at(where) not in ITEM_COMPONENTS:
            others = inside_of("X", text)
            return not others.lines and {place(one) for one in others.inside} == {where} and own in ("", KEPT)
        found = read_alone(name, text)
        inside = inside_of(kind_at(where) or "VCARD", text).inside
    except ValueError:
        return False
    if bool(inside) != (own == INSIDE or own.startswith(ALARM)) or not own:
        return False
    if not text:
        return own == IDENTITY
    if own.startswith(SHARE):
        return all(class_of(one) in (PROPERTIES, ENTRIES) for one in found)
    if own in found and family(own) in VALUE_LISTS:
        return {family(one) for one in found} == {family(own)}
    if own.startswith(ATTENDEE):
        return own in found and {one for one in found if not one.startswith(ANSWER)} == {own}
    return found.keys() == {own} or (bool(default_of(own)) and {family(one) for one in found} == {family(own)})


# -- back ---------------------------------------------------------------------------------------------


def rest_of(message: bytes) -> bytes:
    """Return what a head says besides the parts' edits, from the part MESSAGE."""
    rest: bytes = msgspec.msgpack.decode(message)[0]
    return rest


def whole_of(message: bytes) -> bytes:
    """Return a message without a readable item, from its part MESSAGE."""
    body: bytes = msgspec.msgpack.decode(message)[1]
    return body


def frame_of(texts: Mapping[str, bytes]) -> Frame:
    """Return the frame that an item's parts say."""
    said: list[Any] = msgspec.msgpack.decode(texts[MESSAGE])
    slots = tuple(Slot(*slot) for slot in said[2])
    styles = _styles(texts.get(ENCODING), slots)
    return Frame(tuple(said[1]), slots, texts.get(SUBJECT, b""), texts.get(CHARSET, b""), styles)


def _styles(held: bytes | None, slots: tuple[Slot, ...]) -> tuple[Style | None, ...]:
    """Return the styles of the slots; a style is of use only where it fits: the message may be another's."""
    said = _read_styles(held) if held else []
    styles = (said + [None] * len(slots))[: len(slots)]
    return tuple(None if slot.encoding in PLAIN else style for slot, style in zip(slots, styles, strict=True))


def _read_styles(held: bytes) -> list[Style | None]:
    """Return styles from a part, which a head from elsewhere may hold: None for what is no style."""
    try:
        said = _decode_styles(held)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return []
    return [style if style and style.width >= 0 and style.end in (b"\n", b"\r\n") else None for style in said]
