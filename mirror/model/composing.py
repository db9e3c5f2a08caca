"""A version's text and head, written from its parts.

Parts stand as they came, folded as they were.  Of a merged version they stand in the order of their names, so that all
nodes write the same; who edits a version keeps its order.  What a text does not show of the parts is kept in the head.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from mirror.model.aligning import renamed
from mirror.model.answers import put_together
from mirror.model.edits import NEVER, Parts
from mirror.model.heads import packed, plain, said
from mirror.model.item import find_item
from mirror.model.names import (
    ALARM,
    ANSWER,
    AROUND_ITEM,
    ATTENDEE,
    INSIDE,
    ITEM_COMPONENTS,
    KEPT,
    MESSAGE,
    SEPARATOR,
    at,
    component_of,
    context_of,
    is_value,
    kind_at,
    own_name,
    place_of,
    shares_of,
)
from mirror.model.naming import frame_of, named, rest_of, whole_of
from mirror.model.showing import shown


def write_head(parts: Parts) -> bytes:
    """Return the head of a record with these parts, whose text shows what they say it does."""
    told: dict[str, list[Any]] = {}
    for name, part in parts.named.items():
        context = context_of(name)
        under = parts.get(context).edit if context and part.holds is not None else NEVER
        kept = said(part, parts.base, _implied(parts, name), under)
        if kept is not None:
            told[name] = kept
    for name in parts.texts.keys() - parts.named.keys():
        told[name] = [*plain(parts.absent(name).edit), None, True]
    rest = rest_of(parts.named[MESSAGE].holds or b"")
    return packed(rest, (parts.base, parts.fixed_base), shares_of(parts.kind), told, parts.names)


def _implied(parts: Parts, name: str) -> bytes | None:
    """Return what is read of a part from the text: of what time zones say, what those say that are there."""
    if own_name(name) != KEPT:
        return parts.texts.get(name)
    there = place_of(name) + SEPARATOR
    return parts.texts.get(there) if parts.get(there).holds is not None else None


def composed(parts: Parts, order: Iterable[str] = ()) -> tuple[Parts, bytes]:
    """Return a version's body, and its parts with what that shows; ``order`` are names as they are to stand."""
    message = parts.named[MESSAGE].holds or b""
    if not parts.kind:
        return replace(parts, texts={MESSAGE: message}, names={}), whole_of(message)
    texts, names = shown(parts)
    lines = _item_lines(component_of(parts.kind), texts, order)
    body = frame_of(texts).filled(b"\n".join(lines))
    found = named(find_item(body), body, rest_of(message), shares_of(parts.kind))
    return replace(parts, texts=renamed(found.texts, names), names=names), body


def shows(parts: Parts, texts: Mapping[str, bytes]) -> bool:
    """Tell whether a text that is read as these is one of these parts."""
    return shown(parts) == ({name: text for name, text in texts.items() if not is_value(name)}, dict(parts.names))


def _item_lines(component: str, texts: Mapping[str, bytes], order: Iterable[str]) -> Iterator[bytes]:
    rank = {part: number for number, part in enumerate(order)}
    places: dict[str, list[str]] = {"": []}
    written = {name for name in texts if not own_name(name).startswith(ANSWER)} - set(AROUND_ITEM)
    for part in sorted(written, key=lambda part: _standing(part, rank)):
        places.setdefault(place_of(part), []).append(part)
    yield f"BEGIN:{component}".encode()
    for place, names in places.items() if rank else sorted(places.items(), key=lambda pair: _place_standing(pair[0])):
        inside = kind_at(place) if kind_at(place) in ITEM_COMPONENTS else ""
        if inside:
            yield f"BEGIN:{inside}".encode()
        for part in names:
            if texts[part]:
                yield _line(part, texts)
        if inside:
            yield f"END:{inside}".encode()
    yield f"END:{component}".encode()


def _line(part: str, texts: Mapping[str, bytes]) -> bytes:
    own = own_name(part)
    if own.startswith(ATTENDEE):
        return put_together(texts[part], texts.get(at(place_of(part), ANSWER + own.removeprefix(ATTENDEE))))
    return texts[part]


def _standing(part: str, rank: Mapping[str, int]) -> tuple[bool, int, bool, str]:
    """Return where a part stands in its component: components inside come last, and a card's version is its first line.

    RFC 5545 section 3.6.1, RFC 6350 section 6.7.9.
    """
    own = own_name(part)
    return (own == INSIDE or own.startswith(ALARM), rank.get(part, len(rank)), own != "VERSION", part)


def _place_standing(place: str) -> tuple[bool, bool, str]:
    """Return where a component stands: a time zone before what is in it."""
    return (place != "", kind_at(place) != "VTIMEZONE", place)
