"""What was worked out for those who asked, kept for when they ask again: of very much that of the latest."""

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

Asker = tuple[str, str]
"""The party that asks, and within which view."""


class ByAsker(OrderedDict[Asker, T]):
    """Something for each who asked, the latest last; what is too much of who asked longest ago is dropped."""

    def __init__(self, limit: int, size: Callable[[T], int]) -> None:
        """``size`` says how much one is of the ``limit``; the latest is kept, however large."""
        super().__init__()
        self._limit, self._size = limit, size

    def keep(self, asker: Asker, kept: T) -> None:
        """Keep something for one in the place of what was kept."""
        self[asker] = kept
        self.move_to_end(asker)
        size = sum(map(self._size, self.values()))
        while size > self._limit and len(self) > 1:
            size -= self._size(self.popitem(last=False)[1])

    def forget(self, party: str) -> None:
        """Keep nothing for a party, within whatever view."""
        for asker in [asker for asker in self if asker[0] == party]:
            del self[asker]
