"""Mending a store: records that an older version let in and that no node takes any more are written anew."""

from mirror.model.errors import BadRecord
from mirror.model.judge import finding
from mirror.model.mending import lost
from mirror.model.record import Record
from mirror.store.base import Store, Writer


def mend_store(store: Store) -> list[str]:
    """Write each record anew that the judge refuses, as far as it can be kept; returns a line for each.

    The old ones go to the conflict log.  Each node mends its own: the others take the new versions once they have.
    """
    lines: list[str] = []
    after = 0
    while checked := store.read(lambda reader: reader.check_records(after)):  # noqa: B023
        after = checked[-1].sequence
        places = [one.sequence for one in checked if one.record is not None and finding(one.record)]
        if places:
            lines += store.write(lambda writer: [line for place in places if (line := _mend(writer, place))])  # noqa: B023
    return lines


def _mend(writer: Writer, sequence: int) -> str:
    """Mend the record at a place of the feed, unless it has gone from there; returns what to tell of it."""
    found = writer.check_records(sequence - 1, 1)
    if not found or found[0].sequence != sequence or found[0].record is None:
        return ""
    record = found[0].record
    try:
        made = writer.mend(sequence)
    except BadRecord as error:
        return f"{_named(record)}: cannot be mended: {error}"
    return f"{_named(record)}: written anew without {lost(record, made)}; {finding(record)}"


def _named(record: Record) -> str:
    return f"{record.collection[:80]} {record.key[:80]!r}"
