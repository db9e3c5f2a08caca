"""The first copy: everything another node has, in the order of its feed, then proof that it is equal."""

import msgspec

from mirror.model.applied import Applied
from mirror.model.kinds import NODES
from mirror.store.base import Reader, Store, StoredCursor, StoreError, Writer
from mirror.sync.pull import PULL, PUSH, Progress, apply_page
from mirror.sync.reconcile import differing, reconcile
from mirror.sync.remote import Remote, StaleCursor
from mirror.sync.responder import Responder
from mirror.wire.codec import Cursor
from mirror.wire.values import State


class Copied(msgspec.Struct):
    """What a bootstrap did; ``unequal`` names the collections that are not equal afterwards."""

    source: State
    applied: Applied = Applied()
    resumed: bool = False
    unequal: list[str] = []


def refuse_full(store: Store, source: str) -> None:
    """Raise StoreError for a store that holds something, unless it is the beginning of a copy from this very source."""

    def job(reader: Reader) -> bool:
        begun = reader.cursor(source, PULL).sequence or reader.meta_number(_begun(source))
        return bool(reader.is_empty() or begun)

    if not store.read(job):
        raise StoreError("the store holds something already; --merge adds the other's data to it")


def mark_begun(store: Store, source: str) -> None:
    """Have ``refuse_full`` know from now on that what the store holds is the beginning of a copy from a source."""
    store.write(lambda writer: writer.set_meta(_begun(source), 1))


def _begun(source: str) -> str:
    return f"bootstrap:{source}"


def copy_all(
    store: Store, remote: Remote, state: State, *, merging: bool = False, progress: Progress | None = None
) -> Copied:
    """Take over all that ``remote`` has.  ``state`` is what its info said (of its pinned snapshot).

    Goes on where an interrupted copy from the same node and epoch got to.
    """
    stored = store.read(lambda reader: reader.cursor(state.node, PULL))
    resumed = stored.epoch == state.epoch and 0 < stored.sequence <= state.sequence
    copied = Copied(state, resumed=resumed)
    if merging:
        # Never by the cursor: our own records are not there yet, so only what differs tells whether all came.
        copied.applied = reconcile(store, remote, state.node, progress=progress).pulled
        again = reconcile(store, remote, state.node, progress=progress)
        copied.unequal = again.differing if again.wanted > again.pulled.already_held else []
        return copied
    cursor = Cursor(state.epoch, stored.sequence if resumed else 0)
    try:
        for page in remote.since(cursor):
            copied.applied += apply_page(store, remote, page, state.node, complete=False, progress=progress)
    except StaleCursor:
        copied.applied += reconcile(store, remote, state.node, progress=progress).pulled
    _finish(store, state)
    ours = Responder(store).info().collections or {}
    # Signs of life aside: this node may have given some of its own.
    copied.unequal = [name for name in differing(ours, state.collections or {}) if name != NODES]
    return copied


def _finish(store: Store, state: State) -> None:
    """Mark the copy as complete; what was copied need not be pushed back."""

    def job(writer: Writer) -> None:
        writer.set_cursor(state.node, PULL, StoredCursor(state.epoch, state.sequence, True))
        writer.set_cursor(state.node, PUSH, StoredCursor(state.epoch, writer.last_sequence(), True))

    store.write(job)
