"""Content lines of iCalendar and vCard (RFC 5545 section 3.1, RFC 6350 section 3.2): unfolding, folding, components.

Our own, because merging must give the same bytes on every node: a library's next version may fold or forgive
differently.  Reads structure only; what a value means is not known here.  Lines are unfolded as bytes, before anything
is decoded, since a fold may cut a character in two; what is not UTF-8 is kept as surrogates (``surrogateescape``).

vCard 2.1 and vCalendar 1.0 have rules of their own: of a fold the blank belongs to the text (vCard 2.1 section 2.1.3),
quoted-printable text goes on behind a ``=`` at the end of a line, base64 up to an empty line, and ``AGENT:`` is
followed by a whole card (section 2.4.3).
"""

import re
import string
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mirror.model.memory import SMALL, kept, kept_of_small

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
_OLD_VERSION = re.compile(rb"^VERSION:[ \t]*(?:2\.1|1\.0)[ \t]*$", re.MULTILINE | re.IGNORECASE)
_QUOTED = re.compile(rb"[^:\n]*;[ \t]*(?:ENCODING[ \t]*=[ \t]*)?\"?QUOTED-PRINTABLE\"?[ \t]*[;:]", re.IGNORECASE)
_BASE64 = re.compile(rb"[^:\n]*;[ \t]*(?:ENCODING[ \t]*=[ \t]*)?\"?BASE64\"?[ \t]*[;:]", re.IGNORECASE)
_NAME = re.compile(r"(?:([A-Za-z0-9_-]+)\.)?([A-Za-z0-9_-]+)(?=[;:])")
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

    @property
    def group(self) -> str:
        """The label that binds properties of a card together (RFC 6350 section 3.3); empty for none."""
        if self.text[len(self.name) : len(self.name) + 1] in (":", ";"):  # nothing stands before the name
            return ""
        found = _NAME.match(self.text)
        return (found[1] or "") if found else ""


class Component(NamedTuple):
    """``BEGIN:name``, its own lines, the components inside it; all in the order in which they came."""

    name: str
    lines: list[Line]
    inside: "list[Component]"

    def first(self, name: str) -> str:
        """Return the value of the first property of that name, or an empty string."""
        for line in self.lines:
            if line.name == name:
                return line.value
        return ""

    def written(self) -> Iterator[bytes]:
        """Yield the component's lines as they came."""
        yield f"BEGIN:{self.name}".encode()
        for line in self.lines:
            yield line.raw
        for component in self.inside:
            yield from component.written()
        yield f"END:{self.name}".encode()


# -- lines --------------------------------------------------------------------------------------------


def line_end_of(data: bytes) -> bytes:
    """Return what ends the first line of a text: LF, with any number of CR before it."""
    found = _END.search(data)
    return found[0] if found else b"\n"


def with_lf(data: bytes) -> bytes:
    """Return a text with nothing but LF at the ends of its lines."""
    data = data.replace(b"\r\n", b"\n")
    return _END.sub(b"\n", data) if b"\r\n" in data else data


def has_old_rules(data: bytes) -> bool:
    """Tell whether an item is of vCard 2.1 or vCalendar 1.0."""
    return _OLD_VERSION.search(data) is not None


def read_lines(data: bytes, old: bool = False) -> list[Line]:
    """Return the lines of a text, at whose ends LF stands; empty ones are left out.

    ``old`` says that it is of a version with rules of its own; see above.
    """
    if old or b"QUOTED-PRINTABLE" in data or b"quoted-printable" in data.lower():
        lines = [_line(raw, old) for raw in _gathered(data.split(b"\n"), old)]
        return [line for line in lines if line.text]
    # A line costs less than asking of what size it is by kept_of_small's way.
    return [_small_line(raw) if len(raw) <= SMALL else _plain_line(raw) for raw in _LOGICAL.findall(data)]


