"""Every node that this one knows, and how far apart the two are: those we dial, those that dial us, and third ones.

Values in, values out; knows neither the store nor the wire.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from mirror.config.settings import SHARE, Peer
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
    last_sent: Mapping[str, int]
    """Up to where a peer was sent the feed on the last connection on which it followed that."""
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


class _Lag(NamedTuple):
    """How far one direction is behind: records at most, -1 where that is not known, and seconds."""

    records: int
    seconds: float


_NONE = _Lag(0, 0.0)


def _of_peer(peer: Peer, told: Told, sign: float, behind: Callable[[int], int]) -> KnownNode:
    sign = sign if peer.kind != SHARE else 0.0
    served = [one for one in told.served if one.name == peer.name]
    following = [one for one in served if one.sequence is not None]
    outward = None
    if following:
        best = max(following, key=lambda one: one.sequence or 0)
        outward = _outward(behind, best.sequence or 0, best.caught_up, told.now)
    if peer.address is not None:
        return _dialled(peer, told, sign, outward, behind)
    if outward is not None:
        return KnownNode(peer.name, DIALS, peer.kind, LIVE, told.now, *outward)
    if served:
        return KnownNode(peer.name, DIALS, peer.kind, "connected", told.now, lag_s=-1.0)
    seen = max(told.last_seen.get(peer.name, 0.0), sign)
    sent = told.last_sent.get(peer.name)
    count = behind(sent) if sent is not None else -1
    return KnownNode(peer.name, DIALS, peer.kind, "away", seen, count, told.now - seen if seen else -1.0)


def _outward(behind: Callable[[int], int], sequence: int, caught_up: float, now: float) -> _Lag:
    """Return how far who has our feed up to a place is behind."""
    count = behind(sequence)
    return _Lag(count, now - caught_up) if count else _NONE


def _dialled(peer: Peer, told: Told, sign: float, outward: _Lag | None, behind: Callable[[int], int]) -> KnownNode:
    """Return what is known of a peer that we dial; ``outward`` is how far it is behind where it follows us, too."""
    now, link = told.now, next((one for one in told.links if one.peer == peer.name), None)
    if link is None:
        return KnownNode(peer.name, DIALLED, peer.kind, "not dialled", sign, lag_s=now - sign if sign else -1.0)
    seen = max(link.heard, sign)
    if link.phase != LIVE:
        had_all = max(link.caught_up, sign) or seen
        lag = now - had_all if had_all else -1.0
        return KnownNode(peer.name, DIALLED, peer.kind, link.phase, seen, lag_s=lag, error=link.error)
    if outward is None and link.given >= 0:
        outward = _outward(behind, link.given, link.gave_all or link.since, now)
    inward = _Lag(link.left, now - (link.caught_up or link.since) if link.left > 0 else 0.0)
    both = (inward, outward or _NONE)
    count = sum(one.records for one in both) if link.left >= 0 else -1
    lag = max(one.seconds for one in both)
    return KnownNode(peer.name, DIALLED, peer.kind, LIVE, max(seen, link.since), count, lag, link.error)
