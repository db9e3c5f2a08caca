"""What one node does with one peer while they are connected, in the order in which it is done.

The link, the simulation and the tests all drive this, so what the simulation proves is what a link does.  It knows no
connections, no clock and no green threads: who drives it dials, and says when.
"""

from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

import msgspec

from mirror.model.applied import Applied
from mirror.model.errors import StampAhead
from mirror.store.values import PUSH, StoredCursor
from mirror.sync.pull import Wait, in_time, refuse_to_wait
from mirror.sync.recent import Recent
from mirror.sync.reconcile import Reconciled
from mirror.sync.remote import Remote, StaleCursor
from mirror.wire.codec import Cursor
from mirror.wire.status import ComparisonStatus
from mirror.wire.values import Page

RemoteT = TypeVar("RemoteT", bound=Remote)
AskedT = TypeVar("AskedT", bound=Remote, contravariant=True)
Source = Callable[[Cursor], Iterator[Page]]
"""Yields the pages of a peer's feed after a cursor: ``since``, or ``tail``, which goes on for ever."""


class Exchange(Protocol[AskedT]):
    """What one node keeps with one peer, of whatever kind, and how it gives and takes.

    ``epoch`` is always the peer's present one, ``pushing`` whether it has to be given our changes since it cannot
    fetch them.  Every call that has a Remote may raise what that raises.
    """

    @property
    def notes(self) -> list[str]:
        """What an administrator should know of this exchange, a line each."""
        ...

    def must_reconcile(self, remote: AskedT, epoch: str, pushing: bool) -> bool:
        """Tell whether the cursors that are kept are no good, so that all has to be compared first."""
        ...

    def reconcile(self, remote: AskedT, pushing: bool, wait: Wait = refuse_to_wait) -> Reconciled:
        """Compare what is shared, and exchange what differs; what is a little ahead is waited for."""
        ...

    def pull_cursor(self, epoch: str) -> Cursor:
        """Return the cursor to ask the peer's changes from."""
        ...

    def distrust_cursor(self) -> None:
        """Forget how far we read, so that the next time all is compared."""
        ...

    def take(self, page: Page, bodies: AskedT) -> Applied:
        """Take in a page of the peer's feed, with its cursor.  Raises StaleCursor."""
        ...

    def cursor(self, direction: str) -> StoredCursor:
        """Return how far one direction has come."""
        ...

    def next_push(self, after: int) -> tuple[Page, bool]:
        """Return the page of our feed after a place, and whether more is there.  Raises StaleCursor."""
        ...

    def push(self, remote: AskedT, epoch: str, page: Page, before: int) -> Applied:
        """Offer a page of our feed, and remember how far we are.  Raises StaleCursor."""
        ...

    def compare(self, remote: AskedT) -> ComparisonStatus:
        """Find out what differs now, and change nothing."""
        ...


class Counts(msgspec.Struct):
    """What was done with one peer so far (numbers of records)."""

    pulled: int = 0
    pushed: int = 0
    conflicts: int = 0


def _nothing() -> None:
    """Hold nothing up."""


class Round(Generic[RemoteT]):
    """The steps of one connection to one peer: ``prepare`` once, then ``pull``, and ``push`` where that is asked for.

    A step that raises ends the connection, and the next one begins with ``prepare`` again.  What one of the two may
    not take yet is waited for, and ends nothing.
    """

    def __init__(
        self,
        exchange: Exchange[RemoteT],
        pushing: bool,
        *,
        recent: Recent | None = None,
        counts: Counts | None = None,
        wait_open: Callable[[], None] = _nothing,
        reconciling: Callable[[], None] = _nothing,
        wait: Wait = refuse_to_wait,
    ) -> None:
        """``recent`` is what the peer gave us lately, by whichever connection.

        ``wait_open`` is called before anything is taken in, and may block; ``reconciling`` before all is compared.
        ``wait`` is called for what may not be taken yet, and returns when it may.
        """
        self.exchange = exchange
        self.pushing = pushing
        self.counts = counts if counts is not None else Counts()
        self._recent = recent if recent is not None else Recent()
        self._wait_open = wait_open
        self._reconciling = reconciling
        self._wait = wait
        self._after: int | None = None  # how far our feed was offered on this connection

    def prepare(self, remote: RemoteT, epoch: str) -> Reconciled | None:
        """Find out whether the cursors are good, and compare all if they are not."""
        must = self.exchange.must_reconcile(remote, epoch, self.pushing)
        return self.reconcile(remote) if must else None

    def reconcile(self, remote: RemoteT) -> Reconciled:
        """Compare all, whatever the cursors say."""
        self._reconciling()
        self._wait_open()
        outcome = self.exchange.reconcile(remote, self.pushing, self._wait_for)
        self.counts.pulled += outcome.pulled.written
        self.counts.pushed += outcome.pushed.written
        self.counts.conflicts += outcome.pulled.conflicts + outcome.refused
        return outcome

    def pull(self, source: Source, bodies: RemoteT, epoch: str) -> Iterator[tuple[Page, Applied]]:
        """Take in what the peer's feed says, and yield each page when it was; ``bodies`` gives contents meanwhile.

        An empty page that reaches no further is a sign of life, and yielded as it is.  Raises StaleCursor, once
        the cursor is forgotten.
        """
        cursor = self.exchange.pull_cursor(epoch)
        reached = cursor.sequence
        try:
            for page in source(cursor):
                applied = Applied()
                if page.records or page.unfit or (page.cursor is not None and page.cursor.sequence != reached):
                    applied = self._take(page, bodies)
                    reached = page.cursor.sequence if page.cursor is not None else reached
                yield page, applied
        except StaleCursor:
            self.exchange.distrust_cursor()  # the next time finds no cursor and compares all
            raise

    def _take(self, page: Page, bodies: RemoteT) -> Applied:
        self._wait_open()
        self._recent.add(page.crcs)
        applied = in_time(lambda: self.exchange.take(page, bodies), self._wait_for)
        self.counts.pulled += applied.written
        self.counts.conflicts += applied.conflicts
        return applied

    def _wait_for(self, error: StampAhead) -> None:
        if not error.wait_ms:
            raise error
        self._wait(error)

    def push(self, remote: RemoteT, epoch: str) -> bool:
        """Give the peer the next page of our feed, without what it gave us; tells whether more is there."""
        after = self.exchange.cursor(PUSH).sequence if self._after is None else self._after
        page, more = self.exchange.next_push(after)
        given = self._recent.without(page)
        self.counts.pushed += in_time(lambda: self.exchange.push(remote, epoch, given, after), self._wait_for).written
        self._after = page.cursor.sequence if page.cursor is not None else after
        return more

    @property
    def given(self) -> int:
        """How far our feed was given to the peer on this connection; -1 where it was not yet."""
        return -1 if self._after is None else self._after


def exchange_all(round_: Round[RemoteT], remote: RemoteT, epoch: str) -> Reconciled | None:
    """Do once all that a connection does, until both sides have what there is now."""
    outcome = round_.prepare(remote, epoch)
    for _ in round_.pull(remote.since, remote, epoch):
        pass
    while round_.pushing and round_.push(remote, epoch):
        pass
    return outcome
