"""Content lines of iCalendar and vCard (RFC 5545 section 3.1, RFC 6350 section 3.2): unfolding, folding, components.

Our own, because merging must give the same bytes on every node: a library's next version may fold or forgive
differently.  Reads structure only; what a value means is not known here.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

FOLD_BYTES = 75
"""Bytes of UTF-8 in one line at most, its end not counted."""
MAX_DEPTH = 8
"""Components inside components; deeper ones are taken for nonsense."""

_FOLDED = re.compile(r"\r?\n[ \t]")
_NAME = re.compile(r"(?:[A-Za-z0-9-]+\.)?([A-Za-z0-9-]+)(?=[;:])")
_VALUE = re.compile(r'[^":]*(?:"[^"]*"[^":]*)*:(.*)', re.DOTALL)


class Component(NamedTuple):
    """``BEGIN:name``, its own lines, the components inside it; all in the order in which they came."""

    name: str
    lines: list[str]
    inside: "list[Component]"

    def first(self, name: str) -> str:
        """Return the value of the first property of that name, or an empty string."""
        return next((value_of(line) for line in self.lines if name_of(line) == name), "")

    def written(self) -> Iterator[str]:
        """Yield the component's lines, unfolded."""
        yield f"BEGIN:{self.name}"
        yield from self.lines
        for component in self.inside:
            yield from component.written()
        yield f"END:{self.name}"


def unfold(text: str) -> list[str]:
    """Return the lines of a text, folded ones joined, empty ones left out."""
    return [line for line in _FOLDED.sub("", text).replace("\r\n", "\n").split("\n") if line]


def fold(line: str) -> list[str]:
    """Return a line as the lines it is written in; no character is split."""
    folded, at, room = [], 0, FOLD_BYTES
    encoded = line.encode()
    while len(encoded) - at > room:
        end = at + room
        while encoded[end] & 0xC0 == 0x80:  # in the middle of a character
            end -= 1
        folded.append(encoded[at:end].decode())
        at, room = end, FOLD_BYTES - 1  # a folded line begins with a space
    folded.append(encoded[at:].decode())
    return [folded[0], *(f" {part}" for part in folded[1:])]


def name_of(line: str) -> str:
    """Return a property's name in capitals, without a vCard's group; empty for what is no property."""
    found = _NAME.match(line)
    return found[1].upper() if found else ""


def value_of(line: str) -> str:
    """Return a property's value as it is written."""
    found = _VALUE.fullmatch(line)
    return found[1] if found else ""


def parse_component(text: str) -> Component:
    """Return the one component that a text consists of.  Raises ValueError."""
    lines = iter(unfold(text))
    component = _read(lines, next(lines, ""), 0)
    if next(lines, None) is not None:
        raise ValueError("something follows the component")
    return component


def _read(lines: Iterator[str], begin: str, depth: int) -> Component:
    if name_of(begin) != "BEGIN" or depth > MAX_DEPTH:
        raise ValueError("no component begins here, or too deep inside others")
    component = Component(value_of(begin).strip().upper(), [], [])
    for line in lines:
        name = name_of(line)
        if name == "BEGIN":
            component.inside.append(_read(lines, line, depth + 1))
        elif name == "END":
            if value_of(line).strip().upper() != component.name:
                raise ValueError(f"{component.name} ends as {value_of(line)[:40]!r}")
            return component
        elif name:
            component.lines.append(line)
        else:
            raise ValueError(f"{line[:40]!r} is no property")
    raise ValueError(f"{component.name} does not end")
