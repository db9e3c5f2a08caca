"""Local writes: the next version of a record, made from the one that is there or from an earlier one."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

import msgspec

from mirror.model.composing import composed, shows, write_head
from mirror.model.draft import Base, Draft
from mirror.model.edits import Parts
from mirror.model.fields import Field, Value, pack_fields, unpack_fields
from mirror.model.heads import without_edits
from mirror.model.item import MAX_MESSAGE, may_have_overrides
from mirror.model.keys import split_key
from mirror.model.kinds import MergeRule, kind_of
from mirror.model.lost import lost_names
from mirror.model.merge import Body, Keep, has_fields, inline_body, is_item, keep_inline, same_content
from mirror.model.names import is_noticed
from mirror.model.nodes import Vector
from mirror.model.parts import edited, join, read_parts, says_nothing_new, stale_edit, well_named
from mirror.model.record import Past, Record, Version, created, least_of, pack_head, past_of, unpack_head, vector_of
from mirror.model.texts import is_message, naming, own_text, standing_for, text_of
from mirror.model.wording import is_put_back

FIRST_BORN = 1
"""The birth of an item that this node has never seen deleted."""


def successor(
    current: Record | None,
    draft: Record,
    stamp: int,
    origin: str,
    body: Body = inline_body,
    keep: Keep = keep_inline,
) -> Record:
    """Return ``draft`` as a new version that replaces ``current`` (if there is one) everywhere.

    Whatever the draft's own stamps are, the result carries ``stamp`` and ``origin``.  An item that its own
    standard ranks below the current one (an older SEQUENCE, put back on purpose) becomes a new incarnation.
    """
    if is_item(draft):
        return _next_item(current, draft, stamp, origin, body, keep)
    if is_message(draft):
        draft = msgspec.structs.replace(draft, head=_head_of_message(draft, current, body))
    if current is None:
        return _version(draft, stamp, origin, stamp)
    born = stamp if current.dead else current.born
    return _version(draft, stamp, origin, born, _past_behind(current, stamp, origin))


def _next_item(
    current: Record | None,
    draft: Record,
    stamp: int,
    origin: str,
    body: Body,
    keep: Keep,
    undone: Collection[str] = (),
    unless_held: bool = False,
) -> Record:
    """Return the next version of an item; ``unless_held``, what is held if the draft says nothing else.

    ``undone`` as in parts.edited.
    """
    draft = msgspec.structs.replace(draft, head=without_edits(draft.head))
    if current is None:
        # Two nodes that file the same item independently (an invitation that came to both) make one incarnation,
        # so its own standard decides between them; what was created after a known deletion is a new one.
        return _filed(_version(draft, stamp, origin, FIRST_BORN), body)
    past = _past_behind(current, stamp, origin)
    if current.dead:
        return _filed(_version(draft, stamp, origin, stamp, past), body)
    held, new = read_parts(current, body(current)), read_parts(draft, body(draft))
    if _falls_behind(new, held):
        return _filed(_version(draft, stamp, origin, stamp, past), body)
    made = _version(draft, stamp, origin, current.born, past)
    if new.kind != held.kind:
        return _filed(made, body)
    parts = edited(held, new, stamp, origin, undone)
    if unless_held and says_nothing_new(held, new, parts, made.version):
        return current
    return _of_parts(made, parts, held, keep)


def _filed(made: Record, body: Body) -> Record:
    """Return a version that is made of nothing that is held, with names that its text would not give its parts."""
    text = body(made) if made.size <= MAX_MESSAGE else b""
    parts = well_named(read_parts(made, text)) if may_have_overrides(text) else None
    return made if parts is None else msgspec.structs.replace(made, head=write_head(parts))


def _of_parts(made: Record, parts: Parts, held: Parts, keep: Keep) -> Record:
    """Return a version of these parts.  Its body is the draft's where that shows them, else what is held changes."""
    if shows(parts, parts.texts):
        return msgspec.structs.replace(made, head=write_head(parts))
    parts, text = composed(parts, held.texts)
    return keep(msgspec.structs.replace(made, head=write_head(parts), body=b"", content=b"", size=0), text)


def _version(draft: Record, stamp: int, origin: str, born: int, past: Past = ()) -> Record:
    return msgspec.structs.replace(draft, stamp=stamp, origin=origin, born=born, dead=False, past=past)


def _past_behind(current: Record, stamp: int, origin: str) -> Past:
    return past_of(vector_of(current), Version(stamp, origin), least_of(current))


