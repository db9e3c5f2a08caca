"""What one party may see and write.  The engine asks; who the party is was settled before."""

from typing import Protocol

from mirror.model.record import Record


class Scope(Protocol):
    """The rights of one peer or user."""

    def reads(self, collection: str) -> bool:
        """Tell whether a collection may be seen at all."""
        ...

    def shows(self, record: Record) -> bool:
        """Tell whether a record of a readable collection may be seen."""
        ...

    def writes(self, record: Record) -> bool:
        """Tell whether a version may be brought in."""
        ...

    @property
    def whole_collections(self) -> bool:
        """Whether ``shows`` is true for every record, so the store's own digests can be told."""
        ...


class Everything:
    """The scope of a mirror peer: a complete duplicate."""

    whole_collections = True

    def reads(self, collection: str) -> bool:
        return True

    def shows(self, record: Record) -> bool:
        return True

    def writes(self, record: Record) -> bool:
        return True


EVERYTHING = Everything()
