"""Remembers which versions a peer gave us lately, so that they are not sent back to it.

Only saves traffic: a version that is sent back all the same is dropped there at once.
"""

from collections import OrderedDict
from collections.abc import Iterable

from mirror.wire.values import Page

LIMIT = 65_536
"""CRCs remembered per peer."""


class Recent:
    """The CRCs of what came from one peer, the oldest forgotten first."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._crcs: OrderedDict[int, None] = OrderedDict()

    def add(self, crcs: Iterable[int]) -> None:
        """Remember versions, before they are taken in: who watches the store may pass them on at once."""
        for crc in crcs:
            self._crcs[crc] = None
        while len(self._crcs) > self._limit:
            self._crcs.popitem(last=False)

    def forget(self) -> None:
        """Remember nothing: the peer may have lost what it gave us."""
        self._crcs.clear()

    def without(self, page: Page) -> Page:
        """Return a page without what the peer gave us."""
        if not self._crcs:
            return page
        kept = [(record, crc) for record, crc in zip(page.records, page.crcs, strict=True) if crc not in self._crcs]
        if len(kept) == len(page.records):
            return page
        return page._replace(records=[record for record, _ in kept], crcs=[crc for _, crc in kept])
