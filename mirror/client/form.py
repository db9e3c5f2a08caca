"""What a file of a folder says, as the record that it is of, and the other way round: one form for each kind of folder.

Knows neither folders nor the wire.  What takes items apart is imported where something is sent or is not plain.
"""

from functools import lru_cache
from typing import NamedTuple, Protocol

from mirror.client.server import Held
from mirror.formats.plain_item import ENDINGS, VdirItem, plain_item
from mirror.model.keys import key_of_id
from mirror.model.kinds import ITEM_PREFIX
from mirror.model.record import Record

SMALL = 16 * 1024
"""Bytes of a file up to which what was read of it is kept for a while: sending one asks it three times."""
KEPT = 256
"""Files of which that is kept: all that are read together."""


class Shown(NamedTuple):
    """A record as a file: the name that it would have, and its bytes."""

    name: str
    data: bytes


class Form(Protocol):
    """How records of a room are files."""

    def key(self, data: bytes) -> str:
        """Return the key of the record that a file is of.  Raises CitadelError for a file that is none."""

    def body(self, data: bytes, held: Held | None, node: str, seconds: int) -> bytes:
        """Return a file as the record's body; ``held`` is what is there, around which all but the file's part stays.

        ``node`` and ``seconds`` (Unix) are for the id and time of a new one.
        """

    def titled(self, body: bytes, data: bytes) -> bytes:
        """Return the body of a file with a title that says what the file does; for an edit of what is its title."""

    def shown(self, record: Record, body: bytes) -> Shown | None:
        """Return a living record as a file, always the same bytes; None for what this folder has no files of."""


class Items:
    """Calendar entries, tasks, cards and notes, one a file: the Form of a vdir."""

    def key(self, data: bytes) -> str:
        return _parsed(data).key

    def body(self, data: bytes, held: Held | None, node: str, seconds: int) -> bytes:
        from mirror.formats.vdir_item import body_of

        return body_of(_parsed(data), held.body if held is not None else None, node, seconds)

    def titled(self, body: bytes, data: bytes) -> bytes:
        from mirror.formats.vdir_item import titled

        return titled(body, _parsed(data))

    def shown(self, record: Record, body: bytes) -> Shown | None:
        if not record.key.startswith(ITEM_PREFIX):
            return None
        item = plain_item(body) or _thoroughly(body)
        if item is None or key_of_id(ITEM_PREFIX, item.uid) != record.key:
            return None
        return Shown(f"{item.uid}{ENDINGS[item.kind]}", item.data)


def _thoroughly(body: bytes) -> VdirItem | None:
    from mirror.formats.vdir_item import parse_body

    return parse_body(body)


def _parsed(data: bytes) -> VdirItem:
    """Return the item that a file holds.  Raises BadItem."""
    return _small(data) if len(data) <= SMALL else _read(data)


def _read(data: bytes) -> VdirItem:
    from mirror.formats.vdir_item import parse_file

    return parse_file(data)


_small = lru_cache(maxsize=KEPT)(_read)
