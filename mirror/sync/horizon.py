"""Keeping up: a node's sign of life when it is due, and the horizon when all nodes agree to it.

The daemon calls this now and then, the simulation in its own time.
"""

from typing import NamedTuple

from mirror.model.nodes import agreed_horizon, horizon_stamp
from mirror.model.stamp import stamp_ms
from mirror.store.base import Reader, Store


class Keeping(NamedTuple):
    """For how long tombstones are kept, in which steps they go, how often a node gives a sign of life (ms)."""

    keep_ms: int
    step_ms: int
    every_ms: int


def keep_up(store: Store, now_ms: int, keeping: Keeping) -> int:
    """Do what is due at a moment (Unix milliseconds); returns the new horizon (a stamp) when it moved, or 0."""

    def last_sign(reader: Reader) -> int:
        sign = reader.own_sign()
        return stamp_ms(sign.stamp) if sign is not None else 0

    heard = store.read(last_sign)
    # A sign from the future was written before the clock was set back.
    if not now_ms - keeping.every_ms < heard <= now_ms:
        store.write(lambda writer: writer.beat())
    due_ms = now_ms - keeping.keep_ms
    if not store.read(lambda reader: _is_due(reader, due_ms, keeping.step_ms)):
        return 0
    due = horizon_stamp(due_ms, store.read(lambda reader: reader.origin()))
    horizon = store.read(lambda reader: agreed_horizon(reader.signs(), reader.origin(), due))
    if horizon.stamp:
        store.write(lambda writer: writer.advance_horizon(horizon))
    return horizon.stamp


def _is_due(reader: Reader, due_ms: int, step_ms: int) -> bool:
    """Tell whether there is anything to drop, and the horizon is a step behind."""
    return bool(stamp_ms(reader.horizon()) + step_ms <= due_ms and stamp_ms(reader.oldest_tombstone()) < due_ms)
