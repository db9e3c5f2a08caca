"""Heads of 0.1.0: who wrote which part of an item, by the names that parts had then.

A part of today takes the latest edit of the old parts that its lines were in.  Where an old part was several that are
told apart today, as ``when`` was all of a series' exceptions too, those of them that are not named take its edit.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from mirror.model.content_lines import Component, Line, inside_of, name_of, raw_line
from mirror.model.errors import BadRecord
from mirror.model.heads import Said, check_said
from mirror.model.item import Item
from mirror.model.names import (
    ALARM,
    ANSWER,
    AROUND_ITEM,
    ATTENDEE,
    CALENDAR_LISTS,
    DONE,
    IDENTITY,
    INSIDE,
    ITEM_COMPONENTS,
    NAME,
    REVISION,
    SEPARATOR,
    SETTLED,
    SUBJECT,
    TASK_TOGETHER,
    TOGETHER,
    VALUE_LISTS,
    WHEN,
    at,
    class_of,
    default_of,
    own_name,
    place_of,
    told,
)
from mirror.model.naming import alarm, by_name, card_name, place, read_alone, texts_at
from mirror.model.record import Record
from mirror.model.stamp import stamp_ms
from mirror.model.values import address

_WHEN = ("DTSTART", "DTEND", "DUE", "DURATION", "RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID")
_GROUPS = {
    **dict.fromkeys(_WHEN, WHEN),
    **dict.fromkeys(("SEQUENCE", "DTSTAMP", "LAST-MODIFIED", "REV", "PRODID"), REVISION),
    "UID": IDENTITY,
    **dict.fromkeys(("N", "FN"), NAME),
}


class OldSaid(msgspec.Struct, array_like=True, frozen=True):
    """One part's edit as 0.1.0 kept it; ``hidden`` is unfolded text that is not shown."""

    sequence: int
    modified: int
    stamp: int
    origin: str
    hidden: str | None = None

    @property
    def said(self) -> Said:
        """The same today: a time that was not told is the version's own."""
        return Said(self.sequence, self.modified or stamp_ms(self.stamp) // 1000, self.stamp, self.origin)

    @property
    def order(self) -> tuple[int, int, int, str]:
        return self.sequence, self.modified, self.stamp, self.origin


_decode = msgspec.msgpack.Decoder(dict[str, OldSaid]).decode
_encode = msgspec.msgpack.Encoder().encode


def read_old(record: Record, held: Any) -> dict[str, OldSaid]:
    """Return edits as 0.1.0 kept them; none where it kept none.  Raises BadRecord."""
    try:
        return {} if held is None else _decode(_encode(held))
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeError) as error:
        raise BadRecord(f"record {record.collection} {record.key!r}: who wrote its parts: {error}") from None


def check_old(record: Record, old: Mapping[str, OldSaid]) -> None:
    """Raise BadRecord when edits of 0.1.0 are too many, later than their record, or of no text."""
    where = f"record {record.collection} {record.key[:80]!r}"
    check_said(record, {name: one.said for name, one in old.items()}, where, ordered=False)
    for name, one in old.items():
        part = f"{where}: its part {name[:40]!r}"
        if one.order < old[""].order:
            raise BadRecord(f"{part} is earlier than all that is not named")
        if one.hidden is not None and not _could_be_hidden(name, one.hidden):
            raise BadRecord(f"{part} is none that could be hidden")


def _could_be_hidden(name: str, hidden: str) -> bool:
    kind, *told_by = place_of(name).split(SEPARATOR)
    if name == SUBJECT:
        return bool(hidden) and "\0" not in hidden and all(ord(character) < 256 for character in hidden)
    if kind not in ITEM_COMPONENTS or len(told_by) != 3 or "\r" in hidden or "\0" in hidden:
        return False
    if len(hidden.encode()) > max(class_of(name).size, 8192):
        return False
    return _is_part(own_name(name), kind, told_by, hidden)


def _is_part(own: str, kind: str, told_by: list[str], hidden: str) -> bool:
    """Tell whether a text that was not shown is an old part of an event that is told by its UID and RECURRENCE-ID."""
    if not hidden:
        return own == IDENTITY and not told_by[0]
    try:
        component = inside_of(kind, b"\n".join(raw_line(line) for line in hidden.split("\n")))
    except ValueError:
        return False
    if own == IDENTITY and component.first("UID") != told_by[0]:
        return False
    if own == WHEN and component.first("RECURRENCE-ID") != told_by[1]:
        return False
    names = {_old_name(line, kind) for line in component.lines}
    return names | ({INSIDE} if component.inside else set()) == {own}


