"""Properties that have several values in a line, as EXDATE and CATEGORIES: their values, and lines of those values.

There is a part for each value, so that what one side adds and what the other one takes out are both kept, and one for
the lines, which says how they are written.  Where both sides changed a list its lines are written by what both have.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from mirror.model.content_lines import Line, inside_of, raw_line
from mirror.model.memory import kept_of_small
from mirror.model.names import told
from mirror.model.values import moments, parameters, plain, split

EXDATE = "EXDATE"
_SPECIAL = re.compile(r"[\\;,\n]")


def entries(line: Line) -> list[tuple[str, str]]:
    """Return the values of a line of a list: what tells each apart, and the line that would have it alone."""
    return _entries(line.name, line.text)


@kept_of_small
def _entries(name: str, text: str) -> list[tuple[str, str]]:
    line = Line(name, b"", text)
    return [(told(said), text if _is_encoded(line) else _alone(line, said)) for said, _ in _values(line)]


def _values(line: Line) -> Iterator[tuple[str, str]]:
    """Yield the values of a line, and how each is written; a line that is encoded is one value."""
    if _is_encoded(line):
        yield line.text, line.value
        return
    for value in split(line.value, ","):
        said = moments(value) if line.name == EXDATE else plain(value).strip()
        if said:
            yield said, value


def _is_encoded(line: Line) -> bool:
    return "ENCODING" in parameters(line)


def _alone(line: Line, said: str) -> str:
    if line.name != EXDATE:
        written = _SPECIAL.sub(lambda found: "\\n" if found[0] == "\n" else f"\\{found[0]}", said)
        return f"{line.name}:{written}"
    zone = "".join(f";TZID={zone}" for zone in parameters(line).get("TZID", []))
    return f"{EXDATE}{';VALUE=DATE' if len(said) == 8 else zone}:{said}"


@lru_cache(maxsize=4096)
def _has_just(held: bytes, wanted: tuple[str, ...]) -> bool:
    """Tell whether lines have just those values."""
    return {one for line in inside_of("X", held).lines for one, _ in entries(line)} == set(wanted)


def lines_with(held: bytes, wanted: Mapping[str, str]) -> bytes:
    """Return lines of a list with just those values: by what tells each apart, the line that would have it alone.

    ``held`` are lines that may have some of them, and others; what they have stays as it is there.
    """
    if held and _has_just(held, tuple(sorted(wanted))):
        return held
    lines: list[Line] = []
    there: set[str] = set()
    for line in inside_of("X", held).lines if held else []:
        values = [(told(said), written) for said, written in _values(line)]
        kept = [at for at, (one, _) in enumerate(values) if one in wanted and one not in there]
        there.update(values[at][0] for at in kept)
        if len(kept) == len(values):
            lines.append(line)
        elif kept:
            head = line.text[: len(line.text) - len(line.value)]
            lines.append(_line(line.name, head + ",".join(values[at][1] for at in kept)))
    for one, alone in sorted(wanted.items()):
        if one not in there:
            _add(lines, alone)
    return b"\n".join(line.raw for line in lines)


def _add(lines: list[Line], alone: str) -> None:
    """Add a value: to the one line that others stand in, else as a line of its own, as exceptions usually do."""
    new = _line(alone.partition(":")[0].partition(";")[0], alone)
    if len(lines) == 1 and new.name != EXDATE and lines[0].value and parameters(lines[0]) == parameters(new):
        lines[0] = _line(new.name, f"{lines[0].text},{new.value}")
    else:
        lines.append(new)


def _line(name: str, text: str) -> Line:
    return Line(name, raw_line(text), text)
