"""An item's parts, each with the edit that last changed it: so edits of different properties merge.

What three-way merging needs a common ancestor for, which side changed a property, is kept with the property: the
edit that wrote it.  Two versions are merged part by part, the later edit of each part wins, where "later" is what
RFC 5546 says first and the version after that.  That is a join, whatever the order in which versions meet; merging
with a stored ancestor is not.

A part is a property with all its lines, an attendee, properties that only make sense together (start, end and
recurrence; a card's names), all alarms of an event, a time zone, the message's subject, or the rest of the message.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from mirror.model.content_lines import Component, fold, name_of, parse_component, value_of
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
_TOLD_BY = {"identity": "UID", "when": "RECURRENCE-ID", "TZID": "TZID"}
"""The parts of a component that its place is told by, and which of their properties does."""
_UNNOTICED = ("revision", MESSAGE)
SETTLED = "settled "
"""Parts named so, and the CRC-64 of a version that lost, say that the item was written by someone who had seen both.

They hold nothing: to whoever does not know them they are properties that were taken out."""
_SEPARATOR = "\n"
"""Between the place of a component and the name of one of its parts: what no content line can hold."""
_ENDS = re.compile(rb"(?:BEGIN|END):VC(?:ALENDAR|ARD)", re.IGNORECASE)
"""What an item is found by: a part that holds such a text could make another item of what is merged from it."""


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
    shown = {name: Part(said[name].edit if name in said else base, text) for name, text in texts.items()}
    parts = Parts(kind, base, shown)
    if not kind:  # what is no item has no parts but itself
        said = {name: one for name, one in said.items() if name.startswith(SETTLED)}
    left = {name: Part(one.edit, _hidden(parts, name, one)) for name, one in said.items() if name not in shown}
    return _without_base(parts._replace(named={**shown, **left}))


def _hidden(shown: Parts, name: str, said: _Said) -> bytes | None:
    """Return what a part holds that is not in the text: nothing, where the text would show it."""
    if said.hidden is None or (shown.kind and _is_shown(shown, name)):
        return None
    return said.hidden.encode(_encoding(name))


def _without_base(parts: Parts) -> Parts:
    """Return the same parts without those that are named although they are as ``base`` says of all others."""
    as_base = Part(parts.base, None)
    return parts._replace(named={name: part for name, part in parts.named.items() if part != as_base})


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
    first = written.get("")
    if written and first is None:
        raise BadRecord(f"{where}: it does not say who wrote the parts that are not named")
    for name, one in written.items():
        part = f"{where}: its part {name[:40]!r}"
        if not 0 < one.stamp <= record.stamp:
            raise BadRecord(f"{part} is later than itself")
        if not 0 < len(one.origin) <= MAX_ORIGIN:
            raise BadRecord(f"{part} has an origin of {len(one.origin)} characters")
        if first is not None and one.edit < first.edit:
            raise BadRecord(f"{part} is earlier than all that is not named")
        if one.hidden is not None:
            _check_hidden(name, one.hidden, part)


def _check_hidden(name: str, hidden: str, where: str) -> None:
    """Raise BadRecord unless a part that no text shows would be read as that part where one shows it again."""
    try:
        holds = hidden.encode(_encoding(name))
    except UnicodeEncodeError:
        raise BadRecord(f"{where} holds what no message can") from None
    if len(holds) > class_of(name).size:
        raise BadRecord(f"{where} has more than {class_of(name).size} bytes")
    if not (_is_subject(holds) if name == SUBJECT else _is_read_as(name, hidden)):
        raise BadRecord(f"{where} is none that could be hidden")


def _is_subject(holds: bytes) -> bool:
    return bool(holds) and b"\0" not in holds and not _ENDS.search(holds)


def _is_read_as(name: str, text: str) -> bool:
    """Tell whether a text inside the component that a name speaks of is that part, and nothing besides."""
    place, _, own = name.rpartition(_SEPARATOR)
    kind, *told = place.split(_SEPARATOR)
    if kind not in ITEM_COMPONENTS or len(told) != len(_TOLD_BY) or not _is_plain(text.encode()):
        return False
    try:
        component = parse_component(f"BEGIN:{kind}\n{text}\nEND:{kind}")
    except ValueError:
        return False
    found = {part: "\n".join(lines) for part, lines in _properties("", component)}
    holds = all(
        component.first(_TOLD_BY[part]) == value for part, value in zip(_TOLD_BY, told, strict=True) if part == own
    )
    return holds and found == ({own: text} if text else {}) and (bool(text) or own == "identity")


def _is_plain(text: bytes) -> bool:
    """Tell whether lines stay what they are wherever merging writes them."""
    return b"\r" not in text and not _ENDS.search(text)


def _encoding(name: str) -> str:
    """Return how a head tells a part that is not shown: a subject may be of any bytes."""
    return "latin-1" if name == SUBJECT else "utf-8"


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
    if _ENDS.search(item.before) or _ENDS.search(item.after):
        return whole
    texts = {MESSAGE: _encode([rest, before, item.after, item.line_end])}
    if subject:
        texts[SUBJECT] = subject
    for name, lines in _lines(item.component):
        if name in texts:
            return whole  # two components of one name: nothing could tell their properties apart
        texts[name] = "\n".join(lines).encode()
        if not _is_plain(texts[name]):
            return whole
    return (item.component.name, texts) if _fits(texts) else whole


def _cut_subject(before: bytes) -> tuple[list[bytes], bytes]:
    """Take the subject, field U of a serialized message, out of what stands before an item.

    Where that is no message, or one with two subjects, it stays in one piece, and none can be put in.
    """
    text = before.find(b"\0M")
    fields = before[: max(text, 0)]
    start = fields.find(b"\0U")
    end = fields.find(b"\0", start + 2)
    end = len(fields) if end < 0 else end
    rest = fields[:start] + fields[end:] if start >= 0 else fields
    if text < 0 or b"\0U" in rest:
        return [before], b""
    return [rest, before[text:]], fields[start + 2 : end] if start >= 0 else b""


def _lines(component: Component) -> Iterator[tuple[str, list[str]]]:
    """Yield the names of an item's parts with their lines."""
    yield from _properties("", component)
    for inside in component.inside:
        if inside.name in ITEM_COMPONENTS:
            yield from _properties(_place(inside), inside)
        else:
            yield _place(inside), list(inside.written())


