"""Pages of the feed shared by all peers that tail it from the same place.

After a commit every tailing session wants the same page: it is read and encoded once, by whoever asks first.
"""

from typing import NamedTuple

from gevent.event import AsyncResult

from mirror.store.base import Store
from mirror.sync.derived import FOREVER
from mirror.sync.responder import Responder
from mirror.sync.scope import EVERYTHING, Scope
from mirror.wire.batch import frame
from mirror.wire.bulk import format_page
from mirror.wire.values import Page

MAX_SHARED_BYTES = 256 * 1024
"""Larger pages are catching up, not news, and are not kept."""


class SharedPage(NamedTuple):
    """A page, whether more is there, and its bytes on the wire in MessagePack (empty when too large to keep).

    From ``until_ms`` on (Unix milliseconds) something in it is too old to be shown.
    """

    page: Page
    more: bool
    wire: bytes
    until_ms: int = FOREVER


class SharedPages:
    """Reads pages for all who see the same; a page is forgotten at the next commit, or when something in it fades."""

    def __init__(self, store: Store, scope: Scope = EVERYTHING) -> None:
        self._responder = Responder(store, scope)
        self._scope = scope
        self._clock = store.clock
        self._reading: dict[int, AsyncResult] = {}
        self.close = store.watch(self._reading.clear)

    def read(self, after: int) -> SharedPage:
        """Return the page after a sequence, read by this greenlet or by one that asked before."""
        waiting = self._reading.get(after)
        if waiting is None:
            waiting = self._reading[after] = AsyncResult()
            try:
                read = self._read(after)
            except BaseException as error:
                waiting.set_exception(error)
                self._forget(after, waiting)
                raise
            waiting.set(read)
            if read.more or not read.wire:
                self._forget(after, waiting)  # or a peer that catches up would leave its whole feed here
        shared: SharedPage = waiting.get()
        if shared.until_ms <= self._clock.now_ms():
            self._forget(after, waiting)
            return self.read(after)
        return shared

    def _forget(self, after: int, waiting: AsyncResult) -> None:
        if self._reading.get(after) is waiting:
            del self._reading[after]

    def _read(self, after: int) -> SharedPage:
        page, more = self._responder.page(after)
        wire = b"".join(frame(format_page(page)))
        moments = (self._scope.fades(record) for record in page.records)
        until = min((moment for moment in moments if moment is not None), default=FOREVER)
        return SharedPage(page, more, wire if len(wire) <= MAX_SHARED_BYTES else b"", until)
