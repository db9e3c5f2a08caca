"""Local writes: the next version of a record, made from the one that is there."""

from collections.abc import Mapping

from mirror.model.fields import Field, Value, pack_fields, unpack_fields
from mirror.model.item import item_rank
from mirror.model.kinds import ITEM_PREFIX
from mirror.model.merge import Body, inline_body
from mirror.model.record import Record, past_of, vector_of

FIRST_BORN = 1
"""The birth of an item that this node has never seen deleted."""


def successor(current: Record | None, draft: Record, stamp: int, origin: str, body: Body = inline_body) -> Record:
    """Return ``draft`` as a new version that replaces ``current`` (if there is one) everywhere.

    Whatever the draft's own stamps are, the result carries ``stamp`` and ``origin``.  An item that its own
    standard ranks below the current one (an older SEQUENCE, put back on purpose) becomes a new incarnation.
    """
    born, past = stamp, {}
    if current is None and draft.key.startswith(ITEM_PREFIX):
        # Two nodes that file the same item independently (an invitation that came to both) make one incarnation,
        # so its own standard decides between them; what was created after a known deletion is a new one.
        born = FIRST_BORN
    if current is not None:
        past = vector_of(current)
        if not current.dead and not (draft.key.startswith(ITEM_PREFIX) and _ranks_below(draft, current, body)):
            born = current.born
    return Record(
        collection=draft.collection,
        key=draft.key,
        stamp=stamp,
        origin=origin,
        born=born,
        past=past_of(past, origin),
        head=draft.head,
        body=draft.body,
        content=draft.content,
        size=draft.size,
    )


def _ranks_below(draft: Record, current: Record, body: Body) -> bool:
    return item_rank(body(draft)) < item_rank(body(current))


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
    """Return the version that deletes a record, everywhere and in every incarnation so far."""
    past = past_of(vector_of(current), origin)
    return Record(current.collection, current.key, stamp, origin, 0, dead=True, past=past)
