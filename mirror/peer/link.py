"""The link to one peer that we can dial: what a round (mirror.sync.round) does, over connections.

Under supervision, which dials again for ever, a link has up to three greenlets: one tails the peer's feed, one pushes
ours where the peer cannot dial us, one compares all on a schedule.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import gevent
import msgspec
from gevent.event import Event
from gevent.queue import Full, Queue

from mirror.config.settings import SHARE, Config, Peer
from mirror.faults import Faults
from mirror.model.errors import StampAhead
from mirror.model.stamp import format_stamp
from mirror.peer.channel import Channel
from mirror.peer.comparing import Comparisons
from mirror.peer.dial import dial_peer
from mirror.peer.presence import Presence, ask
from mirror.peer.remote import ChannelRemote
from mirror.peer.supervision import Pauses, Supervisor, run_together
from mirror.store.base import Store
from mirror.sync.clock import ClockGuard
from mirror.sync.recent import Recent
from mirror.sync.reconcile import Reconciled
from mirror.sync.round import Counts, Exchange, Round
from mirror.sync.twins import Twins, TwoOfOneName
from mirror.wire.errors import Refused
from mirror.wire.lines import Code, format_line
from mirror.wire.status import LIVE, LinkStatus
from mirror.wire.values import Greeting, Identity

log = logging.getLogger("mirror.link")

CONNECTING, RECONCILING = "connecting", "reconciling"
"""The phases of a link, besides waiting between two tries, and LIVE."""


NOTICED_WAIT_MS = 1000
"""Waiting for a stamp for longer than this many milliseconds is told."""


MAX_ASKED = 4
"""Comparisons that a peer may wait for at a time."""
COMPARE_PAUSE_S = 2.0
"""Seconds between two of them: they are work, and it is the peer who asks."""


class Link:
    """Keeps a store and one peer equal for as long as it runs."""

    def __init__(
        self,
        store: Store,
        config: Config,
        peer: Peer,
        secret: str,
        recent: Recent,
        wait_open: Callable[[], None],
        exchange: Exchange[ChannelRemote],
        faults: Faults | None = None,
        guard: ClockGuard | None = None,
        twins: Twins[Presence] | None = None,
        identify: Callable[[], Identity] = Identity,
    ) -> None:
        """``wait_open`` blocks while this node takes nothing in (single-user mode).

        ``faults`` knows what the log was told of this link before, ``guard`` whether this node's clock is doubted.
        ``twins`` knows who of the peer's name is connected, by whichever side; ``identify`` returns which one of its
        own name this node is.
        """
        self.exchange = exchange
        self._store = store
        self._config = config
        self._peer = peer
        self._secret = secret
        self._recent = recent
        self._wait_open = wait_open
        self._guard = guard
        self._twins = twins or Twins(store, ask)
        self._identify = identify
        self._present: list[Presence] = []
        self._counts = Counts()
        self._notes: list[str] = []
        self._reconciled = 0.0
        self._comparisons = Comparisons(store, peer.name, config.replication.reconcile_s)
        self._last_change = 0.0
        self._heard = 0.0
        self._left, self._caught_up = -1, 0.0
        self._given, self._gave_all = -1, 0.0
        pauses = Pauses(config.replication.retry_min_s, config.replication.retry_max_s)
        self._name = f"link to {peer.name}"
        self._faults = faults or Faults()
        self._supervisor = Supervisor(self._name, pauses, faults=self._faults)

    @property
    def status(self) -> LinkStatus:
        """How the link is, and what it did so far."""
        health, counts = self._supervisor.health, self._counts
        return LinkStatus(
            self._peer.name,
            str(self._peer.address),
            **msgspec.structs.asdict(health),
            **msgspec.structs.asdict(counts),
            reconciled=self._reconciled,
            last_change=self._last_change,
            notes=self._notes,
            heard=self._heard,
            left=self._left,
            caught_up=self._caught_up,
            given=self._given,
            gave_all=self._gave_all,
        )

    def run(self) -> None:
        """Dial, work, and dial again, until killed."""
        self._supervisor.run(self._work)

    # -- connections ------------------------------------------------------------------------------

    def _dial(self) -> tuple[ChannelRemote, Greeting, Presence]:
        """Dial once more.  Raises TwoOfOneName where the other side is not who has its name, or says so of us."""
        timeout = self._config.replication.keepalive_s * 3.0
        known = self._twins.recall(self._peer.name)
        try:
            channel, greeting = dial_peer(
                self._peer, self._config.node, self._secret, timeout, self._guard, self._identify
            )
        except TwoOfOneName as error:
            if self._peer.kind != SHARE:
                self._twins.was_refused(self._peer.name, str(error))
            raise
        presence = Presence(greeting.identity.instance, channel)
        self._present.append(presence)
        try:
            self._twins.admit(self._peer.name, greeting.identity, known, presence)
        except TwoOfOneName as error:
            channel.send(format_line(f"QUIT {Code.TWIN:d}|{error}"))
            raise
        return ChannelRemote(channel), greeting, presence

    def _hang_up(self, presence: Presence) -> None:
        self._twins.leave(self._peer.name, presence)
        presence.channel.close()
        self._present.remove(presence)

    def _close(self) -> None:
        for presence in list(self._present):
            self._hang_up(presence)

    # -- the work ---------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._exchange()
        finally:
            self._left = -1  # only the peer knows what is written there from now on
            self._close()

    def _exchange(self) -> None:
        self._supervisor.enter(CONNECTING)
        commands, greeting, _ = self._dial()
        if self._guard is not None:
            self._guard.check()
        pushing = self._peer.push == "yes" or (self._peer.push == "auto" and not greeting.dials)
        work = Round(
            self.exchange,
            pushing,
            recent=self._recent,
            counts=self._counts,
            wait_open=self._wait_open,
            reconciling=lambda: self._supervisor.enter(RECONCILING),
            wait=self._wait,
        )
        self._prepare(work, commands, greeting)
        self._supervisor.succeeded(", pushing too" if pushing else "")
        self._supervisor.enter(LIVE)
        asked = Queue[str](MAX_ASKED)
        workers = [
            partial(self._pull, work, commands, asked),
            partial(self._reconcile_on_schedule, work),
            partial(self._compare_when_asked, work, asked),
        ]
        if pushing:
            workers.append(partial(self._push, work))
        run_together(workers)

    def _wait(self, error: StampAhead) -> None:
        """Wait until a stamp may be taken that is a little ahead of this node's clock."""
        if error.wait_ms > NOTICED_WAIT_MS:
            self._faults.tell(log, self._name, f"waits {error.wait_ms // 1000} s: {error}")
        gevent.sleep(error.wait_ms / 1000)

    def _prepare(self, work: Round[ChannelRemote], remote: ChannelRemote, greeting: Greeting) -> None:
        outcome = work.prepare(remote, greeting.epoch)
        if outcome is not None:
            self._compared(outcome)
        for note in self.exchange.notes:
            if note not in self._notes:
                log.warning("share with %s: %s", self._peer.name, note)
        self._notes = self.exchange.notes

    def _compared(self, outcome: Reconciled) -> None:
        self._reconciled = time.time()
        self._comparisons.done()
        self._supervisor.enter(LIVE)
        if outcome.differing:
            log.info(
                "reconciled with %s in %d round trips: %d records wanted, %d surplus",
                self._peer.name,
                outcome.trips,
                outcome.wanted,
                outcome.surplus,
            )
        if outcome.absence:
            log.warning("%s", describe_absence(self._config.node, self._peer.name, outcome))

    def _reconcile_on_schedule(self, work: Round[ChannelRemote]) -> None:
        while True:
            gevent.sleep(self._comparisons.due_s())
            remote, _, presence = self._dial()
            self._compared(work.reconcile(remote))
            self._hang_up(presence)

    def _compare_when_asked(self, work: Round[ChannelRemote], asked: "Queue[str]") -> None:
        """Compare all when the peer wants to know, and tell it what came of that; seldom, however often it asks."""
        while True:
            name = asked.get()
            remote, _, presence = self._dial()
            found = work.exchange.compare(remote)
            with suppress(Refused):  # where nobody waits for it any more
                remote.tell_comparison(name, found)
            self._hang_up(presence)
            gevent.sleep(COMPARE_PAUSE_S)

    def _pull(self, work: Round[ChannelRemote], bodies: ChannelRemote, asked: "Queue[str]") -> None:
        tail, greeting, presence = self._dial()
        presence.ask = tail.sign_of_life
        tail.asked_to_compare = partial(_note, asked)
        for page, applied in work.pull(partial(tail.tail, asks=True), bodies, greeting.epoch):
            self._heard = time.time()
            self._left = page.left
            if not page.left:
                self._caught_up = self._heard
            self._keep_alive(bodies.channel)  # each page may be a keepalive, or long after the last body was asked for
            if applied.written:
                self._last_change = time.time()

    def _push(self, work: Round[ChannelRemote]) -> None:
        remote, greeting, _ = self._dial()
        changed = Event()
        stop_watching = self._store.watch(changed.set)
        try:
            while True:
                changed.clear()
                more = work.push(remote, greeting.epoch)
                self._given = work.given
                if not more:
                    self._gave_all = time.time()
                self._keep_alive(remote.channel)  # what changes may all be what the peer has already
                if not more:
                    changed.wait(self._config.replication.keepalive_s / 2)
        finally:
            stop_watching()

    def _keep_alive(self, channel: Channel) -> None:
        """Ask for nothing on a connection that was not used for a while, or the peer would close it.

        Half the time between two keepalives is a while, since it is asked as often as they come.
        """
        if channel.quiet_s >= self._config.replication.keepalive_s / 2:
            channel.ask("NOOP")


def _note(asked: "Queue[str]", name: str) -> None:
    with suppress(Full):  # of who asks for more at a time the others are not answered
        asked.put_nowait(name)


def describe_absence(node: str, peer: str, outcome: Reconciled) -> str:
    """Return what an administrator should know of a node that was away for longer than tombstones are kept."""
    ours = outcome.absence.there.since
    away, since = (node, ours) if ours else (peer, outcome.absence.here.since)
    return (
        f"{away} was away since {format_stamp(since)}, longer than deletions are remembered: all was compared, and "
        f"{outcome.refused} records that had been deleted meanwhile were deleted there too "
        "('ctdlmirror conflicts list' shows them)"
    )
