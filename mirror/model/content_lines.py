"""Content lines of iCalendar and vCard (RFC 5545 section 3.1, RFC 6350 section 3.2): unfolding, folding, components.

Our own, because merging must give the same bytes on every node: a library's next version may fold or forgive
differently.  Reads structure only; what a value means is not known here.  Lines are unfolded as bytes, before anything
is decoded, since a fold may cut a character in two; what is not UTF-8 is kept as surrogates (``surrogateescape``).
"""

import re
import string
from collections.abc import Iterator
from typing import NamedTuple

FOLD_BYTES = 75
"""Bytes of UTF-8 in one line at most, its end not counted."""
MAX_DEPTH = 8
"""Components inside components; deeper ones are taken for nonsense."""

_CAPITALS = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_BLANKS = " \t\r"
_LOGICAL = re.compile(rb"[^\n]+(?:\n[ \t][^\n]*)*")
_FOLD = re.compile(rb"\n[ \t]")
_END = re.compile(rb"\r*\n")
_NAME = re.compile(r"(?:[A-Za-z0-9_-]+\.)?([A-Za-z0-9_-]+)(?=[;:])")
_VALUE = re.compile(r'[^":]*(?:"[^"]*"[^":]*)*:(.*)', re.DOTALL)


class Line(NamedTuple):
    """A property: its name in capitals without a vCard's group, its bytes, and what it says.

    ``raw`` is the line as it came, folded as it was, with LF between its physical lines and none at the end; ``text``
    is the same unfolded.
    """

    name: str
    raw: bytes
    text: str

    @property
    def value(self) -> str:
        return value_of(self.text)


class Component(NamedTuple):
    """``BEGIN:name``, its own lines, the components inside it; all in the order in which they came."""

    name: str
    lines: list[Line]
    inside: "list[Component]"

    def first(self, name: str) -> str:
        """Return the value of the first property of that name, or an empty string."""
        return next((line.value for line in self.lines if line.name == name), "")

    def written(self) -> Iterator[bytes]:
        """Yield the component's lines as they came."""
        yield f"BEGIN:{self.name}".encode()
        for line in self.lines:
            yield line.raw
        for component in self.inside:
            yield from component.written()
        yield f"END:{self.name}".encode()


def line_end_of(data: bytes) -> bytes:
    """Return what ends the first line of a text: LF, with any number of CR before it."""
    found = _END.search(data)
    return found[0] if found else b"\n"


def with_lf(data: bytes) -> bytes:
    """Return a text with nothing but LF at the ends of its lines."""
    data = data.replace(b"\r\n", b"\n")
    return _END.sub(b"\n", data) if b"\r\n" in data else data


def read_lines(data: bytes) -> list[Line]:
    """Return the lines of a text, at whose ends LF stands; empty ones are left out."""
    lines = (_line(raw) for raw in _LOGICAL.findall(data))
    return [line for line in lines if line.text]


def _line(raw: bytes) -> Line:
    text = (_FOLD.sub(b"", raw) if b"\n" in raw else raw).decode("utf-8", "surrogateescape")
    return Line(name_of(text), raw, text)


def raw_line(text: str) -> bytes:
    """Return a line that is written anew as Line.raw has it."""
    return "\n".join(fold(text)).encode("utf-8", "surrogateescape")


def fold(line: str) -> list[str]:
    """Return a line as the lines it is written in; no character is split."""
    encoded = line.encode("utf-8", "surrogateescape")
    folded, at, room = list[bytes](), 0, FOLD_BYTES
    while len(encoded) - at > room:
        end = at + room
        # In the middle of a character, which has four bytes at most; what has more of them is no UTF-8.
        end -= next((back for back in range(4) if encoded[end - back] & 0xC0 != 0x80), 0)
        folded.append(encoded[at:end])
        at, room = end, FOLD_BYTES - 1  # a folded line begins with a space
    folded.append(encoded[at:])
    return [("" if not number else " ") + part.decode("utf-8", "surrogateescape") for number, part in enumerate(folded)]


def name_of(line: str) -> str:
    """Return a property's name in capitals, without a vCard's group; empty for what is no property."""
    found = _NAME.match(line)
    return found[1].upper() if found else ""


def in_capitals(text: str) -> str:
    """Return text with the letters a to z in capitals, and no others.

    Which others have a counterpart hangs on the version of Unicode, and so on that of Python: nodes would differ.
    """
    return text.translate(_CAPITALS)


def in_small(text: str) -> str:
    """Return text with the letters A to Z in small ones, and no others."""
    return text.translate(_SMALL)


def value_of(line: str) -> str:
    """Return a property's value as it is written."""
    found = _VALUE.fullmatch(line)
    if found:
        return found[1]
    return line.partition(":")[2]  # a quote that is never closed


def parse_component(data: bytes) -> Component:
    """Return the one component that a text consists of, at whose lines' ends LF stands.  Raises ValueError."""
    lines = iter(read_lines(data))
    component = _read(lines, next(lines, Line("", b"", "")), 0)
    if next(lines, None) is not None:
        raise ValueError("something follows the component")
    return component


def _read(lines: Iterator[Line], begin: Line, depth: int) -> Component:
    if begin.name != "BEGIN" or depth > MAX_DEPTH:
        raise ValueError("no component begins here, or too deep inside others")
    component = Component(in_capitals(begin.value.strip(_BLANKS)), [], [])
    if not component.name.isascii():
        raise ValueError("a component's name is of ASCII letters")
    for line in lines:
        if line.name == "BEGIN":
            component.inside.append(_read(lines, line, depth + 1))
        elif line.name == "END":
            if in_capitals(line.value.strip(_BLANKS)) != component.name:
                raise ValueError(f"{component.name} ends as {line.value[:40]!r}")
            return component
        elif line.name:
            component.lines.append(line)
        else:
            raise ValueError(f"{line.text[:40]!r} is no property")
    raise ValueError(f"{component.name} does not end")
