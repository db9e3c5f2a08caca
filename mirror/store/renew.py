"""A new life for a store that has a twin, as one call: a new epoch and origin, and what it wrote is of that one."""

from collections.abc import Callable
from typing import NamedTuple

from mirror.store.base import REFUSED, Store, Writer
from mirror.store.values import Renamed


class Renewed(NamedTuple):
    """The epoch of the store and the origin under which it writes from now on, and what was renamed."""

    epoch: str
    origin: str
    renamed: Renamed


def renew(store: Store, since: int, progress: Callable[[int], None]) -> Renewed:
    """Give a store a new epoch and origin, under which is then what it wrote itself after a stamp.

    Its peers compare all with it.  Nobody else may use it.  ``progress`` is told how many records were looked at.
    What a partner brought of the store's former life, and was set aside, is tried again: that life is over now.
    Raises StoreError, and then all is as it was.
    """
    old = store.read(lambda reader: reader.origin())
    found: list[Renamed] = []

    def rename(writer: Writer) -> None:
        found.append(writer.rename_writer(old, since, progress))
        writer.set_meta(REFUSED, "")
        writer.retry_aside(everything=True)

    epoch = store.renew_epoch(rename)
    return Renewed(epoch, store.read(lambda reader: reader.origin()), found[0])
