"""The conflict log: what lost to a version whose author had not seen it, until somebody says that this is settled.

How much of it one party may make is bounded.  Writes no record, and decides nothing of what wins; knows the tables by
their operations alone.
"""

from collections.abc import Iterable, Iterator

from mirror.model.edit import Loser
from mirror.model.keys import split_key
from mirror.model.record import Record, record_crc
from mirror.model.settled import resolves
from mirror.model.stamp import MAX_STAMP, HybridClock, stamp_ms
from mirror.model.texts import is_message
from mirror.store.errors import BoundReached
from mirror.store.ledger.namesakes import Namesakes
from mirror.store.tables import Tables
from mirror.store.values import Acting, Conflict

PAGE = 256
"""Conflicts that are read together."""


def all_conflicts(tables: Tables) -> Iterator[Conflict]:
    """Yield the conflicts that are kept, the newest first; each may be written anew once it was given."""
    before = MAX_STAMP
    while page := tables.conflicts_before(before, PAGE):
        before = page[-1].number
        yield from page


class ConflictLog:
    """Keeps what lost in one store; lives as long as its tables."""

    def __init__(self, tables: Tables, clock: HybridClock, namesakes: Namesakes) -> None:
        self._tables, self._clock, self._namesakes = tables, clock, namesakes

    def keep_unseen(self, losers: Iterable[Loser], winner: Record, acting: Acting | None) -> int:
        """Log what lost and that the winner's author had not seen; returns how many were not logged before."""
        unseen = [one for one in losers if not resolves(winner, one.record, record_crc(one.record))]
        return self.keep(unseen, winner, acting)

    def keep(self, losers: Iterable[Loser], winner: Record, acting: Acting | None) -> int:
        """Log what lost, as a party's doing; returns how many were not logged before.  Raises BoundReached."""
        now, party = stamp_ms(self._clock.last), acting.name if acting is not None else ""
        logged = sum(self._tables.log_conflict(now, loser, winner, party) for loser in losers)
        if logged and acting is not None and self._tables.conflicts_of(party) > acting.conflicts:
            raise BoundReached(
                f"over {acting.conflicts} conflicts made by {party} are not resolved: nothing more is taken "
                "from it before some are ('ctdlmirror conflicts list')"
            )
        return logged

    def settle(self, collection: str, keys: Iterable[str]) -> None:
        """Mark the conflicts that versions which were just written resolve."""
        written = set(keys)
        found = self._tables.open_conflicts(collection, written | {split_key(key)[0] for key in written})
        if not found:
            return
        held = self._tables.get_many(collection, written | {conflict.loser.key for conflict in found})
        for conflict in found:
            if any(
                self._is_of(one, conflict.loser) and resolves(one, conflict.loser, record_crc(conflict.loser))
                for one in held
            ):
                self._tables.resolve_conflict(conflict.number, stamp_ms(self._clock.last))

    def settle_kept(self, record: Record, kept: Iterable[Record | None]) -> None:
        """Mark the conflicts as resolved in which a message lost that is kept beside its namesakes now, word for word.

        0.1.0 kept one message of an id, and those that it took for other versions in the conflict log.
        """
        found = self._tables.open_conflicts(record.collection, [split_key(record.key)[0]])
        if found:
            texts = {self._namesakes.own(one) for one in kept if one is not None and not one.dead}
            for conflict in found:
                if self._namesakes.own(conflict.loser) in texts:
                    self._tables.resolve_conflict(conflict.number, stamp_ms(self._clock.last))

    def _is_of(self, record: Record, loser: Record) -> bool:
        """Tell whether a version is of the same thing as one that lost: a message may have got another key since."""
        if record.key == loser.key or not is_message(record):
            return record.key == loser.key
        plain = split_key(record.key)[0]
        return plain == split_key(loser.key)[0] and self._namesakes.text(record) == self._namesakes.text(loser)
