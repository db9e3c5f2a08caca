"""What the text of a version shows of its parts: all that does not speak of what is not there.

A version is what its parts say, each alone; a text has to make sense as a whole.  So it leaves out what belongs to a
component that was taken out, writes a list by the values that are in it, has the time zones that it uses, and each
answer only while it is to what is asked.  What is shown follows from the parts alone.
"""

import re
from collections.abc import Iterator, Mapping

from mirror.model.answers import shown_text
from mirror.model.content_lines import Line, has_old_rules, inside_of, name_of
from mirror.model.edits import Parts, order
from mirror.model.groups import with_own_labels
from mirror.model.instances import recurrence_line
from mirror.model.lists import lines_with
from mirror.model.memory import kept_of_small
from mirror.model.names import (
    IDENTITY,
    ITEM_COMPONENTS,
    KEPT,
    SEPARATOR,
    VALUE_LISTS,
    WHEN,
    at,
    component_of,
    context_of,
    family,
    is_never_shown,
    is_override,
    is_value,
    is_zone,
    kind_at,
    may_change,
    needed,
    own_name,
    place_of,
    told,
)
from mirror.model.naming import Texts, card_name, read_alone

_ZONE = re.compile(rb";TZID=(?:\"([^\"\n]*)\"|([^\";:,\n]*))", re.IGNORECASE)
_FOLD = re.compile(rb"\n[ \t]")


def shown(parts: Parts) -> tuple[Texts, dict[str, str]]:
    """Return what a text of these parts shows, by name, and the names or places that it alone would give otherwise."""
    hidden = {place for place in set(map(place_of, parts.named)) if is_taken_out(parts, place)}
    texts: Texts = {}
    lists: dict[str, dict[str, str]] = {}
    for name, part in parts.named.items():
        if part.holds is None or place_of(name) in hidden or is_never_shown(name):
            continue
        if is_value(name):
            held = part.holds.decode("utf-8", "surrogateescape")
            lists.setdefault(at(place_of(name), family(name)), {})[own_name(name).partition(":")[2]] = held
            continue
        if family(name) in VALUE_LISTS:
            lists.setdefault(name, {})
        text = shown_text(parts, name) if context_of(name) else part.holds
        if text is not None:
            texts[name] = text
    for name, wanted in lists.items():
        lines = lines_with(texts.pop(name, b""), wanted)
        if lines:
            texts[name] = lines
    if component_of(parts.kind) == "VCARD":
        texts = with_own_labels(texts, lambda name: (parts.get(name).edit, name))
    names = _names(parts, texts)
    _show_zones(parts, texts)
    return texts, names


def is_taken_out(parts: Parts, place: str) -> bool:
    """Tell whether a component is not there: its parts may be, of who did not know."""
    return kind_at(place) in ITEM_COMPONENTS and any(parts.get(one).holds is None for one in needed(place))


# -- time zones ---------------------------------------------------------------------------------------


def _show_zones(parts: Parts, texts: Texts) -> None:
    """Have the time zones in a text that it uses, also those that were taken out."""
    kept = {
        place_of(name) + SEPARATOR: part.holds
        for name, part in parts.named.items()
        if part.holds is not None and own_name(name) == KEPT
    }
    if all(name in texts for name in kept):
        return
    there = {_zone_at(name) for name in texts if is_zone(name)}
    used = set(_zones_used(texts)) - there
    for name, text in sorted(kept.items()):
        if name not in texts and _zone_at(name) in used:
            texts[name] = text


def _zone_at(name: str) -> str:
    return place_of(name).split(SEPARATOR)[3]


def _zones_used(texts: Mapping[str, bytes]) -> Iterator[str]:
    for name, text in texts.items():
        if kind_at(place_of(name)) in ITEM_COMPONENTS:
            for quoted, bare in _ZONE.findall(_FOLD.sub(b"", text)):
                yield told((quoted or bare).decode("utf-8", "surrogateescape").strip())


# -- names --------------------------------------------------------------------------------------------


def _names(parts: Parts, texts: Texts) -> dict[str, str]:
    """Return the parts and places that a text would give other names, by those; of two that it would call one, one.

    The other one's text is taken out: both cannot be shown.
    """
    names: dict[str, str] = {}
    events = {place_of(name) for name in texts if kind_at(place_of(name)) in ITEM_COMPONENTS}
    claims = {place: place for place in events if not is_override(place)}
    latest = {place: (order(WHEN, parts.get(at(place, WHEN))), place) for place in events - claims.keys()}
    for place in sorted(latest, key=latest.__getitem__, reverse=True):
        natural = _natural_place(place, texts)
        if claims.setdefault(natural, place) != place:
            for name in [name for name in texts if place_of(name) == place]:
                del texts[name]
        elif natural != place:
            names[natural] = place
    entries = [name for name in texts if may_change(name)]
    old = has_old_rules(texts.get("VERSION", b""))
    naturals: dict[str, str] = {}
    for name in sorted(entries, key=lambda one: (order(one, parts.get(one)), one), reverse=True):
        natural = _natural_name(name, texts[name], old)
        if naturals.setdefault(natural, name) != name:
            del texts[name]
        elif natural != name:
            names[natural] = name
    return names


def _natural_place(place: str, texts: Mapping[str, bytes]) -> str:
    """Return the place that a component's own text gives it."""
    identity = inside_of("X", texts.get(at(place, IDENTITY), b""))
    line = recurrence_line(texts.get(at(place, WHEN)))
    fields = place.split(SEPARATOR)
    return SEPARATOR.join([fields[0], told(identity.first("UID")), told(line.value) if line else "", ""])


@kept_of_small
def _natural_name(name: str, text: bytes, old: bool) -> str:
    """Return the name that a part's text alone gives it."""
    if not place_of(name) and b"\n" not in text and not old:
        line = text.decode("utf-8", "surrogateescape")
        return card_name(Line(name_of(line), text, line))
    found = [own for own in read_alone(name, text, old) if family(own) == family(name)]
    return at(place_of(name), found[0]) if len(found) == 1 else name
