"""When all is compared with a peer the next time: however often connections end meanwhile, or the daemon starts anew.

The store keeps when that was done last.  Knows no connections, and nothing of what is compared.
"""

import random

from mirror.store.base import Store

SPREAD = 0.01
"""What is overdue is done within this part of the interval, so that not all peers' comparisons begin together."""


class Comparisons:
    """The comparisons of everything with one peer, each so long after the last one."""

    def __init__(self, store: Store, peer: str, interval_s: float) -> None:
        self._store = store
        self._name = f"compared {peer}"
        self._interval_s = interval_s

    def due_s(self) -> float:
        """Return in how many seconds the next one is due, with some jitter: never more than the interval and that."""
        interval = self._interval_s * random.uniform(0.9, 1.1)
        last_ms = self._store.read(lambda reader: reader.meta_number(self._name))
        left = last_ms / 1000 + interval - self._store.clock.now_ms() / 1000
        return min(interval, max(left, self._interval_s * random.uniform(0.0, SPREAD)))

    def done(self) -> None:
        """Note that everything was compared just now."""
        now_ms = self._store.clock.now_ms()
        self._store.write(lambda writer: writer.set_meta(self._name, now_ms))
