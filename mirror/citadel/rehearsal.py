"""A store in which nothing stays written: what a look would do is done, counted, and undone."""

from collections.abc import Callable
from typing import Any, TypeVar

from mirror.store.base import Writer
from mirror.store.wrapped import WrappedStore

T = TypeVar("T")


class _Undone(Exception):
    """Ends a transaction that must leave nothing behind; ``result`` is what it returned."""

    def __init__(self, result: Any) -> None:
        self.result = result


class Rehearsal(WrappedStore):
    """The same promises as the store that it wraps, but that each transaction is undone at its end."""

    def write(self, job: Callable[[Writer], T]) -> T:
        def undone(writer: Writer) -> None:
            raise _Undone(job(writer))

        try:
            self._store.write(undone)
        except _Undone as done:
            result: T = done.result
            return result
        raise AssertionError("a transaction that ends with an error was taken")

    def renew_epoch(self, also: Callable[[Writer], Any] | None = None) -> str:
        """A new life cannot be tried."""
        raise NotImplementedError("a store's epoch cannot be renewed and undone")
