"""An item's parts, each with the edit that last changed it: so edits of different properties merge.

What three-way merging needs a common ancestor for, which side changed a property, is kept with the property: the
edit that wrote it.  Two versions are merged part by part, the later edit of each part wins, where "later" is what
RFC 5546 says first and the version after that.  That is a join, whatever the order in which versions meet; merging
with a stored ancestor is not.

A part is a property with all its lines, an attendee, properties that only make sense together (start, end and
recurrence; a card's names), all alarms of an event, a time zone, the message's subject, or the rest of the message.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from mirror.model.content_lines import Component, fold, name_of, value_of
from mirror.model.errors import BadRecord
from mirror.model.item import ITEM_COMPONENTS, Item, Rank, find_item
from mirror.model.limits import (
    ALARMS,
    AROUND,
    IDENTITIES,
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
    check_names,
    greatest,
)
from mirror.model.record import MAX_ORIGIN, Record, pack_head, unpack_head

HEAD_KEY = "written"
"""Under this name a head keeps who wrote which part, where that is not the version as a whole."""
MESSAGE = "message"
"""The part that every edit writes anew: the message around the item, and what the head says besides."""
SUBJECT = "subject"
_TOGETHER = {
    "when": ("DTSTART", "DTEND", "DUE", "DURATION", "RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID"),
    "revision": ("SEQUENCE", "DTSTAMP", "LAST-MODIFIED", "REV", "PRODID"),
    "identity": ("UID",),
    "name": ("N", "FN"),
}
_GROUP_OF = {name: group for group, names in _TOGETHER.items() for name in names}
_CLASSES = {
    "when": TIMES,
    "revision": REVISIONS,
    "identity": IDENTITIES,
    **dict.fromkeys(("PHOTO", "LOGO", "SOUND", "KEY", "ATTACH"), PICTURES),
    **dict.fromkeys(("DESCRIPTION", "NOTE", "COMMENT", "X-ALT-DESC"), TEXTS),
}
_ALARMS = "within"
"""The components inside an event; the name sorts behind all properties, where they have to be."""
_UNNOTICED = ("revision", MESSAGE)
SETTLED = "settled "
"""Parts named so, and the CRC-64 of a version that lost, say that the item was written by someone who had seen both.

They hold nothing: to whoever does not know them they are properties that were taken out."""
_SEPARATOR = "\n"
"""Between the place of a component and the name of one of its parts: what no content line can hold."""


class Edit(NamedTuple):
    """When a part was written.  Greater is later."""

    rank: Rank
    stamp: int
    origin: str


class Part(NamedTuple):
    """What a part holds, None when it was taken out, and the edit that said so."""

    edit: Edit
    holds: bytes | None

    @property
    def order(self) -> tuple[Edit, bool, bytes]:
        return self.edit, self.holds is not None, self.holds or b""


class Parts(NamedTuple):
    """A version of an item as a function from names to parts; what is not named was last said by ``base``."""

    kind: str
    base: Edit
    named: dict[str, Part]

    def get(self, name: str) -> Part:
        return self.named.get(name) or Part(self.base, None)

    @property
    def latest(self) -> Edit:
        """The latest edit of all."""
        return max((part.edit for part in self.named.values()), default=self.base)


class _Said(msgspec.Struct, array_like=True):
    """How a head keeps one part's edit; ``hidden`` is what it holds where the text does not show it."""

    sequence: int
    modified: int
    stamp: int
    origin: str
    hidden: str | None = None

    @property
    def edit(self) -> Edit:
        return Edit(Rank(self.sequence, self.modified), self.stamp, self.origin)


_Written = dict[str, _Said]
_decode_written = msgspec.msgpack.Decoder(_Written).decode
_encode = msgspec.msgpack.Encoder().encode


# -- reading ------------------------------------------------------------------------------------------


