"""One node's dealings with one peer that is its mirror: cursors, and when they can be trusted.

Satisfies mirror.sync.round.Exchange, where the order stands in which things are done; so do the dealings with a peer
that rooms are shared with (mirror.sync.share.exchange).
"""

from functools import partial

from mirror.model.applied import Applied
from mirror.model.kinds import HORIZON_KEY, NODES
from mirror.model.nodes import Vector, horizon_of, newest_by_origin
from mirror.store.base import Store, Writer
from mirror.store.values import PULL, PUSH, StoredCursor
from mirror.sync.absence import HorizonMoved, check_horizon, find_absence, marker_of
from mirror.sync.copying import CopyKind, begin_copy, end_copy, unfinished
from mirror.sync.pull import Wait, apply_page, refuse_to_wait
from mirror.sync.push import push_page
from mirror.sync.reconcile import Reconciled, reconcile
from mirror.sync.remote import Remote, StaleCursor
from mirror.sync.responder import Responder, check_page
from mirror.sync.scope import EVERYTHING, Scope
from mirror.sync.substitutes import read_substitutes
from mirror.sync.verify import compare_nodes
from mirror.wire.codec import Cursor
from mirror.wire.status import ComparisonStatus
from mirror.wire.values import Page


class Cursors:
    """The two cursors that one node keeps with one peer."""

    def __init__(self, store: Store, peer: str) -> None:
        self._store = store
        self._peer = peer

    @property
    def notes(self) -> list[str]:
        """What an administrator should know of this exchange, a line each."""
        return []

    def cursor(self, direction: str) -> StoredCursor:
        """Return how far one direction has come."""
        cursor: StoredCursor = self._store.read(lambda reader: reader.cursor(self._peer, direction))
        return cursor

    def pull_cursor(self, epoch: str) -> Cursor:
        """Return the cursor to ask the peer's changes from."""
        stored = self.cursor(PULL)
        return Cursor(stored.epoch or epoch, stored.sequence)

    def distrust_cursor(self) -> None:
        """Forget how far we read: the next time we reconcile."""
        self._store.write(lambda writer: writer.set_cursor(self._peer, PULL, StoredCursor()))

    def stale(self, epoch: str, pushing: bool) -> bool:
        """Tell whether a cursor is not of the peer's present epoch, or lies before deletions we have forgotten."""
        pull, push = self.cursor(PULL), self.cursor(PUSH)
        if pull.epoch != epoch or (pushing and push.epoch != epoch):
            return True
        return pushing and push.sequence < self._store.read(lambda reader: int(reader.trimmed()))

    def pushed(self, epoch: str, page: Page, before: int) -> None:
        """Remember that a page of our feed was taken; ``before`` is where we were."""
        if page.cursor is not None and page.cursor.sequence != before:
            cursor = StoredCursor(epoch, page.cursor.sequence, True)
            self._store.write(lambda writer: writer.set_cursor(self._peer, PUSH, cursor))


