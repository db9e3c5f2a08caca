"""Items as other programs see them: components of lines, read and written by rules that are not the mirror's own code.

Content lines of RFC 5545 section 3.1 and RFC 6350 section 3.2, and of vCard 2.1 (section 2.1.3: a fold keeps its blank;
section 2.1.4: quoted-printable lines go on after ``=``).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

Parameters = tuple[tuple[str, str], ...]
"""Names and values as written, in their order; a bare type of vCard 2.1 has no value and no ``=``."""
_HEAD = re.compile(r'(?:([A-Za-z0-9-]+)\.)?([A-Za-z0-9-]+)((?:;[^:;"]*(?:"[^"]*"[^:;"]*)*)*):(.*)', re.DOTALL)
_PARAMETER = re.compile(r';([^=:;"]*)((?:=[^:;"]*(?:"[^"]*"[^:;"]*)*)?)')
_OLD = re.compile(rb"^version:2\.1", re.IGNORECASE | re.MULTILINE)


class Line(NamedTuple):
    """A property: a card's group, its name and parameters and value as written, and its bytes with LF at the folds."""

    group: str
    name: str
    parameters: Parameters
    value: str
    raw: bytes = b""
    """As it came; empty of a line that is new."""

    def is_named(self, *names: str) -> bool:
        return self.name.upper() in names

    def parameter(self, name: str) -> str:
        return next((value.strip('"') for key, value in self.parameters if key.upper() == name), "")

    @property
    def text(self) -> str:
        """The line without folds."""
        parameters = "".join(f";{key}={value}" if value else f";{key}" for key, value in self.parameters)
        return f"{self.group}{'.' if self.group else ''}{self.name}{parameters}:{self.value}"


@dataclass
class Component:
    """``BEGIN:name``, lines and further components in their order, ``END:name``."""

    name: str
    content: "list[Line | Component]" = field(default_factory=list)
    begin: bytes = b"BEGIN"
    end: bytes = b"END"
    shown: str = ""
    """The name as it is written."""

    @property
    def lines(self) -> list[Line]:
        return [one for one in self.content if isinstance(one, Line)]

    @property
    def inside(self) -> "list[Component]":
        return [one for one in self.content if isinstance(one, Component)]

    def named(self, *names: str) -> list[Line]:
        return [line for line in self.lines if line.is_named(*names)]

    def first(self, name: str) -> Line | None:
        return next(iter(self.named(name)), None)

    def value(self, name: str) -> str:
        line = self.first(name)
        return line.value if line is not None else ""

    def put(self, old: Line, new: Line) -> None:
        """Put a line in the place of another one."""
        self.content[next(at for at, one in enumerate(self.content) if one is old)] = new

    def add(self, *new: "Line | Component") -> None:
        """Put lines behind the last line, components at the end."""
        for one in new:
            at = len(self.content) if isinstance(one, Component) else self._behind_lines()
            self.content.insert(at, one)

    def _behind_lines(self) -> int:
        return max((at + 1 for at, one in enumerate(self.content) if isinstance(one, Line)), default=0)

    def drop(self, gone: "Line | Component") -> None:
        self.content = [one for one in self.content if one is not gone]

    def all(self) -> "Iterator[Component]":
        """Yield the component and all inside it."""
        yield self
        for one in self.inside:
            yield from one.all()

    @property
    def is_old(self) -> bool:
        """Tell whether it is a card of version 2.1."""
        return self.name == "VCARD" and self.value("VERSION").strip() == "2.1"


def new(text: str) -> Line:
    """Return a line that a program writes."""
    return _split(text)


def with_value(line: Line, value: str) -> Line:
    """Return a line with another value; its encoding, if it had one, is no longer needed."""
    parameters = tuple(one for one in line.parameters if one[0].upper() not in ("ENCODING", "CHARSET"))
    return Line(line.group, line.name, parameters, value)


def with_parameter(line: Line, name: str, value: str) -> Line:
    """Return a line with a parameter of this value, where it was or at the end."""
    told = [(key, value if key.upper() == name else held) for key, held in line.parameters]
    if name not in (key.upper() for key, _ in told):
        told.append((name, value))
    return Line(line.group, line.name, tuple(told), line.value)


def read(data: bytes) -> Component:
    """Return the one component that a text consists of."""
    old = _OLD.search(data) is not None
    logical = iter(list(_logical(data.replace(b"\r\n", b"\n"), old)))
    component = _component(next(logical), logical)
    assert next(logical, None) is None, "something follows the item"
    return component


def _logical(data: bytes, old: bool) -> Iterator[Line]:
    raw = b""
    for physical in data.split(b"\n"):
        soft = old and raw.endswith(b"=") and b"quoted-printable" in raw.partition(b":")[0].lower()
        ends = old and not physical and b"base64" in raw.partition(b":")[0].lower()  # an empty line, as 2.1 wants it
        if raw and (soft or ends or physical[:1] in (b" ", b"\t")):
            raw += b"\n" + physical
            continue
        if raw:
            yield _line(raw, old)
        raw = physical
    if raw:
        yield _line(raw, old)


def _line(raw: bytes, old: bool) -> Line:
    if old:
        text = raw.replace(b"=\n", b"") if b"quoted-printable" in raw.partition(b":")[0].lower() else raw
        text = text.replace(b"\n", b"")
    else:
        text = re.sub(rb"\n[ \t]", b"", raw)
    return _split(text.decode("utf-8", "surrogateescape"))._replace(raw=raw)


def _split(text: str) -> Line:
    found = _HEAD.fullmatch(text)
    assert found, f"no property: {text!r}"
    parameters = tuple((key, value[1:]) for key, value in _PARAMETER.findall(found[3]))
    return Line(found[1] or "", found[2], parameters, found[4])


def _component(begin: Line, rest: Iterator[Line]) -> Component:
    assert begin.is_named("BEGIN"), begin.text
    made = Component(begin.value.strip().upper(), begin=begin.name.encode(), shown=begin.value)
    for line in rest:
        if line.is_named("BEGIN"):
            made.content.append(_component(line, rest))
        elif line.is_named("END"):
            made.end = line.name.encode()
            return made
        else:
            made.content.append(line)
    raise AssertionError(f"{made.name} does not end")


def write(component: Component, width: int = 75) -> bytes:
    """Return a component's text; lines that are new are folded, in bytes, at a width."""
    return b"\n".join(_written(component, 0 if component.is_old else width)) + b"\n"


def _written(component: Component, width: int) -> Iterator[bytes]:
    shown = (component.shown or component.name).encode()
    yield component.begin + b":" + shown
    for one in component.content:
        if isinstance(one, Component):
            yield from _written(one, width)
        else:
            yield one.raw or fold(one.text, width)
    yield component.end + b":" + shown


def fold(text: str, width: int) -> bytes:
    """Return a line folded between characters, each piece of so many bytes at most; 0 for no folds."""
    pieces, piece = list[bytes](), b""
    for letter in text:
        encoded = letter.encode("utf-8", "surrogateescape")
        if width and len(piece) + len(encoded) > width:
            pieces.append(piece)
            piece = b" "
        piece += encoded
    return b"\n".join([*pieces, piece])
