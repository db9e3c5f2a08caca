"""What is remembered of a server besides what it said of each thing, and by what its states are told from each other.

A state that is older than the last, or of a server that was made anew, is none to be taken for deletions.
"""

from typing import NamedTuple

import msgspec

from mirror.formats.errors import CitadelError
from mirror.formats.keys import imported_origin
from mirror.formats.numbers import number_or_zero
from mirror.model.fields import values_of
from mirror.store.base import Reader, Writer

HIGHEST_KEY = "MMhighest"
"""The setting that holds the server's highest message number."""


class OtherThanLast(CitadelError):
    """What a server says is older than what it said last, or it was made anew."""


class Identity(NamedTuple):
    """By what a state of a server is told from others: when it was set up, and its highest message number.

    Nothing and 0 where it does not tell.
    """

    created: str = ""
    highest: int = 0


class Remembered(msgspec.Struct):
    """What is remembered of a server besides the statuses; ``looked`` once all of it was looked at.

    ``another`` is why it is another one than was looked at before: until it was looked at, it is paired anew.
    ``forgetting``, where not all is forgotten yet that the one before said.
    """

    created: str = ""
    highest: int = 0
    looked: bool = False
    fetched: bool = False
    """Whether all of its files and system messages were looked at."""
    another: str = ""
    forgetting: bool = False
    anew_ms: int = 0
    """When it was found to be another one, in Unix milliseconds; 0 for never."""


def place_of(node: str) -> str:
    """Return under which name what a server of a node name says is remembered."""
    return imported_origin(node)


def cursor_name(place: str) -> str:
    """Return under which name it is kept up to which place of the feed all was written into a server."""
    return f"written:{place}"


def remembered(reader: Reader, place: str) -> Remembered | None:
    """Return what is remembered of a server besides the statuses; None before it was looked at."""
    text = reader.meta_text(f"place:{place}")
    return msgspec.json.decode(text, type=Remembered) if text else None


def remember(writer: Writer, place: str, what: Remembered) -> None:
    """Remember that of a server."""
    writer.set_meta(f"place:{place}", msgspec.json.encode(what).decode())


def highest_of_old(reader: Reader) -> int:
    """Return the highest message number that a store of 0.1.0 kept as a setting, or 0."""
    return number_or_zero(str(values_of(reader.get("config", HIGHEST_KEY)).get("value", "")))


def compare(identity: Identity, last: Remembered, node: str) -> None:
    """Raise OtherThanLast where a state is not to follow what was remembered of a server of that node name last."""
    what = f"what was imported of {node} last"
    told = "--accept-older takes it for what the server holds now"
    if identity.highest and identity.highest < last.highest:
        raise OtherThanLast(
            f"its highest message number is {identity.highest}, that of {what} was {last.highest}: "
            f"it is older, and what came since would be deleted; {told}"
        )
    if identity.created and last.created not in ("", identity.created):
        raise OtherThanLast(
            f"the server was set up at {identity.created}, that of {what} at {last.created} (Unix seconds): "
            f"it is another one, or was made anew; {told}"
        )
