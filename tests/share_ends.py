"""Two stores that share rooms, without connections: a node as its peer sees it, and one round of what a link does."""

from mirror.model.record import Record
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.derived import Sums
from mirror.sync.remote import StaleCursor
from mirror.sync.responder import Responder
from mirror.sync.round import Round, exchange_all
from mirror.sync.share.exchange import ShareExchange
from mirror.sync.share.rules import NETCONF_KEY, Shares, read_shares
from mirror.wire.values import SharedRoom

Stores = tuple[SqliteStore, SqliteStore]


class End(Responder):
    """A node as its peer sees it, without a connection."""

    def __init__(self, store: SqliteStore, shares: Shares, sums: Sums | None = None, peer: str = "") -> None:
        super().__init__(store, shares.scope, sums=sums, peer=peer)
        self.store = store
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
    try:
        exchange_all(Round(exchange, pushing), remote, other.epoch)
    except StaleCursor:
        return dial(store, other, pushing)
    return exchange


# -- what happens in the rooms ------------------------------------------------------------------------

IN_USE = "2"


def room(store: SqliteStore, key: str, name: str, lines: str = "") -> None:
    """Make a room, or give one other lines."""
    store.write(lambda writer: writer.set_fields("rooms", key, {"QRname": name, "QRflags": IN_USE}))
    if lines:
        draft = Record(f"netconf/{key}", NETCONF_KEY, 1, "x", 1, body=lines.encode() + b"\n")
        store.write(lambda writer: writer.put(draft))


def post(store: SqliteStore, room_key: str, key: str, text: str = "", author: str = "Ann") -> Record:
    body = b"\xffA\0" + f"A{author}\0U{key}\0M{text or key}\0".encode()
    draft = Record(f"messages/{room_key}", f"id:{key}", 1, "x", 1)
    written: Record = store.write(lambda writer: writer.put(writer.store_body(draft, body)))
    return written


def drop(store: SqliteStore, room_key: str, key: str) -> None:
    store.write(lambda writer: writer.delete(f"messages/{room_key}", f"id:{key}"))


def keys(store: SqliteStore, room_key: str) -> set[str]:
    return {record.key[3:] for record in store.read(lambda reader: list(reader.scan_all(f"messages/{room_key}")))}


def both(pair: Stores, a_line: str = "mirror_share|b|Foyer", b_line: str = "mirror_share|a|Lobby") -> None:
    room(pair[0], "a:1", "Lobby", a_line)
    room(pair[1], "b:9", "Foyer", b_line)
