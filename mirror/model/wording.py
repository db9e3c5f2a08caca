"""Whether two texts of one part say the same in other words.

Programs write every item anew in their own style: the order, case and quotes of parameters, folds, escapes, the order
of a rule's parts, values that are understood without being said.  None of that is an edit.
"""

from collections.abc import Mapping

from mirror.model.answers import without_answer
from mirror.model.content_lines import Component, Line, inside_of
from mirror.model.item import sequence_of
from mirror.model.memory import kept_of_small
from mirror.model.names import ANSWER, AROUND_ITEM, ATTENDEE, REVISION, WHEN, own_name
from mirror.model.spans import Wall, span, wall
from mirror.model.values import meaning_of

_OF_NO_MEANING = frozenset(("LAST-MODIFIED", "TZURL", "X-LIC-LOCATION"))
"""Properties of time zones that say nothing of what the time is there."""


def same(name: str, one: bytes | None, other: bytes | None) -> bool:
    """Tell whether two texts of a part mean the same; None for one that is not there."""
    if one == other or one is None or other is None:
        return one == other
    return name not in AROUND_ITEM and meaning(name, one) == meaning(name, other)


@kept_of_small
def meaning(name: str, text: bytes) -> bytes:
    """Return what the text of a part says, the same for all texts that say so."""
    if name in AROUND_ITEM:
        return text
    own = own_name(name)
    if own.startswith(ANSWER):
        return text
    if own.startswith(ATTENDEE):
        text = without_answer(text)
    try:
        component = inside_of("X", text)
    except ValueError:
        return text
    if own == REVISION:
        return str(sequence_of(component) or 0).encode()
    said = _times(component) if own == WHEN else _said(component)
    return "\n".join(said).encode("utf-8", "surrogateescape")


def is_put_back(new: Mapping[str, bytes], held: Mapping[str, bytes]) -> bool:
    """Tell whether events say that they are earlier versions than those that are held, and none that it is a later one.

    ``new`` and ``held`` are the texts of parts.  What says nothing is no step back.
    """
    names = [name for name in new if own_name(name) == REVISION and name in held]
    told = [(_sequence(new[name]), _sequence(held[name])) for name in names]
    steps = [ours - theirs for ours, theirs in told if ours is not None and theirs is not None]
    return min(steps, default=0) < 0 and max(steps) <= 0


def _sequence(revision: bytes) -> int | None:
    return sequence_of(inside_of("X", revision))


def sequence_kept(held: bytes | None, new: bytes | None) -> bytes | None:
    """Return what a new text says of its version: where it leaves out the number, that which is held."""
    if held is None or new is None:
        return held if new is None else new
    old = [line for line in inside_of("X", held).lines if line.name == "SEQUENCE"]
    told = any(line.name == "SEQUENCE" for line in inside_of("X", new).lines)
    return b"\n".join([new, *(line.raw for line in old[:1])]) if old and not told else new


def _said(component: Component) -> list[str]:
    """Return what a component says; the order in which it does says nothing."""
    lines = [meaning_of(line) for line in component.lines if component.name != "VTIMEZONE" or not _says_nothing(line)]
    inside = ["\n".join([one.name, *_said(one), "END"]) for one in component.inside]
    return sorted([*lines, *inside])


def _says_nothing(line: Line) -> bool:
    return line.name in _OF_NO_MEANING


# -- times --------------------------------------------------------------------------------------------


def _times(component: Component) -> list[str]:
    """Return what properties of time say; an end and a duration that come to the same are the same."""
    said = {line.name: line for line in component.lines}
    end = _end(said)
    if end is None or len(said) < len(component.lines):
        return _said(component)
    rest = [line for line in component.lines if line.name not in ("DTEND", "DUE", "DURATION")]
    return [*_said(Component("", rest, [])), f"end {end}"]


def _end(said: dict[str, Line]) -> Wall | None:
    """Return the end that is told, as the clock of the start shows it; None where that takes more than adding up."""
    start = wall(said["DTSTART"].value) if "DTSTART" in said else None
    ends = said.keys() & {"DTEND", "DUE", "DURATION"}
    if start is None or len(ends) != 1:
        return None
    (name,) = ends
    if name == "DURATION":
        lasts = span(said[name].value)
        return None if lasts is None or (start.is_date and lasts.seconds) else start.after(lasts)
    end = wall(said[name].value)
    if end is None or (end.is_date, end.is_utc) != (start.is_date, start.is_utc):
        return None
    zones = {one: meaning_of(Line("X", b"", f"X{_parameters(said[one])}:")) for one in ("DTSTART", name)}
    return end if len(set(zones.values())) == 1 else None


def _parameters(line: Line) -> str:
    head = line.text[: len(line.text) - len(line.value) - 1]
    return head[head.find(";") :] if ";" in head else ""