class MirrorExchange(Cursors):
    """What one node keeps with one peer that is its mirror, and when their cursors can be trusted."""

    def __init__(self, store: Store, peer: str, scope: Scope = EVERYTHING) -> None:
        """``scope`` is what the peer may see and write here."""
        super().__init__(store, peer)
        self._scope = scope
        self._horizon: int | None = None  # ours, when the peer was last found not to have been away for too long
        self._told: Remote | None = None  # the connection on which it was asked for its horizon before pushing
        self._whole_at: Cursor | None = None  # the place in the peer's feed at which a copy that goes on is at its end
        self._end = 0  # the place at which the peer's feed ended when it was asked last
        self._newest: Vector = {}  # by origin, the newest that was read before that place

    def must_reconcile(self, remote: Remote, epoch: str, pushing: bool) -> bool:
        """Tell whether the cursors are not good for the peer's present epoch, or one side was away too long."""
        if self.cursor(PULL).epoch != epoch and self._store.read(lambda reader: reader.is_empty()):
            self._begin(remote, epoch)
        elif self.stale(epoch, pushing) or self._away(remote):
            return True
        self._whole_at = self._end_of_copy(remote)
        return False

    def _begin(self, remote: Remote, epoch: str) -> None:
        """Begin the first copy: an empty store just takes the whole feed; it cannot hold anything that was deleted."""
        markers = [record for page in remote.get(NODES, [HORIZON_KEY]) for record in page.records]

        def begin(writer: Writer) -> None:
            writer.apply(markers)
            writer.set_cursor(self._peer, PULL, StoredCursor(epoch, 0))
            begin_copy(writer, self._peer, CopyKind.PLAIN)

        self._store.write(begin)

    def _end_of_copy(self, remote: Remote) -> Cursor | None:
        """Return where in the peer's feed a copy that goes on will be at its end, if one does and that is known."""
        root, copies = self._store.read(lambda reader: (reader.root(), unfinished(reader)))
        if copies.get(self._peer) is not CopyKind.PLAIN:
            return None  # one that is merged is at its end when all was compared
        state = remote.info(root.digest)
        self._end = state.sequence
        if state.partial:
            return None
        pull = self.cursor(PULL)
        if pull.epoch != state.epoch or pull.sequence < state.sequence:
            return state.cursor
        self._store.write(lambda writer: end_copy(writer, self._peer))
        return None

    def _away(self, remote: Remote) -> bool:
        """Tell whether one of the two was away for longer than tombstones are kept."""
        state = remote.info(self._store.read(lambda reader: reader.root()).digest)
        self._end = state.sequence
        absence = find_absence(self._store, remote, state)
        self._horizon = None if absence else absence.horizon
        return bool(absence)

    def reconcile(self, remote: Remote, pushing: bool, wait: Wait = refuse_to_wait) -> Reconciled:
        """Compare everything shared and exchange what differs."""
        self._horizon, self._newest = None, {}
        while True:
            try:
                return reconcile(self._store, remote, self._peer, push=pushing, scope=self._scope, wait=wait)
            except HorizonMoved:
                continue  # with what was taken so far there is less to do

    def take(self, page: Page, bodies: Remote) -> Applied:
        """Take in a page of the peer's feed, with its cursor; ``bodies`` gives the contents that are lacking.

        Raises StaleCursor when one of the two turns out not to have been told of deletions that the other has
        forgotten meanwhile.
        """
        marker = marker_of(page.records)
        if marker is not None and not self._store.read(lambda reader: reader.reaches(horizon_of(marker))):
            raise StaleCursor("deletions that did not come here have been forgotten: reconcile")
        while True:
            if self._horizon is None and self._away(bodies):
                raise StaleCursor("deletions that the peer was not told of have been forgotten: reconcile")
            guard, whole = partial(self._reach, page.cursor), self._is_at_end(page.cursor)
            try:
                applied = apply_page(self._store, bodies, page, self._peer, guard=guard, whole=whole)
            except HorizonMoved:
                self._horizon = None
                continue
            if self._completes(page.cursor):
                self._whole_at = None
            self._read_so_far(page, whole)
            return applied

    def _read_so_far(self, page: Page, whole: bool) -> None:
        """Remember up to where each origin was read, unless anything of it could not be taken."""
        if whole:
            self._newest = {}
        elif not self._store.read(lambda reader: reader.lacking(self._peer)):
            for origin, stamp in newest_by_origin(page.records).items():
                self._newest[origin] = max(stamp, self._newest.get(origin, 0))

    def _is_at_end(self, cursor: Cursor | None) -> bool:
        """Tell whether all that the peer had when it was asked last has come with a page up to a place of its feed.

        Before that something older may lie behind what has come, since it was edited again and so moved there.
        """
        return cursor is not None and cursor.sequence >= self._end

    def _reach(self, cursor: Cursor | None, writer: Writer) -> None:
        """Note what is so once a page up to a place of the peer's feed is taken in.  Raises HorizonMoved."""
        if self._horizon is not None:
            check_horizon(writer, self._horizon)
        if self._is_at_end(cursor):
            writer.note_newest(self._newest)
        if self._completes(cursor):
            end_copy(writer, self._peer)

    def _completes(self, cursor: Cursor | None) -> bool:
        """Tell whether a copy that goes on is at its end with a page up to a place of the peer's feed."""
        return self._whole_at is not None and cursor is not None and cursor.sequence >= self._whole_at.sequence

    def next_push(self, after: int) -> tuple[Page, bool]:
        """Return the page of our feed after a place, and whether more is there.  Raises StaleCursor."""
        page, more = Responder(self._store, self._scope).page(after)
        check_page(page, after, 0)
        return page, more

    def compare(self, remote: Remote) -> ComparisonStatus:
        """Find out what differs now, but for what is set aside here, and change nothing."""
        own = Responder(self._store, self._scope)
        substitutes = self._store.read(lambda reader: read_substitutes(reader, self._peer))
        return compare_nodes(own, remote, substitutes=substitutes, index=own.index)

    def push(self, remote: Remote, epoch: str, page: Page, before: int) -> Applied:
        """Offer a page of our feed, and remember how far we are.

        Raises StaleCursor when the peer was away for too long to be told which deletions are forgotten.
        """
        if (marker_of(page.records) is not None or remote is not self._told) and self._away(remote):
            raise StaleCursor("deletions that the peer was not told of have been forgotten: reconcile")
        self._told = remote
        applied = push_page(self._store, remote, page, self._scope)
        self.pushed(epoch, page, before)
        return applied
