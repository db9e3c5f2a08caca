"""What every node takes of a record, worked out from the words of docs/limits.md and protocol.md and from its bytes.

Nothing by which nodes judge records is used here, so that a node which judges wrongly is noticed.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from mirror.model.kinds import HORIZON_KEY, NODES, MergeRule, kind_of
from mirror.model.record import LEAST, Record

KIB = 1024
GREATEST_NUMBER = (1 << 63) - 1
ORIGINS_IN_PAST, FIELDS_OF_A_RECORD = 1024, 128
RESOLVED = "!settled "
"""Fields named so say which conflicts a version has resolved; they are none of the thing."""


def unacceptable(record: Record) -> list[str]:
    """Return a line for everything for which some node would refuse a record."""
    wrong = [*_in_frame(record), *_in_past(record)]
    if record.collection == NODES:
        wrong += _in_sign(record)
    elif not record.dead:
        wrong += _in_head(record)
    return [f"{record.collection[:80]} {record.key[:80]!r} is what no other node takes: {what}" for what in wrong]


def _in_frame(record: Record) -> Iterator[str]:
    if not 0 < len(record.key.encode()) <= KIB or "\0" in record.key:
        yield f"a key of {len(record.key.encode())} bytes, or with a NUL"
    if not 0 < len(record.origin) <= 255 or "\0" in record.origin:
        yield f"an origin of {len(record.origin)} characters, or with a NUL"
    if not 0 < record.stamp <= GREATEST_NUMBER or not 0 <= record.born <= record.stamp:
        yield f"stamp {record.stamp} born {record.born}"
    if len(record.head) > 8 * KIB * KIB or len(record.body) > 16 * KIB:
        yield f"a head of {len(record.head)} and a body of {len(record.body)} bytes"


def _in_past(record: Record) -> Iterator[str]:
    past = dict(record.past)
    least = past.pop(LEAST, 0)
    if list(record.past) != sorted({LEAST: least, **past}.items() if least else past.items()) or record.origin in past:
        yield "its past is not sorted, or names its own origin"
    if len(past) > ORIGINS_IN_PAST:
        yield f"its past names {len(past)} origins"
    if any(not 0 < stamp <= record.stamp for _, stamp in record.past):
        yield "its past is later than itself"


def _in_sign(record: Record) -> Iterator[str]:
    if record.dead:
        yield "what nodes say of themselves is deleted"
    if record.key == HORIZON_KEY and record.born != 1:
        yield f"a horizon that is born at {record.born}"


def _in_head(record: Record) -> Iterator[str]:
    if not record.head:
        return
    try:
        head: Any = msgspec.msgpack.decode(record.head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        yield f"its head cannot be read: {error}"
        return
    if not isinstance(head, dict) or not all(isinstance(name, str) for name in head):
        yield "its head is no map of names"
    elif kind_of(record.collection).rule is MergeRule.FIELDS:
        yield from _in_fields(record, head)


def _in_fields(record: Record, fields: dict[str, Any]) -> Iterator[str]:
    count = sum(not name.startswith(RESOLVED) for name in fields)
    if count > FIELDS_OF_A_RECORD:
        yield f"it has {count} fields"
    for name, field in fields.items():
        if len(name.encode()) > 512:
            yield f"a field's name of {len(name.encode())} bytes"
        if not isinstance(field, list) or len(field) != 3:
            yield f"its field {name[:40]!r} has no author"
            continue
        value, stamp, origin = field
        if not _is_value(value):
            yield f"its field {name[:40]!r} has the value {str(value)[:40]!r} of the type {type(value).__name__}"
        if not isinstance(stamp, int) or not 0 < stamp <= record.stamp or not isinstance(origin, str) or not origin:
            yield f"its field {name[:40]!r} is of {str(origin)[:40]!r} at {str(stamp)[:20]}"


def _is_value(value: Any) -> bool:
    """Tell whether a value is text, a whole number or a boolean."""
    if isinstance(value, str):
        return "\0" not in value and len(value.encode()) <= 32 * KIB
    return isinstance(value, bool) or (isinstance(value, int) and abs(value) <= GREATEST_NUMBER)