def _head_of_message(draft: Record, current: Record | None, body: Body) -> bytes:
    """Return the head of a version that replaces a message, or what was one, and stands for the same text."""

    def own(record: Record) -> str:
        return own_text(record, body)

    draft = msgspec.structs.replace(draft, head=naming(draft.head, ""), dead=False)
    return draft.head if current is None else standing_for(draft, text_of(current, own), own).head


def _falls_behind(new: Parts, held: Parts) -> bool:
    """Tell whether a draft is none that follows what is held: no item any more, or one that is put back to before."""
    return new.kind < held.kind or (new.kind == held.kind and is_put_back(new.texts, held.texts))


def with_fields(
    current: Record | None, collection: str, key: str, values: Mapping[str, Value], stamp: int, origin: str
) -> Record:
    """Return the version that sets these fields and leaves the others as they are."""
    fields = unpack_fields(current) if current is not None and not current.dead else {}
    for name, value in values.items():
        if name not in fields or fields[name].value != value:
            fields[name] = Field(value, stamp, origin)
    draft = Record(collection, key, stamp, origin, stamp, head=pack_fields(fields))
    return successor(current, draft, stamp, origin)


def tombstone(current: Record, stamp: int, origin: str, body: Body = inline_body) -> Record:
    """Return the version that deletes a record, everywhere and in every incarnation so far.

    Its birth says when what it deletes was last written: all that can still be told of that, but for the text of a
    message, since there may be others of its id.
    """
    past = past_of(vector_of(current), Version(stamp, origin), least_of(current))
    born = current.born if current.dead else current.stamp
    dead = Record(current.collection, current.key, stamp, origin, min(born, stamp), dead=True, past=past)
    if not is_message(current):
        return dead

    def own(record: Record) -> str:
        return own_text(record, body)

    return standing_for(dead, text_of(current, own), own)


class Loser(NamedTuple):
    """A version that lost; of an item, the names of the parts that did."""

    record: Record
    parts: tuple[str, ...] = ()


class Written(NamedTuple):
    """What is held once a draft was written, and what lost.

    ``record`` is the version held before where the draft itself lost: to a deletion that its author had not seen.
    """

    record: Record
    losers: tuple[Loser, ...] = ()


def written(
    current: Record | None,
    draft: Draft,
    stamp: int,
    origin: str,
    body: Body = inline_body,
    keep: Keep = keep_inline,
) -> Written:
    """Return what a draft makes of the version that is held.

    Where its base covers that, it is the next version.  Else it is a concurrent edit, written at ``stamp``: it merges
    with what is held, and whatever one of the two loses to the other is handed back.
    """
    seen = draft.base.vector if draft.base is not None else {}
    if draft.base is not None and (draft.base.begins_after(current) or (draft.dead and current is None)):
        return _in_its_incarnation(current, draft, draft.base, stamp, origin, body)
    if current is None or (draft.base is not None and draft.base.covers(current)):
        return Written(_knowing(current, draft, seen, stamp, origin, body, keep))
    if current.dead and draft.base is not None:
        return _after_deletion(current, draft, stamp, origin)
    if draft.dead:
        made = tombstone(current, stamp, origin, body)
        return Written(msgspec.structs.replace(made, past=past_of(seen, made.version)), (Loser(current),))
    if current.dead:
        return Written(_knowing(current, draft, seen, stamp, origin, body, keep))
    if kind_of(draft.collection).rule is MergeRule.FIELDS:
        return _stale_fields(current, draft, seen, stamp, origin)
    if draft.key == current.key and is_item(current):
        return _stale_item(current, draft, seen, stamp, origin, body, keep)
    made = _record(draft, stamp, origin, current.born, past_beside(current, Version(stamp, origin), seen), draft.head)
    if is_message(made):
        made = msgspec.structs.replace(made, head=_head_of_message(made, current, body))
    return Written(made, () if same_content(made, current, body) else (Loser(current),))


def _is_beyond(seen: Vector, current: Record) -> bool:
    """Tell whether somebody saw what has not come here yet."""
    vector = vector_of(current)
    return any(vector.get(origin, 0) < stamp for origin, stamp in seen.items())


