"""What a server said last of each thing, asked by collections, names, numbers and keys.  Changes nothing of it."""

from collections.abc import Iterable, Iterator, Sequence

from mirror.model.status import Status
from mirror.store.base import Store

FEW_COLLECTIONS = 1000
"""So many collections are gone through one by one; more of them at once with all others, which takes as long."""


class Statuses:
    """What the server at one place said last."""

    def __init__(self, store: Store, place: str) -> None:
        self._store, self._place = store, place

    def told(self, collections: Sequence[str]) -> Iterator[list[Status]]:
        """Yield what the server said last of collections, in pages: of each in the order in which it names things.

        Where they are many, other collections are among it.
        """
        if len(collections) <= FEW_COLLECTIONS:
            for collection in collections:
                yield from self.told_of(collection)
            return
        after = ("", "")
        while page := self._store.read(lambda reader, place=after: reader.scan_place(self._place, place)):  # type: ignore[misc]
            yield page
            after = (page[-1].collection, page[-1].foreign)

    def told_of(self, collection: str) -> Iterator[list[Status]]:
        """Yield what the server said last of a collection, in pages, in the order in which it names things."""
        after = ""
        while page := self._store.read(lambda reader, name=after: reader.scan_statuses(self._place, collection, name)):  # type: ignore[misc]
            yield page
            after = page[-1].foreign

    def tags(self, collection: str, foreign: Iterable[str]) -> dict[str, str]:
        """Return the tags of things as the server said them last."""
        told = self._store.read(lambda reader: reader.statuses(self._place, collection, foreign))
        return {status.foreign: status.tag for status in told}

    def known_numbers(self, collection: str, numbers: Iterable[int]) -> list[int]:
        """Return which messages of a collection were there when the server was looked at last."""
        told = self._store.read(lambda reader: reader.statuses(self._place, collection, map(str, numbers)))
        return [int(status.foreign) for status in told]

    def number_of(self, collection: str, key: str) -> int:
        """Return which number an item had when the server was looked at last, or 0."""
        told = self._store.read(lambda reader: reader.statuses_of(self._place, collection, [key]))
        return max((int(status.foreign) for status in told), default=0)
