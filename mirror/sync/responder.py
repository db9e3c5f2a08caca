"""The answering side of an exchange: a store's answers to one party, within that party's scope.

What that party offers is mirror.sync.offers' matter.  Knows no connection.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import partial
from typing import Protocol, TypeVar

from mirror.model.applied import Applied
from mirror.model.digest import Bulk, Digest, add_digests
from mirror.model.kinds import NODES, parse_collection
from mirror.model.nodes import Heard
from mirror.model.record import Record
from mirror.store.base import PAGE_RECORDS, Reader, Reading, Store
from mirror.store.values import FeedPage, RootState
from mirror.sync.copying import unfinished
from mirror.sync.derived import Sums
from mirror.sync.index import RangeIndex
from mirror.sync.offers import Offers
from mirror.sync.pull import lacking
from mirror.sync.remote import Denied, StaleCursor
from mirror.sync.scope import EVERYTHING, Scope
from mirror.sync.showing import Showing
from mirror.sync.substitutes import changes_in, read_substitutes, root_with, substituted
from mirror.sync.told import ToldDigests
from mirror.sync.uploads import Uploads
from mirror.wire.codec import ContentRequest, Cursor, Range
from mirror.wire.values import Answer, ContentPart, Offered, Page, State

PART_BYTES = 1024 * 1024
"""Bytes of content in one part, give or take a row."""

FEW_NAMES = 500
"""Collections of which each one's digest is looked up, before those of the whole store are looked through."""

T = TypeVar("T")


class ChangingScope(Protocol):
    """Rights that change with what is in the store."""

    def at(self, reader: Reader) -> Scope:
        """Return the rights in the state that is read; the same object while they are the same.  Raises Denied."""
        ...


