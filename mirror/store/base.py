"""What a store promises.

A store keeps records, digests, contents, cursors and conflicts; all that one call to ``write`` does is
one transaction, durable before the call returns.  Readers see a consistent state for the length of one
call to ``read``.  ``Reader`` and ``Writer`` are the vocabulary of such a call; a job must not keep them.

What it is told and tells is in mirror.store.values, what can go wrong in mirror.store.errors.  Sizes and offsets are in
bytes; every call may raise StoreError.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mirror.model.applied import Applied
from mirror.model.digest import Bulk, Digest
from mirror.model.draft import Draft
from mirror.model.fields import Value
from mirror.model.judge import Unfit
from mirror.model.nodes import Heard, Horizon
from mirror.model.record import Record
from mirror.model.stamp import HybridClock
from mirror.model.status import Status
from mirror.store.values import (
    Acting,
    Aside,
    Block,
    Checked,
    Conflict,
    DraftResult,
    FeedPage,
    Listing,
    Place,
    Renamed,
    Repaired,
    RootState,
    Source,
    StoredCursor,
    Substitute,
)

T = TypeVar("T")

PAGE_RECORDS = 1024
"""Records in a page of the feed at most; a page is what one batch carries."""
PAGE_BYTES = 1024 * 1024
"""Bytes of heads and bodies in a page of the feed, give or take one record."""
PART_BYTES = 256 * 1024
"""Bytes of content that a store keeps together."""
BLOCK_RECORDS = 128
"""Records that one sum over a stretch of a collection's order covers when it is made."""


COMMITTED = "committed"
"""Under this name the store keeps when it was last written, in Unix milliseconds by this machine's clock."""

COMING_AGAIN = "coming-again"
"""Under this name the store keeps, as JSON, what ``Reader.coming_again`` returns."""

REFUSED = "refused"
"""Under this name the store keeps why a mirror has refused its node, as one of two; empty where none has."""


Allows = Callable[[str], bool]
"""Tells whether a collection may be seen."""


def everything(_collection: str) -> bool:
    """Allows all collections."""
    return True


