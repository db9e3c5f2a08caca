"""What of an item's version is gone from the one that it was merged into, though nobody who had seen it took it out.

Two ways: a part was written over, or it is there and not shown, as what somebody wrote into an occurrence that somebody
else took out.  Both are told, by the names of parts, so that a user can have them back.
"""

from collections.abc import Collection, Iterator, Mapping

from mirror.model.answers import is_answer, shown_text
from mirror.model.edits import Part, Parts, order
from mirror.model.lists import EXDATE
from mirror.model.names import (
    ANSWER,
    ATTENDEE,
    SEPARATOR,
    WHEN,
    at,
    context_of,
    is_noticed,
    is_override,
    own_name,
    place_of,
    series_of,
)
from mirror.model.showing import is_taken_out
from mirror.model.wording import same


def lost_names(version: Parts, merged: Parts, seen: Mapping[str, int]) -> list[str]:
    """Return what of a version is gone from the merged one, by someone who had ``seen`` just that much.

    What there is no room for is gone whoever had seen it: nobody meant that.
    """
    whole = not version.kind or version.kind != merged.kind
    gone = set() if whole else {place for place in set(map(place_of, merged.named)) if is_taken_out(merged, place)}
    moved = whole or any(own_name(name) == WHEN and merged.get(name) != part for name, part in version.named.items())
    names = [
        name
        for name, part in version.named.items()
        if whole or moved or merged.named.get(name) != part
        # What changes with every edit is nobody's work; but of what is no item there is nothing else.
        if whole or is_noticed(name)
        if _is_lost(name, version, merged, seen, gone)
        or (moved and not whole and _is_out_of_place(name, version, merged, seen))
    ]
    return names if whole else list(dict.fromkeys([*names, *_hidden(version, merged, seen, gone)]))


def _is_lost(name: str, version: Parts, merged: Parts, seen: Mapping[str, int], gone: Collection[str]) -> bool:
    part, other = version.named[name], merged.get(name)
    if part.holds is None and is_answer(name):  # it went with the attendee, which is told alone
        return False
    unseen = _is_unseen(part, seen) or (other.edit == part.edit and other != part)
    if not unseen and not (version.kind == merged.kind != "" and _is_cut(name, part, merged)):
        return False
    shown = None if place_of(name) in gone else shown_text(merged, name)
    return version.kind != merged.kind or not same(name, shown, shown_text(version, name))


def _is_unseen(part: Part, seen: Mapping[str, int]) -> bool:
    return seen.get(part.edit.origin, 0) < part.edit.stamp


# -- what is there, and not shown ---------------------------------------------------------------------


def _hidden(version: Parts, merged: Parts, seen: Mapping[str, int], gone: Collection[str]) -> Iterator[str]:
    """Yield what somebody unseen wrote into what is shown no more, with all that it takes to show it again."""
    for place in sorted(gone):
        there = [name for name in version.named if place_of(name) == place and version.get(name).holds is not None]
        noticed = [name for name in there if is_noticed(name)]
        if not is_taken_out(version, place) and any(_is_unseen(version.get(name), seen) for name in noticed):
            yield from noticed
            yield from _exceptions(place, version, merged)
    for name, part in version.named.items():
        if part.holds is None or not context_of(name) or not _is_unseen(part, seen):
            continue
        asked = at(place_of(name), ATTENDEE + own_name(name).removeprefix(ANSWER))
        if is_answer(name) and asked in version.texts and merged.get(asked).holds is None:
            yield from (asked, name)
        # A draft from an earlier version may be to a time that is another one in what is held already.
        elif same(name, version.texts.get(name), part.holds) and not same(name, shown_text(merged, name), part.holds):
            yield name


def _exceptions(place: str, version: Parts, merged: Parts) -> Iterator[str]:
    """Yield the exception to a series that stands for an occurrence which was taken out."""
    if is_override(place):
        name = at(series_of(place), f"{EXDATE}:{place.split(SEPARATOR)[2]}")
        if merged.get(name).holds is not None and version.get(name).holds is None:
            yield name


# -- what was written over, or cut --------------------------------------------------------------------


def _is_cut(name: str, part: Part, merged: Parts) -> bool:
    """Tell whether there was no room for a part: it is later than what its being left out would say."""
    return name not in merged.named and order(name, part) > order(name, merged.absent(name))


def _is_out_of_place(name: str, version: Parts, merged: Parts, seen: Mapping[str, int]) -> bool:
    """Tell whether someone unseen said something of an instance of a series that has other instances now."""
    part, place = version.named[name], place_of(name)
    if not (is_override(place) or own_name(name).startswith(f"{EXDATE}:")):
        return False
    when = at(series_of(place), WHEN)
    unseen = part.holds is not None and _is_unseen(part, seen)
    return unseen and when in merged.named and not same(when, version.get(when).holds, merged.get(when).holds)