def _plain_line(raw: bytes) -> Line:
    text = (_FOLD.sub(b"", raw) if b"\n" in raw else raw).decode("utf-8", "surrogateescape")
    return Line(name_of(text), raw, text)


_small_line = kept(_plain_line)


def _gathered(physical: Iterable[bytes], old: bool) -> Iterator[bytes]:
    """Yield physical lines put together as they belong."""
    taken: list[bytes] = []
    for line in physical:
        if taken and _goes_on(taken, line, old):
            taken.append(line)
            continue
        if taken:
            yield b"\n".join(taken)
        taken = [line] if line else []
    if taken:
        yield b"\n".join(taken)


def _goes_on(taken: list[bytes], line: bytes, old: bool) -> bool:
    if taken[-1].endswith(b"=") and _QUOTED.match(taken[0]):
        return True
    if line[:1] in (b" ", b"\t"):
        return taken[-1] != b""
    # Base64 goes on to an empty line, which belongs to it; some programs do not begin its lines with a blank.
    return old and taken[-1] != b"" and b":" not in line and _BASE64.match(taken[0]) is not None


def _line(raw: bytes, old: bool) -> Line:
    whole = raw
    if b"\n" in raw:
        whole = raw.replace(b"=\n", b"") if _QUOTED.match(raw) else raw
        whole = whole.replace(b"\n", b"") if old else _FOLD.sub(b"", whole)
    text = whole.decode("utf-8", "surrogateescape")
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
    return found[2].upper() if found else ""


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
    if '"' not in line:
        return line.partition(":")[2]
    found = _VALUE.fullmatch(line)
    if found:
        return found[1]
    return line.partition(":")[2]  # a quote that is never closed


# -- components ---------------------------------------------------------------------------------------


def parse_component(data: bytes, old: bool | None = None) -> Component:
    """Return the one component that a text consists of, at whose lines' ends LF stands.  Raises ValueError.

    ``old`` as in read_lines; None where the text's own version tells.
    """
    lines = iter(read_lines(data, has_old_rules(data) if old is None else old))
    component = _read(lines, next(lines, Line("", b"", "")), 0)
    if next(lines, None) is not None:
        raise ValueError("something follows the component")
    return component


@kept_of_small
def inside_of(kind: str, data: bytes, old: bool = False) -> Component:
    """Return lines as those of a component of that name.  Raises ValueError."""
    lines = [f"BEGIN:{kind}".encode(), *([data] if data else []), f"END:{kind}".encode()]
    return parse_component(b"\n".join(lines), old)


def _read(lines: Iterator[Line], begin: Line, depth: int) -> Component:
    if begin.name != "BEGIN" or depth > MAX_DEPTH:
        raise ValueError("no component begins here, or too deep inside others")
    component = Component(_component_name(begin), [], [])
    if not component.name.isascii():
        raise ValueError("a component's name is of ASCII letters")
    for line in lines:
        if line.name == "BEGIN":
            inside = _read(lines, line, depth + 1)
            if _is_agent(component):
                component.lines[-1] = _agent(component.lines[-1], inside)
            else:
                component.inside.append(inside)
        elif line.name == "END":
            if _component_name(line) != component.name:
                raise ValueError(f"{component.name} ends as {line.value[:40]!r}")
            return component
        elif line.name:
            component.lines.append(line)
        else:
            raise ValueError(f"{line.text[:40]!r} is no property")
    raise ValueError(f"{component.name} does not end")


def _component_name(line: Line) -> str:
    """Return what a line begins or ends, as it says."""
    return in_capitals(line.value.strip(_BLANKS))


def _is_agent(component: Component) -> bool:
    last = component.lines[-1] if component.name == "VCARD" and component.lines and not component.inside else None
    return last is not None and last.name == "AGENT" and not last.value.strip()


def _agent(line: Line, card: Component) -> Line:
    raw = b"\n".join([line.raw, *card.written()])
    return Line(line.name, raw, raw.decode("utf-8", "surrogateescape"))
