"""Which parts of a version that is held a draft speaks of, where its text alone would give them other names.

Names follow from what parts say, so a changed telephone number would be one that is gone and one that is new, and an
instance that is told in UTC another one than in its series' time zone.  Who writes a draft over a version edited what
is there: what is gone and what is new are paired where that is sure, and what is paired keeps its name.
"""

from collections.abc import Collection, Iterable, Mapping

from mirror.model.content_lines import inside_of
from mirror.model.edits import Parts
from mirror.model.instances import RECURRENCE_ID, recurrence_line, series_at
from mirror.model.lists import lines_with
from mirror.model.names import (
    IDENTITY,
    SEPARATOR,
    VALUE_LISTS,
    WHEN,
    at,
    family,
    is_override,
    may_change,
    own_name,
    place_of,
)
from mirror.model.naming import Texts

Renames = dict[str, str]
"""Names, or places, by those that a text alone would give."""


def renamed(texts: Mapping[str, bytes], names: Mapping[str, str]) -> Texts:
    """Return parts by their names, of which ``names`` has those that their text alone would not give them.

    Raises ValueError where two would have one name.
    """
    if not names:
        return dict(texts)
    made: Texts = {}
    for name, text in texts.items():
        name = renamed_one(name, names)
        if name in made:
            raise ValueError("two parts of one name")
        made[name] = text
    return made


def renamed_one(name: str, names: Mapping[str, str]) -> str:
    """Return the name of a part of which ``names`` has those that its text alone would not give it."""
    where = place_of(name)
    name = at(names[where], own_name(name)) if where in names else name
    return names.get(name, name)


def by_text(texts: Iterable[str], names: Mapping[str, str]) -> Renames:
    """Return by the names of parts those that their text alone would give them; the reverse of ``renamed``."""
    told = {name: natural for natural, name in names.items()}
    found: Renames = {}
    for name in texts:
        natural = told.get(name, name)
        where = place_of(natural)
        found[name] = at(told[where], own_name(natural)) if where in told else natural
    return found


def aligned(held: Parts, draft: Mapping[str, bytes], changed: Collection[str] = ()) -> tuple[Texts, Renames]:
    """Return a draft's parts by the names that they have in what is held, and how they are renamed.

    ``changed`` are the names of what its author changed, where that is told: what is not among them its author may
    never have seen, so it was not made into something else.
    """
    if not held.names and draft.keys() <= held.texts.keys():
        return dict(draft), {}
    places = _places(held, draft)
    texts = renamed(draft, places)
    entries = _entries(held, texts, changed)
    return renamed(texts, entries), {**{one: other for one, other in places.items() if one != other}, **entries}


def told_as_held(held: Parts, texts: Mapping[str, bytes]) -> Texts:
    """Return a draft's parts, by the names of what is held, in which what tells instances apart is told as it is there.

    So are values of lists, if not all of them are told as they are there.
    """
    made = dict(texts)
    for place in _overrides(texts):
        _tell_as_held(held, made, place)
    for lines_name in [name for name in texts if own_name(name) in VALUE_LISTS]:
        made = _with_values_as_held(held, made, lines_name)
    return made


# -- instances of a series ----------------------------------------------------------------------------


def _places(held: Parts, draft: Mapping[str, bytes]) -> Renames:
    """Return the places of a draft's instances of series, of all that speak of such an instance."""
    found: Renames = {}
    for place in _overrides(draft):
        place_held = held.names.get(place, place)
        if at(place_held, IDENTITY) in held.texts:
            found[place] = place_held
    taken = set(found.values())
    left = [place for place in _overrides(held.texts) if place not in taken]
    for place in _overrides(draft):
        if place not in found:
            found[place] = next((one for one in left if _is_same(place, draft, one, held.texts)), "") or _new(
                place, held, draft
            )
            left = [one for one in left if one != found[place]]
    return found if len(set(found.values())) == len(found) else {}


def _overrides(texts: Iterable[str]) -> list[str]:
    places = (place_of(name) for name in texts if own_name(name) == IDENTITY)
    return [place for place in places if is_override(place)]


def _is_same(place: str, draft: Mapping[str, bytes], other: str, held: Mapping[str, bytes]) -> bool:
    ours, theirs = (recurrence_line(texts.get(at(one, WHEN))) for one, texts in ((place, draft), (other, held)))
    if ours is None or theirs is None or place.split(SEPARATOR)[:2] != other.split(SEPARATOR)[:2]:
        return False
    return series_at(place, draft, held).instance(ours) == series_at(other, held, draft).instance(theirs)


def _new(place: str, held: Parts, draft: Mapping[str, bytes]) -> str:
    """Return the place of an instance that is not held: by how its series is told, so that all come to the same."""
    line = recurrence_line(draft.get(at(place, WHEN)))
    fields = place.split(SEPARATOR)
    if line is not None:
        fields[2] = series_at(place, draft, held.texts).as_started(line)
    return SEPARATOR.join(fields)


def _tell_as_held(held: Parts, texts: Texts, place: str) -> None:
    """Have an instance told as it is in what is held."""
    name = at(place, WHEN)
    ours, theirs = recurrence_line(texts.get(name)), recurrence_line(held.texts.get(name))
    if ours is not None and theirs is not None and ours.raw != theirs.raw:
        lines = inside_of("X", texts[name]).lines
        texts[name] = b"\n".join(theirs.raw if line.name == RECURRENCE_ID else line.raw for line in lines)