def read_parts(record: Record, body: bytes) -> Parts:
    """Return the parts of a living record with this body.  Raises BadRecord when its head cannot be read."""
    rest = unpack_head(record.head)
    said = _written(record, rest.pop(HEAD_KEY, None))
    item = find_item(body)
    kind, texts = _texts(item, body, pack_head(rest))
    own = said.pop("", None)
    rank = item.rank if item is not None else Rank()
    base = own.edit if own is not None else Edit(rank, record.stamp, record.origin)
    named = {name: Part(said[name].edit if name in said else base, text) for name, text in texts.items()}
    for name, one in said.items():
        if name not in named:
            named[name] = Part(one.edit, None if one.hidden is None else one.hidden.encode())
    return Parts(kind, base, named)


def _written(record: Record, held: Any) -> _Written:
    if held is None:
        return {}
    try:
        written: _Written = _decode_written(_encode(held))
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise BadRecord(f"record {record.collection} {record.key!r}: who wrote its parts: {error}") from None
    return written


def check_written(record: Record) -> None:
    """Raise BadRecord when a head speaks of edits later than its record; they would win for ever."""
    head = unpack_head(record.head) if record.head else {}
    where = f"record {record.collection} {record.key[:80]!r}"
    written = _written(record, head.get(HEAD_KEY))
    check_names(written, where)
    for class_, names in by_class(written.keys() - {""}, class_of).items():
        if len(names) > class_.count:
            raise BadRecord(f"{where}: {len(names)} {class_.holds} are over the limit of {class_.count}")
    for name, one in written.items():
        if not 0 < one.stamp <= record.stamp:
            raise BadRecord(f"{where}: its part {name[:40]!r} is later than itself")
        if not 0 < len(one.origin) <= MAX_ORIGIN:
            raise BadRecord(f"{where}: its part {name[:40]!r} has an origin of {len(one.origin)} characters")
        if one.hidden is not None and len(one.hidden.encode()) > class_of(name).size:
            raise BadRecord(f"{where}: its part {name[:40]!r} has more than {class_of(name).size} bytes")


def class_of(name: str) -> Class:
    """Return which class of parts a name is of; it follows from the name alone."""
    if name.startswith(SETTLED):
        return MARKS
    if name in (MESSAGE, SUBJECT):  # no other name is of their class, so nothing ever drives the message out
        return AROUND
    _, separator, own = name.rpartition(_SEPARATOR)
    if separator and not own:
        return ZONES
    if own == _ALARMS:
        return ALARMS
    return _CLASSES.get(own) or _CLASSES.get(name_of(own if own.endswith(":") else f"{own}:")) or PROPERTIES


def _fits(texts: Mapping[str, bytes]) -> bool:
    """Tell whether parts are as many and as large as merging can keep."""
    classes = by_class(texts, class_of)
    return all(
        len(names) <= class_.count
        and all(len(texts[name]) <= class_.size and len(name.encode()) <= MAX_NAME for name in names)
        for class_, names in classes.items()
    )


def _texts(item: Item | None, body: bytes, rest: bytes) -> tuple[str, dict[str, bytes]]:
    """Return what the parts hold.  A message without a readable item has one part: itself."""
    whole = ("", {MESSAGE: _encode([rest, body])})
    if item is None:
        return whole
    before, subject = _cut_subject(item.before)
    texts = {MESSAGE: _encode([rest, before, item.after, item.line_end]), SUBJECT: subject}
    for name, lines in _lines(item.component):
        if name in texts:
            return whole  # two components of one name: nothing could tell their properties apart
        texts[name] = "\n".join(lines).encode()
    return (item.component.name, texts) if _fits(texts) else whole


def _cut_subject(before: bytes) -> tuple[list[bytes], bytes]:
    """Take the subject, field U of a serialized message, out of what stands before an item."""
    start = before.find(b"\0U")
    end = before.find(b"\0", start + 2)
    return ([before[: start + 2], before[end:]], before[start + 2 : end]) if 0 <= start < end else ([before], b"")


