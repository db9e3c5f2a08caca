"""Labels that bind properties of a card together, as ``item1.`` does (RFC 6350 section 3.3).

Programs number them anew at will, so a label says nothing but which lines of one card belong together.  Where two parts
of a card that was merged have the same label, one of them gets another.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mirror.model.content_lines import Line, inside_of, raw_line
from mirror.model.names import place_of

_LABELLED = re.compile(rb"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+[;:]", re.MULTILINE)
_NUMBERED = re.compile(r"(.*?)(\d*)", re.ASCII | re.DOTALL)


def with_own_labels(texts: Mapping[str, bytes], order: Callable[[str], Any]) -> dict[str, bytes]:
    """Return a card's parts with no label in two of them: of those that have one, all but the first get others.

    ``order`` says which of two parts comes first.
    """
    made = dict(texts)
    taken: set[str] = set()
    cards = [name for name, text in texts.items() if not place_of(name) and _LABELLED.search(text)]
    for name in sorted(cards, key=order):
        labels = _labels(texts[name])
        if labels & taken:
            made[name] = _relabelled(texts[name], labels & taken, taken | _all_labels(texts[one] for one in cards))
            labels = _labels(made[name])
        taken |= labels
    return made


def _all_labels(texts: Iterable[bytes]) -> set[str]:
    return {label for text in texts for label in _labels(text)}


def _labels(text: bytes) -> set[str]:
    return {line.group.upper() for line in _lines(text)} - {""}


def _lines(text: bytes) -> Iterable[Line]:
    try:
        return inside_of("VCARD", text).lines
    except ValueError:
        return []


def _relabelled(text: bytes, others: set[str], taken: set[str]) -> bytes:
    """Return lines with labels that nobody has, in the place of those that others have."""
    new: dict[str, str] = {}
    lines = []
    for line in _lines(text):
        label = line.group
        if label.upper() not in others:
            lines.append(line.raw)
            continue
        if label.upper() not in new:
            new[label.upper()] = _free(label, taken)
            taken = taken | {new[label.upper()].upper()}
        lines.append(raw_line(new[label.upper()] + line.text[len(label) :]))
    return b"\n".join(lines)


def _free(label: str, taken: set[str]) -> str:
    found = _NUMBERED.fullmatch(label)
    stem = found[1] if found else label
    number = 1
    while f"{stem}{number}".upper() in taken:
        number += 1
    return f"{stem}{number}"
