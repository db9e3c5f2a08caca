"""One node's dealings with one peer that it shares rooms with, step by step: a round drives it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from mirror.model.applied import Applied
from mirror.model.kinds import Collection
from mirror.model.record import Record
from mirror.store.base import Reader, Store, Writer
from mirror.store.values import PULL, PUSH, StoredCursor
from mirror.sync.derived import Sums
from mirror.sync.exchange import Cursors
from mirror.sync.pull import Wait, refuse_to_wait
from mirror.sync.push import push_page
from mirror.sync.reconcile import Reconciled
from mirror.sync.remote import Remote
from mirror.sync.responder import Responder, check_page
from mirror.sync.scope import Scope
from mirror.sync.share.pairs import Pair, find_pairs, inward, outward
from mirror.sync.share.rules import NETCONF
from mirror.sync.share.settling import Forgotten, Settling, Tried, apply_proved
from mirror.sync.share.verify import compare_shares, pair_status
from mirror.wire.status import ComparisonStatus
from mirror.wire.values import Page, SharedRoom, State


class ShareRemote(Remote, Protocol):
    """The other side of a share."""

    def shares(self) -> list[SharedRoom]:
        """Return the rooms that it shares with the one who asks."""
        ...


class ShareExchange(Cursors):
    """What one node keeps with one peer that it shares rooms with; satisfies mirror.sync.round.Exchange."""

    def __init__(
        self, store: Store, peer: str, scope: Scope, rooms: Sequence[SharedRoom], sums: Sums | None = None
    ) -> None:
        """``scope`` is what the peer may see and write here; ``sums`` may be kept longer than this is."""
        super().__init__(store, peer)
        self._sums = sums or Sums()
        self._tried = Tried()
        self._scope = scope
        self._rooms = list(rooms)
        self._pairs: list[Pair] = []
        self._unmatched: list[str] = []
        self._withheld: dict[str, int] = {}
        self._only_new = False
        self._met: dict[str, str] = {}

    @property
    def notes(self) -> list[str]:
        """What an administrator should know of the rooms that are shared with this peer, a line each."""
        withheld = [
            f"{name}: {count} records older than remembered deletions are on one side only, and stay there"
            for name, count in sorted(self._withheld.items())
        ]
        return self._unmatched + withheld

    @property
    def pairs(self) -> list[Pair]:
        return self._pairs

    def must_reconcile(self, remote: ShareRemote, epoch: str, pushing: bool) -> bool:
        """Find out which rooms belong together; tell whether any were not compared under the present rules."""
        self._met = bound = self._store.read(self._bound)
        self._pairs, self._unmatched = find_pairs(self._rooms, remote.shares(), bound)
        self._store.write(lambda writer: self._remember(writer, bound))
        stale = self.stale(epoch, pushing)
        new = any(self._known(pair) != pair.state for pair in self._pairs)
        self._only_new = new and not stale
        return stale or new

    def _bound(self, reader: Reader) -> dict[str, str]:
        """Return which room there belongs to ours, as found before.  Said anew where our rule names another one now."""
        bound: dict[str, str] = {}
        for room in self._rooms:
            record = reader.get(_netconf_of(room), f"bound {self._peer}")
            remote, _, named = (
                record.body.decode("utf-8", "replace").partition("|") if record and not record.dead else ("", "", "")
            )
            if remote and named == room.remote:
                bound[room.key] = remote
        return bound

    def _remember(self, writer: Writer, bound: Mapping[str, str]) -> None:
        """Keep what belongs together, for our mirrors too, and forget what either side shares no longer.

        Meanwhile the cursors pass over such a room, so once it is shared again it has to be compared.
        """
        for here, there in self._pairs:
            if bound.get(here.key) != there.key:
                body = f"{there.key}|{here.remote}".encode()
                writer.put(Record(_netconf_of(here), f"bound {self._peer}", 1, "x", 1, body=body))
        writer.keep_cursors(self._peer, [PULL, PUSH, *(_join(here.key) for here, _ in self._pairs)])

    def _known(self, pair: Pair) -> str:
        """Return the state of a pair when it was last compared, or an empty string."""
        return self.cursor(_join(pair.here.key)).epoch

    def reconcile(self, remote: ShareRemote, pushing: bool, wait: Wait = refuse_to_wait) -> Reconciled:
        """Compare the shared rooms, all or just the new ones, and exchange what differs."""
        own = Responder(self._store, self._scope)
        before = self._store.read(lambda reader: reader.last_sequence())
        state = remote.info()
        stale = self.stale(state.epoch, pushing)
        only_new, self._only_new = self._only_new and not stale, False
        work = Settling(
            self._store,
            self._peer,
            remote,
            self._scope,
            own,
            state,
            pushing,
            Reconciled(state),
            self._sums,
            self._tried,
            wait,
            [],
            [],
        )
        for pair in self._pairs:
            known = self._known(pair)
            if only_new and known == pair.state:
                continue
            anew = stale or known != pair.state
            withheld = work.settle(pair, self._forgotten(known, pair, state, stale), anew)
            self._withheld.pop(pair.here.name, None)
            if withheld and (stale or pair.whole):  # else it may be the rules that keep it on one side
                self._withheld[pair.here.name] = withheld
        work.take_later()
        work.offer_later()

        def job(writer: Writer) -> None:
            for pair in self._pairs:
                writer.set_cursor(self._peer, _join(pair.here.key), StoredCursor(pair.state, 0, True))
            if stale:
                writer.set_cursor(self._peer, PULL, StoredCursor(state.epoch, state.sequence, True))
                if pushing:
                    writer.set_cursor(self._peer, PUSH, StoredCursor(state.epoch, before, True))

        self._store.write(job)
        return work.outcome

    def _forgotten(self, known: str, pair: Pair, state: State, stale: bool) -> Forgotten:
        """Return before which stamps deletions are forgotten that two rooms were to tell each other of, if they were.

        That is so where they were compared before by the rules of now, or are out of touch.  A store that was put back
        has no cursors, but knows which rooms belonged together.
        """
        before = known.partition("|")[0] or self._met.get(pair.here.key)
        met = before == pair.there.key if stale else pair.has_rules_of(known)
        return Forgotten(self._store.read(lambda reader: reader.horizon()), state.horizon) if met else Forgotten()

    def take(self, page: Page, bodies: Remote) -> Applied:
        """Take in a page of the peer's feed, with its cursor."""
        cursor = page.cursor

        def note(writer: Writer) -> None:
            if cursor is not None:
                writer.set_cursor(self._peer, PULL, StoredCursor(cursor.epoch, cursor.sequence, True))

        return apply_proved(self._store, bodies, self._scope, inward(page, self._pairs), self._peer, note)

    def next_push(self, after: int) -> tuple[Page, bool]:
        """Return the page of our feed after a place, under the peer's names, and whether more is there."""
        page, more = Responder(self._store, self._scope).page(after)
        check_page(page, after, 0)
        return outward(page, self._pairs), more

    def compare(self, remote: Remote) -> ComparisonStatus:
        """Find out what differs in the shared rooms now, and change nothing.

        Of a room that is shared in parts nothing is told of what the other side may not see, nor how much that is.
        """
        paired = {pair.here.key: pair_status(pair) for pair in self._pairs}
        rooms = compare_shares(Responder(self._store).scan, remote, paired)
        whole = {pair.here.name for pair in self._pairs if pair.whole}
        for one in rooms:
            one.records = one.records if one.room in whole else 0
        return ComparisonStatus(self._store.node, self._peer, self._store.node, rooms=rooms)

    def push(self, remote: Remote, epoch: str, page: Page, before: int) -> Applied:
        """Offer a page of our feed, and remember how far we are."""
        applied = push_page(self._store, remote, page, self._scope)
        self.pushed(epoch, page, before)
        return applied


def _join(room: str) -> str:
    """Under which name the cursors keep that a room's history was exchanged, by which rules."""
    return f"share {room}"


def _netconf_of(room: SharedRoom) -> str:
    return str(Collection(NETCONF, room.key))
