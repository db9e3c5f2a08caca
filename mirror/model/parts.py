"""An item's parts, each with the edit that last changed it: so edits of different properties merge.

What three-way merging needs a common ancestor for, which side changed a property, is kept with the property: the
edit that wrote it.  Two versions are merged part by part, the later edit of each part wins, where "later" is what
RFC 5546 says first and the version after that.  That is a join, whatever the order in which versions meet; merging
with a stored ancestor is not.  What parts there are is said in mirror.model.names.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache

from mirror.model.aligning import aligned, renamed, renamed_one, told_as_held
from mirror.model.cards import VERSION, in_version, is_sure, version_of
from mirror.model.edits import NEVER, Edit, Part, Parts, order
from mirror.model.groups import with_own_labels
from mirror.model.heads import Said, read_head
from mirror.model.item import Rank, Told, find_item
from mirror.model.limits import greatest
from mirror.model.names import (
    CHARSET,
    ENCODING,
    KEPT,
    MESSAGE,
    REVISION,
    SETTLED,
    at,
    class_of,
    component_of,
    context_of,
    is_override,
    is_zone,
    own_name,
    place_of,
)
from mirror.model.naming import Named, fits, named, whole
from mirror.model.old_heads import read_old, translated
from mirror.model.record import Record, Version
from mirror.model.wording import meaning, same, sequence_kept

MULTIPART = b"multipart/"
"""In a message around an item: there are others beside it."""
SMALL = 64 * 1024
"""Bytes of a body up to which what was read of it is kept for a while: who writes a version merges it next."""


def read_parts(record: Record, body: bytes) -> Parts:
    """Return the parts of a living record with this body.  Raises BadRecord when its head cannot be read."""
    if len(body) > SMALL:
        return _read(record, body)
    return _read_small(record.stamp, record.origin, record.head, body)


@lru_cache(maxsize=128)
def _read_small(stamp: int, origin: str, head: bytes, body: bytes) -> Parts:
    return _read(Record("", "", stamp, origin, 1, head=head), body)


def _read(record: Record, body: bytes) -> Parts:
    head = read_head(record)
    item = find_item(body)
    said = {**head.said, **translated(read_old(record, head.old), item)}
    own = said.pop("", None)
    told = item.told if item is not None else Told()
    base = own.edit if own is not None else Edit(told.rank(record.stamp), record.stamp, record.origin)
    found = named(item, body, head.rest, None if own is None else own.shares)
    try:
        found = found._replace(texts=renamed(found.texts, head.names))
    except ValueError:
        found = whole(body, head.rest)
    parts = _parts(found, base, said)
    if found.kind and not fits({name: part.holds for name, part in parts.items()}):
        found = whole(body, head.rest)
        parts = _parts(found, base, said)
    fixed = own.under if own is not None and own.under != base else None
    made = Parts(found.kind, base, parts, found.texts, head.names if found.kind else {}, told, fixed)
    return without_absent(with_kept(made))


def _parts(found: Named, base: Edit, said: Mapping[str, Said]) -> dict[str, Part]:
    parts = {name: Part(base, text) for name, text in found.texts.items()}
    under: dict[str, Edit] = {}
    for name, one in said.items():
        if found.kind or name in parts or name.startswith(SETTLED):  # what is no item has no parts but itself
            parts[name] = Part(one.edit, one.holds(found.texts.get(name)))
            if one.under is not None:
                under[name] = one.under
    for name, part in parts.items():
        context = context_of(name)
        if context and part.holds is not None:  # written under what is now, where nothing else is said
            now = parts[context].edit if context in parts else base
            parts[name] = part._replace(under=under.get(name, now))
    return parts


def without_absent(parts: Parts) -> Parts:
    """Return the same parts without those that are named though nothing else is said of them than if they were not."""
    if parts.has_defaults or parts.fixed_base is not None:
        return replace(parts, named={name: part for name, part in parts.named.items() if part != parts.absent(name)})
    absent = Part(parts.base, None)
    return replace(parts, named={name: part for name, part in parts.named.items() if part != absent})


# -- merging ------------------------------------------------------------------------------------------


def join(left: Parts, right: Parts) -> Parts:
    """Return the parts of the merged version.  Of different kinds (one is no readable item, say) it is the greater."""
    if left.kind != right.kind:
        return max(left, right, key=lambda parts: parts.kind)
    if component_of(left.kind) == "VCARD" and left.get(VERSION) != right.get(VERSION):
        return _of_one_version(*sorted((left, right), key=lambda parts: order(VERSION, parts.get(VERSION))))
    named = {}
    for name in left.named.keys() | right.named.keys():
        one, other = left.get(name), right.get(name)
        named[name] = one if one == other or order(name, one) > order(name, other) else other
    return _joined(left, right, named, max(left.fixed, right.fixed))


def _joined(left: Parts, right: Parts, named: dict[str, Part], fixed: Edit) -> Parts:
    base = max(left.base, right.base)
    return cut_parts(without_absent(Parts(left.kind, base, named, fixed_base=None if fixed == base else fixed)))


def _of_one_version(earlier: Parts, later: Parts) -> Parts:
    """Return the parts of a card that two sides have in different versions: of the one whose version is the later edit.

    What the other one edited later comes along as that version writes it, where that can be said for sure.
    """
    was, is_now = (version_of(parts.get(VERSION).holds) for parts in (earlier, later))
    named = {}
    for name in earlier.named.keys() | later.named.keys():
        part, other = earlier.get(name), later.get(name)
        comes = is_sure(name) and (part.edit, part.holds is not None) > (other.edit, other.holds is not None)
        named[name] = other
        if comes:
            named[name] = part if part.holds is None else part._replace(holds=in_version(name, part.holds, was, is_now))
    return _joined(earlier, later, named, later.fixed)


def cut_parts(parts: Parts) -> Parts:
    """Return as many parts as an item may have; see mirror.model.limits."""
    return replace(parts, named=greatest(parts.named, class_of, order))


def _later(name: str, one: Part, other: Part) -> Part:
    return one if order(name, one) >= order(name, other) else other


# -- editing ------------------------------------------------------------------------------------------


def edited(current: Parts, draft: Parts, stamp: int, origin: str, undone: Collection[str] = ()) -> Parts:
    """Return the parts of a draft that replaces ``current``: what it leaves alone stays written by who wrote it.

    What it only writes in other words is left alone, but for ``undone``, the names of what is as it is here again: its
    author changed what somebody wrote that has not come here yet.  Who had seen what is held is never behind it.  The
    texts of what is returned are the draft's.
    """
    latest = current.latest.rank
    edit = Edit(max(draft.told.rank(stamp, latest.sequence), latest), stamp, origin)
    if not draft.kind:
        return replace(draft, base=edit, named={MESSAGE: Part(edit, draft.texts[MESSAGE])})
    drafted, names = aligned(current, draft.texts)
    texts = told_as_held(current, drafted)
    changed = changes(current, texts, current.texts.keys() | texts.keys())
    changed |= {name: texts.get(name) for name in undone if name in current.texts.keys() | texts.keys()}

    def parts(crowded: bool) -> Parts:
        written = texts.keys() | current.named.keys() if crowded else {*changed, MESSAGE}
        named = {**current.named, **{name: Part(edit, changed.get(name, texts.get(name))) for name in written}}
        if VERSION in changed and component_of(draft.kind) == "VCARD":
            named = _as_drafted(current, named, texts, changed)
        made = with_kept(
            replace(current, kind=draft.kind, named=_with_own_labels(draft, named), texts=drafted, names=names)
        )
        return without_absent(_answers_kept(current, made, set(changed)))

    kept = cut_parts(made := parts(crowded=False))
    # Where there is no room to tell who left what alone, all is this edit's: so nothing of the draft is what is cut.
    return kept if kept == made else cut_parts(parts(crowded=True))


def well_named(parts: Parts) -> Parts | None:
    """Return parts with names that their text would not give them; None where it gives all of them.

    An instance of a series that is not told as the series is has the name that it would have then.
    """
    if not any(is_override(place_of(name)) for name in parts.texts):
        return None
    nothing = Parts(parts.kind, parts.base, {})
    texts, names = aligned(nothing, parts.texts)
    if not names:
        return None
    named = {name: Part(parts.base, text) for name, text in texts.items()}
    made = Parts(parts.kind, parts.base, named, texts, names)
    return without_absent(_answers_kept(nothing, with_kept(made), set(named)))


def stale_edit(
    held: Parts, draft: Parts, changed: Collection[str], seen: Mapping[str, int], stamp: int, origin: str
) -> Parts:
    """Return the parts of a draft that was made from another version than the one that is ``held``.

    Just what its author ``changed`` is an edit; where that is not told, all that is not as it is held.  It is never
    behind what its author had ``seen``.
    """
    edits = (held.base, *(part.edit for part in held.named.values()))
    known = max((edit.rank for edit in edits if seen.get(edit.origin, 0) >= edit.stamp), default=Rank())
    edit = Edit(max(draft.told.rank(stamp, held.latest.rank.sequence), known), stamp, origin)
    if held.kind != draft.kind or not draft.kind:
        return replace(draft, base=edit, named={name: part._replace(edit=edit) for name, part in draft.named.items()})
    drafted, names = aligned(held, draft.texts, changed)
    texts = told_as_held(held, drafted)
    natural = {**held.names, **names}
    told = {name if name in held.named else renamed_one(name, natural) for name in changed}
    ours = changes(held, texts, told if changed else held.texts.keys() | texts.keys())
    written = {name: Part(edit, text) for name, text in {**ours, MESSAGE: texts[MESSAGE]}.items()}
    named = {**held.named, **written}
    if component_of(held.kind) == "VCARD" and not same(VERSION, held.texts.get(VERSION), texts.get(VERSION)):
        if VERSION in ours:
            named = _as_drafted(held, named, texts, ours)
        else:  # what is held came to another version meanwhile, and stays in that
            named[VERSION] = Part(NEVER, texts.get(VERSION))
    made = with_kept(replace(held, named=_with_own_labels(draft, named), texts=drafted, names=names))
    return _answers_of_stale(held, made, set(ours))


def says_nothing_new(held: Parts, draft: Parts, made: Parts, version: Version) -> bool:
    """Tell whether a draft, of which ``made`` were made as this version, just says in other words what is held.

    A version of it would be an edit to every program that looks, which then writes the item in its own words.  The
    message around an item is none of what that says, unless there are others in it.
    """
    if not held.kind or held.kind != draft.kind:
        return held.texts == draft.texts
    if MULTIPART in held.texts[MESSAGE] and held.texts[MESSAGE] != draft.texts[MESSAGE]:
        return False
    written = (name for name, part in made.named.items() if (part.edit.stamp, part.edit.origin) == version)
    return all(own_name(name) in (MESSAGE, CHARSET, ENCODING) for name in written)


def _with_own_labels(draft: Parts, named: Mapping[str, Part]) -> dict[str, Part]:
    """Return parts of a card of which those that were written last have no label that another one has."""
    made = dict(named)
    if component_of(draft.kind) == "VCARD":
        texts = {name: part.holds for name, part in named.items() if part.holds is not None}
        for name, text in with_own_labels(texts, lambda name: (named[name].edit, name)).items():
            made[name] = named[name]._replace(holds=text)
    return made


def _as_drafted(
    held: Parts, named: Mapping[str, Part], texts: Mapping[str, bytes], changed: Collection[str]
) -> dict[str, Part]:
    """Return parts of a card that is drafted in another version: what is not changed is of who wrote it, as drafted."""
    was, is_now = version_of(held.texts.get(VERSION)), version_of(texts.get(VERSION))
    made = dict(named)
    for name, part in named.items():
        if name in changed or name == MESSAGE or part.holds is None:
            continue
        if name in texts:
            made[name] = part._replace(holds=texts[name])
        elif is_sure(name):
            made[name] = part._replace(holds=in_version(name, part.holds, was, is_now))
    return made


def changes(held: Parts, texts: Mapping[str, bytes], names: Iterable[str]) -> dict[str, bytes | None]:
    """Return what a draft's texts say otherwise than the text of what is held, of parts of these names.

    What says of which version an item is belongs to what was changed, and is none where nothing was.
    """
    found = {
        name: texts.get(name)
        for name in names
        if name != MESSAGE and own_name(name) != REVISION and not same(name, held.texts.get(name), texts.get(name))
    }
    places = {place_of(name) for name in found}
    for name in [name for name in {*held.texts, *texts} if own_name(name) == REVISION]:
        place, old, new = place_of(name), held.texts.get(name), texts.get(name)
        told = sequence_kept(old, new) if place else new
        is_another = meaning(name, old or b"") != meaning(name, told or b"")
        if told != old and (place in places or (found and not place) or is_another):
            found[name] = told
    return found


def with_kept(parts: Parts) -> Parts:
    """Return parts that say, besides, what each time zone says that is there: for when it is taken out and needed."""
    kept = {
        at(place_of(name), KEPT): part for name, part in parts.named.items() if is_zone(name) and part.holds is not None
    }
    if not kept:
        return parts
    later = {name: _later(name, parts.get(name), part) for name, part in kept.items()}
    return replace(parts, named={**parts.named, **later})


def _answers_kept(current: Parts, made: Parts, changed: Collection[str]) -> Parts:
    """Return parts in which answers that stay are to what was asked by who left them there."""
    named = dict(made.named)
    for name, part in made.named.items():
        context = context_of(name)
        if context and part.holds is not None:
            held = current.get(name)
            stays = name not in changed and held.under != current.get(context).edit
            named[name] = part._replace(under=held.under if stays else made.get(context).edit)
    return replace(made, named=named)


def _answers_of_stale(held: Parts, made: Parts, changed: Collection[str]) -> Parts:
    """Return parts in which answers are to what their author had seen; nobody knows what that was if it is not here."""
    named = dict(made.named)
    for name, part in made.named.items():
        context = context_of(name)
        if not context or part.holds is None:
            continue
        if name in changed:
            seen = context in changed or same(context, held.texts.get(context), made.texts.get(context))
            named[name] = part._replace(under=made.get(context).edit if seen else NEVER)
        elif context in changed and same(name, held.texts.get(name), made.texts.get(name)):
            named[name] = part._replace(under=made.get(context).edit)
    return replace(made, named=named)


def with_settled(parts: Parts, crcs: Iterable[int], stamp: int, origin: str) -> Parts:
    """Return parts that say, besides, that versions with these CRC-64s were seen."""
    marks = {f"{SETTLED}{crc:016x}": Part(Edit(parts.base.rank, stamp, origin), None) for crc in crcs}
    return cut_parts(replace(parts, named={**parts.named, **marks}))
