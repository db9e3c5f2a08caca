"""What nodes tell each other about themselves: signs of life, and up to when deletions may be forgotten.

A node's sign of life says: whoever holds me holds all that this node held when it wrote me, or what replaced
that.  So the signs that a node holds are its version vector, and each sign carries the vector its writer had.
A tombstone may be dropped once every node that is alive is known to have it (causal stability: Wuu and
Bernstein, 1984; Baquero et al., 2014).  The horizon names the nodes of which everybody has enough.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mirror.model.errors import BadRecord
from mirror.model.kinds import HORIZON_KEY, NODES
from mirror.model.record import MAX_ORIGIN, Record, pack_head, unpack_head, vector_of
from mirror.model.stamp import MAX_STAMP, make_stamp, stamp_ms

Vector = dict[str, int]
"""By origin, the stamp of the last sign of life that is held."""


class Horizon(NamedTuple):
    """Tombstones with lesser stamps are dropped.

    That was agreed by the ``nodes`` (origins): each holds the others' signs of life up to ``stamp`` at least.
    """

    stamp: int = 0
    nodes: tuple[str, ...] = ()

    def known_by(self, vector: Vector) -> bool:
        """Tell whether who holds these signs has every tombstone from before the horizon, or what replaced it."""
        return all(vector.get(node, 0) >= self.stamp for node in self.nodes)


def node_of(origin: str) -> str:
    """Return which node an origin is, in whichever of its lives: a restored store writes under another name."""
    return origin.partition("~")[0]


class Heard(NamedTuple):
    """What a node has heard of all others: its horizon, the signs of life it holds, and by origin the greatest
    stamp up to which all that this origin wrote came to it, as far as can be told.
    """

    horizon: Horizon = Horizon()
    signs: Vector = {}
    newest: Vector = {}
    shared: frozenset[str] = frozenset()
    """Origins that came through a shared room first; of these it can be told of some versions, and not of others."""

    def proved(self, mirrors: Iterable[str]) -> "Heard":
        """Return the same, without what shared rooms alone brought of these nodes: they have more than is shared."""
        names = {*mirrors}
        vague = {origin for origin in self.shared if node_of(origin) in names}
        newest = {origin: stamp for origin, stamp in self.newest.items() if origin not in vague}
        return self._replace(newest=newest) if vague else self

    @property
    def mirrors(self) -> set[str]:
        """The nodes that gave signs of life."""
        return {node_of(origin) for origin in self.signs}

    def sign_of(self, node: str) -> int:
        """Return the newest sign of a node, in whichever of its lives (a restored store writes as another); or 0."""
        return max((stamp for origin, stamp in self.signs.items() if node_of(origin) == node), default=0)


def sign_record(origin: str, heard: Heard, by: int = MAX_STAMP) -> Record:
    """Return the draft of a sign of life of a node that has heard all this by a stamp.

    What is later is left out: it was told by a node that was wrong, and would be refused of this one.
    """
    seen, newest = (
        {name: stamp for name, stamp in vector.items() if stamp <= by}
        for vector in (heard.signs, _of_mirrors(heard, origin))
    )
    return Record(NODES, origin, 1, origin, 1, head=pack_head({"seen": seen, "newest": newest}))


def is_provable(dead: Record, heard: Heard) -> bool:
    """Tell whether it can be told, once a tombstone is dropped, that what it deleted had come here.

    Else who was away would bring that back as something new: it came over a connection that broke before all did.
    """
    return all(
        dead.born <= heard.newest.get(origin, 0)
        for origin in vector_of(dead)
        if origin != dead.origin and origin not in heard.shared
    )


def _of_mirrors(heard: Heard, origin: str) -> Vector:
    """Return what was seen of nodes that gave signs of life, and of Citadel servers.

    Those that shared rooms brought are left out: whoever shares one with us could name any number of origins.
    """
    names = heard.mirrors | {node_of(origin)}
    return {
        one: stamp
        for one, stamp in heard.newest.items()
        if one not in heard.shared and (one.startswith("citadel:") or node_of(one) in names)
    }


def horizon_record(origin: str, horizon: Horizon) -> Record:
    """Return the record that tells a horizon."""
    return Record(NODES, HORIZON_KEY, horizon.stamp, origin, 1, head=pack_head({"nodes": sorted(horizon.nodes)}))


def horizon_of(record: Record | None) -> Horizon:
    """Return what a record says of the horizon.  Raises BadRecord."""
    if record is None or record.dead:
        return Horizon()
    nodes = unpack_head(record.head).get("nodes", [])
    if not isinstance(nodes, list) or not all(isinstance(node, str) for node in nodes):
        raise BadRecord("record nodes *: its head names no list of nodes")
    return Horizon(record.stamp, tuple(nodes))


def vector_held(records: Iterable[Record]) -> Vector:
    """Return the version vector of a node, given the signs of life it holds."""
    return {record.key: record.stamp for record in records if record.key != HORIZON_KEY and not record.dead}


def agreed_horizon(records: Sequence[Record], origin: str, due: int) -> Horizon:
    """Return a horizon at ``due`` (a stamp) if all nodes alive since then have each other's signs of that time.

    ``records`` are the signs that ``origin`` holds.  Who gave no sign since ``due`` is not waited for: it has been
    away for too long.  Without agreement the horizon's stamp is 0.
    """
    held = vector_held(records)
    alive = [node for node, stamp in held.items() if stamp >= due]
    if origin not in alive:
        return Horizon()
    for record in records:
        if record.key in alive and record.key != origin:
            seen = vector_seen(record)
            if any(seen.get(node, 0) < due for node in alive if node != record.key):
                return Horizon()
    return Horizon(due, tuple(alive))


def horizon_stamp(milliseconds: int, origin: str) -> int:
    """Return the stamp for a horizon at a moment (Unix milliseconds) that no other node comes to by itself.

    So those who have the same horizon have it from each other, and need not ask what the other was told.
    """
    return make_stamp(milliseconds, zlib.crc32(origin.encode()) & 0xFFFF)


def joined(own: Horizon, other: Horizon, origin: str) -> Horizon:
    """Return the horizon of two nodes that forgot deletions independently: later than both, with the nodes of both.

    It is ``own`` where the other one forgot nothing more.  ``origin`` is who joins them.
    """
    if own.stamp >= other.stamp and {*other.nodes} <= {*own.nodes}:
        return own
    later = stamp_ms(max(own.stamp, other.stamp)) + 1
    return Horizon(horizon_stamp(later, origin), tuple(sorted({*own.nodes, *other.nodes})))


def vector_seen(sign: Record) -> Vector:
    """Return the signs of life that the writer of a sign held.  Raises BadRecord."""
    return {} if sign.key == HORIZON_KEY or sign.dead else _vector(sign, "seen")


def newest_seen(sign: Record) -> Vector:
    """Return what the writer of a sign had ever seen, and so has whoever holds the sign.  Raises BadRecord."""
    return {} if sign.key == HORIZON_KEY or sign.dead else _vector(sign, "newest")


def newest_by_origin(records: Iterable[Record]) -> Vector:
    """Return, by origin, the greatest stamp that records tell of.  Raises BadRecord."""
    newest: Vector = {}
    for record in records:
        for vector in (newest_seen(record) if record.collection == NODES else {}, vector_of(record)):
            for origin, stamp in vector.items():
                if newest.get(origin, 0) < stamp:
                    newest[origin] = stamp
    return newest


def newest_in_signs(records: Iterable[Record]) -> Vector:
    """Return the same of signs of life alone: whoever has one has all that its writer had.  Raises BadRecord."""
    return newest_by_origin(
        record for record in records if record.collection == NODES and record.key != HORIZON_KEY and not record.dead
    )


def _vector(sign: Record, name: str) -> Vector:
    vector = unpack_head(sign.head).get(name, {})
    if not isinstance(vector, dict) or not all(map(_is_seen, vector, vector.values())):
        raise BadRecord(f"record nodes {sign.key!r}: its head holds no vector {name!r}")
    if any(stamp > sign.stamp for stamp in vector.values()):
        raise BadRecord(f"record nodes {sign.key!r}: it has seen what is later than itself")
    return vector


def _is_seen(origin: object, stamp: object) -> bool:
    return isinstance(origin, str) and 0 < len(origin) <= MAX_ORIGIN and type(stamp) is int and stamp > 0