def translated(old: Mapping[str, OldSaid], item: Item | None) -> dict[str, Said]:
    """Return edits by the names that parts of an item have today."""
    edits: dict[str, Said] = {}
    if not old:
        return edits
    today = {name: one.said for name, one in old.items()}
    first = today[""].edit.rank
    # No edit is before all others: 0.1.0 took a time that was not told for the earliest one.
    for name, said in today.items():
        rank = max(said.edit.rank, first)
        today[name] = msgspec.structs.replace(said, sequence=rank.sequence, modified=rank.modified)
    spoken = set[str]()
    for new, olds in _renamed(item.component) if item is not None else ():
        spoken |= olds
        found = [today[one] for one in olds if one in today]
        if found:
            edits[new] = max([*found, *([edits[new]] if new in edits else [])], key=lambda said: said.edit)
    for name, said in today.items():
        for new, text in _not_shown(name, old[name].hidden, name in spoken):
            if new not in edits or edits[new].edit < said.edit:
                edits[new] = msgspec.structs.replace(said, hidden=text)
    return edits


def _renamed(component: Component) -> Iterator[tuple[str, set[str]]]:
    """Yield the names that parts of an item have today, each with those of the old parts that its lines were in."""
    yield from _renamed_at("", "", component)
    for inside in component.inside:
        told_by = (inside.first(name) for name in ("UID", "RECURRENCE-ID", "TZID"))
        was, now = SEPARATOR.join([inside.name, *told_by]), place(inside)
        if inside.name in ITEM_COMPONENTS:
            yield from _renamed_at(now, was, inside)
        else:
            yield now + SEPARATOR, {was + SEPARATOR}


def _renamed_at(now: str, was: str, component: Component) -> Iterator[tuple[str, set[str]]]:
    for own, lines in by_name(component):
        olds = {at(was, _old_name(line, component.name)) for line in lines}
        alone = Component(component.name, lines, [])
        parts = own in VALUE_LISTS or own.startswith(ATTENDEE)
        names = {own, *(name for name, _ in texts_at("", alone))} if parts else {own}
        for name in names:
            yield at(now, name), olds
    if component.name in ITEM_COMPONENTS:
        for inside in component.inside:
            yield at(now, alarm(inside)), {at(was, INSIDE)}


def _old_name(line: Line, component: str) -> str:
    """Return the own name of the part that a line was in."""
    if line.name in _GROUPS:
        return _GROUPS[line.name]
    if line.name == "ATTENDEE":
        return f"{line.name}:{line.value.casefold()}"
    return line.text[: len(line.text) - len(line.value)].upper() if component == "VCARD" else line.name


def _not_shown(name: str, hidden: str | None, shown: bool) -> Iterator[tuple[str, bytes | None]]:
    """Yield what an old part says besides of what the text shows: names of today, and what is hidden of them."""
    if not name or name in AROUND_ITEM or name.startswith(SETTLED):
        yield name, hidden.encode("latin-1") if name == SUBJECT and hidden is not None else None
        return
    kind, *told_by = place_of(name).split(SEPARATOR)
    where = ""
    if kind and len(told_by) != 3:  # what nobody writes
        yield name, None
        return
    if kind:
        zone = "" if kind in ITEM_COMPONENTS else told_by[-1]
        where = SEPARATOR.join([kind, *(told(one) for one in told_by[:2]), zone])
    for own in _today(own_name(name), kind):
        yield at(where, own), None
    if not shown and hidden is not None:
        for own, text in (_read(name, hidden) or {IDENTITY: b""}).items():
            yield at(where, own), text


def _today(own: str, kind: str) -> set[str]:
    """Return the own names of all that is today what an old part was, and of the rest of the lists that it was."""
    if not own and kind:
        return {own}
    if own == WHEN:
        return {WHEN, "EXDATE", default_of("EXDATE:")}
    if own == INSIDE:
        return {INSIDE, default_of(ALARM)}
    if kind in ITEM_COMPONENTS:
        if own.startswith(ATTENDEE):
            who = told(address(own.partition(":")[2]))
            return {ATTENDEE + who, ANSWER + who}
        if own in CALENDAR_LISTS or own in VALUE_LISTS:
            return {own, default_of(f"{own}:")}
        return {DONE if kind == "VTODO" and own in TASK_TOGETHER else TOGETHER.get(own, own)}
    if not own.endswith(":"):
        return {own}
    name = card_name(Line(name_of(own), b"", own))
    return {
        name if not default_of(name) else default_of(name),
        *([default_of(f"{name}:")] if name in VALUE_LISTS else []),
    }


def _read(name: str, hidden: str) -> dict[str, bytes]:
    """Return the parts that a text which was not shown is today; none where it cannot be read."""
    try:
        return read_alone(name, b"\n".join(raw_line(line) for line in hidden.split("\n")))
    except ValueError:
        return {}
