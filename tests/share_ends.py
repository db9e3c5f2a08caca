"""Two stores that share rooms, without connections: a node as its peer sees it, and one round of what a link does."""

from mirror.server.sharing import Shares, read_shares
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.pull import PUSH
from mirror.sync.remote import StaleCursor
from mirror.sync.responder import Responder
from mirror.sync.share import ShareExchange
from mirror.wire.values import SharedRoom


class End(Responder):
    """A node as its peer sees it, without a connection."""

    def __init__(self, store: SqliteStore, shares: Shares) -> None:
        super().__init__(store, shares.scope)
        self._rooms = shares.rooms

    def shares(self) -> list[SharedRoom]:
        return self._rooms


def shares_of(store: SqliteStore, peer: str) -> Shares:
    found, problems = store.read(lambda reader: read_shares(reader, [peer]))
    assert problems == []
    return found[peer]


def exchange_with(store: SqliteStore, other: SqliteStore) -> tuple[ShareExchange, End]:
    shares = shares_of(store, other.node)
    return ShareExchange(store, other.node, shares.scope, shares.rooms), End(other, shares_of(other, store.node))


def dial(store: SqliteStore, other: SqliteStore, pushing: bool = True) -> ShareExchange:
    """Do once what a link does all the time: reconcile if need be, pull what is new, push what is new."""
    exchange, remote = exchange_with(store, other)
    if exchange.must_reconcile(remote, other.epoch, pushing):
        exchange.reconcile(remote, pushing)
    try:
        for page in remote.since(exchange.pull_cursor(other.epoch)):
            exchange.take(page, remote)
    except StaleCursor:
        exchange.distrust_cursor()
        return dial(store, other, pushing)
    more = pushing
    while more:
        after = exchange.cursor(PUSH).sequence
        page, more = exchange.next_push(after)
        exchange.push(remote, other.epoch, page, after)
    return exchange
