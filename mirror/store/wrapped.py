"""A store that does what another one does, for those that do some of it otherwise.

Knows nothing of what that is, nor of what is kept.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mirror.store.base import Pinned, Reader, Store, Writer

T = TypeVar("T")


class WrappedStore:
    """Keeps all promises of a store by that store; closing it closes nothing, since the store is somebody else's."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.node = store.node
        self.clock = store.clock

    @property
    def epoch(self) -> str:
        return self._store.epoch

    @property
    def generation(self) -> int | None:
        return self._store.generation

    def read(self, job: Callable[[Reader], T]) -> T:
        return self._store.read(job)

    def write(self, job: Callable[[Writer], T]) -> T:
        return self._store.write(job)

    def pin(self) -> Pinned:
        return self._store.pin()

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        return self._store.watch(callback)

    def backup(self, destination: Path) -> None:
        self._store.backup(destination)

    def renew_epoch(self, also: Callable[[Writer], Any] | None = None) -> str:
        return self._store.renew_epoch(also)

    def close(self) -> None:
        """Close nothing."""
