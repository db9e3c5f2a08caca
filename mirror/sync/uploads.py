"""Proof that who refers to a content has it: a hash alone must not open somebody else's.

What came of a content stays for a while, so who was interrupted goes on over another connection.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, KeysView
from typing import TYPE_CHECKING, NamedTuple

from mirror.wire.values import ContentPart

if TYPE_CHECKING:
    from hashlib import _Hash

MAX_OPEN = 64
"""Contents that may be under way at a time; beginning one more forgets the oldest."""
MAX_PROVED = 65_536
"""Contents that a party has sent whole and may still refer to, those of lately."""
KEPT_S = 3000
"""Seconds for which a content may be gone on with, after its last part.

Less than the hour after which a store may drop what nothing refers to: so that nothing is there any more tells nobody
whether the content is here otherwise.
"""
MAX_PARTIES = 1024
"""Parties whose uploads are remembered beside their sessions, those that were here last."""

Clock = Callable[[], float]


class _Open(NamedTuple):
    """A content under way: how many bytes came in order, their hash so far, and when the last part came."""

    at: int
    hasher: "_Hash"
    seconds: float


class Uploads:
    """The contents that one party has sent whole, or begun, as hashed from its own bytes."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        """``clock`` returns seconds that only go forward."""
        self._clock = clock
        self._proved: OrderedDict[bytes, None] = OrderedDict()
        self._open: dict[bytes, _Open] = {}

    @property
    def proved(self) -> KeysView[bytes]:
        """The contents that were sent whole."""
        return self._proved.keys()

    def add(self, part: ContentPart) -> bool:
        """Take note of a part; the parts of a content count when they come in order from its beginning.

        Returns False where this is the last one, and they are not those of the content.
        """
        if part.offset == 0:
            self._open.pop(part.content, None)
            if len(self._open) >= MAX_OPEN:
                self._open.pop(next(iter(self._open)))
            self._open[part.content] = _Open(0, hashlib.sha256(), self._clock())
        if part.content not in self._open or self._open[part.content].at != part.offset:
            return True
        hasher = self._open[part.content].hasher
        hasher.update(part.data)
        at = part.offset + len(part.data)
        self._open[part.content] = _Open(at, hasher, self._clock())
        if at == part.size:
            del self._open[part.content]
            if hasher.digest() != part.content:
                return False
            self._prove(part.content)
        return True

    def _prove(self, content: bytes) -> None:
        self._proved[content] = None
        self._proved.move_to_end(content)
        if len(self._proved) > MAX_PROVED:
            self._proved.popitem(last=False)

    def at(self, content: bytes) -> int:
        """Return from which byte on a content is wanted that was not sent whole; 0 once that was too long ago."""
        under_way = self._open.get(content)
        if under_way is not None and self._clock() - under_way.seconds > KEPT_S:
            self.forget(content)
            return 0
        return under_way.at if under_way is not None else 0

    def forget(self, content: bytes) -> None:
        """Have a content that is under way begin anew."""
        self._open.pop(content, None)


class UploadsOfParties:
    """The uploads of parties by their names, over all of their sessions."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, Uploads] = OrderedDict()

    def of(self, party: str) -> Uploads:
        """Return what a party has sent so far."""
        uploads = self._kept.setdefault(party, Uploads(self._clock))
        self._kept.move_to_end(party)
        if len(self._kept) > MAX_PARTIES:
            self._kept.popitem(last=False)
        return uploads