# -- entries of lists ---------------------------------------------------------------------------------


def _entries(held: Parts, texts: Texts, changed: Collection[str]) -> Renames:
    """Return the names of entries of lists that are others in what is held than by the draft's text."""
    shown_as = {name: natural for natural, name in held.names.items()}
    found: Renames = {}
    lists: dict[str, list[str]] = {}
    for name in filter(may_change, texts):
        lists.setdefault(_list_of(name), []).append(name)
    held_lists: dict[str, dict[str, str]] = {}
    for name in filter(may_change, held.texts):
        held_lists.setdefault(_list_of(name), {})[shown_as.get(name, name)] = name
    for list_name, ours in lists.items():
        pairs = _paired_in_list(held, ours, held_lists.get(list_name, {}), changed)
        taken = set(pairs.values())
        for name in ours:
            if name not in pairs:
                pairs[name] = _free(name, held, taken)
                taken.add(pairs[name])
        found |= {name: other for name, other in pairs.items() if name != other}
    return found


def _paired_in_list(held: Parts, ours: list[str], theirs: Renames, changed: Collection[str]) -> Renames:
    """Return the names of a draft's entries of a list, as texts give them, by ``theirs``, of what is held."""
    pairs = {name: theirs[name] for name in ours if name in theirs}
    if not changed:
        gone = [name for natural, name in theirs.items() if natural not in pairs]
        return pairs | _paired([name for name in ours if name not in pairs], gone)
    # What its author left alone is what it was, though somebody else made something else of it or took it out.
    taken = set(pairs.values())
    pairs |= {name: name for name in ours if name not in pairs and name in held.named and name not in taken}
    new = [name for name in ours if name not in pairs]
    told = [name for name in changed if may_change(name) and name not in ours]
    of_list = [theirs.get(name, name) for name in told if _list_of(name) == _list_of(ours[0])]
    return pairs | _paired(new, [name for name in dict.fromkeys(of_list) if name not in pairs.values()])


def _list_of(name: str) -> str:
    """Return the list that an entry is in, as the place and the property."""
    return at(place_of(name), family(name))


def _paired(new: Iterable[str], gone: Iterable[str]) -> Renames:
    """Return by what is new what is gone, where one became the other: by what they have in common."""

    found: Renames = {}
    left_new, left_gone = list(new), list(gone)
    for common in (_told, _kind, _any):
        groups: dict[str, tuple[list[str], list[str]]] = {}
        for side, names in enumerate((left_new, left_gone)):
            for name in names:
                groups.setdefault(common(name), ([], []))[side].append(name)
        for ours, theirs in groups.values():
            if len(ours) == len(theirs):
                found |= dict(zip(ours, theirs, strict=True))
        left_new = [name for name in left_new if name not in found]
        left_gone = [name for name in left_gone if name not in found.values()]
    return found


def _free(name: str, held: Parts, taken: set[str]) -> str:
    """Return a name for an entry that is new: its own, or another one where that is still of one that was renamed."""
    if held.get(name).holds is None and name not in taken:
        return name
    number = 2
    while held.get(f"{name}~{number}").holds is not None or f"{name}~{number}" in taken:
        number += 1
    return f"{name}~{number}"


# -- lists of values ----------------------------------------------------------------------------------


def _with_values_as_held(held: Parts, texts: Texts, lines_name: str) -> Texts:
    if texts[lines_name] == held.texts.get(lines_name):
        return texts
    ours, theirs = (_values(one, lines_name) for one in (texts, held.texts))
    names = {name: name if name in theirs else "" for name in ours}
    if own_name(lines_name) == "EXDATE" and "" in names.values():
        place = place_of(lines_name)
        here = {_instance(held.texts[name], place, held.texts, texts): name for name in theirs if name not in names}
        names = {name: other or here.get(_instance(texts[name], place, texts, held.texts), name)
                 for name, other in names.items()}  # fmt: skip
    names = {name: other or name for name, other in names.items()}
    told_otherwise = [name for name, other in names.items() if other in theirs and texts[name] != theirs[other]]
    if not told_otherwise or len(set(names.values())) < len(names):
        return texts
    rest = {name: text for name, text in texts.items() if name not in ours}
    values = {other: theirs.get(other, texts[name]) for name, other in names.items()}
    wanted = {_told(name): text.decode("utf-8", "surrogateescape") for name, text in values.items()}
    return {**rest, **values, lines_name: lines_with(held.texts.get(lines_name, b""), wanted)}


def _values(texts: Mapping[str, bytes], lines_name: str) -> dict[str, bytes]:
    return {name: text for name, text in texts.items() if name.startswith(f"{lines_name}:")}


def _told(name: str) -> str:
    return own_name(name).partition(":")[2]


def _kind(name: str) -> str:
    return own_name(name).partition(":")[0]


def _any(_name: str) -> str:
    return ""


def _instance(text: bytes, place: str, *told: Mapping[str, bytes]) -> str:
    (line,) = inside_of("X", text).lines
    return series_at(place, *told).instance(line)
