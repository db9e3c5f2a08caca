"""Taking in what the other side has: pages of records, contents first, cursors with them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from mirror.model.applied import Applied
from mirror.model.errors import BadContent, StampAhead
from mirror.model.judge import cannot
from mirror.model.record import Record
from mirror.store.base import Reader, Store, Writer
from mirror.store.values import PULL, Source, StoredCursor
from mirror.sync.remote import Denied, Remote
from mirror.wire.codec import ContentRequest
from mirror.wire.errors import Refused
from mirror.wire.lines import Code
from mirror.wire.values import ContentPart, Page

GROUP_BYTES = 4 * 1024 * 1024
"""Bytes of contents that are stored in one transaction, give or take a part."""

T = TypeVar("T")
Wait = Callable[[StampAhead], None]
"""Returns once a stamp may be taken that cannot be taken yet; or raises what it was told, where nobody waits."""
Progress = Callable[[int, int], None]
"""Told (records, bytes) as they are stored."""


def refuse_to_wait(error: StampAhead) -> None:
    """Wait for nothing: who drives the exchange begins again later."""
    raise error


def in_time(step: Callable[[], T], wait: Wait) -> T:
    """Take something in once its stamps may be taken; what is far ahead is set aside and holds nothing up."""
    while True:
        try:
            return step()
        except StampAhead as error:
            wait(error)


def contents_of(records: Iterable[Record]) -> list[ContentRequest]:
    """Return the contents that records refer to, each once."""
    return [
        ContentRequest(content) for content in dict.fromkeys(record.content for record in records if record.content)
    ]


def lacking(store: Store, requests: Sequence[ContentRequest]) -> list[ContentRequest]:
    """Return those contents that a store lacks, from the offsets where it lacks them."""

    def job(reader: Reader) -> list[ContentRequest]:
        return [
            ContentRequest(request.content, reader.content_have(request.content))
            for request in requests
            if not reader.content_complete(request.content)
        ]

    return store.read(job)


def fetch_contents(
    store: Store, remote: Remote, records: Iterable[Record], progress: Progress | None = None
) -> dict[bytes, str]:
    """Store all contents that records refer to; each goes on from the byte where it was interrupted.

    Returns those that the other side cannot give, with what is wrong: its copy is damaged, or not there any more.
    """
    requests = contents_of(records)
    if not requests or not (wanted := lacking(store, requests)):
        return {}
    try:
        failed = _fetch(store, remote, wanted, progress)
    except (Denied, Refused) as error:
        if not _is_not_there(error):
            raise
        return _fetch_each(store, remote, requests, progress)
    # What was here of them before may be what was wrong, so once more they come from their beginning.
    again = [ContentRequest(content) for content in failed]
    return _fetch_each(store, remote, again, progress) if again else {}


def _is_not_there(error: Denied | Refused) -> bool:
    return isinstance(error, Denied) or error.code == Code.NOT_FOUND


def _fetch_each(
    store: Store, remote: Remote, requests: Sequence[ContentRequest], progress: Progress | None
) -> dict[bytes, str]:
    """Fetch contents one by one, so that one that is not there stops no other; returns those, and why."""
    failed: dict[bytes, str] = {}
    for request in lacking(store, requests):
        try:
            failed |= _fetch(store, remote, [request], progress)
        except (Denied, Refused) as error:
            if not _is_not_there(error):
                raise
            failed[request.content] = str(error)
    return failed


def _fetch(store: Store, remote: Remote, wanted: list[ContentRequest], progress: Progress | None) -> dict[bytes, str]:
    """Fetch contents; returns those of which other bytes came, and what is wrong.  Raises Denied, Refused."""
    failed: dict[bytes, str] = {}
    group: list[ContentPart] = []
    size = 0
    for part in remote.body(wanted):
        if part.content in failed:
            continue
        group.append(part)
        size += len(part.data)
        if size >= GROUP_BYTES:
            failed |= _store_group(store, group, progress)
            group, size = [], 0
    return failed | _store_group(store, group, progress)


def _store_group(store: Store, group: list[ContentPart], progress: Progress | None) -> dict[bytes, str]:
    failed: dict[bytes, str] = {}
    while group:
        try:
            store_parts(store, group, progress)
            break
        except BadContent as error:
            failed[error.content] = str(error)
            group = [part for part in group if part.content != error.content]
    return failed


def store_parts(store: Store, parts: list[ContentPart], progress: Progress | None = None, party: str = "") -> None:
    """Store parts of contents in one transaction; ``party`` is who sent them, if that is not trusted.

    Raises BadContent, once what there was of that content is dropped.
    """
    if not parts:
        return

    def job(writer: Writer) -> None:
        for part in parts:
            writer.add_content(part.content, part.size, part.offset, part.data, party)

    try:
        store.write(job)
    except BadContent as error:
        wrong = error.content
        store.write(lambda writer: writer.drop_content(wrong, party))
        raise
    if progress is not None:
        progress(0, sum(len(part.data) for part in parts))


def without_contents(page: Page, failed: Mapping[bytes, str]) -> Page:
    """Return a page whose records with contents that cannot be had are none that can be taken."""
    if not failed:
        return page
    lost = [record for record in page.records if record.content in failed]
    unfit = tuple(cannot(record, failed[record.content]) for record in lost)
    return page.only(lambda record: record.content not in failed)._replace(unfit=page.unfit + unfit)


def apply_page(
    store: Store,
    remote: Remote,
    page: Page,
    peer: str,
    complete: bool = True,
    progress: Progress | None = None,
    guard: Callable[[Any], None] | None = None,
    whole: bool = True,
) -> Applied:
    """Merge a page into a store; the cursor it reaches is durable in the same transaction (rule 2).

    ``whole`` tells whether all that is older has come once it is taken, as it has of a feed read to its end.
    ``guard`` may look at the store in that transaction (with its writer), and raise what forbids it.
    """
    page = without_contents(page, fetch_contents(store, remote, page.records, progress))

    def job(writer: Writer) -> Applied:
        if guard is not None:
            guard(writer)
        applied = writer.admit(
            Source(peer, ordered=whole and page.cursor is not None), page.records, page.crcs, page.unfit
        )
        if page.cursor is not None:
            writer.set_cursor(peer, PULL, StoredCursor(page.cursor.epoch, page.cursor.sequence, complete))
        return applied

    applied = store.write(job)
    if progress is not None:
        progress(len(page.records), sum(len(record.head) + len(record.body) for record in page.records))
    return applied
