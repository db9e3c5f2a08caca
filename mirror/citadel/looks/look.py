"""One look at a server, by an export or over the wire: what it says now is held against what it said last.

What is new or was changed there is taken over in batches, each with what is to be remembered of it in one transaction;
what the server has no more is dealt with at the end (mirror.citadel.looks.missing).  Where nothing changed, nothing is
written.
"""

from collections.abc import Callable, Iterable

import msgspec

from mirror.citadel.looks.heaps import Heaps
from mirror.citadel.looks.missing import Missing
from mirror.citadel.looks.pages import pages
from mirror.citadel.looks.prints import Prints
from mirror.citadel.looks.remembered import (
    Identity,
    Remembered,
    compare,
    highest_of_old,
    place_of,
    remember,
    remembered,
)
from mirror.citadel.looks.seed import seed
from mirror.citadel.looks.statuses import Statuses
from mirror.citadel.looks.taking import act_for_place, take_changes, take_found
from mirror.citadel.meaning.marks import Change
from mirror.model.applied import Applied
from mirror.model.judge import finding
from mirror.store.base import Store, Writer
from mirror.sync.foreign.plan import There
from mirror.sync.foreign.take import news

BATCH_RECORDS = 1000
BATCH_BYTES = 4 * 1024 * 1024

MESSAGES = "messages/"


class Look:
    """Use once: ``begin``, ``tell`` and ``has``, ``flush`` now and again, ``missing.delete``, ``end``."""

    def __init__(
        self, store: Store, node: str, *, fetching: bool = False, paired: bool = False, keys: str = ""
    ) -> None:
        """``fetching`` is a look at what no export has; a server that is ``paired`` shares things with what is here.

        ``keys`` stands for the keys under which that is kept.
        """
        self.place = place_of(node)
        self._applied = Applied()
        self.node = node
        self._store = store
        self._fetching = fetching
        self._paired = paired
        self._found: list[There] = []
        self._changes: list[Change] = []
        self._bytes = 0
        self._heaps = Heaps()
        self.statuses = Statuses(store, self.place)
        self.missing = Missing(store, self.place, self._heaps, self.statuses, lambda: self._first)
        self._first = not self._store.read(lambda reader: reader.scan_place(self.place, limit=1))
        self.last = self._recall() or Remembered()
        self.prints = Prints(self.place, store, keys)
        self.now = msgspec.structs.replace(self.last)

    # -- what is remembered -----------------------------------------------------------------------

    def _recall(self) -> Remembered | None:
        return self._store.read(lambda reader: remembered(reader, self.place))

    def _remember(self) -> None:
        now = self.now
        if self._recall() != now:
            self._store.write(lambda writer: remember(writer, self.place, now))

    def begin(self, identity: Identity, accept_older: bool = False) -> None:
        """Begin, once it is known which state of the server this is.  Raises OtherThanLast."""
        if self._recall() is None:
            highest = 0
            if not self._store.read(lambda reader: reader.is_empty()):
                highest = max(seed(self._store, self.place, self.node), self._store.read(highest_of_old))
                self._first = False
            self.last = Remembered(identity.created, highest)
        if not accept_older:
            compare(identity, self.last, self.node)
        self.now = msgspec.structs.replace(self.last, created=self.last.created or identity.created)
        self._remember()
        if self.last.looked:
            self.prints.recall()
        self.now.created, self.now.highest = identity.created, identity.highest

    def end(self, whole: bool) -> None:
        """Remember that the server was looked at; ``whole``, where that was all that this look is about."""
        if self._fetching:
            self.now.fetched = self.now.fetched or whole
        else:
            self.now.looked = self.now.looked or whole
        self._remember()

    def remember_rooms(self, rooms: Iterable[str]) -> None:
        """Remember of rooms, by their keys, that all that this look said of them was taken over."""
        for some in pages(rooms):
            self._store.write(lambda writer, keys=some: self.prints.remember(writer, keys))  # type: ignore[misc]

    def close(self) -> None:
        self._heaps.close()

    # -- what is there ----------------------------------------------------------------------------

    @property
    def applied(self) -> Applied:
        """What was done to records so far."""
        return self._applied + self.missing.applied

    def has(self, collection: str, foreign: Iterable[str]) -> None:
        """Say of things that the server has them, whatever is in them."""
        self._heaps.has(collection, foreign)

    def tell(self, one: There) -> str:
        """Say what the server has now; returns what is wrong with it, if no node would take it.

        It counts as listed; messages were, by their rooms.
        """
        if not one.record.collection.startswith(MESSAGES):
            self.has(one.record.collection, (one.foreign,))
        wrong = finding(one.record)
        if not wrong:
            self._found.append(one)
            self._bytes += len(one.body)
        return wrong

    def unchanged(self, count: int) -> None:
        """Count records that are as they were, and were not even told."""
        self._applied += Applied(already_held=count)

    def change(self, change: Change) -> None:
        """Say how a mark changed of which nothing is remembered by itself."""
        self._changes.append(change)

    @property
    def _looked(self) -> bool:
        """Whether all that this look is about was looked at before."""
        return self.last.fetched if self._fetching else self.last.looked

    @property
    def knows_some(self) -> bool:
        """Whether some of what the server has may be here already, from elsewhere."""
        return self._paired or bool(self.last.another) or not self._first

    @property
    def is_another(self) -> bool:
        """Whether this is the first look at another server than the one before, as at one that was restored."""
        return bool(self.last.another) and not self._looked

    @property
    def _pairing(self) -> bool:
        """Whether this is the first look at another server than the one before, or at one that was paired."""
        return (self._paired or bool(self.last.another)) and not self._looked

    @property
    def _restored(self) -> bool:
        """Whether this is the first look at another server than the one that was followed before."""
        return bool(self.last.another) and not self._looked

    @property
    def full(self) -> bool:
        """Whether so much was said that it is time for ``flush``."""
        return len(self._found) + len(self._changes) >= BATCH_RECORDS or self._bytes >= BATCH_BYTES

    def flush(self, also: Callable[[Writer], None] | None = None, *, pairs: bool = False) -> None:
        """Take over what was said; ``also`` is done in the same transaction, if there is anything to do.

        ``pairs``, where what was never said before and is here is one with that, whenever that was: it stands.
        """
        found, changes = self._found, self._changes
        pairing = pairs or self._pairing
        self._found, self._changes, self._bytes = [], [], 0
        # Most of it is as it was, and needs no transaction: but not where nothing was ever said.
        new = self._store.read(lambda reader: news(reader, self.place, found)) if self._looked and found else found
        self._applied += Applied(already_held=len(found) - len(new))
        if not new and not changes:
            return

        def job(writer: Writer) -> Applied:
            act_for_place(writer, self.place)
            applied = take_found(writer, self.place, new, looked=self._looked, pairing=pairing, restored=self._restored)
            applied += take_changes(writer, self.place, changes, looked=self._looked, pairing=pairing)
            if also is not None:
                also(writer)
            return applied

        self._applied += self._store.write(job)
