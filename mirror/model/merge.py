"""Merging: two versions of one record become one, the same one on every node.

Every rule is a join: commutative, associative, idempotent, so the order, repetition and path in which
versions arrive cannot matter (rule 1).  What loses to a concurrent version is handed back, to be kept in
the conflict log (rule 3); what was merely replaced by someone who had seen it is not a conflict.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from mirror.model.composing import composed, write_head
from mirror.model.fields import MARK, Field, check_fields, cut_fields, order, pack_fields, unpack_fields
from mirror.model.heads import check_edits, read_head
from mirror.model.kinds import ITEM_PREFIX, MergeRule, kind_of
from mirror.model.lost import lost_names
from mirror.model.old_heads import check_old, read_old
from mirror.model.parts import join, read_parts
from mirror.model.record import Record, Version, covers, least_of, past_of, record_bytes, unpack_head, vector_of
from mirror.model.texts import check_deletion, is_message, own_text


class Merged(NamedTuple):
    """The version to keep, and those that lost to it although neither side had seen the other."""

    record: Record
    losers: tuple[Record, ...] = ()
    parts: tuple[tuple[str, ...], ...] = ()
    """Of items, for each loser the names of the parts that were lost."""


Body = Callable[[Record], bytes]
"""Returns a record's body wherever it is kept; merging items needs to look inside."""


def inline_body(record: Record) -> bytes:
    """The body of a record that has it inside."""
    return record.body


Keep = Callable[[Record, bytes], Record]
"""Returns a record with this body, kept wherever its size asks for."""


def keep_inline(record: Record, body: bytes) -> Record:
    """Put a body into its record."""
    return msgspec.structs.replace(record, body=body)


def merge(left: Record, right: Record, body: Body = inline_body, keep: Keep = keep_inline) -> Merged:
    """Merge two versions of the record of one collection and key."""
    if left.era != right.era:
        winner, loser = (left, right) if left.era > right.era else (right, left)
        return Merged(winner, _lost(winner, loser, body))
    if not left.dead and has_fields(left):
        return _merge_fields(left, right)
    if not left.dead and is_item(left):
        return _merge_items(left, right, body, keep)
    winner, loser = (left, right) if _order(left) > _order(right) else (right, left)
    return Merged(winner, _lost(winner, loser, body))


def has_fields(record: Record) -> bool:
    """Tell whether a record is one whose fields merge one by one."""
    return kind_of(record.collection).rule is MergeRule.FIELDS


def is_item(record: Record) -> bool:
    """Tell whether a record is a calendar or contact item, a wiki page or whatever else has an exclusive id."""
    return kind_of(record.collection).rule is MergeRule.MESSAGES and record.key.startswith(ITEM_PREFIX)


def check_head(record: Record) -> None:
    """Raise BadRecord when the head of a record from outside is none of its kind, too large, or later than itself.

    Its own stamp is checked against the clock; without this a field's could win for ever (rule 6).
    """
    if record.dead:
        check_deletion(record)
    elif not record.head:
        return
    elif has_fields(record):
        check_fields(record)
    elif is_item(record):
        head = read_head(record)
        check_edits(record, head)
        check_old(record, read_old(record, head.old))
    else:
        unpack_head(record.head)


def _order(record: Record) -> tuple[Any, ...]:
    return (record.stamp, record.origin, record_bytes(record))


def _lost(winner: Record, loser: Record, body: Body) -> tuple[Record, ...]:
    if loser.dead or same_content(winner, loser, body):
        return ()
    if winner.version != loser.version and _saw_all(winner, loser):
        return ()
    return (loser,)


def _saw_all(winner: Record, loser: Record) -> bool:
    """Tell whether the winner was written by someone who had seen all of the loser.

    Merged fields bear the greatest version of those they were made of, so one is not enough to have seen.
    """
    if kind_of(loser.collection).rule is not MergeRule.FIELDS and not is_item(loser):
        return covers(winner, loser)
    seen = vector_of(winner)
    return all(seen.get(origin, 0) >= stamp for origin, stamp in vector_of(loser).items())


def same_content(left: Record, right: Record, body: Body = inline_body) -> bool:
    """Tell whether two versions say the same."""
    if (left.dead, left.body, left.content) != (right.dead, right.body, right.content):
        return not left.dead and not right.dead and is_message(left) and own_text(left, body) == own_text(right, body)
    # A message's head holds what one server says of it (its number there); the message is its body.
    return left.head == right.head or kind_of(left.collection).rule is MergeRule.MESSAGES


def _joint(left: Record, right: Record) -> Record:
    """Return a record without contents that bears the greater version and has seen all that both have seen."""
    stamp, origin = max(left.version, right.version)
    vector = vector_of(left)
    for name, seen in vector_of(right).items():
        vector[name] = max(seen, vector.get(name, 0))
    return Record(
        left.collection,
        left.key,
        stamp,
        origin,
        left.born,
        past=past_of(vector, Version(stamp, origin), min(least_of(left), least_of(right))),
    )


def _merge_fields(left: Record, right: Record) -> Merged:
    ours, theirs = unpack_fields(left), unpack_fields(right)
    kept = dict(ours)
    for name, field in theirs.items():
        if name not in kept or order(field) > order(kept[name]):
            kept[name] = field
    kept = cut_fields(kept)
    merged = msgspec.structs.replace(_joint(left, right), head=pack_fields(kept))
    losers = (*_lost_fields(left, ours, right, kept), *_lost_fields(right, theirs, left, kept))
    return Merged(_reuse(merged, left, right), losers)


def _merge_items(left: Record, right: Record, body: Body, keep: Keep) -> Merged:
    texts = (body(left), body(right))
    versions = [(read_parts(record, text), text, record) for record, text in zip((left, right), texts, strict=True)]
    joined = join(versions[0][0], versions[1][0])
    # Where one side's parts are all the later ones its text stays as it is; else it is written anew.
    same = [version for version in versions if version[0] == joined]
    if same:
        parts, _, whole = max(same, key=lambda version: (version[1], record_bytes(version[2])))
        merged = msgspec.structs.replace(
            _joint(left, right), head=write_head(parts), body=whole.body, content=whole.content, size=whole.size
        )
        if (whole.version, whole.past) == (merged.version, merged.past):
            merged = whole
    else:
        parts, text = composed(joined)
        merged = keep(msgspec.structs.replace(_joint(left, right), head=write_head(parts)), text)
    lost = [
        (loser, tuple(names))
        for (parts, _, loser), (_, _, other) in (versions, versions[::-1])
        if (names := lost_names(parts, joined, vector_of(other)))
    ]
    return Merged(_reuse(merged, left, right), tuple(loser for loser, _ in lost), tuple(names for _, names in lost))


def _reuse(merged: Record, left: Record, right: Record) -> Record:
    for same in (left, right):
        if merged == same:
            return same
    return merged


def _is_lost(field: Field, kept: Field | None, seen: dict[str, int]) -> bool:
    if kept is None:
        return True
    unseen = seen.get(field.origin, 0) < field.stamp or kept[1:] == field[1:]
    return kept.value != field.value and unseen


def _lost_fields(loser: Record, fields: dict[str, Field], winner: Record, kept: dict[str, Field]) -> tuple[Record, ...]:
    """The fields of ``loser`` that were overwritten by someone who had not seen them, or for which there is no room."""
    vector = vector_of(winner)
    lost = {
        name: field
        for name, field in fields.items()
        if not name.startswith(MARK) and _is_lost(field, kept.get(name), vector)
    }
    return (msgspec.structs.replace(loser, head=pack_fields(lost)),) if lost else ()
