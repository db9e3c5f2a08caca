"""How programs write an item that they save, whatever was edited: by name, what each does to the item as it was read.

What a manner changes is no edit: it says the same in other words, or says when and by whom it was written.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import NamedTuple

from corpus.edits import MASTERS
from corpus.lines import Component, Line, new, write
from corpus.times import in_utc, shifted

Manner = Callable[[Component, int], None]
QUOTED = ("CN", "TZID", "TYPE")
"""Parameters whose values may be in quotes."""


class Editor(NamedTuple):
    """A program: its manners by name, and how it writes lines down."""

    manners: tuple[str, ...] = ()
    width: int = 75
    line_end: bytes | None = None
    """None where it leaves those that it found."""

    def write(self, item: Component, number: int) -> bytes:
        """Return an item's text as this program saves it, LF at the ends of its lines."""
        for name in self.manners:
            MANNERS[name](item, number)
        return write(item, self.width)


def _each(change: Callable[[Line], Line]) -> Manner:
    """Return the manner of writing each line so; of cards of version 2.1, whose rules are others, nothing."""

    def manner(item: Component, _number: int) -> None:
        for component in item.all() if not item.is_old else ():
            component.content = [change(one) if isinstance(one, Line) else one for one in component.content]

    return manner


def _anew(line: Line, **changes: object) -> Line:
    made = line._replace(**changes)  # type: ignore[arg-type]
    return line if made == line else made._replace(raw=b"")


def _quoted(line: Line) -> Line:
    return _anew(line, parameters=tuple((key, _in_quotes(key, value)) for key, value in line.parameters))


def _in_quotes(key: str, value: str) -> str:
    return f'"{value}"' if key.upper() in QUOTED and value and '"' not in value else value


def _unquoted(line: Line) -> Line:
    plain = ((key, value.strip('"') if value.count('"') == 2 and not set(value) & set(":;,") else value)
             for key, value in line.parameters)  # fmt: skip
    return _anew(line, parameters=tuple(plain))


def _small(line: Line) -> Line:
    return _anew(line, name=line.name.lower(), parameters=tuple((key.lower(), value) for key, value in line.parameters))


def _in_capitals(line: Line) -> Line:
    return (
        _anew(line, value=line.value.replace("mailto:", "MAILTO:")) if line.is_named("ATTENDEE", "ORGANIZER") else line
    )


def _rule_reversed(line: Line) -> Line:
    first, *others = line.value.split(";")
    return _anew(line, value=";".join([first, *others[::-1]])) if line.is_named("RRULE") else line


def sort_lines(item: Component, _number: int) -> None:
    """Write the lines of each component by name, components behind them, a card's version first."""
    for component in item.all():
        lines = sorted(component.lines, key=lambda line: (not line.is_named("VERSION"), line.group, line.name.upper()))
        component.content = [*lines, *component.inside]


def reverse_lines(item: Component, _number: int) -> None:
    for component in item.all():
        first = component.named("VERSION") if component.name == "VCARD" else []
        lines = [line for line in component.lines if line not in first]
        if not any(line.group for line in lines):
            component.content = [*first, *reversed(lines), *component.inside]


def renumber_groups(item: Component, number: int) -> None:
    """Give the groups of a card other names, in another order."""
    groups = list(dict.fromkeys(line.group for line in item.lines if line.group))
    fresh = {group: f"item{number + len(groups) - at}" for at, group in enumerate(groups)}
    item.content = [
        _anew(one, group=fresh[one.group]) if isinstance(one, Line) and one.group else one for one in item.content
    ]


def name_occurrences_in_utc(item: Component, _number: int) -> None:
    for component in item.inside:
        line = component.first("RECURRENCE-ID")
        if line is not None and line.parameter("TZID"):
            component.put(line, Line("", line.name, (), in_utc(line, line.value)))


def sign(item: Component, number: int) -> None:
    """Write PRODID."""
    held = item.first("PRODID")
    if held is not None:
        item.put(held, new(f"PRODID:-//Another//Program {number}//EN"))


def _moments(item: Component) -> Iterator[tuple[Component, Line]]:
    for component in item.all():
        if component.name in MASTERS or component.name == "VCARD":
            yield from ((component, line) for line in component.named("DTSTAMP", "LAST-MODIFIED", "REV"))


def date(item: Component, number: int) -> None:
    """Say that it was written now: a year after it was made."""
    for component, line in _moments(item):
        stamp = "20250101T120000Z"
        if not line.is_named("REV") or line.value.endswith("Z"):
            made = shifted(new(f"{line.name}:{stamp}"), timedelta(minutes=number))
            component.put(line, made)


def date_with_offset(item: Component, number: int) -> None:
    """Write a card's REV in the local time of the program, as some do."""
    held = item.first("REV")
    if held is not None:
        item.put(held, new(f"REV:2025-01-01T13:0{number}:00+01:00"))


def count(item: Component, _number: int) -> None:
    """Write the next SEQUENCE."""
    for component in item.inside:
        for line in component.named("SEQUENCE"):
            component.put(line, new(f"SEQUENCE:{int(line.value) + 1}"))


def leave_out_sequence(item: Component, _number: int) -> None:
    for component in item.inside:
        for line in component.named("SEQUENCE"):
            component.drop(line)


def leave_out_dates(item: Component, _number: int) -> None:
    """Leave out when it was changed; DTSTAMP has to be there."""
    for component, line in list(_moments(item)):
        if not line.is_named("DTSTAMP"):
            component.drop(line)


WORDS: dict[str, Manner] = {
    "all folded anew": _each(lambda line: line._replace(raw=b"")),
    "parameters in another order": _each(lambda line: _anew(line, parameters=line.parameters[::-1])),
    "in quotes": _each(_quoted),
    "without quotes": _each(_unquoted),
    "names in small letters": _each(_small),
    "MAILTO in capitals": _each(_in_capitals),
    "the rule in another order": _each(_rule_reversed),
    "in order of names": sort_lines,
    "in reverse order": reverse_lines,
    "groups renumbered": renumber_groups,
    "occurrences named in UTC": name_occurrences_in_utc,
}
"""Manners that say the same in other words."""
SIGNS: dict[str, Manner] = {
    "another PRODID": sign,
    "a later date": date,
    "REV with an offset": date_with_offset,
    "the next SEQUENCE": count,
    "no SEQUENCE": leave_out_sequence,
    "no dates": leave_out_dates,
}
"""Manners that say by whom and when it was written."""
MANNERS = WORDS | SIGNS


def drop_unknown(item: Component) -> None:
    """Take out what a simple program does not know of what it found: properties whose names begin with X-."""
    for component in (item, *(one for one in item.inside if one.name in MASTERS)):
        unknown = [one for one in component.lines if one.raw and not one.group and one.name.upper().startswith("X-")]
        for line in unknown:
            component.drop(line)
