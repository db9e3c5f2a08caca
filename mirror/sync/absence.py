"""Who was away for longer than tombstones are kept, and what of theirs may be taken (rule 4).

A node whose signs of life fall short of another's horizon has missed deletions that nobody can tell it any
more.  So of what it alone holds, just what the other side cannot have seen counts as new.  The rest was
deleted, and is deleted again, with a copy in the conflict log.  Between all other nodes that question does
not arise: they have every tombstone that was dropped.
"""

from collections.abc import Iterable, Set
from typing import NamedTuple

from mirror.model.kinds import HORIZON_KEY, NODES
from mirror.model.nodes import Heard, Vector, horizon_of
from mirror.model.record import Record, created, vector_of
from mirror.store.base import Store, Writer
from mirror.sync.remote import Denied, Remote, SyncError
from mirror.wire.values import State


class HorizonMoved(SyncError):
    """Since two nodes were compared, tombstones were dropped, or records came that were not compared."""


def check_horizon(writer: Writer, horizon: int) -> None:
    """Raise HorizonMoved unless a store's horizon is still the one with which a peer was compared."""
    if writer.horizon() != horizon:
        raise HorizonMoved("deletions were forgotten here meanwhile: try again")


def check_marker(writer: Writer, records: Iterable[Record], after: int, compared: Set[tuple[str, str]]) -> None:
    """Raise HorizonMoved when records tell of a horizon, and what it wants to be compared with has changed.

    Since the place ``after`` in the feed, a third node may have brought what was deleted before that horizon.
    """
    marker = marker_of(records)
    if marker is not None and not writer.reaches(horizon_of(marker)):
        check_compared(writer, marker.stamp, after, compared)


def check_compared(writer: Writer, horizon: int, after: int, compared: Set[tuple[str, str]]) -> None:
    """Raise HorizonMoved when records from before a horizon (a stamp) came in that were not ``compared``."""
    if writer.came_meanwhile(after, horizon, compared):
        raise HorizonMoved("records came in while all was compared: try again")


def marker_of(records: Iterable[Record]) -> Record | None:
    """Return the record, among others, that tells up to when deletions are forgotten."""
    return next((record for record in records if record.key == HORIZON_KEY and record.collection == NODES), None)


class Side(NamedTuple):
    """What one side can have seen, by origin up to which stamp, when the other was ``away`` for too long for it.

    ``since`` is the last sign of life (a stamp) it has of the other; 0 for none.  ``horizon`` is the stamp before which
    it has forgotten deletions.
    """

    away: bool = False
    since: int = 0
    seen: Vector = {}
    horizon: int = 0

    def deleted(self, records: Iterable[Record]) -> list[Record]:
        """Return the records that were deleted on this side, out of those of which it holds nothing as new."""
        return [record for record in records if self.away and not record.dead and self._can_have_seen(record)]

    def _can_have_seen(self, record: Record) -> bool:
        # A deletion is later than what it deletes, so one from before the horizon deleted nothing that was made after.
        # What is born before all else it did delete, if somebody filed that again who did not know.
        if record.born > 1 and record.born >= self.horizon:
            return False
        return any(created(record) <= self.seen.get(origin, 0) for origin in vector_of(record))


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
    ours = ours.proved(ours.mirrors | theirs.mirrors | {state.node, store.node})
    return Absence(_side(ours, theirs, state.node), _side(theirs, ours, store.node), ours.horizon.stamp)


def newest_of(remote: Remote) -> Vector:
    """Return up to where the other side has what each origin wrote: so has who holds all that it holds now."""
    try:
        return remote.heard().newest
    except Denied:
        return {}


def _side(one: Heard, other: Heard, name: str) -> Side:
    if one.horizon.known_by(other.signs):
        return Side()
    return Side(True, one.sign_of(name), one.newest, one.horizon.stamp)