class Reader(Protocol):
    """Answers questions about one consistent state of a store."""

    node: str
    epoch: str

    # -- state ------------------------------------------------------------------------------------

    def root(self) -> RootState:
        """Return the digest over everything and the end of the feed, in O(1)."""
        ...

    def last_sequence(self) -> int:
        """Return where the feed ends; 0 in an empty store."""
        ...

    def horizon(self) -> int:
        """Return the stamp before which tombstones were dropped here; 0 when none were."""
        ...

    def lacking(self, peer: str) -> bool:
        """Tell whether anything of a peer is set aside but signs of life."""
        ...

    def coming_again(self) -> dict[str, int]:
        """Return, by peer that rooms are shared with, how often what was set aside of it was to come again.

        Whichever side dials, the rooms are compared anew when that has changed.
        """
        ...

    def trimmed(self) -> int:
        """Return the last place in the feed that held a tombstone which was dropped."""
        ...

    def oldest_tombstone(self) -> int:
        """Return the least stamp of a tombstone, or a stamp later than all when there is none."""
        ...

    def origin(self) -> str:
        """Return under which name this store writes: the node's, or after a restore another one."""
        ...

    def own_sign(self) -> Record | None:
        """Return the last sign of life that was written here."""
        ...

    def is_empty(self) -> bool:
        """Tell whether nothing is here but signs of life."""
        ...

    def signs(self) -> list[Record]:
        """Return all nodes' signs of life that came here, the horizon among them."""
        ...

    def heard(self) -> Heard:
        """Return what this node has heard of all others."""
        ...

    def reaches(self, horizon: Horizon) -> bool:
        """Tell whether every tombstone from before a horizon is here, or was, or what replaced it."""
        ...

    def digest(self, collection: str) -> Digest:
        """Return a collection's digest, in O(1); an empty one when there is no such collection."""
        ...

    def digests(self, allows: Allows = everything) -> dict[str, Digest]:
        """Return the digests of all collections that may be seen and hold anything, in the order of their names."""
        ...

    def bulk(self, collection: str) -> Bulk:
        """Return how much a collection holds that is alive; costs by that."""
        ...

    def collections(self, prefix: str) -> list[str]:
        """Return the names of all collections that hold anything and begin so."""
        ...

    def changed_collections(self, after: int) -> tuple[set[str], int]:
        """Return the names of the collections changed after a place in the feed, and where the feed ends."""
        ...

    def count_ahead(self, limit: int) -> dict[str, int]:
        """Return, by collection, how many records have stamps beyond a limit; those with none are left out."""
        ...

    def committed_ms(self) -> int:
        """Return when the store was last written, in Unix milliseconds by this machine's clock; 0 if it never was."""
        ...

    def meta_text(self, name: str, default: str = "") -> str:
        """Return a text that the store keeps about itself."""
        ...

    def meta_number(self, name: str, default: int = 0) -> int:
        """Return a number that the store keeps about itself."""
        ...

    # -- records ----------------------------------------------------------------------------------

    def feed(
        self,
        after: int,
        allows: Allows = everything,
        collection: str | None = None,
        limit: int = PAGE_RECORDS,
        limit_bytes: int = PAGE_BYTES,
    ) -> FeedPage:
        """Return the next page of the feed after a sequence, or of one collection's part of it."""
        ...

    def get(self, collection: str, key: str) -> Record | None:
        """Return one record (maybe a tombstone), or None."""
        ...

    def get_many(self, collection: str, keys: Iterable[str]) -> list[Record]:
        """Return those of the records that are there."""
        ...

    def scan(self, collection: str, after: str = "", prefix: str = "", limit: int = PAGE_RECORDS) -> list[Record]:
        """Return records of a collection in the order of their keys, tombstones included."""
        ...

    def scan_all(self, collection: str, prefix: str = "") -> Iterator[Record]:
        """Yield all records of a collection that are alive, page by page."""
        ...

    def newest(self, collection: str, limit: int) -> list[Record]:
        """Return a collection's newest living records, oldest first."""
        ...

    def entries(self, collection: str, lower: Place = (0, ""), upper: Place | None = None) -> list[Listing]:
        """Return a collection's records in the order of stamp and key, from ``lower`` up to before ``upper``."""
        ...

    def entries_by_key(self, collection: str, lower: str, upper: str) -> list[Listing]:
        """Return a collection's records from a key up to before another one, in the order of their keys."""
        ...

    def blocks(self, collection: str) -> list[Block]:
        """Return the sums over a collection's stretches, in order."""
        ...

    def check_records(self, after: int, limit: int = PAGE_RECORDS) -> list[Checked]:
        """Return the records behind a place of the feed, each proved against the CRC that is stored with it."""
        ...

    def damage(self) -> list[str]:
        """Return a line for everything that the backend itself finds wrong with what it keeps; reads all of it."""
        ...

    # -- contents ---------------------------------------------------------------------------------

    def content_have(self, content: bytes) -> int:
        """Return how many bytes of a content are stored (all of them once it is complete)."""
        ...

    def content_under_way(self, content: bytes, party: str) -> int:
        """Return how many bytes of a content are stored that a party has sent, until it is proved."""
        ...

    def content_complete(self, content: bytes) -> bool:
        """Tell whether all of a content is stored, and was proved."""
        ...

    def content_size(self, content: bytes) -> int:
        """Return a content's size.  Raises StoreDamaged when it is not here."""
        ...

    def complete_contents(self) -> list[tuple[bytes, int]]:
        """Return the SHA-256 and size of all contents that are complete."""
        ...

    def content_users(self, content: bytes) -> list[Record]:
        """Return the records whose body a content is, a thousand at most."""
        ...

    def content_parts(self, content: bytes, offset: int, limit: int) -> bytes:
        """Return about ``limit`` bytes of a content from ``offset`` on; PART_BYTES more at most."""
        ...

    def body(self, record: Record) -> bytes:
        """Return a record's body wherever it is kept; meant for items and people, not for bulk."""
        ...

    # -- exchange ---------------------------------------------------------------------------------

    def aside(self, peer: str = "", limit: int = 1000) -> list[Aside]:
        """Return what was set aside, of one peer or of all, in the order of peers, collections and keys."""
        ...

    def aside_counts(self) -> dict[str, int]:
        """Return, by peer, how many records are set aside."""
        ...

    def aside_size(self, peer: str) -> tuple[int, int]:
        """Return how many records of a peer are set aside, and of how many bytes."""
        ...

    def substitutes(self, peer: str) -> list[Substitute]:
        """Return what stands for what when comparing with a peer."""
        ...

    def statuses(self, place: str, collection: str, foreign: Iterable[str]) -> list[Status]:
        """Return what a foreign place said last of those things that it names so, where it said anything."""
        ...

    def statuses_of(self, place: str, collection: str, keys: Iterable[str]) -> list[Status]:
        """Return what a place said last of the things with these keys, in the order in which it names them."""
        ...

    def scan_statuses(self, place: str, collection: str, after: str = "", limit: int = PAGE_RECORDS) -> list[Status]:
        """Return the next of what a place said last of a collection, in the order in which it names things."""
        ...

    def scan_place(self, place: str, after: tuple[str, str] = ("", ""), limit: int = PAGE_RECORDS) -> list[Status]:
        """Return the next of what a place said last of all collections, of each in the order of its own names.

        The collections come in an order of the store's; ``after`` is the collection and the place's name of the last.
        """
        ...

    def newest_statuses(self, place: str, kind: str, limit: int) -> list[Status]:
        """Return what a place said last of those things in a kind of collections that have the highest numbers there.

        The place names them by numbers.  Goes through all that the place said.
        """
        ...

    def status_collections(self, place: str) -> list[str]:
        """Return the collections of which a place said anything, in an order of the store's."""
        ...

    def status_count(self, place: str, collection: str) -> int:
        """Return of how many things of a collection a place said something."""
        ...

    def cursor(self, peer: str, direction: str) -> StoredCursor:
        """Return how far an exchange has come; an empty cursor before it began."""
        ...

    def conflicts(
        self, number: int | None = None, limit: int = 1000, unresolved: bool = True, before: int = 0
    ) -> list[Conflict]:
        """Return conflicts, newest first, or the one of that number; with ``before`` those of lesser numbers."""
        ...

    def conflict_count(self) -> int:
        """Return how many conflicts are not resolved."""
        ...


