"""Taking in what the other side has: pages of records, contents first, cursors with them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mirror.model.applied import Applied
from mirror.model.record import Record
from mirror.store.base import PULL, PUSH, Reader, Source, Store, StoredCursor, Writer
from mirror.sync.remote import Remote
from mirror.wire.codec import ContentRequest
from mirror.wire.values import ContentPart, Page

__all__ = ["PULL", "PUSH", "apply_page", "contents_of", "fetch_contents", "lacking", "store_parts"]
GROUP_BYTES = 4 * 1024 * 1024
"""Bytes of contents that are stored in one transaction, give or take a part."""

Progress = Callable[[int, int], None]
"""Told (records, bytes) as they are stored."""


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


def fetch_contents(store: Store, remote: Remote, records: Iterable[Record], progress: Progress | None = None) -> None:
    """Store all contents that records refer to; each goes on from the byte where it was interrupted."""
    requests = contents_of(records)
    if not requests or not (wanted := lacking(store, requests)):
        return
    group: list[ContentPart] = []
    size = 0
    for part in remote.body(wanted):
        group.append(part)
        size += len(part.data)
        if size >= GROUP_BYTES:
            store_parts(store, group, progress)
            group, size = [], 0
    store_parts(store, group, progress)


def store_parts(store: Store, parts: list[ContentPart], progress: Progress | None = None) -> None:
    """Store parts of contents in one transaction."""
    if not parts:
        return

    def job(writer: Writer) -> None:
        for part in parts:
            writer.add_content(part.content, part.size, part.offset, part.data)

    store.write(job)
    if progress is not None:
        progress(0, sum(len(part.data) for part in parts))


def apply_page(
    store: Store,
    remote: Remote,
    page: Page,
    peer: str,
    complete: bool = True,
    progress: Progress | None = None,
    guard: Callable[[Any], None] | None = None,
) -> Applied:
    """Merge a page into a store; the cursor it reaches is durable in the same transaction (rule 2).

    ``guard`` may look at the store in that transaction (with its writer), and raise what forbids it.
    """
    fetch_contents(store, remote, page.records, progress)

    def job(writer: Writer) -> Applied:
        if guard is not None:
            guard(writer)
        applied = writer.admit(Source(peer), page.records, page.crcs, page.unfit)
        if page.cursor is not None:
            writer.set_cursor(peer, PULL, StoredCursor(page.cursor.epoch, page.cursor.sequence, complete))
        return applied

    applied = store.write(job)
    if progress is not None:
        progress(len(page.records), sum(len(record.head) + len(record.body) for record in page.records))
    return applied
