"""What a version says of who wrote it, and whether what is here shows that, or makes it matter no more.

A peer with which rooms are shared could write anything under our own name.  Values in, values out.
"""

from collections.abc import Set

from mirror.model.fields import order, unpack_fields
from mirror.model.merge import has_fields, is_item
from mirror.model.record import Record, vector_of


def writers(record: Record) -> set[str]:
    """Return by whom a version, or its fields, say to be written.

    What it has seen is not asked for: that may have been of an incarnation of which nothing is here any more.
    """
    return (
        {record.origin, *(field.origin for field in unpack_fields(record).values())}
        if has_fields(record)
        else {record.origin}
    )


def shown_by(held: Record | None, record: Record, origins: Set[str]) -> bool:
    """Tell whether what a version has of these origins is in what is held under its key, or changes nothing there."""
    if held is None:
        return False
    if held.era != record.era:
        return held.era > record.era
    if has_fields(record):
        return _fields_shown_by(held, record, origins)
    if vector_of(held).get(record.origin, 0) >= record.stamp:
        return True
    # Who wrote without knowing what was there does not say to have seen it; so it may be a version that has lost.
    return not is_item(record) and held.version > record.version


def _fields_shown_by(held: Record, record: Record, origins: Set[str]) -> bool:
    there = unpack_fields(held)
    claimed = {name: field for name, field in unpack_fields(record).items() if field.origin in origins}
    return all(name in there and order(there[name]) >= order(field) for name, field in claimed.items())