class Writer(Reader, Protocol):
    """A Reader that may also write; lives inside one call to ``Store.write``."""

    clock: HybridClock

    def act_for(self, party: Acting) -> None:
        """Have the rest of this job count as a party's doing; beyond its bounds it raises BoundReached."""
        ...

    def drop_conflicts(self, resolved_before_ms: int) -> int:
        """Forget the conflicts that were resolved before a moment; returns how many."""
        ...

    def apply(self, records: Sequence[Record], crcs: Sequence[int] | None = None) -> Applied:
        """Merge records that came from elsewhere; ``crcs`` are theirs, in the same order.

        Raises StampAhead, MissingContent, BadRecord; then nothing of the job is kept.
        """
        ...

    def admit(
        self, source: Source, records: Sequence[Record], crcs: Sequence[int], unfit: Sequence[Unfit] = ()
    ) -> Applied:
        """Merge what a peer sent, and set aside what cannot be taken.

        What a peer sends of what was set aside before takes its place.  Raises StampAhead, with the time to wait,
        where a stamp may be taken soon; TooMuchAside; MissingContent.
        """
        ...

    def retry_aside(self, everything: bool = False) -> Applied:
        """Try again what was set aside and is due, or all, as after an upgrade."""
        ...

    def forget_aside(self, peer: str) -> int:
        """Forget what was set aside of a peer; returns how many records that were."""
        ...

    def absorb(self, records: Sequence[Record]) -> Applied:
        """Merge records whose versions were derived from what a foreign place has, and that were judged.

        Raises as ``apply``.
        """
        ...

    def kept_under(self, records: Sequence[Record]) -> list[str]:
        """Return the key under which each of these messages is kept, or would be: others may have its id."""
        ...

    def adopt(self, record: Record, peer: str = "") -> Applied:
        """Take over those fields of a record from elsewhere that are later than ours, into ours if there is one.

        Of a ``peer`` that rooms are shared with, no field is taken that says to be of this node and is not known here.
        """
        ...

    def refuse_revival(self, records: Sequence[Record]) -> int:
        """Delete records that were deleted so long ago that no tombstone is left; returns how many."""
        ...

    def came_meanwhile(self, after: int, horizon: int, compared: Set[tuple[str, str]]) -> bool:
        """Tell whether records came after a place of the feed that may have been deleted before a horizon (a stamp).

        ``compared`` are collections and keys that were compared with a node that knows.
        """
        ...

    def write(self, draft: Draft, *, alone: bool = False) -> DraftResult:
        """Write a draft as this node's next version.

        Where its base does not cover what is held it is a concurrent edit: whatever one of the two loses to the other
        goes to the conflict log.  Deleting what is gone changes nothing; what has not come here yet is deleted for
        when it does.  With a room or user goes what belongs to it, unless it is deleted ``alone``, by whoever says so
        of each thing that belongs to it.  Raises Changed, StampAhead, BadRecord, MissingContent.
        """
        ...

    def overwrite(self, record: Record) -> DraftResult:
        """Write a draft that names no base, as clients of 0.1.0 do: it replaces what is here.

        Its stamps count for nothing; of fields, ``head`` maps those to set to their values.  What it overwrites that
        another origin wrote goes to the conflict log.  Raises BadRecord, MissingContent.
        """
        ...

    def mend(self, sequence: int) -> Record:
        """Write the record at a place of the feed anew, which no node takes as it is, with what can be kept of it.

        The old one goes to the conflict log.  Raises BadRecord where nothing can be made of it.
        """
        ...

    def dismiss(self, number: int) -> Record | None:
        """Resolve a conflict as it stands, everywhere.  Raises NoConflict."""
        ...

    def keep_both(self, number: int) -> Record:
        """Resolve a conflict by writing what lost as a thing of its own, which is returned.

        Raises NoConflict; NoCopy where a key has room for one alone.
        """
        ...

    def put(self, draft: Record) -> Record:
        """Write a draft as this node's next version of what is here, and return that."""
        ...

    def set_fields(self, collection: str, key: str, values: dict[str, Value]) -> Record:
        """Set fields of a record, leaving the others, and return the new version."""
        ...

    def delete(self, collection: str, key: str) -> Record | None:
        """Delete a record everywhere; returns its tombstone, or None when there was nothing alive.

        With a room or user goes what belongs to it, as ``write`` says.
        """
        ...

    def restore(self, number: int) -> Record:
        """Write what lost in a conflict as a new version that has seen winner and loser.  Raises NoConflict."""
        ...

    def beat(self) -> Record:
        """Write this node's sign of life."""
        ...

    def advance_horizon(self, horizon: Horizon) -> None:
        """Have tombstones with stamps below a horizon dropped, here now and at the peers when they hear of it."""
        ...

    def rename_origin(self, origin: str) -> None:
        """Write under another name from now on."""
        ...

    def write_anew(self, progress: Callable[[int], None]) -> Repaired:
        """Write all versions that lie ahead of the clock anew, at the present time and under this store's origin.

        ``progress`` is told how many records were.  Meant for ``Store.renew_epoch``, which gives a new origin first.
        """
        ...

    def put_statuses(self, place: str, statuses: Iterable[Status]) -> None:
        """Remember what a foreign place says now, in the place of what it said of the same things before.

        Meant for the transaction of the records that it speaks of.
        """
        ...

    def drop_statuses(self, place: str, collection: str, foreign: Iterable[str]) -> None:
        """Forget what a place said of things that it has no more."""
        ...

    def rename_writer(self, old: str, since: int, progress: Callable[[int], None]) -> Renamed:
        """Say of all that an origin wrote here after a stamp that this store's present one did.

        ``progress`` is told how many records were looked at.  Meant for ``Store.renew_epoch``, as ``write_anew`` is.
        """
        ...

    def add_content(self, content: bytes, size: int, offset: int, data: bytes, party: str = "") -> bool:
        """Store a part of a content; returns True once it is complete and its SHA-256 proved right.

        Parts come in order; one that was stored before is skipped.  What comes from a ``party`` that is not trusted is
        kept apart until it is proved, and begins anew at offset 0: else it could spoil what others send.

        Raises BadRecord; and BadContent, after which ``drop_content`` has to be called, in a job of its own.
        """
        ...

    def drop_content(self, content: bytes, party: str = "") -> None:
        """Drop what there is of a content that is not complete."""
        ...

    def forget_content(self, content: bytes) -> None:
        """Drop a content and its parts."""
        ...

    def store_body(self, record: Record, body: bytes) -> Record:
        """Return the record with a body, inline or stored as content, whichever its size asks for."""
        ...

    def sweep_contents(self, suspects: dict[bytes, int]) -> dict[bytes, int]:
        """Drop contents that nothing refers to, if they were among the ``suspects`` of the last sweep already.

        Returns those that nothing refers to now, with the bytes there are of each.
        """
        ...

    def set_cursor(self, peer: str, direction: str, cursor: StoredCursor) -> None:
        """Remember how far an exchange has come."""
        ...

    def keep_cursors(self, peer: str, directions: Sequence[str]) -> None:
        """Forget the cursors kept with a peer in all other directions."""
        ...

    def note_newest(self, newest: Mapping[str, int]) -> None:
        """Remember, by origin, the stamps up to which all that it wrote is here, or was."""
        ...

    def set_meta(self, name: str, value: str | int) -> None:
        """Keep a text or number about the store itself."""
        ...


