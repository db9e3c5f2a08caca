"""Who was away for longer than tombstones are kept, and what of theirs may be taken (rule 4).

A node whose signs of life fall short of another's horizon has missed deletions that nobody can tell it any
more.  So of what it alone holds, just what the other side cannot have seen counts as new.  The rest was
deleted, and is deleted again, with a copy in the conflict log.  Between all other nodes that question does
not arise: they have every tombstone that was dropped.
"""

from collections.abc import Iterable
from typing import NamedTuple

from mirror.model.nodes import Heard, Vector
from mirror.model.record import Record, vector_of
from mirror.store.base import Store
from mirror.sync.remote import Denied, Remote, State


class Side(NamedTuple):
    """What one side can have seen, by origin up to which stamp, when the other was ``away`` for too long for it.

    ``since`` is the last sign of life (a stamp) it has of the other; 0 for none.
    """

    away: bool = False
    since: int = 0
    seen: Vector = {}

    def deleted(self, records: Iterable[Record]) -> list[Record]:
        """Return the records, out of those that only the other side holds, that were deleted on this side."""
        return [record for record in records if self.away and not record.dead and self._can_have_seen(record)]

    def _can_have_seen(self, record: Record) -> bool:
        vector = vector_of(record)
        # What was imported, and items that were never seen deleted, are born before all else.
        created = record.born if record.born > 1 else min(vector.values())
        return any(created <= self.seen.get(origin, 0) for origin in vector)


class Absence(NamedTuple):
    """``here.away``: the other side was away for too long for us; ``there.away``: we were, for it.

    ``horizon`` is ours (a stamp): once it moves, the question is open again.
    """

    here: Side = Side()
    there: Side = Side()
    horizon: int = 0

    def __bool__(self) -> bool:
        return self.here.away or self.there.away


def find_absence(store: Store, remote: Remote, state: State) -> Absence:
    """Compare what each side has heard with what the other has dropped.

    Costs nothing while both have the same horizon, as nodes in touch do; else one trip.
    """
    ours: Heard = store.read(lambda reader: reader.heard())
    if ours.horizon.stamp == state.horizon:
        return Absence(horizon=ours.horizon.stamp)
    try:
        theirs = remote.heard()
    except Denied:
        return Absence(horizon=ours.horizon.stamp)
    return Absence(_side(ours, theirs, state.node), _side(theirs, ours, store.node), ours.horizon.stamp)


def _side(one: Heard, other: Heard, name: str) -> Side:
    if one.horizon.known_by(other.signs):
        return Side()
    return Side(True, one.sign_of(name), one.newest)
