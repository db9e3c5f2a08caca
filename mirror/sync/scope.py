"""What one party may see and write.  The engine asks; who the party is was settled before."""

from collections.abc import Callable, Hashable, Sequence
from typing import Protocol

from mirror.model.record import Record

Text = Callable[[Record], bytes]
"""Returns a record's body wherever it is kept, of a large one the beginning."""


class Scope(Protocol):
    """The rights of one peer or user."""

    @property
    def trusted(self) -> bool:
        """Whether naming a content by its hash opens it; who is not trusted has to send what it refers to."""
        ...

    @property
    def signature(self) -> Hashable:
        """Equal for parties that see just the same, so that what is read for one serves the others."""
        ...

    def reads(self, collection: str) -> bool:
        """Tell whether a collection may be seen at all."""
        ...

    def collections(self) -> Sequence[str] | None:
        """Return the names of all collections that may be seen, or None where only ``reads`` can tell."""
        ...

    def keys(self, collection: str) -> Sequence[str] | None:
        """Return the keys of all records of a collection that may be seen, or None where only ``shown`` can tell."""
        ...

    def spans(self, collection: str) -> Sequence[tuple[str, str]] | None:
        """Return between which keys, the latter ones left out, just what may be seen of a collection lies as it is.

        None where that is not told by keys, or is most of what there is.
        """
        ...

    def whole(self, collection: str) -> bool:
        """Tell whether all of a readable collection is shown as it is, so the store's own digest can be told."""
        ...

    def shown(self, record: Record, text: Text, now_ms: int, asked: bool = False) -> Record | None:
        """Return what may be seen of a record of a readable collection at a moment (Unix milliseconds).

        ``asked``: the other side named the key, so that it is there is no news.
        """
        ...

    def fades(self, record: Record) -> int | None:
        """Return the moment from which ``shown`` shows another thing of a version, None if there is none."""
        ...

    def admitted(self, record: Record, text: Text, now_ms: int) -> Record | None:
        """Return what may be brought in of a version, None for nothing.  Raises Denied where nothing ever may."""
        ...

    def adopts(self, collection: str) -> bool:
        """Tell whether just the fields of what comes in are taken over, into a record that is there."""
        ...


class Everything:
    """The scope of a mirror peer: a complete duplicate."""

    trusted = True
    signature = ""

    def reads(self, collection: str) -> bool:
        return True

    def collections(self) -> Sequence[str] | None:
        return None

    def keys(self, collection: str) -> Sequence[str] | None:
        return None

    def spans(self, collection: str) -> Sequence[tuple[str, str]] | None:
        return None

    def whole(self, collection: str) -> bool:
        return True

    def shown(self, record: Record, text: Text, now_ms: int, asked: bool = False) -> Record | None:
        return record

    def fades(self, record: Record) -> int | None:
        return None

    def admitted(self, record: Record, text: Text, now_ms: int) -> Record | None:
        return record

    def adopts(self, collection: str) -> bool:
        return False


EVERYTHING = Everything()
