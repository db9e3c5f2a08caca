"""Every node that this one knows, and how far apart the two are: those we dial, those that dial us, and third ones.

Values in, values out; knows neither the store nor the wire.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from mirror.config import SHARE, Peer
from mirror.model.nodes import node_of
from mirror.model.stamp import stamp_ms
from mirror.wire.status import DIALLED, DIALS, LIVE, THIRD, KnownNode, LinkStatus


class Served(NamedTuple):
    """One connection of a peer that dials us: up to where it was sent the feed, and when it last had all of it.

    ``sequence`` is None while nothing is followed on that connection; moments are in Unix seconds.
    """

    name: str
    sequence: int | None
    caught_up: float


class Told(NamedTuple):
    """What is known of all nodes at a moment (Unix seconds): how they are connected, and when they were heard of."""

    now: float
    links: Sequence[LinkStatus]
    served: Sequence[Served]
    last_seen: Mapping[str, float]
    """When a connection ended on which a peer had dialled us."""
    signs: Mapping[str, int]
    """By origin, the stamp of its last sign of life."""


def known_nodes(own: str, peers: Iterable[Peer], told: Told, behind: Callable[[int], int]) -> list[KnownNode]:
    """Return what is known of each node, ordered by name; ``behind`` says how many records come after a sequence."""
    signs = _newest_signs(told.signs)
    rows = {peer.name: _of_peer(peer, told, signs.get(peer.name, 0.0), behind) for peer in peers}
    for name in signs.keys() - rows.keys() - {own}:
        rows[name] = KnownNode(name, THIRD, seen=signs[name], lag_s=-1.0)
    return [rows[name] for name in sorted(rows)]


def _newest_signs(signs: Mapping[str, int]) -> dict[str, float]:
    newest: dict[str, float] = {}
    for origin, stamp in signs.items():
        name = node_of(origin)
        newest[name] = max(newest.get(name, 0.0), stamp_ms(stamp) / 1000)
    return newest


def _of_peer(peer: Peer, told: Told, sign: float, behind: Callable[[int], int]) -> KnownNode:
    kind = peer.kind
    if peer.address is not None:
        link = next((one for one in told.links if one.peer == peer.name), None)
        return _dialled(peer.name, kind, link, told.now, sign if kind != SHARE else 0.0)
    mine = [one for one in told.served if one.name == peer.name]
    if not mine:
        seen = max(told.last_seen.get(peer.name, 0.0), sign if kind != SHARE else 0.0)
        return KnownNode(peer.name, DIALS, kind, "away", seen, lag_s=told.now - seen if seen else -1.0)
    following = [one for one in mine if one.sequence is not None]
    if not following:
        return KnownNode(peer.name, DIALS, kind, "connected", told.now, lag_s=-1.0)
    best = max(following, key=lambda one: one.sequence or 0)
    count = behind(best.sequence or 0)
    return KnownNode(peer.name, DIALS, kind, LIVE, told.now, count, told.now - best.caught_up if count else 0.0)


def _dialled(name: str, kind: str, link: LinkStatus | None, now: float, sign: float) -> KnownNode:
    if link is None:
        return KnownNode(name, DIALLED, kind, "not dialled", sign, lag_s=now - sign if sign else -1.0)
    seen = max(link.heard, sign)
    if link.phase == LIVE:
        return KnownNode(name, DIALLED, kind, LIVE, max(seen, link.since), lag_s=0.0, error=link.error)
    return KnownNode(name, DIALLED, kind, link.phase, seen, lag_s=now - seen if seen else -1.0, error=link.error)
