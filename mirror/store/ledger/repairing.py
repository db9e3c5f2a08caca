"""Mending a store whose clock was wrong: whatever lies ahead is written anew, all in the transaction of the caller.

The rules are those of mirror.model.anew; here they are followed through everything that a store keeps: records,
conflicts, what came of each origin, signs of life, the horizon.  Goes through the store in pages, so memory stays flat.
"""

from collections.abc import Callable

from mirror.model.anew import Present, latest_kept, past_anew, tells_ahead, written_anew
from mirror.model.kinds import HORIZON_KEY, NODES
from mirror.model.nodes import sign_record
from mirror.model.record import Version, record_crc
from mirror.model.stamp import make_stamp, stamp_ms
from mirror.store.ledger.conflict_log import all_conflicts
from mirror.store.ledger.editing import Editing
from mirror.store.tables import Added
from mirror.store.values import Conflict, Repaired

PAGE = 256
"""Records that are looked at together."""


class Repairing(Editing):
    """Writes versions anew which lie ahead of the clock."""

    def write_anew(self, progress: Callable[[int], None]) -> Repaired:
        """Write all versions that lie ahead of the clock anew, at the present time and under this store's origin.

        Where that fails the clock is as it was.
        """
        last = self.clock.last
        try:
            return self._write_all_anew(progress)
        except BaseException:
            self.clock.set_back(last)
            raise

    def _write_all_anew(self, progress: Callable[[int], None]) -> Repaired:
        present = Present(self.clock.limit(), make_stamp(self.clock.now_ms()))
        self.clock.set_back(present.now)
        until, done = self.last_sequence(), 0
        for collection in sorted(self.count_ahead(present.limit).keys() - {NODES}):
            while count := self._page_anew(collection, present, until):
                done += count
                progress(done)
        losers = self._conflicts_anew(present)
        self.lower_newest(present.limit, present.now)
        return Repaired(done, losers, self._signs_anew(present))

    def _page_anew(self, collection: str, present: Present, until: int) -> int:
        rows = self.rows_after(collection, (present.limit + 1, ""), until, PAGE)
        added: list[Added] = []
        for row in rows:
            self.clock.reach(latest_kept(row.record, present))
            made = written_anew(row.record, present, Version(self.clock.tick(), self._origin))
            added.append((made, record_crc(made)))
        self.replace(collection, added, rows)
        self.note_newest({self._origin: self.clock.last})
        return len(rows)

    # -- conflicts --------------------------------------------------------------------------------

    def _conflicts_anew(self, present: Present) -> int:
        losers = 0
        for conflict in all_conflicts(self):
            anew = self._conflict_anew(conflict, present)
            losers += anew.loser is not conflict.loser
            if anew != conflict:
                self.rewrite_conflict(anew)
        return losers

    def _conflict_anew(self, conflict: Conflict, present: Present) -> Conflict:
        now_ms = stamp_ms(present.now)
        loser = conflict.loser
        if present.is_ahead(loser.stamp):
            loser = written_anew(loser, present, Version(latest_kept(loser, present), loser.origin))
        winner, past = conflict.winner, conflict.winner_past
        if present.is_ahead(winner.stamp):
            winner, past = self._winner_anew(conflict, present)
        return conflict._replace(
            loser=loser,
            winner=winner,
            winner_past=past,
            noticed_ms=min(conflict.noticed_ms, now_ms),
            resolved_ms=min(conflict.resolved_ms, now_ms),
        )

    def _winner_anew(self, conflict: Conflict, present: Present) -> tuple[Version, tuple[tuple[str, int], ...]]:
        """Return what won as it was written anew, or what replaced it: that lay ahead as well."""
        current = self.get(conflict.loser.collection, conflict.loser.key)
        if current is not None:
            return current.version, current.past
        version = Version(present.now, self._origin)
        return version, past_anew(conflict.winner_past, present, version)

    # -- signs of life ----------------------------------------------------------------------------

    def _signs_anew(self, present: Present) -> int:
        """Take signs of life out that lie ahead, and the horizon; returns how many.

        Another node's comes again from that node.  This one's own it can give anew: all that it had then is here.
        """
        rows = [row for row in self.rows(NODES) if tells_ahead(row.record, present)]
        self.replace(NODES, (), rows)
        if present.is_ahead(self.horizon()):
            self.set_meta("horizon", 0)
        for row in rows:
            if row.record.key != HORIZON_KEY and row.record.key.partition("~")[0] == self.node:
                self.put(sign_record(row.record.key, self.heard()))
        return len(rows)
