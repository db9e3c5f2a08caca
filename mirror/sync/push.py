"""Giving the other side what it lacks, where only we can dial."""

from collections.abc import Iterator

from mirror.model.applied import Applied
from mirror.store.base import Store
from mirror.sync.pull import contents_of
from mirror.sync.remote import Remote
from mirror.sync.responder import Responder
from mirror.sync.scope import EVERYTHING, Scope
from mirror.wire.values import Offered, Page


def push_page(store: Store, remote: Remote, page: Page, scope: Scope = EVERYTHING) -> Applied:
    """Offer a page of records; contents go first, and only those that the other side lacks."""
    if not page.records:
        return Applied()
    requests = contents_of(page.records)
    wanted = remote.lacks(requests) if requests else []

    def offered() -> Iterator[Offered]:
        yield from Responder(store, scope).body(wanted)
        yield Page(page.records, page.crcs)

    return remote.offer(offered())
