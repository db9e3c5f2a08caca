"""What one party offers, taken in within what it may write: its contents as they come, and then pages of records.

A party that is not trusted has to send what it refers to, or be able to see it here; and whoever compared with this
store is held to what it was told before.  Answers nothing of what is here but which contents are lacking.
"""

from collections.abc import Callable, Iterable, Sequence

from mirror.model.applied import Applied
from mirror.model.errors import BadContent, BadRecord
from mirror.model.record import Record, record_crc
from mirror.store.base import Reader, Store, Writer
from mirror.store.values import Source
from mirror.sync.absence import HorizonMoved, check_horizon, check_marker
from mirror.sync.derived import text_from
from mirror.sync.pull import lacking, store_parts, without_contents
from mirror.sync.remote import Denied, StaleCursor
from mirror.sync.scope import EVERYTHING, Scope
from mirror.sync.uploads import Uploads
from mirror.wire.codec import ContentRequest
from mirror.wire.values import ContentPart, Offered, Page, State


class Offers:
    """Takes in what one party offers to a store."""

    def __init__(
        self,
        store: Store,
        peer: str,
        party: str,
        uploads: Uploads,
        rights: Callable[[], Scope],
        opens: Callable[[Reader, bytes], bool],
    ) -> None:
        """``peer`` is the node that offers, if it is one, and ``party`` what the log calls whoever it is.

        ``rights`` are those that the party has by now, and ``opens`` tells whether it may see a content by them.
        """
        self._store, self._peer, self._party, self._uploads = store, peer, party, uploads
        self._rights, self._opens = rights, opens
        # What the other side was told, and has compared with: our horizon, the end of our feed.  What it offered since
        # is noted where one of us was away for longer than tombstones are kept.
        self._told: int | None = None
        self._after = 0
        self._comparing = False
        self._by_ranges = False
        self._compared: set[tuple[str, str]] = set()
        self._failed: dict[bytes, str] = {}  # of contents that a mirror sent from their beginning: what is wrong

    def told(self, state: State) -> None:
        """Note which state the party was told: what it offers from now on follows from that."""
        self._told, self._after, self._comparing = state.horizon, state.sequence, False
        self._compared.clear()

    def comparing(self) -> None:
        """Note that one of us was away for long: the party compares all before it offers anything."""
        self._comparing = True

    def compared_ranges(self) -> None:
        """Note that the party compared ranges: what it offers from now on is what differs, in no order."""
        self._by_ranges = True

    def lacks(self, requests: Sequence[ContentRequest], closed: Sequence[ContentRequest]) -> list[ContentRequest]:
        """Return which of contents, and from where on, have to be sent; ``closed`` are those it may not see.

        Not even that a content is here may be told, so everything but what is open to see has to be sent.
        """
        unproved = [one.content for one in closed if one.content not in self._uploads.proved]
        wanted = [ContentRequest(content, self._goes_on_at(content)) for content in unproved]
        return wanted + lacking(self._store, [one for one in requests if one not in closed])

    def _goes_on_at(self, content: bytes) -> int:
        """Return from which byte on a content is wanted of which the party has sent its beginning.

        That is the same whether or not it is here otherwise.
        """
        at = self._uploads.at(content)

        def is_here(reader: Reader) -> bool:
            return reader.content_complete(content) or reader.content_under_way(content, self._party) >= at

        if at and not self._store.read(is_here):
            self._uploads.forget(content)
            return 0
        return at

    def take(self, offered: Iterable[Offered]) -> Applied:
        """Take in what is offered, within the rights of the party.  Raises Denied, StaleCursor, BadContent, BadRecord.

        Of several pages those before the one that is refused stay.
        """
        applied = Applied()
        for item in offered:
            if isinstance(item, ContentPart):
                self._store_part(item)
            else:
                applied += self._take_page(item)
        return applied

    def _store_part(self, part: ContentPart) -> None:
        if not self._rights().trusted:
            if not self._uploads.add(part):  # whether or not it is here already
                raise BadContent(part.content, "arrived with another SHA-256 and was thrown away")
            store_parts(self._store, [part], party=self._party)
            return
        if part.offset == 0:
            self._failed[part.content] = ""
        elif self._failed.get(part.content):
            return
        try:
            store_parts(self._store, [part])
        except BadContent as error:
            # What it sent whole is wrong there: the records that refer to it are set aside, and no others.  What only
            # went on from here may have been wrong here, and is sent anew the next time.
            if not self._peer or part.content not in self._failed:
                raise
            self._failed[part.content] = str(error)

    def _take_page(self, page: Page) -> Applied:
        page = without_contents(page, {content: text for content, text in self._failed.items() if text})

        def job(writer: Writer) -> Applied:
            if self._told is not None:
                check_horizon(writer, self._told)
            check_marker(writer, page.records, self._after, self._compared)
            self.check_contents(writer, page.records)
            applied = take_in(writer, self._rights(), page, writer.clock.now_ms(), self._peer, not self._by_ranges)
            if self._told is not None:
                self._told = writer.horizon()
            return applied

        try:
            applied = self._store.write(job)
        except HorizonMoved as error:
            raise StaleCursor(f"{error}; ask info first") from None
        if self._comparing:
            self._compared.update((record.collection, record.key) for record in page.records)
        return applied

    def check_contents(self, reader: Reader, records: Sequence[Record]) -> None:
        """Raise Denied where a record refers to a content that its party neither sent whole nor may see here."""
        if self._rights().trusted:
            return
        for content in {record.content for record in records if record.content} - self._uploads.proved:
            if not self._opens(reader, content):
                raise Denied(f"content {content.hex()} was not sent; nothing of the batch was applied")


def take_in(writer: Writer, scope: Scope, page: Page, now_ms: int, peer: str = "", ordered: bool = False) -> Applied:
    """Merge what a scope admits of a page at a moment into a store; of a ``peer`` what cannot be taken is set aside.

    ``ordered``: the page is the next one of a mirror's feed.
    Raises Denied; then nothing was changed.
    """
    if not peer and page.unfit:
        raise BadRecord(page.unfit[0].reason)
    if scope is EVERYTHING:
        if peer:
            return writer.admit(Source(peer, ordered=ordered), page.records, page.crcs, page.unfit)
        return writer.apply(page.records, page.crcs)
    text = text_from(writer)
    pairs = zip(page.records, page.crcs, strict=True)
    found = [(scope.admitted(record, text, now_ms), record, crc) for record, crc in pairs]
    admitted = [(new, crc if new is record else record_crc(new)) for new, record, crc in found if new is not None]
    merged = [(new, crc) for new, crc in admitted if not scope.adopts(new.collection)]
    records, crcs = [new for new, _ in merged], [crc for _, crc in merged]
    if peer:
        for one in page.unfit:  # of what it may not write nothing is kept either
            scope.admitted(Record(one.collection, one.key, one.stamp, peer, 1, dead=True), text, now_ms)
        applied = writer.admit(Source(peer, mirror=False), records, crcs, page.unfit)
    else:
        applied = writer.apply(records, crcs)
    for new, _ in admitted:
        if scope.adopts(new.collection):
            applied += writer.adopt(new, peer)
    return applied