def _lines(component: Component) -> Iterator[tuple[str, list[str]]]:
    """Yield the names of an item's parts with their lines."""
    yield from _properties("", component)
    for inside in component.inside:
        if inside.name in ITEM_COMPONENTS:
            yield from _properties(_place(inside), inside)
        else:
            yield _place(inside), list(inside.written())


def _place(component: Component) -> str:
    told_by = ("UID", "RECURRENCE-ID", "TZID")
    return _SEPARATOR.join([component.name, *(component.first(name) for name in told_by), ""])


def _properties(prefix: str, component: Component) -> Iterator[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {"identity": []}  # it is there even if it is empty, as the component is
    for line in component.lines:
        groups.setdefault(_group(line, component.name), []).append(line)
    for name, lines in groups.items():
        yield prefix + name, lines
    if component.name in ITEM_COMPONENTS and component.inside:
        yield prefix + _ALARMS, [line for inside in component.inside for line in inside.written()]


def _group(line: str, component: str) -> str:
    name = name_of(line)
    if name in _GROUP_OF:
        return _GROUP_OF[name]
    if name == "ATTENDEE":
        return f"{name}:{value_of(line).casefold()}"
    if component == "VCARD":  # a card has several numbers and addresses, told apart by their parameters
        return line[: len(line) - len(value_of(line))].upper()
    return name


# -- merging ------------------------------------------------------------------------------------------


def join(left: Parts, right: Parts) -> Parts:
    """Return the parts of the merged version.  Of different kinds (one is no readable item, say) it is the greater."""
    if left.kind != right.kind:
        return max(left, right, key=lambda parts: parts.kind)
    base = max(left.base, right.base)
    named = {name: _later(left.get(name), right.get(name)) for name in left.named.keys() | right.named.keys()}
    return cut_parts(Parts(left.kind, base, {name: part for name, part in named.items() if part != Part(base, None)}))


def cut_parts(parts: Parts) -> Parts:
    """Return as many parts as an item may have; see mirror.model.limits."""
    return parts._replace(named=greatest(parts.named, class_of, lambda part: part.order))


def _later(one: Part, other: Part) -> Part:
    return one if one.order >= other.order else other


def edited(current: Parts, draft: Parts, stamp: int, origin: str) -> Parts:
    """Return the parts of a draft that replaces ``current``: what it leaves alone stays written by who wrote it."""
    edit = Edit(draft.base.rank, stamp, origin)

    def part(name: str) -> Part:
        held, new = current.get(name), draft.get(name).holds
        return held if name != MESSAGE and held.holds == new else Part(edit, new)

    named = {name: part(name) for name in current.named.keys() | draft.named.keys()}
    return cut_parts(
        Parts(draft.kind, current.base, {name: one for name, one in named.items() if one != Part(current.base, None)})
    )


def stale_edit(held: Parts, draft: Parts, changed: Collection[str], stamp: int, origin: str) -> Parts:
    """Return the parts of a draft that was made from another version than the one that is ``held``.

    Just what its author ``changed`` is an edit; where that is not told, all that is not as it is held.
    """
    if held.kind != draft.kind or not draft.kind:
        edit = Edit(draft.base.rank, stamp, origin)
        return Parts(draft.kind, edit, {name: Part(edit, part.holds) for name, part in draft.named.items()})
    names = {*changed, "revision", MESSAGE} if changed else held.named.keys() | draft.named.keys()
    edit = Edit(draft.base.rank, stamp, origin)
    ours = {name: Part(edit, draft.get(name).holds) for name in names if draft.get(name).holds != held.get(name).holds}
    return Parts(held.kind, held.base, {**held.named, **ours})


def with_settled(parts: Parts, crcs: Iterable[int], stamp: int, origin: str) -> Parts:
    """Return parts that say, besides, that versions with these CRC-64s were seen."""
    marks = {f"{SETTLED}{crc:016x}": Part(Edit(parts.base.rank, stamp, origin), None) for crc in crcs}
    return parts._replace(named={**parts.named, **marks})


# -- writing ------------------------------------------------------------------------------------------


def write_head(parts: Parts) -> bytes:
    """Return the head of a record with these parts."""
    rest: bytes = _message(parts)[0]
    written = {"": _said(parts.base)}
    for name, part in sorted(parts.named.items()):
        hidden = part.holds.decode() if part.holds is not None and not _is_shown(parts, name) else None
        if part.edit != parts.base or hidden is not None:
            written[name] = _said(part.edit, hidden)
    return pack_head({**unpack_head(rest), HEAD_KEY: written})


def _said(edit: Edit, hidden: str | None = None) -> list[Any]:
    said = [edit.rank.sequence, edit.rank.modified, edit.stamp, edit.origin]
    return said if hidden is None else [*said, hidden]


def without_written(head: bytes) -> bytes:
    """Return a head without what it says of the parts' edits."""
    rest = unpack_head(head)
    rest.pop(HEAD_KEY, None)
    return pack_head(rest)


def _message(parts: Parts) -> list[Any]:
    message: list[Any] = msgspec.msgpack.decode(parts.named[MESSAGE].holds or b"")
    return message


def _is_shown(parts: Parts, name: str) -> bool:
    """Tell whether the text shows a part: not those of an event that was taken out."""
    place, separator, _ = name.rpartition(_SEPARATOR)
    if place.partition(_SEPARATOR)[0] not in ITEM_COMPONENTS:
        return True
    return parts.get(place + separator + "identity").holds is not None


def write_body(parts: Parts) -> bytes:
    """Return the body of a merged version: its parts in the order of their names."""
    if not parts.kind:
        whole: bytes = _message(parts)[1]
        return whole
    _, before, after, line_end = _message(parts)
    subject = parts.get(SUBJECT).holds or b""
    lines = [written for line in _item_lines(parts) for written in fold(line)]
    body: bytes = subject.join(before) + line_end.join(lines).encode() + after
    return body


def _item_lines(parts: Parts) -> Iterator[str]:
    places: dict[str, list[str]] = {"": []}
    for name in sorted(parts.named.keys() - {MESSAGE, SUBJECT}):
        if _is_shown(parts, name):
            places.setdefault(name.rpartition(_SEPARATOR)[0], []).append(name)
    yield f"BEGIN:{parts.kind}"
    for place, names in sorted(places.items()):
        kind = place.partition(_SEPARATOR)[0]
        inside = kind in ITEM_COMPONENTS
        if inside:
            yield f"BEGIN:{kind}"
        # A card's version has to be its first line (RFC 6350 section 6.7.9).
        for name in sorted(names, key=lambda one: (not one.startswith("VERSION"), one)):
            held = parts.named[name].holds
            if held:
                yield from held.decode().split("\n")
        if inside:
            yield f"END:{kind}"
    yield f"END:{parts.kind}"


# -- conflicts ----------------------------------------------------------------------------------------


def lost_names(version: Parts, merged: Parts, seen: Mapping[str, int]) -> list[str]:
    """Return what of a version is gone from the merged one, by someone who had ``seen`` just that much.

    What there is no room for is gone whoever had seen it: nobody meant that.
    """
    whole = not version.kind or version.kind != merged.kind
    return [
        name
        for name, part in version.named.items()
        # What changes with every edit is nobody's work; but of what is no item there is nothing else.
        if whole or is_noticed(name)
        if version.kind != merged.kind or merged.get(name).holds != part.holds
        if seen.get(part.edit.origin, 0) < part.edit.stamp
        or merged.get(name).edit == part.edit
        or (not whole and _is_cut(name, part, merged))
    ]


def _is_cut(name: str, part: Part, merged: Parts) -> bool:
    """Tell whether there was no room for a part: it is later than what its being left out would say."""
    return name not in merged.named and part.order > Part(merged.base, None).order


def is_noticed(name: str) -> bool:
    """Tell whether a part is one that a user would miss."""
    return name.rpartition(_SEPARATOR)[2] not in _UNNOTICED and not name.startswith(SETTLED)
