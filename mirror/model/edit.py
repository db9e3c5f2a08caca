"""Local writes: the next version of a record, made from the one that is there."""

from collections.abc import Mapping

import msgspec

from mirror.model.fields import Field, Value, pack_fields, unpack_fields
from mirror.model.merge import Body, inline_body, is_item
from mirror.model.parts import Parts, edited, read_parts, without_written, write_head
from mirror.model.record import Record, past_of, vector_of

FIRST_BORN = 1
"""The birth of an item that this node has never seen deleted."""


def successor(current: Record | None, draft: Record, stamp: int, origin: str, body: Body = inline_body) -> Record:
    """Return ``draft`` as a new version that replaces ``current`` (if there is one) everywhere.

    Whatever the draft's own stamps are, the result carries ``stamp`` and ``origin``.  An item that its own
    standard ranks below the current one (an older SEQUENCE, put back on purpose) becomes a new incarnation.
    """
    born, past, head = stamp, {}, draft.head
    if is_item(draft):
        head = without_written(head)
        # Two nodes that file the same item independently (an invitation that came to both) make one incarnation,
        # so its own standard decides between them; what was created after a known deletion is a new one.
        born = FIRST_BORN if current is None else stamp
    if current is not None:
        past = vector_of(current)
        if not current.dead and not is_item(draft):
            born = current.born
        elif not current.dead:
            held = read_parts(current, body(current))
            new = read_parts(msgspec.structs.replace(draft, head=head), body(draft))
            if not _falls_behind(new, held):
                born = current.born
                if new.kind == held.kind != "":
                    head = write_head(edited(held, new, stamp, origin))
    return Record(
        collection=draft.collection,
        key=draft.key,
        stamp=stamp,
        origin=origin,
        born=born,
        past=past_of(past, origin),
        head=head,
        body=draft.body,
        content=draft.content,
        size=draft.size,
    )


def _falls_behind(new: Parts, held: Parts) -> bool:
    """Tell whether merging would take what is held for the newer one, whatever the version says."""
    return new.kind < held.kind or (new.kind == held.kind and new.base.rank < held.latest.rank)


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


def tombstone(current: Record, stamp: int, origin: str) -> Record:
    """Return the version that deletes a record, everywhere and in every incarnation so far.

    Its birth says when what it deletes was last written: all that can still be told of that.
    """
    past = past_of(vector_of(current), origin)
    born = current.born if current.dead else current.stamp
    return Record(current.collection, current.key, stamp, origin, min(born, stamp), dead=True, past=past)
