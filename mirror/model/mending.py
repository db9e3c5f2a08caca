"""Mending: what an older version let in and no node takes any more, with all of it that can be kept.

0.1.0 looked at fewer things than mirror.model.judge does: fields whose values are lists, heads that are no map, more
than there is room for.  The mended record is a new version that has seen the old one, so it replaces it everywhere.
Values in, values out; what could not be kept is the caller's to keep, as the old record.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from mirror.model.errors import BadRecord
from mirror.model.fields import Field, check_fields, cut_fields, pack_fields
from mirror.model.heads import without_edits
from mirror.model.judge import finding, judge
from mirror.model.kinds import HORIZON_KEY, NODES
from mirror.model.merge import check_head, has_fields, is_item
from mirror.model.record import INLINE_LIMIT, Record, Version, pack_head, past_of, unpack_head

KeepBody = Callable[[Record, bytes], Record]
"""Returns a record with this body, kept wherever its size asks for."""


def mended(record: Record, stamp: int, origin: str, keep: KeepBody) -> Record:
    """Return a version that every node takes, written at a stamp by an origin, of a record that the judge refuses.

    Raises BadRecord where there is none: its place, or the horizon, cannot be told from what is wrong.
    """
    if record.collection == NODES:
        return _mended_sign(record)
    vector = {name: seen for name, seen in record.past if 0 < seen <= stamp and name}
    vector[record.origin] = record.stamp
    made = msgspec.structs.replace(
        record,
        stamp=stamp,
        origin=origin,
        born=record.born if 0 < record.born <= stamp else stamp,
        past=past_of(vector, Version(stamp, origin)),
        head=b"",
    )
    if record.dead:
        made = msgspec.structs.replace(made, body=b"", content=b"", size=0)
        whole = msgspec.structs.replace(made, head=record.head)
        made = made if finding(whole) else whole
    else:
        made = msgspec.structs.replace(_mended_body(made, keep), head=_mended_head(record, made))
    judge(made)
    return made


def _mended_sign(record: Record) -> Record:
    """Return a sign of life that says nothing of what its node has seen, which is always true.

    It stays that node's own: a sign by us, or a deletion, would say something of a node that we do not know.
    """
    made = msgspec.structs.replace(record, head=b"")
    if record.key == HORIZON_KEY:
        raise BadRecord("the record of the horizon names no nodes that agreed to it")
    judge(made)
    return made


def _mended_body(record: Record, keep: KeepBody) -> Record:
    if not record.content:
        body = msgspec.structs.replace(record, size=0)
        return keep(body, body.body) if len(body.body) > INLINE_LIMIT else body
    if len(record.content) != 32 or record.size <= INLINE_LIMIT:
        return msgspec.structs.replace(record, content=b"", size=0)
    return msgspec.structs.replace(record, body=b"")


def _mended_head(record: Record, made: Record) -> bytes:
    try:
        values = unpack_head(record.head)
    except BadRecord:
        return b""
    if has_fields(record):
        return _mended_fields(values, made)
    if is_item(record):
        whole = msgspec.structs.replace(made, head=record.head)
        try:
            check_head(whole)
        except BadRecord:
            return without_edits(record.head)
    return record.head if not finding(msgspec.structs.replace(made, head=record.head)) else b""


def _mended_fields(values: dict[str, Any], made: Record) -> bytes:
    """Return the head of those fields that every node takes; of too many those written last."""
    kept: dict[str, Field] = {}
    for name, value in values.items():
        alone = msgspec.structs.replace(made, head=pack_head({name: value}))
        try:
            check_fields(alone)
        except BadRecord:
            continue
        kept[name] = Field(*value)
    return pack_fields(cut_fields(kept))


def lost(record: Record, made: Record) -> str:
    """Return in words what of a record was not kept."""
    if record.collection == NODES:
        return "what it said of other nodes"
    try:
        old, new = unpack_head(record.head), unpack_head(made.head)
    except BadRecord:
        return "its head, which was no map"
    gone = sorted(repr(name) for name in old if name not in new)
    said = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
    return f"{said} of its head" if gone else "nothing but its form"
