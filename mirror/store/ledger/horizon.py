"""The horizon in a store: which tombstones all nodes are known to have, so that they are dropped here as well.

The rules are mirror.model.nodes'; here they are followed through the feed.  Writes no version: what has to be deleted
once more is told to who asked.  Knows the tables by their operations alone.
"""

import json
from collections import defaultdict
from itertools import pairwise

from mirror.model.kinds import HORIZON_KEY, NODES
from mirror.model.nodes import Horizon, horizon_of, is_provable
from mirror.model.record import Record
from mirror.store.tables import Row, Tables

SIGNS = "signs"
"""Under this name a store keeps, as JSON, the stamps of its own signs of life, and where in the feed they stand."""


def agreed(tables: Tables) -> tuple[str, ...]:
    """Return the origins that agreed to the present horizon."""
    return horizon_of(tables.get(NODES, HORIZON_KEY)).nodes


def drop_tombstones(tables: Tables, horizon: Horizon) -> list[Record]:
    """Drop the tombstones before a horizon; returns those that not all who agreed to it may have, which stay."""
    agreed_to = _place_agreed_to(tables, horizon)
    tables.set_meta("horizon", horizon.stamp)
    dropped: dict[str, list[Row]] = defaultdict(list)
    late: list[Record] = []
    heard = tables.heard()
    for row in tables.tombstones(horizon.stamp):
        news = row.sequence > agreed_to and row.record.origin not in horizon.nodes
        if news or not is_provable(row.record, heard):
            late.append(row.record)
        else:
            dropped[row.record.collection].append(row)
    for collection, rows in dropped.items():
        tables.replace(collection, (), rows)
    if dropped:
        last = max(row.sequence for rows in dropped.values() for row in rows)
        tables.set_meta("trimmed", max(tables.trimmed(), last))
    return late


def _place_agreed_to(tables: Tables, horizon: Horizon) -> int:
    """Return up to which place of our feed all who agreed to a horizon have what we hold.

    What came later, from a node that did not agree, they may not know: it was away, and has just told us.
    """
    if tables.origin() not in horizon.nodes:
        return 0
    return max((sequence for stamp, sequence in _sign_places(tables) if stamp <= horizon.stamp), default=0)


def move_signs(tables: Tables) -> None:
    """Write the signs of life behind the horizon again: who reads our feed must come to the horizon first."""
    signs = [row for row in tables.rows(NODES) if row.record.key != HORIZON_KEY]
    tables.replace(NODES, [(row.record, row.crc) for row in signs], signs)


def note_sign(tables: Tables, stamp: int) -> None:
    """Remember that a sign of life of our own, with this stamp, stands at the end of the feed."""
    places, horizon = [*_sign_places(tables), (stamp, tables.last_sequence())], tables.horizon()
    # One from before the horizon is enough.
    kept = [place for place, after in pairwise(places) if after[0] > horizon] + places[-1:]
    tables.set_meta(SIGNS, json.dumps(kept))


def forget_signs(tables: Tables) -> None:
    """Forget where our signs of life stand: they were another origin's."""
    tables.set_meta(SIGNS, "[]")


def _sign_places(tables: Tables) -> list[tuple[int, int]]:
    """Return the stamps of our signs of life since the horizon, and where in the feed they were written."""
    return [(stamp, sequence) for stamp, sequence in json.loads(tables.meta_text(SIGNS, "[]"))]
