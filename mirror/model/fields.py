"""Heads of records that merge field by field: every field with the version that wrote it.

A head is a map ``name -> [value, stamp, origin]``.  Values are text, numbers or booleans.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from mirror.model.errors import BadRecord
from mirror.model.limits import FIELDS, MARKS, MAX_INT, Class, check_names, greatest
from mirror.model.record import MAX_ORIGIN, Record, pack_head

Value = str | int | bool
MARK = "!settled "
"""Fields named so, and the CRC-64 of a version in 16 hex digits, are none of the thing: see mirror.model.settled."""


class Field(NamedTuple):
    """One field's value and the version that wrote it."""

    value: Value
    stamp: int
    origin: str


_decoder = msgspec.msgpack.Decoder(dict[str, Field])


def unpack_fields(record: Record) -> dict[str, Field]:
    """Return a record's fields.  Raises BadRecord when its head holds something else."""
    if not record.head:
        return {}
    try:
        return _decoder.decode(record.head)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise BadRecord(f"record {record.collection} {record.key!r}: its fields cannot be read: {error}") from None


def values_of(record: Record | None) -> dict[str, Value]:
    """Return a record's fields without their versions; of no record there are none."""
    return (
        {}
        if record is None
        else {name: field.value for name, field in unpack_fields(record).items() if not name.startswith(MARK)}
    )


def pack_fields(fields: Mapping[str, Field]) -> bytes:
    """Return the canonical head that holds these fields."""
    return pack_head({name: tuple(field) for name, field in fields.items()})


def fields_at(values: Mapping[str, Any], stamp: int, origin: str) -> bytes:
    """Return the head of a record all of whose fields are written at one version."""
    return pack_head({name: (value, stamp, origin) for name, value in values.items()})


def order(field: Field) -> tuple[int, str, str, str]:
    """Return what decides between two versions of one field; the value itself breaks a tie."""
    return (field.stamp, field.origin, type(field.value).__name__, str(field.value))


def cut_fields(fields: Mapping[str, Field]) -> dict[str, Field]:
    """Return as many fields as a record may have, those written last; see mirror.model.limits."""
    if len(fields) <= MARKS.count:
        return dict(fields)
    return greatest(fields, _class_of, lambda _name, field: order(field))


def _class_of(name: str) -> Class:
    return MARKS if name.startswith(MARK) else FIELDS


def check_fields(record: Record) -> None:
    """Raise BadRecord unless a record's fields are such as every node takes."""
    where = f"record {record.collection} {record.key[:80]!r}"
    fields = unpack_fields(record)
    if len(cut_fields(fields)) < len(fields):
        raise BadRecord(f"{where}: {len(fields)} fields are over the limit of {FIELDS.count}")
    check_names(fields, where)
    for name, field in fields.items():
        if not 0 < field.stamp <= record.stamp:
            raise BadRecord(f"{where}: its field {name[:40]!r} is later than itself")
        if not 0 < len(field.origin) <= MAX_ORIGIN:
            raise BadRecord(f"{where}: its field {name[:40]!r} has an origin of {len(field.origin)} characters")
        _check_value(field.value, f"{where}: its field {name[:40]!r}")


def _check_value(value: Value, where: str) -> None:
    if isinstance(value, str):
        if len(value) > FIELDS.size or len(value.encode()) > FIELDS.size:
            raise BadRecord(f"{where} has more than {FIELDS.size} bytes")
        if "\0" in value:
            raise BadRecord(f"{where} holds a NUL")
    elif not -MAX_INT <= value <= MAX_INT:
        raise BadRecord(f"{where} is a number out of range")
