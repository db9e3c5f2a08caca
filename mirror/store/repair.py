"""Mending a store whose clock was wrong, as one call: all that lies ahead is written anew, under a new epoch."""

from collections.abc import Callable
from typing import NamedTuple

from mirror.store.base import Store
from mirror.store.values import Repaired


class ClockRepaired(NamedTuple):
    """The epoch of the store after the repair, and what was written anew."""

    epoch: str
    repaired: Repaired


def repair_clock(store: Store, progress: Callable[[int], None]) -> ClockRepaired | None:
    """Write all versions of a store that lie ahead of its clock anew, in one transaction.

    The store gets a new epoch and origin, as one that was restored, so its peers compare all.  Nobody else may use it.
    ``progress`` is told how many records were written.  Returns None where nothing lies ahead.  Raises StoreError, and
    then all is as it was.
    """
    if store.clock.last <= store.clock.limit():
        return None
    found: list[Repaired] = []
    epoch = store.renew_epoch(lambda writer: found.append(writer.write_anew(progress)))
    return ClockRepaired(epoch, found[0])
