"""Putting a store back from a backup: the copy is in place, has a life of its own, and was proved."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mirror.store.check import CheckReport, check_store
from mirror.store.errors import StoreError
from mirror.store.open import DEFAULT_URL, Options, open_store, put_back


class Restored(NamedTuple):
    """The epoch of the store that was put back, and what checking it found."""

    epoch: str
    report: CheckReport


def restore(
    directory: Path, node: str, backup: Path, url: str = DEFAULT_URL, also: Callable[[], None] = lambda: None
) -> Restored:
    """Put a backup back as the store of ``node`` in ``directory``; it gets a new epoch, so peers reconcile with it.

    ``also`` is done once the backup is proved, just before it is put back.  Raises StoreInUse, StoreExists when there
    is a store already, or StoreError when the backup is damaged or none of this node's; then nothing is left behind.
    """

    def prove(beside: Path) -> Restored:
        try:
            store = open_store(beside, url=url, options=Options("ctdlmirror restore"))
        except StoreError as error:
            raise StoreError(f"{backup} cannot be put back: {error}") from error
        try:
            if store.node != node:
                raise StoreError(f"{backup} cannot be put back: it is of node {store.node!r}, not of {node!r}")
            store.renew_epoch()
            restored = Restored(store.epoch, check_store(store))
        finally:
            store.close()
        also()
        return restored

    return put_back(directory, backup, prove, url)
