"""What a running node does now and then: a sign of life, dropping old tombstones, sweeping unused contents."""

import logging
from collections.abc import Callable

import gevent
import msgspec

import mirror
from mirror.config.settings import Config
from mirror.model.applied import Applied
from mirror.model.errors import MirrorError
from mirror.model.stamp import format_stamp
from mirror.store.base import Store, Writer
from mirror.sync.clock import ClockDoubted
from mirror.sync.copying import forget_copies, unfinished
from mirror.sync.horizon import Keeping, keep_up
from mirror.sync.twins import written_elsewhere

log = logging.getLogger("mirror.upkeep")

INTERVAL_S = 3600.0
"""Seconds between two looks at what is due."""
DAY_MS = 86_400_000
EVERY_MS = 6 * 3_600_000
"""Milliseconds between two signs of life."""
STEPS = 30
"""Into how many steps the time for which tombstones are kept is divided; the horizon moves by one."""


SUSPECTS = "suspects"
"""Where the store keeps which contents nothing referred to at the last sweep."""
SLACK_MS = 60_000
"""Milliseconds by which a sweep may come early."""


class Suspects(msgspec.Struct):
    """Contents that nothing referred to, with the bytes there were of each, and when that was seen (Unix ms)."""

    since_ms: int = 0
    contents: dict[bytes, int] = {}


class Upkeep:
    """Does what is due each hour, for as long as it runs."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        keep_ms = config.replication.tombstone_days * DAY_MS
        self._keeping = Keeping(keep_ms, max(1, keep_ms // STEPS), EVERY_MS)
        self._conflict_days = config.replication.conflict_days
        self._sources = {peer.name for peer in config.peers}

    def run(self) -> None:
        """Work until killed; ``keep_up`` was called just before."""
        while True:
            self._attempt(self._sweep)
            self._attempt(self._retry_aside)
            self._attempt(self._drop_conflicts)
            self._attempt(self._forget_copies)
            gevent.sleep(INTERVAL_S)
            self.keep_up()

    def keep_up(self) -> None:
        """Give a sign of life and move the horizon, if they are due.  What fails is logged, and due again."""
        self._attempt(self._keep_up)

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except ClockDoubted as error:
            log.debug("upkeep: %s", error)  # who watches the clock has said so, and calls when it is believed
        except MirrorError as error:
            log.error("upkeep: %s; trying again in an hour", error)
        except Exception:  # whatever it is, the next hour has its own work
            log.exception("upkeep: an unexpected error; trying again in an hour")

    def _keep_up(self) -> None:
        if twin := self._store.read(written_elsewhere):
            log.warning("%s", twin)
        horizon = keep_up(self._store, self._store.clock.now_ms(), self._keeping)
        if horizon:
            log.info("tombstones from before %s are dropped: all nodes have them", format_stamp(horizon))

    def _retry_aside(self) -> None:
        """Try again what was set aside: what is due by its stamp, and all of it once after an upgrade."""

        def job(writer: Writer) -> Applied:
            upgraded = writer.meta_text("software") != mirror.__version__
            applied = writer.retry_aside(everything=upgraded)
            if upgraded:
                writer.set_meta("software", mirror.__version__)
            return applied

        applied = self._store.write(job)
        if applied.written:
            log.info("%d records that had been set aside were taken in", applied.written)

    def _drop_conflicts(self) -> None:
        """Forget the conflicts that were resolved long ago; nothing unresolved is ever thrown away."""
        before = self._store.clock.now_ms() - self._conflict_days * DAY_MS
        dropped = self._store.write(lambda writer: writer.drop_conflicts(before))
        if dropped:
            log.info("%d conflicts that were resolved over %d days ago are forgotten", dropped, self._conflict_days)

    def _forget_copies(self) -> None:
        """Wait no more for the rest of a copy from who is no peer by now.

        A Citadel server never is one: of it all has come once a bootstrap says so.
        """
        waiting = {source for source in self._store.read(unfinished) if not source.startswith("citadel:")}
        gone = waiting - self._sources
        if gone:
            self._store.write(lambda writer: forget_copies(writer, gone))

    def _sweep(self) -> None:
        """Drop contents that nothing referred to an hour ago either; what was suspected then outlives a restart."""
        now_ms = self._store.clock.now_ms()

        def job(writer: Writer) -> None:
            held = _read_suspects(writer.meta_text(SUSPECTS))
            if held.since_ms <= now_ms < held.since_ms + INTERVAL_S * 1000 - SLACK_MS:
                return
            suspects = writer.sweep_contents(held.contents)
            writer.set_meta(SUSPECTS, msgspec.json.encode(Suspects(now_ms, suspects)).decode())

        self._store.write(job)


def _read_suspects(text: str) -> Suspects:
    return msgspec.json.decode(text, type=Suspects) if text else Suspects()
