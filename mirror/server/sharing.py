"""Keeping up with the rules of shared rooms, and who is told when they change."""

import logging
from collections.abc import Callable, Sequence

import gevent
from gevent.event import Event

from mirror.faults import Faults
from mirror.store.base import Reader, Store
from mirror.sync.share.rules import Shares, Watched, read_shares

log = logging.getLogger("mirror.sharing")


class Sharing:
    """What this node shares with each of its peers, as the rooms' rules say now."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shares: dict[str, Shares] = {}
        self._watched = Watched()
        self._peers: list[str] = []
        self._faults = Faults()
        self.problems: list[str] = []

    def configure(self, peers: Sequence[str]) -> None:
        """Read the rules that concern these peers."""
        self._peers = list(peers)
        self._refresh()

    def of(self, peer: str) -> Shares:
        """Return what is shared with a peer; nothing, if it is none to share with."""
        return self._shares.get(peer) or Shares()

    def _refresh(self) -> list[str]:
        def job(reader: Reader) -> tuple[dict[str, Shares], list[str]]:
            self._watched.begin(reader)
            return read_shares(reader, self._peers)

        before = self._shares
        self._shares, problems = self._store.read(job)
        for problem in problems:
            if problem not in self.problems:
                log.error("not shared: %s", problem)
        self.problems = problems
        return [peer for peer in self._peers if self._shares[peer] != before.get(peer)]

    def run(self, changed: Callable[[list[str]], None]) -> None:
        """Watch the store until killed; ``changed`` is told which peers are concerned."""
        woken = Event()
        stop_watching = self._store.watch(woken.set)
        try:
            while True:
                woken.wait()
                woken.clear()
                with self._faults.looking(log, "the rules of shared rooms"):
                    self._look(changed)
                gevent.idle()
        finally:
            stop_watching()

    def _look(self, changed: Callable[[list[str]], None]) -> None:
        if not self._peers:
            return  # who is configured later has all rules read then
        peers = self._refresh() if self._store.read(self._watched.has_changed) else []
        if peers:
            log.info("what is shared with %s has changed, and is compared anew", ", ".join(peers))
            changed(peers)
