"""Proof that who refers to a content has it: a hash alone must not open somebody else's."""

import hashlib
from typing import TYPE_CHECKING

from mirror.wire.values import ContentPart

if TYPE_CHECKING:
    from hashlib import _Hash

MAX_OPEN = 64
"""Contents that may be under way at a time; beginning one more forgets the oldest."""


class Uploads:
    """The contents that one party has sent whole, as hashed from its own bytes."""

    def __init__(self) -> None:
        self.proved: set[bytes] = set()
        self._open: dict[bytes, tuple[int, _Hash]] = {}

    def add(self, part: ContentPart) -> bool:
        """Take note of a part; the parts of a content count when they come in order from its beginning.

        Returns False where this is the last one, and they are not those of the content.
        """
        if part.offset == 0:
            self._open.pop(part.content, None)
            if len(self._open) >= MAX_OPEN:
                self._open.pop(next(iter(self._open)))
            self._open[part.content] = (0, hashlib.sha256())
        at, hasher = self._open.get(part.content, (-1, hashlib.sha256()))
        if at != part.offset:
            return True
        hasher.update(part.data)
        self._open[part.content] = (at + len(part.data), hasher)
        if at + len(part.data) == part.size:
            del self._open[part.content]
            if hasher.digest() != part.content:
                return False
            self.proved.add(part.content)
        return True
