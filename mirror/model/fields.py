"""Heads of records that merge field by field: every field with the version that wrote it.

A head is a map ``name -> [value, stamp, origin]``.  Values are text, numbers or booleans.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from mirror.model.errors import BadRecord
from mirror.model.record import Record, pack_head

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