def _place(component: Component) -> str:
    return _SEPARATOR.join([component.name, *(component.first(name) for name in _TOLD_BY.values()), ""])


def _properties(prefix: str, component: Component) -> Iterator[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {"identity": []} if prefix else {}  # there even if it is empty, as the component is
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
    return cut_parts(_without_base(Parts(left.kind, base, named)))


def cut_parts(parts: Parts) -> Parts:
    """Return as many parts as an item may have; see mirror.model.limits."""
    return parts._replace(named=greatest(parts.named, class_of, lambda part: part.order))


def _later(one: Part, other: Part) -> Part:
    return one if one.order >= other.order else other


def edited(current: Parts, draft: Parts, stamp: int, origin: str) -> Parts:
    """Return the parts of a draft that replaces ``current``: what it leaves alone stays written by who wrote it."""
    edit = Edit(draft.base.rank, stamp, origin)

    def part(name: str, crowded: bool) -> Part:
        held, new = current.get(name), draft.get(name).holds
        return held if name != MESSAGE and held.holds == new and not crowded else Part(edit, new)

    def parts(crowded: bool) -> Parts:
        named = {name: part(name, crowded) for name in current.named.keys() | draft.named.keys()}
        return _without_base(Parts(draft.kind, current.base, named))

    kept = cut_parts(made := parts(crowded=False))
    # Where there is no room to tell who left what alone, all is this edit's: so nothing of the draft is what is cut.
    return kept if kept == made else cut_parts(parts(crowded=True))


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
    return cut_parts(parts._replace(named={**parts.named, **marks}))


# -- writing ------------------------------------------------------------------------------------------


def write_head(parts: Parts) -> bytes:
    """Return the head of a record with these parts."""
    rest: bytes = _message(parts)[0]
    written = {"": _said(parts.base)}
    for name, part in sorted(parts.named.items()):
        holds = None if _is_shown(parts, name) else part.holds
        hidden = None if holds is None else holds.decode(_encoding(name))
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
    """Tell whether the text shows a part: not those of an event that was taken out, nor a subject in no message."""
    if name == SUBJECT:
        return len(_message(parts)[1]) == 2
    place, separator, _ = name.rpartition(_SEPARATOR)
    kind, *told = place.split(_SEPARATOR)
    if kind not in ITEM_COMPONENTS:
        return True
    needed = ["identity", *(part for part, value in zip(_TOLD_BY, told, strict=False) if value)]
    return all(parts.get(place + separator + part).holds is not None for part in needed)


def write_body(parts: Parts) -> bytes:
    """Return the body of a merged version: its parts in the order of their names."""
    if not parts.kind:
        whole: bytes = _message(parts)[1]
        return whole
    _, before, after, line_end = _message(parts)
    subject = parts.get(SUBJECT).holds
    lines = [written for line in _item_lines(parts) for written in fold(line)]
    field = b"" if subject is None else b"\0U" + subject
    body: bytes = field.join(before) + line_end.join(lines).encode() + after
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