def _in_its_incarnation(
    current: Record | None, draft: Draft, base: Base, stamp: int, origin: str, body: Body
) -> Written:
    """Write a draft of what has not come here yet beside its base: where the two meet they merge.

    What is held is of an earlier incarnation, and lost where the author had not seen it.
    """
    if draft.dead:
        made = forgotten_deletion(draft, base, stamp, origin)
    else:
        head, past, version = draft.head, base.vector, Version(stamp, origin)
        if kind_of(draft.collection).rule is MergeRule.FIELDS:
            head = pack_fields({name: Field(value, stamp, origin) for name, value in unpack_head(head).items()})
            # Of the base's other fields nothing is here, so it has not seen them, and just tells whose they are.
            past = dict.fromkeys(past, max(1, created(version_of(draft, base)) - 1))
        made = _record(draft, stamp, origin, base.born, past_of(past, version, least_of(version_of(draft, base))), head)
        if is_item(made):
            made = msgspec.structs.replace(made, head=without_edits(head))
    if current is None or current.dead or base.covers(current) or same_content(made, current, body):
        return Written(made)
    return Written(made, (Loser(current),))


def forgotten_deletion(draft: Draft, base: Base, stamp: int, origin: str) -> Record:
    """Return the version that deletes a draft's base, of which nothing is here.

    Of a message only the draft knows the text, where its key does not tell that.
    """
    dead = tombstone(version_of(draft, base), stamp, origin)
    _, filed = split_key(draft.key)
    return msgspec.structs.replace(dead, head=draft.head if draft.dead and not filed else b"")


def version_of(draft: Draft, base: Base) -> Record:
    """Return what can be told of the version that a draft was made from."""
    return Record(draft.collection, draft.key, base.stamp, base.origin, base.born or base.stamp, past=base.past)


def _record(draft: Draft, stamp: int, origin: str, born: int, past: Past, head: bytes) -> Record:
    return Record(
        draft.collection,
        draft.key,
        stamp,
        origin,
        born,
        past=past,
        head=head,
        body=draft.body,
        content=draft.content,
        size=draft.size,
    )


def _knowing(
    current: Record | None, draft: Draft, seen: Vector, stamp: int, origin: str, body: Body, keep: Keep
) -> Record:
    """Return the version of a draft whose author had seen all that is held."""
    if draft.dead:
        held = current or _record(draft, stamp, origin, stamp, (), b"")
        return _having_seen(tombstone(held, stamp, origin, body), seen)
    if kind_of(draft.collection).rule is MergeRule.FIELDS:
        # What its author saw elsewhere of the other fields is not here, so this version has not seen it.
        return with_fields(current, draft.collection, draft.key, unpack_head(draft.head), stamp, origin)
    drafted = _record(draft, stamp, origin, stamp, (), draft.head)
    if is_item(drafted):
        # What its author undid may not have come here yet.
        beyond = current is not None and _is_beyond(seen, current)
        undone = draft.changed if beyond else ()
        made = _next_item(current, drafted, stamp, origin, body, keep, undone, unless_held=not beyond)
        return made if made is current else _having_seen(made, seen)
    return _having_seen(successor(current, drafted, stamp, origin, body, keep), seen)


def _having_seen(record: Record, seen: Vector) -> Record:
    """Return a version that has seen this besides."""
    vector = vector_of(record)
    if all(vector.get(origin, 0) >= stamp for origin, stamp in seen.items()):
        return record
    joint = {origin: max(vector.get(origin, 0), seen.get(origin, 0)) for origin in vector.keys() | seen.keys()}
    return msgspec.structs.replace(record, past=past_of(joint, record.version, least_of(record)))


def _after_deletion(current: Record, draft: Draft, stamp: int, origin: str) -> Written:
    """Judge an edit of what was deleted meanwhile: as in merging the deletion stands, and the edit is kept."""
    if draft.dead:
        return Written(current)
    head = draft.head
    if kind_of(draft.collection).rule is MergeRule.FIELDS:
        head = pack_fields({name: Field(value, stamp, origin) for name, value in unpack_head(head).items()})
    past = past_of(draft.base.vector if draft.base is not None else {}, Version(stamp, origin))
    return Written(current, (Loser(_record(draft, stamp, origin, 1, past, head)),))


def _stale_fields(current: Record, draft: Draft, seen: Vector, stamp: int, origin: str) -> Written:
    values = unpack_head(draft.head)
    made = with_fields(current, draft.collection, draft.key, values, stamp, origin)
    lost = {
        name: field
        for name, field in unpack_fields(current).items()
        if name in values and values[name] != field.value and seen.get(field.origin, 0) < field.stamp
    }
    losers = (Loser(msgspec.structs.replace(current, head=pack_fields(lost))),) if lost else ()
    return Written(made, losers)  # of what its author saw elsewhere it takes nothing over, so it has not seen it


