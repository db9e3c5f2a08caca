"""The first copy: everything another node has, in the order of its feed, then proof that it is equal."""

import msgspec

from mirror.model.applied import Applied
from mirror.model.kinds import NODES
from mirror.store.base import Reader, Store, Writer
from mirror.store.errors import StoreError
from mirror.store.values import PULL, PUSH, StoredCursor
from mirror.sync.copying import CopyKind, begin_copy, end_copy, unfinished
from mirror.sync.pull import Progress, apply_page
from mirror.sync.reconcile import differing, reconcile
from mirror.sync.remote import Remote, StaleCursor
from mirror.sync.responder import Responder
from mirror.wire.codec import Cursor
from mirror.wire.values import State


class Copied(msgspec.Struct):
    """What a bootstrap did; ``unequal`` names the collections that are not equal afterwards.

    ``state.partial`` says what the source itself lacks.
    """

    source: State
    applied: Applied = Applied()
    resumed: bool = False
    unequal: list[str] = []


def refuse_full(store: Store, source: str) -> None:
    """Raise StoreError for a store that holds something, unless it is the beginning of a copy from this very source."""

    def job(reader: Reader) -> tuple[bool, bool]:
        begun = reader.cursor(source, PULL).sequence or reader.meta_number(_begun(source))
        return bool(reader.is_empty() or begun), unfinished(reader).get(source) is CopyKind.MERGED

    fits, merging = store.read(job)
    if merging:
        raise StoreError(f"merging what {source} holds was begun with --merge and is not at its end: repeat it so")
    if not fits:
        raise StoreError("the store holds something already; --merge adds the other's data to it")


def mark_begun(store: Store, source: str, kind: CopyKind = CopyKind.PLAIN) -> None:
    """Have ``refuse_full``, and who copies from here, know from now on that a copy from a source was begun."""

    def job(writer: Writer) -> None:
        writer.set_meta(_begun(source), 1)
        begin_copy(writer, source, kind)

    store.write(job)


def note_begun(store: Store, source: str) -> None:
    """Have ``has_begun`` know of a source of which nothing is waited for."""
    store.write(lambda writer: writer.set_meta(_begun(source), 1))


def has_begun(store: Store, source: str) -> bool:
    """Tell whether a copy from a source was begun, whether or not it is at its end."""
    return bool(store.read(lambda reader: reader.meta_number(_begun(source))))


def mark_ended(store: Store, source: str) -> None:
    """Have who copies from here know from now on that all came that a source holds."""
    if source in store.read(unfinished):
        store.write(lambda writer: end_copy(writer, source))


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
        return copied  # and what the comparing proved, it has noted itself
    cursor = Cursor(state.epoch, stored.sequence if resumed else 0)
    try:
        for page in remote.since(cursor):
            copied.applied += apply_page(store, remote, page, state.node, complete=False, progress=progress)
    except StaleCursor:
        copied.applied += reconcile(store, remote, state.node, progress=progress).pulled
    unequal = _finish(store, state)
    # Signs of life aside: this node may have given some of its own.
    copied.unequal = [name for name in unequal if name != NODES]
    return copied


def _finish(store: Store, state: State) -> list[str]:
    """Note that all of the source's feed is here; returns the collections that differ all the same.

    Where none does, the source is proved to hold all that is here, so that need not be given to it.  Otherwise what it
    was given stays as it was known: what was written here meanwhile it may lack.
    """
    ours = Responder(store).info()
    unequal = differing(ours.collections or {}, state.collections or {})

    def job(writer: Writer) -> None:
        writer.set_cursor(state.node, PULL, StoredCursor(state.epoch, state.sequence, True))
        if not unequal:
            writer.set_cursor(state.node, PUSH, StoredCursor(state.epoch, ours.sequence, True))
        if not state.partial:
            end_copy(writer, state.node)

    store.write(job)
    return unequal
