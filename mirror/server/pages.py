"""What all sessions that wait for a commit want to know of it, read once by whoever asks first.

Tailing peers of equal rights want the same page of the feed, encoded; tailing users want to know whether there is
anything for them at all, which spares each of them a look into the store.
"""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from gevent.event import AsyncResult

from mirror.store.base import Reader, Store
from mirror.sync.derived import FOREVER
from mirror.sync.responder import Responder
from mirror.sync.scope import EVERYTHING, Scope
from mirror.wire.batch import frame
from mirror.wire.bulk import format_page
from mirror.wire.values import Page

T = TypeVar("T")

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


class Once(Generic[T]):
    """What is read after places of the feed: each place is read once, and all of it is forgotten at the next commit."""

    def __init__(self, store: Store, read: Callable[[int], T], keeps: Callable[[T], bool] = lambda _read: True) -> None:
        """``keeps`` tells of what was read whether it serves others, too."""
        self._read = read
        self._keeps = keeps
        self._reading: dict[int, AsyncResult] = {}
        self.close = store.watch(self._reading.clear)

    def after(self, sequence: int) -> T:
        """Return what this greenlet reads, or one that asked before."""
        waiting = self._reading.get(sequence)
        if waiting is None:
            waiting = self._reading[sequence] = AsyncResult()
            try:
                read = self._read(sequence)
            except BaseException as error:
                waiting.set_exception(error)
                self._forget(sequence, waiting)
                raise
            waiting.set(read)
            if not self._keeps(read):
                self._forget(sequence, waiting)
        found: T = waiting.get()
        return found

    def _forget(self, sequence: int, waiting: AsyncResult) -> None:
        if self._reading.get(sequence) is waiting:
            del self._reading[sequence]

    def forget(self, sequence: int, found: T) -> None:
        """Have a place read again, unless that was done since something was found there."""
        waiting = self._reading.get(sequence)
        if waiting is not None and waiting.ready() and waiting.value is found:
            del self._reading[sequence]


class SharedPages:
    """Reads pages for all who see the same; a page is forgotten at the next commit, or when something in it fades."""

    def __init__(self, store: Store, scope: Scope = EVERYTHING) -> None:
        self._responder = Responder(store, scope)
        self._scope = scope
        self._clock = store.clock
        # A page that others follow is not kept, or a peer that catches up would leave its whole feed here.
        self._pages = Once(store, self._read, lambda page: bool(page.wire) and not page.more)
        self.close = self._pages.close

    def read(self, after: int) -> SharedPage:
        """Return the page after a sequence, read by this greenlet or by one that asked before."""
        shared = self._pages.after(after)
        while shared.until_ms <= self._clock.now_ms():
            self._pages.forget(after, shared)
            shared = self._pages.after(after)
        return shared

    def _read(self, after: int) -> SharedPage:
        page, more = self._responder.page(after)
        wire = b"".join(frame(format_page(page)))
        moments = (self._scope.fades(record) for record in page.records)
        until = min((moment for moment in moments if moment is not None), default=FOREVER)
        return SharedPage(page, more, wire if len(wire) <= MAX_SHARED_BYTES else b"", until)


class Changed(NamedTuple):
    """The collections that changed up to a place of the feed, and up to where deletions have been forgotten."""

    collections: frozenset[str]
    sequence: int
    trimmed: int


def changes_of(store: Store) -> Once[Changed]:
    """Return what tells which collections changed after a place of the feed."""

    def read(after: int) -> Changed:
        def job(reader: Reader) -> Changed:
            collections, sequence = reader.changed_collections(after)
            return Changed(frozenset(collections), sequence, reader.trimmed())

        return store.read(job)

    return Once(store, read)
