"""Comparing two nodes: which collections differ, and the first records in which they do.

Asks both sides through mirror.sync.remote, so it knows neither connections nor who wants to see the outcome.
"""

from collections.abc import Callable
from typing import NamedTuple

from mirror.model.digest import Digest
from mirror.sync.index import RangeIndex
from mirror.sync.listing import find_difference, list_entries
from mirror.sync.reconcile import differing
from mirror.sync.remote import Remote
from mirror.sync.substitutes import NONE, Substitutes, changes_in, substituted
from mirror.wire.status import ComparisonStatus, DifferenceStatus

MAX_DIFFERENCES = 10
"""Collections of which records are named, and keys named of each, unless asked for more."""


class _State(NamedTuple):
    """One side of a comparison: its name, the digest over everything, each collection's."""

    node: str
    digest: Digest
    collections: dict[str, Digest]


def compare_nodes(
    ours: Remote,
    theirs: Remote,
    limit: int = MAX_DIFFERENCES,
    substitutes: Substitutes = NONE,
    index: Callable[[str], RangeIndex] | None = None,
) -> ComparisonStatus:
    """Compare all that two nodes hold, as they are now.  Raises what the remotes raise.

    ``substitutes`` are what of the other node was set aside here: that is no difference.  ``index`` returns our order
    of a collection; without it ours is asked for all its entries.
    """
    left, right = _state(ours), _state(theirs)
    as_there = substituted(left.collections, substitutes, lambda _name: True)
    names = differing(as_there, right.collections)

    def order(name: str) -> RangeIndex:
        found = index(name) if index is not None else _index_of(ours, name)
        return found.with_changes(changes_in(substitutes, name))

    return ComparisonStatus(
        left.node,
        right.node,
        left.node,
        (str(left.digest), str(right.digest)),
        len(left.collections.keys() | right.collections.keys()),
        {name: (_digest(left, name), _digest(right, name)) for name in names},
        {name: _differences(order(name), theirs, name, limit) for name in names[:limit]},
        sum(map(len, substitutes.values())),
    )


def _state(remote: Remote) -> _State:
    state = remote.info()
    return _State(state.node, state.digest, state.collections or {})


def _digest(side: _State, collection: str) -> str:
    return str(side.collections.get(collection, "-"))


def _index_of(remote: Remote, collection: str) -> RangeIndex:
    return RangeIndex.of((entry.stamp, entry.key, entry.crc) for entry in list_entries(remote, collection))


def _differences(index: RangeIndex, theirs: Remote, collection: str, limit: int) -> DifferenceStatus:
    found = find_difference(index, lambda ranges: theirs.ranges(collection, ranges))
    both = set(found.wanted) & set(found.surplus)
    return DifferenceStatus(
        sorted(set(found.surplus) - both)[:limit], sorted(set(found.wanted) - both)[:limit], sorted(both)[:limit]
    )
