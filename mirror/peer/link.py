"""The link to one peer that we can dial: pull, push, reconcile, supervised and dialled again for ever.

A link is a greenlet that owns three others: one tails the peer's feed, one pushes ours where the peer
cannot dial us, one reconciles on a schedule.  When one of them ends, all end, and the link is made anew
after a pause that doubles up to a limit, with jitter so that a hundred leaves don't return at once.
"""

import logging
import random
import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Group

from mirror.config import Config, Peer
from mirror.model.errors import MirrorError
from mirror.model.stamp import format_stamp
from mirror.peer.channel import Channel
from mirror.peer.dial import dial_peer
from mirror.peer.recent import Recent
from mirror.peer.remote import ChannelRemote
from mirror.store.base import Store
from mirror.sync.exchange import Exchange
from mirror.sync.pull import PUSH
from mirror.sync.reconcile import Outcome
from mirror.sync.remote import StaleCursor
from mirror.sync.share.exchange import ShareExchange
from mirror.wire.status import LinkStatus
from mirror.wire.values import Greeting

log = logging.getLogger("mirror.link")


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
        exchange: Exchange | ShareExchange | None = None,
    ) -> None:
        """``wait_open`` blocks while this node takes nothing in (single-user mode); ``exchange`` is with a mirror."""
        self._store = store
        self._config = config
        self._peer = peer
        self._secret = secret
        self._recent = recent
        self._wait_open = wait_open
        self.exchange: Any = exchange or Exchange(store, peer.name)
        self._channels: list[Channel] = []
        self.status = LinkStatus(peer.name, str(peer.address))

    # -- supervision ------------------------------------------------------------------------------

    def run(self) -> None:
        """Dial, work, and dial again, until killed."""
        while True:
            started = time.monotonic()
            try:
                self._work()
            except MirrorError as error:
                log.debug("link to %s was lost", self._peer.name, exc_info=True)
                self._failed(str(error))
            except Exception as error:
                log.exception("link to %s: unexpected %s", self._peer.name, type(error).__name__)
                self._failed(f"{type(error).__name__}: {error}")
            finally:
                self._close()
            if time.monotonic() - started > self._config.replication.retry_max_s:
                self.status.failures = 1
            gevent.sleep(self._pause())

    def _failed(self, error: str) -> None:
        if error != self.status.error:
            log.warning("link to %s: %s", self._peer.name, error)
        self.status.error = error
        self.status.failures += 1
        self._phase("waiting")

    def _pause(self) -> float:
        """Seconds before the next try: between half and all of a limit that doubles with each failure."""
        replication = self._config.replication
        limit = min(replication.retry_max_s, replication.retry_min_s * 2 ** min(self.status.failures, 20))
        return float(limit * random.uniform(0.5, 1.0))

    def _phase(self, phase: str) -> None:
        if phase != self.status.phase:
            self.status.phase = phase
            self.status.since = time.time()

    def _dial(self) -> tuple[ChannelRemote, Greeting]:
        timeout = self._config.replication.keepalive_s * 3.0
        channel, greeting = dial_peer(self._peer, self._config.node, self._secret, timeout)
        self._channels.append(channel)
        return ChannelRemote(channel), greeting

    def _close(self) -> None:
        for channel in self._channels:
            channel.close()
        self._channels.clear()

    def _work(self) -> None:
        self._phase("connecting")
        commands, greeting = self._dial()
        pushing = self._peer.push == "yes" or (self._peer.push == "auto" and not greeting.dials)
        self._prepare(commands, greeting, pushing)
        log.info("link to %s is up%s", self._peer.name, ", pushing too" if pushing else "")
        self.status.error, self.status.failures = "", 0
        self._phase("live")
        group = Group()
        ended = Event()
        workers = [group.spawn(self._pull, commands), group.spawn(self._reconcile_on_schedule, pushing)]
        if pushing:
            workers.append(group.spawn(self._push))
        for worker in workers:
            worker.link(lambda _worker: ended.set())
        try:
            ended.wait()
            for worker in workers:
                if worker.ready():
                    worker.get()  # raises what ended it
        finally:
            group.kill()

    # -- the work ---------------------------------------------------------------------------------

    def _prepare(self, remote: ChannelRemote, greeting: Greeting, pushing: bool) -> None:
        if self.exchange.must_reconcile(remote, greeting.epoch, pushing):
            self._reconcile(remote, pushing)
        for note in self.exchange.notes:
            if note not in self.status.notes:
                log.warning("share with %s: %s", self._peer.name, note)
        self.status.notes = self.exchange.notes

    def _reconcile(self, remote: ChannelRemote, pushing: bool) -> None:
        self._phase("reconciling")
        self._wait_open()
        outcome = self.exchange.reconcile(remote, pushing)
        self.status.pulled += outcome.pulled.written
        self.status.pushed += outcome.pushed.written
        self.status.conflicts += outcome.pulled.conflicts + outcome.refused
        self.status.reconciled = time.time()
        self._phase("live")
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

    def _reconcile_on_schedule(self, pushing: bool) -> None:
        while True:
            gevent.sleep(self._config.replication.reconcile_s * random.uniform(0.9, 1.1))
            remote, _ = self._dial()
            self._reconcile(remote, pushing)
            self._channels.remove(remote.channel)
            remote.channel.close()

    def _pull(self, bodies: ChannelRemote) -> None:
        tail, greeting = self._dial()
        cursor = self.exchange.pull_cursor(greeting.epoch)
        reached = cursor.sequence
        try:
            for page in tail.tail(cursor):
                if not page.records:
                    bodies.channel.ask("NOOP")  # a keepalive: the second connection needs one as well
                    if page.cursor is None or page.cursor.sequence == reached:
                        continue
                self._wait_open()
                self._recent.add(page.crcs)
                applied = self.exchange.take(page, bodies)
                reached = page.cursor.sequence if page.cursor is not None else reached
                self.status.pulled += applied.written
                self.status.conflicts += applied.conflicts
                if applied.written:
                    self.status.last_change = time.time()
        except StaleCursor:
            self.exchange.distrust_cursor()
            raise  # the next try finds no cursor and reconciles

    def _push(self) -> None:
        remote, greeting = self._dial()
        after = self.exchange.cursor(PUSH).sequence
        changed = Event()
        stop_watching = self._store.watch(changed.set)
        try:
            while True:
                changed.clear()
                page, more = self.exchange.next_push(after)
                offered = self._recent.without(page)
                self.status.pushed += self.exchange.push(remote, greeting.epoch, offered, after).written
                after = page.cursor.sequence if page.cursor else after
                if not more and not changed.wait(self._config.replication.keepalive_s):
                    remote.channel.ask("NOOP")
        finally:
            stop_watching()


def describe_absence(node: str, peer: str, outcome: Outcome) -> str:
    """Return what an administrator should know of a node that was away for longer than tombstones are kept."""
    ours = outcome.absence.there.since
    away, since = (node, ours) if ours else (peer, outcome.absence.here.since)
    return (
        f"{away} was away since {format_stamp(since)}, longer than deletions are remembered: all was compared, and "
        f"{outcome.refused} records that had been deleted meanwhile were deleted there too "
        "('ctdlmirror conflicts list' shows them)"
    )
