"""Resolving a conflict: a version that was written by someone who had seen the winner and the loser.

Of what is never joined, the version vector tells that: the living version has the loser in its ``past``.  What is
joined, fields and items, has always seen both sides, whoever wrote it; so the version that resolves a conflict also
names the loser by its CRC-64: as a field, as a part that holds nothing, or in its head.  These are what any node takes
for ordinary fields, parts and heads, so they travel and merge like all else.
"""

from collections.abc import Iterable

import msgspec

from mirror.model.composing import write_head
from mirror.model.fields import MARK, Field, cut_fields, pack_fields, unpack_fields
from mirror.model.heads import read_head
from mirror.model.merge import Body, has_fields, inline_body, is_item
from mirror.model.names import SETTLED
from mirror.model.old_heads import read_old
from mirror.model.parts import read_parts, with_settled
from mirror.model.record import DERIVED, Record, pack_head, unpack_head

HEAD_KEY = "settled"
"""Under this name a head that is kept as a whole lists the CRC-64s of the losers, as 16 hex digits each."""


def settling(record: Record, crcs: Iterable[int], body: Body = inline_body) -> Record:
    """Return a living version, about to be written, that resolves the conflicts with losers of these CRC-64s."""
    if has_fields(record):
        marks = {f"{MARK}{crc:016x}": Field(True, record.stamp, record.origin) for crc in crcs}
        return msgspec.structs.replace(record, head=pack_fields(cut_fields({**unpack_fields(record), **marks})))
    if is_item(record):
        parts = with_settled(read_parts(record, body(record)), crcs, record.stamp, record.origin)
        return msgspec.structs.replace(record, head=write_head(parts))
    head = unpack_head(record.head)
    named = {*_listed(head.get(HEAD_KEY)), *(f"{crc:016x}" for crc in crcs)}
    return msgspec.structs.replace(record, head=pack_head({**head, HEAD_KEY: sorted(named)}))


def resolves(living: Record, loser: Record, loser_crc: int) -> bool:
    """Tell whether a version was written by someone who had seen that ``loser`` lost.  No deletion says so."""
    if living.dead:
        return False
    if f"{loser_crc:016x}" in _named(living):
        return True
    if has_fields(loser) or is_item(loser):
        return False
    if loser.origin == living.origin or loser.origin.startswith(DERIVED):
        return False  # one origin's later version may have been made from an earlier one
    return dict(living.past).get(loser.origin, 0) >= loser.stamp


def _named(record: Record) -> set[str]:
    if has_fields(record):
        return {name.removeprefix(MARK) for name in unpack_fields(record) if name.startswith(MARK)}
    if is_item(record):
        head = read_head(record)
        said = [*head.said, *read_old(record, head.old)]
        return {name.removeprefix(SETTLED) for name in said if name.startswith(SETTLED)}
    return set(_listed(unpack_head(record.head).get(HEAD_KEY)))


def _listed(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
