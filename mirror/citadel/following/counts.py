"""How much was taken over of a server that is followed and written into it, for as long as this node follows it.

A record for people.  It is written now and again and when the connection ends, so a crash may lose the last of it.
"""

import msgspec

from mirror.store.base import Reader, Writer

SAVED_S = 10.0
"""Counts that changed are written once in so many seconds at most."""


class Counts(msgspec.Struct, frozen=True):
    """Records written here, how many of these were deletions, and what was made, changed, moved or deleted there."""

    written: int = 0
    deleted: int = 0
    there: int = 0


def read_counts(reader: Reader, place: str) -> Counts:
    """Return the counts of a server, by the name of its place."""
    text = reader.meta_text(_name(place))
    return msgspec.json.decode(text, type=Counts) if text else Counts()


def write_counts(writer: Writer, place: str, counts: Counts) -> None:
    """Remember the counts of a server."""
    writer.set_meta(_name(place), msgspec.json.encode(counts).decode())


def _name(place: str) -> str:
    return f"counts:{place}"
