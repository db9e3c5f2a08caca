"""Who was away for longer than tombstones are kept, and what of theirs may be taken (rule 4).

A node whose signs of life fall short of another's horizon has missed deletions that nobody can tell it any
more.  So of what it alone holds, just what the other side cannot have seen counts as new.  The rest was
deleted, and is deleted again, with a copy in the conflict log.  Between all other nodes that question does
not arise: they have every tombstone that was dropped.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from mirror.model.kinds import HORIZON_KEY, NODES
from mirror.model.nodes import Horizon, Vector, horizon_of, vector_held
from mirror.model.record import Record, vector_of
from mirror.model.stamp import make_stamp
from mirror.store.base import Store
from mirror.sync.listing import list_entries
from mirror.sync.remote import Denied, Remote, State

INTERVALS = 2
"""Intervals between signs of life after the last one that is held, in which more of a node may have been seen."""


class Side(NamedTuple):
    """What one side can have seen, by origin up to which stamp, when the other was away for too long for it.

    ``since`` is the last sign (a stamp) it has of the other; without one ``away`` is set all the same.
    """

    away: bool = False
    since: int = 0
    seen: Vector = {}

    def deleted(self, records: Iterable[Record], holder: str) -> list[Record]:
        """Return the records, out of those that only ``holder`` holds, that were deleted on this side."""
        return [record for record in records if not record.dead and self._can_have_seen(record, holder)]

    def _can_have_seen(self, record: Record, holder: str) -> bool:
        if not self.away:
            return False
        vector = vector_of(record)
        # What was imported, and items that were never seen deleted, are born before all else.
        created = record.born if record.born > 1 else min(vector.values())
        # Of those who give no signs (a Citadel server) all came by way of somebody, most likely the holder.
        by_holder = newest_sign(self.seen, holder)
        return any(created <= self.seen.get(origin, by_holder) for origin in vector)


class Absence(NamedTuple):
    """``here.away``: the other side was away for too long for us; ``there.away``: we were, for it."""

    here: Side = Side()
    there: Side = Side()

    def __bool__(self) -> bool:
        return self.here.away or self.there.away


def find_absence(store: Store, remote: Remote, state: State) -> Absence:
    """Compare what each side has heard with what the other has dropped.

    Costs nothing while both have the same horizon, as nodes in touch do.
    """

    def job(reader: Any) -> tuple[Vector, Record | None]:
        return vector_held(reader.signs()), reader.get(NODES, HORIZON_KEY)

    ours, marker = store.read(job)
    horizon = horizon_of(marker)
    if horizon.stamp == state.horizon:
        return Absence()
    try:
        theirs = {entry.key: entry.stamp for entry in list_entries(remote, NODES) if entry.key != HORIZON_KEY}
        markers = [record for page in remote.get(NODES, [HORIZON_KEY]) for record in page.records]
    except Denied:
        return Absence()
    return Absence(
        _side(horizon, ours, theirs, state.node),
        _side(horizon_of(markers[0]) if markers else Horizon(), theirs, ours, store.node),
    )


def _side(horizon: Horizon, held: Vector, others: Vector, other: str) -> Side:
    if horizon.known_by(others):
        return Side()
    more = INTERVALS * make_stamp(horizon.every_ms)
    return Side(True, newest_sign(held, other), {origin: stamp + more for origin, stamp in held.items()})


def newest_sign(vector: Vector, node: str) -> int:
    """Return the newest sign of a node, in whichever of its lives (a restored store has another origin); 0 for none."""
    return max((stamp for origin, stamp in vector.items() if origin.partition("~")[0] == node), default=0)