class Responder:
    """Implements Remote on a store.  ``reading`` may be a pinned state; writes go to the store itself."""

    def __init__(
        self,
        store: Store,
        scope: Scope = EVERYTHING,
        reading: Reading | None = None,
        page_records: int = PAGE_RECORDS,
        peer: str = "",
        sums: Sums | None = None,
        uploads: Uploads | None = None,
        changing: ChangingScope | None = None,
        party: str = "",
        told: ToldDigests | None = None,
        view: str = "",
    ) -> None:
        """``sums`` are those that all who answer from this store share.

        ``party`` is who asks, as the log calls it, where that is no node.
        ``peer`` is the node that compares and offers, if it is one: what of it was set aside stands for our own then.
        ``uploads`` are what the party has sent so far, where that outlives this responder.
        ``told`` are the digests that were told to all whose rights are changing; ``view`` tells this party's apart.
        Where rights are ``changing``, every answer is within those of the state that it is read from.
        """
        self._store = store
        self._peer = peer
        self.scope = scope
        self._reading = reading or store
        self._page_records = page_records
        self._kept: tuple[int | None, State] | None = None  # what info told without collections, and when
        self._party = party or f"peer {peer}"
        self._offers = Offers(store, peer, self._party, uploads or Uploads(), lambda: self.scope, self._opens)
        self._sums = sums or Sums()
        self._showing = Showing(scope, self._sums)
        self._changing = changing
        self._told_digests = told
        self._view = view

    def _now_ms(self) -> int:
        """Return the moment as of which something is answered."""
        return self._store.clock.now_ms()

    def read(self, job: Callable[[Reader], T]) -> T:
        """Read from the state that is answered from, and have ``scope`` be the rights of just that."""
        changing = self._changing
        if changing is None:
            return self._reading.read(job)

        def renewed(reader: Reader) -> T:
            self._renew(changing.at(reader))
            return job(reader)

        return self._reading.read(renewed)

    def _renew(self, scope: Scope) -> None:
        if scope is not self.scope:
            self.scope = scope
            self._showing = Showing(scope, self._sums)

    def _read_open(self, collection: str, job: Callable[[Reader], T]) -> T:
        """Read from a collection if it may be seen in the state that is read.  Raises Denied."""

        def checked(reader: Reader) -> T:
            self._require(collection)
            return job(reader)

        return self.read(checked)

    def end(self) -> Cursor:
        """Return where the feed ends, and have ``scope`` be that of the same state."""
        return self.read(lambda reader: Cursor(self._store.epoch, reader.last_sequence()))

    def renewed(self) -> "Responder":
        """Have ``scope`` be that of the present state, and return the responder."""
        if self._changing is not None:
            self.read(lambda _reader: None)
        return self

    def info(self, known: Digest | None = None, allows: Callable[[str], bool] | None = None) -> State:
        """Return the state, of the collections that ``allows`` also lets through if it is given."""
        generation = self._reading.generation if self.scope is EVERYTHING and allows is None else None
        state = self._kept_state(generation, known)
        if state is None:
            state = self._read_state(known, allows)
            self._kept = (generation, state) if state.collections is None else None
        self._offers.told(state)
        return state

    def _kept_state(self, generation: int | None, known: Digest | None) -> State | None:
        """Return what was told of everything in this generation of the store, if it is what the asker knows.

        So who asks again and again whether anything has changed costs no look into the store.
        """
        if generation is None or known is None or self._kept is None:
            return None
        kept, state = self._kept
        return state if kept == generation and known.same(state.digest) else None

    def _read_state(self, known: Digest | None, allows: Callable[[str], bool] | None) -> State:
        def job(reader: Reader) -> State:
            substitutes = read_substitutes(reader, self._peer)
            root = reader.root()
            root = root._replace(digest=root_with(root.digest, substitutes))
            if self.scope.reads("") and allows is None and known is not None and known.same(root.digest):
                return _state(reader, self._store.node, root, root.digest, None, self.scope)

            scope = self.scope
            reads = scope.reads if allows is None else lambda name: scope.reads(name) and allows(name)
            if self._told_digests is not None and allows is None:
                work = partial(self._digests_among, reader, reads)
                told = self._told_digests.of((self._party, self._view), reader, self.scope, work)
                collections, whole = told.digests, told.whole
            else:
                collections = substituted(self._digests_among(reader, reads), substitutes, reads)
                whole = add_digests(collections.values())
            equal = known is not None and known.same(whole)
            shown = None if equal else collections
            return _state(reader, self._store.node, root, whole, shown, self.scope)

        return self.read(job)

    def heard(self) -> Heard:
        """Return what this node has heard of all others.  Raises Denied."""
        heard = self._read_open(NODES, lambda reader: reader.heard())
        self._offers.comparing()
        return heard.proved(heard.mirrors | {self._peer})

    def _digests_among(
        self, reader: Reader, reads: Callable[[str], bool], among: Iterable[str] | None = None
    ) -> dict[str, Digest]:
        """Return the digests of what may be seen of some collections, or of all, in the order of their names."""
        names = among if among is not None else self.scope.collections()
        if names is None:
            held = self._digests_of_all(reader, reads)
        else:
            held = self._digests_of(reader, set(filter(reads, names)))
        whole, now_ms = self.scope.whole, self._now_ms()
        for name in [name for name in held if not whole(name)]:
            held[name] = self._showing.digest(reader, name, now_ms)
        return {name: digest for name, digest in held.items() if digest.count}

    def _digests_of(self, reader: Reader, names: Set[str]) -> dict[str, Digest]:
        """Return the store's own digests of some collections, in the order of their names."""
        if len(names) > FEW_NAMES:
            return self._digests_of_all(reader, names.__contains__)
        return {name: reader.digest(name) for name in sorted(names)}

    def _digests_of_all(self, reader: Reader, reads: Callable[[str], bool]) -> dict[str, Digest]:
        """Return the store's own digests of what may be seen of all collections, in the order of their names."""
        if self._told_digests is None:
            return reader.digests(reads)
        return {name: digest for name, digest in self._told_digests.all(reader).items() if reads(name)}

    def check_cursor(self, cursor: Cursor) -> int:
        """Raise StaleCursor when a cursor is not of this store's present life, or lies before forgotten deletions.

        Returns up to where deletions have been forgotten by now, which is what ``check_page`` asks for.
        """
        root, trimmed = self.read(lambda reader: (reader.root(), reader.trimmed()))
        if cursor.sequence and (cursor.epoch != root.epoch or cursor.sequence > root.sequence):
            raise StaleCursor(f"cursor {cursor} is not of this store's epoch {root.epoch}: reconcile")
        if 0 < cursor.sequence < trimmed:
            raise StaleCursor(f"deletions after cursor {cursor} have been forgotten here: reconcile")
        return int(trimmed)

    def page(
        self, after: int, allows: Callable[[str], bool] | None = None, collection: str | None = None
    ) -> tuple[Page, bool]:
        """Return the next page of the feed, or of one collection's part of it, and whether more is there now."""

        def job(reader: Reader) -> tuple[Page, bool]:
            scope = self.scope
            reads = scope.reads if allows is None else lambda name: scope.reads(name) and allows(name)
            feed: FeedPage = reader.feed(after, reads, collection, self._page_records)
            left = reader.last_sequence() - feed.sequence if feed.more else 0
            page = Page(feed.records, feed.crcs, Cursor(self._store.epoch, feed.sequence), feed.trimmed, left=left)
            if all(scope.whole(name) for name in {record.collection for record in page.records}):
                return page, feed.more
            shown = self._showing.page(reader, page.records, self._now_ms())
            return page._replace(records=shown.records, crcs=shown.crcs), feed.more

        return self.read(job)

    def since(
        self, cursor: Cursor, allows: Callable[[str], bool] | None = None, collection: str | None = None
    ) -> Iterator[Page]:
        trimmed = self.check_cursor(cursor)
        after, more = cursor.sequence, True
        while more:
            page, more = self.page(after, allows, collection)
            check_page(page, after, trimmed)
            after = page.cursor.sequence if page.cursor else after
            yield page

    def get(self, collection: str, keys: Sequence[str], asked: bool = True) -> Iterator[Page]:
        """Yield those of the records that are there; ``asked`` if it was the other side that named the keys."""
        for start in range(0, len(keys) or 1, self._page_records):
            page = self._get_page(collection, keys[start : start + self._page_records], asked, begun=start > 0)
            if page.records:
                yield page

    def bulk(self, collection: str) -> Bulk:
        """Return how much a collection that is shown as a whole holds alive.  Raises Denied."""
        return self._read_open(collection, lambda reader: reader.bulk(collection))

    def scan(self, collection: str) -> Iterator[Page]:
        """Yield a whole collection in the order of its keys."""
        after: str | None = ""
        while after is not None:
            page, after = self._scan_page(collection, after)
            yield page

    def _get_page(self, collection: str, keys: Sequence[str], asked: bool, begun: bool) -> Page:
        def job(reader: Reader) -> Page:
            records = reader.get_many(collection, keys) if self._is_open(collection, begun) else []
            return self._showing.page(reader, records, self._now_ms(), asked)

        return self.read(job)

    def _scan_page(self, collection: str, after: str) -> tuple[Page, str | None]:
        def job(reader: Reader) -> tuple[Page, str | None]:
            records = self._scanned(reader, collection, after) if self._is_open(collection, bool(after)) else []
            return self._showing.page(reader, records, self._now_ms()), records[-1].key if records else None

        return self.read(job)

    def _scanned(self, reader: Reader, collection: str, after: str) -> list[Record]:
        """Return the next records of a collection that may be seen, in the order of their keys."""
        within = self._showing.within_spans(reader, collection)
        if within is None:
            return reader.scan(collection, after)
        keys = [entry.key for entry in within if entry.key > after]
        return sorted(reader.get_many(collection, keys[:PAGE_RECORDS]), key=lambda record: record.key)

    def _is_open(self, collection: str, begun: bool) -> bool:
        """Tell whether a collection may be seen; raises Denied if not, unless an answer of it has ``begun``.

        What is closed while it is answered is not here any more from then on, which is no error.
        """
        if not begun:
            self._require(collection)
        return self.scope.reads(collection)

    def newest(self, collection: str, limit: int) -> Iterator[Page]:
        """Yield the newest living records of a collection, oldest first."""

        def job(reader: Reader) -> Page:
            return self._showing.page(reader, reader.newest(collection, limit), self._now_ms())

        yield self._read_open(collection, job)

    def newest_of_all(self, limit: int) -> Iterator[Page]:
        """Yield the newest living messages of all collections that the scope names, oldest first."""

        def job(reader: Reader) -> Page:
            names = {name for name in self.scope.collections() or () if parse_collection(name).kind == "messages"}
            found = _newest_among(reader, self._digests_of(reader, names), limit)
            return self._showing.page(reader, found, self._now_ms())

        yield self.read(job)

    def get_anywhere(self, key: str) -> Iterator[Page]:
        """Yield the records of a key in all collections that the scope names."""

        def job(reader: Reader) -> Page:
            found = (reader.get(name, key) for name in self.scope.collections() or ())
            return self._showing.page(reader, (one for one in found if one is not None), self._now_ms(), True)

        yield self.read(job)

    def ranges(self, collection: str, ranges: Sequence[Range]) -> list[Answer]:
        def job(reader: Reader) -> list[Answer]:
            # In one job, so that a thread does all of it and the hub none, and as of one moment.
            now_ms = self._now_ms()
            index = self._index(reader, collection, now_ms)
            self._offers.compared_ranges()
            return index.answer_all(ranges, self._showing.load(reader, collection, now_ms))

        return self._read_open(collection, job)

    def index(self, collection: str) -> RangeIndex:
        """Return the entries of a collection that may be seen; kept until they change."""
        return self.read(lambda reader: self._index(reader, collection, self._now_ms()))

    def _index(self, reader: Reader, collection: str, now_ms: int) -> RangeIndex:
        index = self._showing.index(reader, collection, now_ms, self._reading)
        substitutes = read_substitutes(reader, self._peer)
        return index.with_changes(changes_in(substitutes, collection)) if collection in substitutes else index

    def body(self, requests: Sequence[ContentRequest]) -> Iterator[ContentPart]:
        for request in requests:
            size, scope = self._content_size(request.content)
            offset = request.offset
            while offset < size:
                data, scope = self._content_part(request.content, offset, scope)
                yield ContentPart(request.content, offset, size, data)
                offset += len(data)

    def _content_part(self, content: bytes, offset: int, checked: Scope) -> tuple[bytes, Scope]:
        """Return bytes of a content; ``checked`` is the scope in which it was found to be open, the last time."""

        def job(reader: Reader) -> tuple[bytes, Scope]:
            if self.scope is not checked:
                self._require_content(reader, content)
            return reader.content_parts(content, offset, PART_BYTES), self.scope

        return self.read(job)

    def _content_size(self, content: bytes) -> tuple[int, Scope]:
        """Return a content's size.  Whoever may see a record may see its content; a hash alone opens nothing."""

        def job(reader: Reader) -> tuple[int, Scope]:
            self._require_content(reader, content)
            return reader.content_size(content), self.scope

        return self.read(job)

    def _require_content(self, reader: Reader, content: bytes) -> None:
        if not self._opens(reader, content):
            raise Denied(f"content {content.hex()} is not here")

    def opens(self, content: bytes) -> bool:
        """Tell whether a content may be seen: it belongs to a record that may be."""
        return self.read(lambda reader: self._opens(reader, content))

    def _opens(self, reader: Reader, content: bytes) -> bool:
        users = (user for user in reader.content_users(content) if self.scope.reads(user.collection))
        return next(self._showing.records(reader, users, self._now_ms()), None) is not None

    # -- what is offered --------------------------------------------------------------------------

    def lacks(self, requests: Sequence[ContentRequest]) -> list[ContentRequest]:
        if self.scope.trusted:
            return lacking(self._store, requests)
        closed = self.read(lambda reader: [one for one in requests if not self._opens(reader, one.content)])
        return self._offers.lacks(requests, closed)

    def offer(self, offered: Iterable[Offered]) -> Applied:
        return self._offers.take(offered)

    def check_contents(self, reader: Reader, records: Sequence[Record]) -> None:
        """Raise Denied where a record refers to a content that its party neither sent whole nor may see here."""
        self._offers.check_contents(reader, records)

    def _require(self, collection: str) -> None:
        if not self.scope.reads(collection):
            raise Denied(f"{collection} is not here")


