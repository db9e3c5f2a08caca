"""Saying of a store's own versions that they are another origin's, all in the transaction of the caller.

The rules are those of mirror.model.renaming; here they are followed through records and conflicts.  Goes through the
store in pages, so memory stays flat.
"""

from collections.abc import Callable

from mirror.model.kinds import NODES
from mirror.model.record import Version, record_crc
from mirror.model.renaming import Renaming, is_concerned, renamed, renamed_past
from mirror.store.ledger.conflict_log import all_conflicts
from mirror.store.tables import Added, Row, Tables
from mirror.store.values import Conflict, Place, Renamed

PAGE = 256
"""Records that are looked at together."""


class Renewing(Tables):
    """Renames who wrote versions."""

    def rename_writer(self, old: str, since: int, progress: Callable[[int], None]) -> Renamed:
        """Say of all that an origin wrote here after a stamp that this store's present one did."""
        renaming, until, looked, records = Renaming(old, self.origin(), since), self.last_sequence(), 0, 0
        for collection in self.count_ahead(since).keys() - {NODES}:
            place: Place = (since + 1, "")
            while rows := self.rows_after(collection, place, until, PAGE):
                place = rows[-1].record.stamp, rows[-1].record.key
                records += self._rename(collection, rows, renaming)
                looked += len(rows)
                progress(looked)
        return Renamed(records, self._rename_conflicts(renaming))

    def _rename(self, collection: str, rows: list[Row], renaming: Renaming) -> int:
        concerned = [row for row in rows if is_concerned(row.record, renaming)]
        made = [renamed(row.record, renaming) for row in concerned]
        added: list[Added] = [(record, record_crc(record)) for record in made]
        self.replace(collection, added, concerned)
        if made:
            self.note_newest({renaming.new: max(record.stamp for record in made)})
        return len(made)

    def _rename_conflicts(self, renaming: Renaming) -> int:
        count = 0
        for conflict in all_conflicts(self):
            anew = _conflict_of(conflict, renaming)
            if anew != conflict:
                self.rewrite_conflict(anew)
                count += 1
        return count


def _conflict_of(conflict: Conflict, renaming: Renaming) -> Conflict:
    winner = renaming.version(Version(*conflict.winner))
    return conflict._replace(
        loser=renamed(conflict.loser, renaming) if is_concerned(conflict.loser, renaming) else conflict.loser,
        winner=winner,
        winner_past=renamed_past(conflict.winner_past, renaming, winner) if conflict.winner_past else (),
    )
