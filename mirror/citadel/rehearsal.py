"""A store in which nothing stays written: what a look would do is done, counted, and undone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mirror.store.base import Pinned, Reader, Store, Writer

T = TypeVar("T")


class _Undone(Exception):
    """Ends a transaction that must leave nothing behind; ``result`` is what it returned."""

    def __init__(self, result: Any) -> None:
        self.result = result


class Rehearsal:
    """The same promises as the store that it wraps, but that each transaction is undone at its end."""

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
        def undone(writer: Writer) -> None:
            raise _Undone(job(writer))

        try:
            self._store.write(undone)
        except _Undone as done:
            result: T = done.result
            return result
        raise AssertionError("a transaction that ends with an error was taken")

    def pin(self) -> Pinned:
        return self._store.pin()

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        return self._store.watch(callback)

    def backup(self, destination: Path) -> None:
        self._store.backup(destination)

    def renew_epoch(self, also: Callable[[Writer], Any] | None = None) -> str:
        """A new life cannot be tried."""
        raise NotImplementedError("a store's epoch cannot be renewed and undone")

    def close(self) -> None:
        """The store is whose it was."""