class Reading(Protocol):
    """Runs functions on one consistent state of a store."""

    @property
    def generation(self) -> int | None:
        """A number that stays the same for as long as every read finds the same state; None while that may change.

        So what was read is still true if the number is now what it was before that was read.
        """
        ...

    def read(self, job: Callable[[Reader], T]) -> T:
        """Run ``job`` with a Reader on one consistent state, and return what it returns."""
        ...


class Pinned(Reading, Protocol):
    """A pinned state of a store."""

    def close(self) -> None:
        """Give the state up."""
        ...


class Store(Reading, Protocol):
    """A store that is open."""

    node: str
    clock: HybridClock

    @property
    def epoch(self) -> str:
        """Name this life of the store: random, and new after a restore."""
        ...

    def write(self, job: Callable[[Writer], T]) -> T:
        """Run ``job`` with a Writer in a transaction; return once it is durable."""
        ...

    def pin(self) -> Pinned:
        """Return a reading of the store as it is now, however it changes meanwhile."""
        ...

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called after commits; returns what ends that."""
        ...

    def backup(self, destination: Path) -> None:
        """Copy the store to one new file, consistent while others write."""
        ...

    def renew_epoch(self, also: Callable[[Writer], Any] | None = None) -> str:
        """Give the store a new epoch and origin, so that peers don't trust cursors into its former life.

        ``also`` is done in the same transaction, under the new origin.
        """
        ...

    def close(self) -> None:
        """Give everything back; further calls do nothing."""
        ...


class Backend(Store, Protocol):
    """A store that blocks the thread it is called in, and can commit several jobs at once."""

    def write_group(self, jobs: Sequence[Callable[[Writer], Any]]) -> list[Any]:
        """Run jobs in one transaction, each undone alone if it fails.

        Returns each one's result or its exception, in order, once all that succeeded is durable.
        """
        ...
