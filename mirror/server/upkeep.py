"""What a running node does now and then: a sign of life, dropping old tombstones, sweeping unused contents."""

import logging
import time

import gevent

from mirror.config import Config
from mirror.model.errors import MirrorError
from mirror.model.stamp import format_stamp, make_stamp, stamp_ms
from mirror.store.base import Store

log = logging.getLogger("mirror.upkeep")

INTERVAL_S = 3600.0
"""Seconds between two looks at what is due."""
DAY_MS = 86_400_000
BEAT_MS = 6 * 3_600_000
"""Milliseconds between two signs of life."""
STEPS = 30
"""Into how many steps the time for which tombstones are kept is divided; the horizon moves by one."""


class Upkeep:
    """Does what is due each hour, for as long as it runs."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config
        self._suspects: dict[bytes, int] = {}

    def run(self) -> None:
        """Work until killed."""
        while True:
            try:
                self.work(int(time.time() * 1000))
            except MirrorError as error:
                log.error("upkeep: %s; trying again in an hour", error)
            gevent.sleep(INTERVAL_S)

    def work(self, now_ms: int) -> None:
        """Do what is due at a moment (Unix milliseconds)."""
        step = max(1, self._config.tombstone_days * DAY_MS // STEPS)
        heard = self._store.read(lambda reader: reader.heard(self._store.node))
        if now_ms - stamp_ms(heard) >= BEAT_MS:
            self._store.write(lambda writer: writer.beat(BEAT_MS))
        # In whole steps, so that all nodes come to the same horizon.
        horizon = make_stamp((now_ms - self._config.tombstone_days * DAY_MS) // step * step)
        if horizon > self._store.read(lambda reader: max(reader.horizon(), reader.oldest_tombstone())):
            self._store.write(lambda writer: writer.advance_horizon(horizon))
            log.info("tombstones from before %s are dropped", format_stamp(horizon))
        self._suspects = self._store.write(lambda writer: writer.sweep_contents(self._suspects))
