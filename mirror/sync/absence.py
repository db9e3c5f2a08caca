"""Who was away for longer than tombstones are kept, and what of theirs may be taken (rule 4).

A node drops tombstones older than its horizon.  Whoever last heard of it before that horizon has missed
deletions that nobody can tell it any more.  So of what only one side holds, just what the other side cannot
have seen counts as new.  The rest was deleted, and is deleted again, with a copy in the conflict log.

Every node writes a sign of life at intervals.  Records travel in the order in which they were written, so
who has a node's sign of life has seen all that the node had written before: the signs held are a version vector.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from mirror.model.errors import BadRecord
from mirror.model.kinds import NODES
from mirror.model.record import Record, unpack_head, vector_of
from mirror.model.stamp import make_stamp
from mirror.store.base import Store
from mirror.sync.remote import Denied, Remote, State

INTERVALS = 2
"""Intervals between signs of life after the last one, in which more of a node may have been seen."""


class Side(NamedTuple):
    """What one side has seen: by node, up to which stamp.  ``since`` is the other's sign that is too old, or 0.

    ``certain`` is proved by the signs held; ``possible`` adds what may have come after the last of them.
    """

    since: int = 0
    certain: dict[str, int] = {}
    possible: dict[str, int] = {}

    def has_seen(self, record: Record, holder: str) -> bool:
        """Tell whether this side must have seen a record of ``holder``'s that it does not hold now.

        Where ``holder`` was away too long, a record counts as seen unless that is impossible.
        """
        vector = vector_of(record)
        # What was imported, and items that were never seen deleted, are born before all else.
        created = record.born if record.born > 1 else min(vector.values())
        if not self.since:
            return any(created <= self.certain.get(origin, 0) for origin in vector)
        return any(created <= self.possible.get(origin, self.possible.get(holder, 0)) for origin in vector)

    def deleted(self, records: Iterable[Record], holder: str) -> list[Record]:
        """Return the records, out of those that only ``holder`` holds, that were deleted on this side."""
        return [record for record in records if not record.dead and self.has_seen(record, holder)]


class Absence(NamedTuple):
    """What this store and the other side have seen.

    ``here.since`` tells that the other side was away too long for us, ``there.since`` that we were for it.
    """

    here: Side = Side()
    there: Side = Side()

    def __bool__(self) -> bool:
        return bool(self.here.since or self.there.since)


def find_absence(store: Store, remote: Remote, state: State) -> Absence:
    """Compare what each side last heard of the other with what the other has dropped.  At most one trip."""

    def job(reader: Any) -> tuple[int, list[Record]]:
        return reader.horizon(), list(reader.scan_all(NODES))

    horizon, signs = store.read(job)
    if not (horizon or state.horizon):
        return Absence()
    theirs = _signs_there(remote, [store.node, *(sign.key for sign in signs)])
    heard_here, heard_there = _heard(signs, state.node), _heard(theirs, store.node)
    return Absence(
        _side(signs, heard_there if 0 < heard_there < horizon else 0) if horizon else Side(),
        _side(theirs, heard_here if 0 < heard_here < state.horizon else 0) if state.horizon else Side(),
    )


def _side(signs: list[Record], since: int) -> Side:
    certain = {sign.key: sign.stamp for sign in signs}
    possible = {sign.key: sign.stamp + INTERVALS * make_stamp(_interval_ms(sign)) for sign in signs}
    return Side(since, certain, possible)


def _heard(signs: Iterable[Record], node: str) -> int:
    return max((sign.stamp for sign in signs if sign.key.partition("~")[0] == node), default=0)


def _signs_there(remote: Remote, nodes: list[str]) -> list[Record]:
    try:
        return [record for page in remote.get(NODES, nodes) for record in page.records]
    except Denied:
        return []


def _interval_ms(sign: Record) -> int:
    try:
        value = unpack_head(sign.head).get("every_ms", 0)
    except BadRecord:
        return 0
    return value if isinstance(value, int) and 0 < value < 1 << 40 else 0