def _newest_among(reader: Reader, held: Mapping[str, Digest], limit: int) -> list[Record]:
    """Return the newest living records of collections that have these digests, oldest first.

    Those that can have none of them are not read.
    """
    newest = sorted(((digest.newest, name) for name, digest in held.items() if digest.count), reverse=True)
    found: list[Record] = []
    for stamp, name in newest:
        if len(found) == limit and found[0].stamp >= stamp:
            break
        found = sorted([*found, *reader.newest(name, limit)], key=lambda one: (one.stamp, one.key))[-limit:]
    return found


def _state(
    reader: Reader, node: str, root: RootState, digest: Digest, collections: dict[str, Digest] | None, scope: Scope
) -> State:
    """Return what is told of a store; only who sees all of it hears what is still on its way here."""
    partial = " ".join(sorted(unfinished(reader))) if scope.trusted else ""
    return State(node, root.epoch, root.sequence, digest, collections, root.horizon, partial)


def check_page(page: Page, after: int, trimmed: int) -> None:
    """Raise StaleCursor when deletions have been forgotten meanwhile that whoever reads on from ``after`` has not read.

    ``trimmed`` is up to where they had been forgotten when the reading began.
    """
    if trimmed < page.trimmed and after < page.trimmed:
        raise StaleCursor(f"deletions after place {after} of the feed were forgotten while it was read: reconcile")
