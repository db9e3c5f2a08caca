"""An item's parts, each with the edit that last changed it: so edits of different properties merge.

What three-way merging needs a common ancestor for, which side changed a property, is kept with the property: the
edit that wrote it.  Two versions are merged part by part, the later edit of each part wins, where "later" is what
RFC 5546 says first and the version after that.  That is a join, whatever the order in which versions meet; merging
with a stored ancestor is not.  What parts there are is said in mirror.model.naming.
"""

from collections.abc import Collection, Iterable, Mapping

from mirror.model.edits import Edit, Part, Parts
from mirror.model.heads import read_head
from mirror.model.item import Rank, find_item
from mirror.model.limits import greatest
from mirror.model.naming import MESSAGE, REVISION, SETTLED, class_of, fits, is_noticed, texts_of, whole_texts
from mirror.model.record import Record
from mirror.model.wording import same


def read_parts(record: Record, body: bytes) -> Parts:
    """Return the parts of a living record with this body.  Raises BadRecord when its head cannot be read."""
    rest, said = read_head(record)
    item = find_item(body)
    own = said.pop("", None)
    kind, texts = texts_of(item, body, rest, None if own is None else own.shares)
    rank = item.rank if item is not None else Rank()
    base = own.edit if own is not None else Edit(rank, record.stamp, record.origin)
    named = {name: Part(base, text) for name, text in texts.items()}
    for name, one in said.items():
        if kind or name in texts or name.startswith(SETTLED):  # what is no item has no parts but itself
            named[name] = Part(one.edit, one.holds(name, texts.get(name)))
    if kind and not fits({name: part.holds for name, part in named.items()}):
        kind, texts = whole_texts(body, rest)
        named = {name: Part(base, text) for name, text in texts.items()}
    return Parts(kind, base, _told(named, base), texts)


def _told(named: Mapping[str, Part], base: Edit) -> dict[str, Part]:
    """Return the parts that say something else than that what is not named is not there."""
    absent = Part(base, None)
    return {name: part for name, part in named.items() if part != absent}


# -- merging ------------------------------------------------------------------------------------------


def join(left: Parts, right: Parts) -> Parts:
    """Return the parts of the merged version.  Of different kinds (one is no readable item, say) it is the greater."""
    if left.kind != right.kind:
        return max(left, right, key=lambda parts: parts.kind)
    base = max(left.base, right.base)
    named = {name: _later(left.get(name), right.get(name)) for name in left.named.keys() | right.named.keys()}
    return cut_parts(Parts(left.kind, base, _told(named, base)))


def cut_parts(parts: Parts) -> Parts:
    """Return as many parts as an item may have; see mirror.model.limits."""
    return Parts(parts.kind, parts.base, greatest(parts.named, class_of, lambda part: part.order), parts.texts)


def _later(one: Part, other: Part) -> Part:
    return one if one.order >= other.order else other


def edited(current: Parts, draft: Parts, stamp: int, origin: str) -> Parts:
    """Return the parts of a draft that replaces ``current``: what it leaves alone stays written by who wrote it.

    What it only writes in other words is left alone.
    """
    edit = Edit(draft.base.rank, stamp, origin)

    def part(name: str, crowded: bool) -> Part:
        held, new = current.get(name), draft.texts.get(name)
        alone = name != MESSAGE and same(name, current.texts.get(name), new) and not crowded
        return held if alone else Part(edit, new)

    def parts(crowded: bool) -> Parts:
        named = {name: part(name, crowded) for name in current.named.keys() | draft.texts.keys()}
        return Parts(draft.kind, current.base, _told(named, current.base))

    kept = cut_parts(made := parts(crowded=False))
    # Where there is no room to tell who left what alone, all is this edit's: so nothing of the draft is what is cut.
    return kept if kept == made else cut_parts(parts(crowded=True))


def stale_edit(held: Parts, draft: Parts, changed: Collection[str], stamp: int, origin: str) -> Parts:
    """Return the parts of a draft that was made from another version than the one that is ``held``.

    Just what its author ``changed`` is an edit; where that is not told, all that is not as it is held.
    """
    edit = Edit(draft.base.rank, stamp, origin)
    if held.kind != draft.kind or not draft.kind:
        return Parts(draft.kind, edit, {name: Part(edit, text) for name, text in draft.texts.items()}, draft.texts)
    names = {*changed, REVISION, MESSAGE} if changed else held.texts.keys() | draft.texts.keys()
    ours = {
        name: Part(edit, draft.texts.get(name))
        for name in names
        if not same(name, held.texts.get(name), draft.texts.get(name))
    }
    return Parts(held.kind, held.base, {**held.named, **ours})


def with_settled(parts: Parts, crcs: Iterable[int], stamp: int, origin: str) -> Parts:
    """Return parts that say, besides, that versions with these CRC-64s were seen."""
    marks = {f"{SETTLED}{crc:016x}": Part(Edit(parts.base.rank, stamp, origin), None) for crc in crcs}
    return cut_parts(Parts(parts.kind, parts.base, {**parts.named, **marks}, parts.texts))


# -- conflicts ----------------------------------------------------------------------------------------


def lost_names(version: Parts, merged: Parts, seen: Mapping[str, int]) -> list[str]:
    """Return what of a version is gone from the merged one, by someone who had ``seen`` just that much.

    What there is no room for is gone whoever had seen it: nobody meant that.
    """
    whole = not version.kind or version.kind != merged.kind
    return [
        name
        for name, part in version.named.items()
        # What changes with every edit is nobody's work; but of what is no item there is nothing else.
        if whole or is_noticed(name)
        if version.kind != merged.kind or not same(name, merged.get(name).holds, part.holds)
        if seen.get(part.edit.origin, 0) < part.edit.stamp
        or merged.get(name).edit == part.edit
        or (not whole and _is_cut(name, part, merged))
    ]


def _is_cut(name: str, part: Part, merged: Parts) -> bool:
    """Tell whether there was no room for a part: it is later than what its being left out would say."""
    return name not in merged.named and part.order > Part(merged.base, None).order
