"""A store in which nothing stays written: what a look would do is done, counted, and undone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mirror.citadel.bootstrap import Place, Taken, copy_server, log_in
from mirror.citadel.meaning.keys import Keys
from mirror.citadel.meaning.pairing import Consent, Pairing
from mirror.citadel.propose import is_to_be_paired, propose
from mirror.store.base import Store, Writer
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


def dry_run(
    store: Store,
    place: Place,
    user: str = "",
    password: str = "",
    *,
    directory: Path | None = None,
    only: Sequence[str] = (),
    pair: Consent | None = None,
) -> tuple[Taken, Pairing | None]:
    """Return what following a server would write at first, and how it would be paired; nothing is written.

    Raises as ``copy_server`` does.
    """
    known = directory or (place if isinstance(place, Path) else None)
    keys = pairing = None
    if pair is not None:
        client = log_in(place, user, password)
        node = client.node_name()
        if is_to_be_paired(store, node, place, user):
            pairing = propose(store, client, node, pair)
            keys = Keys.of(node, pairing.pairs)
        client.quit()
    rehearsal = Rehearsal(store)
    return copy_server(rehearsal, place, user, password, merge=True, directory=known, only=only, keys=keys), pairing