def _stale_item(
    current: Record, draft: Draft, seen: Vector, stamp: int, origin: str, body: Body, keep: Keep
) -> Written:
    past = past_of(seen, Version(stamp, origin))
    alone = _record(draft, stamp, origin, current.born, past, without_edits(draft.head))
    held, new = read_parts(current, body(current)), read_parts(alone, body(alone))
    ours = stale_edit(held, new, draft.changed, seen, stamp, origin)
    if not _is_beyond(seen, current) and says_nothing_new(held, new, ours, alone.version):
        return Written(current)
    joined = join(held, ours)
    made = msgspec.structs.replace(alone, past=past_of(vector_of(current), alone.version, least_of(current)))
    if joined == held:
        made = msgspec.structs.replace(
            made, head=write_head(held), body=current.body, content=current.content, size=current.size
        )
    else:
        made = _of_parts(made, replace(joined, texts=ours.texts, names=ours.names), held, keep)
    lost = [
        Loser(record, tuple(names))
        for record, names in (
            (current, lost_names(held, joined, seen)),
            (alone, lost_names(ours, joined, vector_of(current))),
        )
        if names
    ]
    return Written(made, tuple(lost))  # of what its author saw elsewhere it takes nothing over, so it has not seen it


def carried_over(current: Record, draft: Draft, body: Body = inline_body) -> bytes:
    """Return the text of an item that is held with those parts as a draft has them which it says are changed.

    For a draft that leaves out or writes otherwise what its author knew: all else stays as it is held.
    """
    seen = vector_of(current)
    made = _stale_item(current, draft, seen, max(seen.values()) + 1, current.origin, body, keep_inline).record
    return body(made) if made.content else made.body


def past_beside(current: Record, version: Version, seen: Vector) -> Past:
    """Return the past of a version that replaces what its author had not seen: all that is older, but not that.

    Its incarnation is that of ``current``, so it has to tell of whom it is: or nobody could tell that it was deleted.
    """
    vector = vector_of(current)
    vector[current.origin] = current.stamp - 1
    joint = {origin: max(vector.get(origin, 0), seen.get(origin, 0)) for origin in vector.keys() | seen.keys()}
    return past_of({origin: known for origin, known in joint.items() if known}, version, least_of(current))


def overwritten(current: Record, made: Record, origin: str, body: Body = inline_body) -> tuple[Loser, ...]:
    """Return what a version made without a base took away that was written elsewhere than at ``origin``."""
    if current.dead or made.version == current.version:
        return ()
    seen = {origin: made.stamp}
    if made.dead:
        return () if current.origin == origin else (Loser(current),)
    if has_fields(current):
        kept = unpack_fields(made)
        lost = {
            name: field
            for name, field in unpack_fields(current).items()
            if field.origin != origin and name in kept and kept[name].value != field.value
        }
        return (Loser(msgspec.structs.replace(current, head=pack_fields(lost))),) if lost else ()
    if is_item(current):
        names = lost_names(read_parts(current, body(current)), read_parts(made, body(made)), seen)
        return (Loser(current, tuple(names)),) if names else ()
    return () if current.origin == origin or same_content(current, made, body) else (Loser(current),)


def restoring(loser: Record, parts: tuple[str, ...], base: Base, current: Record | None, body: Body) -> Draft:
    """Return the draft that brings back what lost: those fields or parts alone, where that can be told.

    ``base`` is what its author has seen.  A thing that was deleted is made anew.
    """
    draft = Draft(loser.collection, loser.key, base, body=loser.body, content=loser.content, size=loser.size)
    if has_fields(loser):
        values = {name: field.value for name, field in unpack_fields(loser).items()}
        return msgspec.structs.replace(draft, head=pack_head(values), base=_anew(base, current))
    if not is_item(loser):
        return msgspec.structs.replace(draft, head=loser.head, base=_anew(base, current))
    draft = msgspec.structs.replace(draft, head=without_edits(loser.head), base=_anew(base, current))
    if current is None or current.dead:
        return draft
    lost, held = read_parts(loser, body(loser)), read_parts(current, body(current))
    if lost.kind != held.kind or not lost.kind:
        return draft
    names = parts or tuple(_written_by(lost, loser))
    mixed = replace(held, named={**held.named, **{name: lost.get(name) for name in names}})
    return msgspec.structs.replace(draft, body=composed(mixed, held.texts)[1], content=b"", size=0, changed=names)


def _anew(base: Base, current: Record | None) -> Base | None:
    """Return the base of who brings something back: of what was deleted none, so that it is made anew."""
    return None if current is None or current.dead else base


def _written_by(parts: Parts, record: Record) -> list[str]:
    """Return the names of the parts that were written in a version itself."""
    return [
        name
        for name, part in parts.named.items()
        if is_noticed(name) and (part.edit.stamp, part.edit.origin) == record.version
    ]
