"""Which first copies were begun here and are not at their end: until then a part of their sources' data is here alone.

Kept in the store, so it is told after an interruption, too, and to whoever copies from a copy.  A copy is at its end
once all has come that a source held which was whole itself.
"""

import enum
import json
from collections.abc import Collection

from mirror.store.base import Reader, Writer

_NAME = "copying"
"""Under this name a store keeps which copies it is in the middle of."""


class CopyKind(enum.StrEnum):
    """Whether a copy was begun in an empty store, or is merged into what was there."""

    PLAIN = "plain"
    MERGED = "merged"


def unfinished(reader: Reader) -> dict[str, CopyKind]:
    """Return, by source, the copies that are not at their end."""
    return {source: CopyKind(kind) for source, kind in json.loads(reader.meta_text(_NAME, "{}")).items()}


def begin_copy(writer: Writer, source: str, kind: CopyKind) -> None:
    """Note that a copy begins, or goes on: then it stays of the kind it was begun as."""
    _keep(writer, {source: kind, **unfinished(writer)})


def end_copy(writer: Writer, source: str) -> None:
    """Note that all has come that a source holds."""
    forget_copies(writer, [source])


def forget_copies(writer: Writer, sources: Collection[str]) -> None:
    """Forget copies from sources that nobody copies from any more."""
    held = unfinished(writer)
    left = {source: kind for source, kind in held.items() if source not in sources}
    if left != held:
        _keep(writer, left)


def _keep(writer: Writer, copies: dict[str, CopyKind]) -> None:
    writer.set_meta(_NAME, json.dumps(copies, sort_keys=True))
