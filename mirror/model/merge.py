"""Merging: two versions of one record become one, the same one on every node.

Every rule is a join: commutative, associative, idempotent, so the order, repetition and path in which
versions arrive cannot matter (rule 1).  What loses to a concurrent version is handed back, to be kept in
the conflict log (rule 3); what was merely replaced by someone who had seen it is not a conflict.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from mirror.model.fields import Field, order, pack_fields, unpack_fields
from mirror.model.item import Rank, item_rank
from mirror.model.kinds import ITEM_PREFIX, Rule, kind_of
from mirror.model.record import Record, covers, past_of, record_bytes, vector_of


class Merged(NamedTuple):
    """The version to keep, and those that lost to it although neither side had seen the other."""

    record: Record
    losers: tuple[Record, ...] = ()


Body = Callable[[Record], bytes]
"""Returns a record's body wherever it is kept; merging items needs to look inside."""


def inline_body(record: Record) -> bytes:
    """The body of a record that has it inside."""
    return record.body


def merge(left: Record, right: Record, body: Body = inline_body) -> Merged:
    """Merge two versions of the record of one collection and key."""
    if left.era != right.era:
        winner, loser = (left, right) if left.era > right.era else (right, left)
        return Merged(winner, _lost(winner, loser))
    if not left.dead and kind_of(left.collection).rule is Rule.FIELDS:
        return _merge_fields(left, right)
    rank = _item_rank if _is_item(left) else _no_rank
    winner, loser = sorted((left, right), key=lambda record: _order(record, rank(record, body)), reverse=True)
    return Merged(winner, _lost(winner, loser))


def _is_item(record: Record) -> bool:
    return not record.dead and kind_of(record.collection).rule is Rule.MESSAGES and record.key.startswith(ITEM_PREFIX)


def _item_rank(record: Record, body: Body) -> Rank:
    return item_rank(body(record))


def _no_rank(_record: Record, _body: Body) -> Rank:
    return Rank()


def _order(record: Record, rank: Rank) -> tuple[Any, ...]:
    return (rank, record.stamp, record.origin, record_bytes(record))


def _lost(winner: Record, loser: Record) -> tuple[Record, ...]:
    if loser.dead or _same_content(winner, loser):
        return ()
    if winner.version != loser.version and _saw_all(winner, loser):
        return ()
    return (loser,)


def _saw_all(winner: Record, loser: Record) -> bool:
    """Tell whether the winner was written by someone who had seen all of the loser.

    Merged fields bear the greatest version of those they were made of, so one is not enough to have seen.
    """
    if kind_of(loser.collection).rule is not Rule.FIELDS:
        return covers(winner, loser)
    seen = vector_of(winner)
    return all(seen.get(origin, 0) >= stamp for origin, stamp in vector_of(loser).items())


def _same_content(left: Record, right: Record) -> bool:
    if (left.dead, left.body, left.content) != (right.dead, right.body, right.content):
        return False
    # A message's head holds what one server says of it (its number there); the message is its body.
    return left.head == right.head or kind_of(left.collection).rule is Rule.MESSAGES


def _merge_fields(left: Record, right: Record) -> Merged:
    ours, theirs = unpack_fields(left), unpack_fields(right)
    kept = dict(ours)
    for name, field in theirs.items():
        if name not in kept or order(field) > order(kept[name]):
            kept[name] = field
    stamp, origin = max(left.version, right.version)
    vector = vector_of(left)
    for name, seen in vector_of(right).items():
        vector[name] = max(seen, vector.get(name, 0))
    merged = Record(
        collection=left.collection,
        key=left.key,
        stamp=stamp,
        origin=origin,
        born=left.born,
        past=past_of(vector, origin),
        head=pack_fields(kept),
    )
    losers = (*_lost_fields(left, ours, right, kept), *_lost_fields(right, theirs, left, kept))
    return Merged(_reuse(merged, left, right), losers)


def _reuse(merged: Record, left: Record, right: Record) -> Record:
    for same in (left, right):
        if merged == same:
            return same
    return merged


def _lost_fields(loser: Record, fields: dict[str, Field], winner: Record, kept: dict[str, Field]) -> tuple[Record, ...]:
    """The fields of ``loser`` that were overwritten by someone who had not seen them."""
    vector = vector_of(winner)
    lost = {
        name: field
        for name, field in fields.items()
        if kept[name].value != field.value
        and (vector.get(field.origin, 0) < field.stamp or kept[name][1:] == field[1:])
    }
    return (msgspec.structs.replace(loser, head=pack_fields(lost)),) if lost else ()
