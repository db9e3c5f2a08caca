"""One connection to a node, as a user: dialled, proved, logged in, and asked.

Speaks SYNC (docs/protocol.md); knows neither folders nor what is remembered.  What only a change needs is imported when
there is one: most of the time nothing is new, and a command is to be done before anybody notices.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import mirror
from mirror.addresses import Address
from mirror.model.errors import MirrorError
from mirror.peer.channel import Channel, NotTrusted, greeted
from mirror.wire.errors import ProtocolError, Refused
from mirror.wire.lines import Code

if TYPE_CHECKING:
    from mirror.client.server import Held, Outcome, Page, RoomList
    from mirror.model.digest import Bulk
    from mirror.model.draft import Draft, Written
    from mirror.model.record import Record
    from mirror.wire.batch import Batch

TIMEOUT_S = 60.0
"""Seconds of silence after which a node counts as gone."""
DRAFTS_A_BATCH = 200
DRAFT_BYTES = 4 * 1024 * 1024
"""Drafts, and bytes of their bodies, in one transaction at most."""
KEYS_A_REQUEST = 1000
BODY_BYTES = 16 * 1024 * 1024
"""Bytes of bodies that are fetched, and in memory, together."""
MOVED_A_REQUEST = 1000
INFO_LINES = 100
"""What a node says of itself at most."""
TRUST_PLAIN = "plain"
"""As what a connection without TLS is trusted: on this machine alone, as the node refuses it elsewhere."""

_OF_A_DRAFT = (Code.ILLEGAL, Code.ACCESS, Code.NOT_FOUND, Code.CHANGED)
"""Refusals that are about one draft of those that were offered together."""


class NotLoggedIn(MirrorError):
    """The node does not know the user, or not this password."""

    exit_code = 7


class TooOld(MirrorError):
    """The node lacks what a client needs."""

    exit_code = 3


class Connection:
    """A node, as a user who is logged in: a mirror.client.server.Server."""

    def __init__(self, channel: Channel, node: str, user_key: str) -> None:
        self.channel = channel
        self.node = node
        self.user_key = user_key
        channel.ask("SYNC encoding|msgpack")

    def close(self) -> None:
        self.channel.close()

    # -- questions ------------------------------------------------------------------------------------

    def rooms(self) -> "RoomList":
        from mirror.client.server import Room, RoomList
        from mirror.wire.answers import parse_room_list

        reply = self.channel.ask("SYNC all|rooms", 1)
        token, cursor, _, listed = parse_room_list(reply.text, self.channel.read_listing())
        rooms = [Room(one.key, one.name, one.view, one.own, one.writable) for one in listed]
        return RoomList(rooms, str(cursor), token)

    def sizes(self) -> "dict[str, Bulk]":
        """Return how much is in each room's collection of messages that holds anything."""
        from mirror.wire.answers import parse_bulk

        self.channel.ask("SYNC messages|sizes", 1)
        return dict(map(parse_bulk, self.channel.read_listing()))

    def create_room(self, name: str, view: int) -> str:
        return self.channel.ask(f"SYNC mailboxes|create|{view}|{name}").text.partition("|")[0]

    def rename_room(self, key: str, name: str) -> None:
        self.channel.ask(f"SYNC mailboxes|rename|{key}|{name}")

    def count(self, collection: str) -> int:
        from mirror.wire.answers import parse_digest_line

        self.channel.ask(f"SYNC {collection}|info", 1)
        return sum(parse_digest_line(line).digest.count for line in self.channel.read_listing())

    def whole(
        self, collection: str, largest: int = 0, known: Mapping[str, int] = MappingProxyType({})
    ) -> Iterator[list["Held"]]:
        command = f"SYNC {collection}|getall"
        self.channel.begin(command)
        import mirror.wire.bulk  # noqa: F401  # reads what the node looks for meanwhile

        self.channel.answer(command, 1)
        apart: list[tuple[Record, int]] = []
        for batch in self.channel.read_batches():
            pairs = _pairs(batch)
            lacking = [(record, crc) for record, crc in pairs if record.content and known.get(record.key) != crc]
            apart += lacking
            yield _without_contents(pair for pair in pairs if not pair[0].content or known.get(pair[0].key) == pair[1])
        yield from self._with_contents(apart, largest)

    def since(self, cursor: str, collections: set[str], largest: int = 0) -> Iterator["Page"]:
        from mirror.client.server import Page

        reached = ""
        for kind in sorted({name.partition("/")[0] for name in collections}):
            now = cursor
            for batch in self._changed(kind, cursor):
                pairs = _pairs(batch, collections) if batch.header.get("Count") != "0" else []
                for held in self._with_contents(pairs, largest):
                    yield Page(held, reached or now)
                now = batch.header.get("Cursor", now)
                yield Page([], reached or now)
            # What the first kind has come to: of the others something is told twice, and nothing is left out.
            reached = reached or now

    def _changed(self, kind: str, cursor: str) -> "Iterable[Batch]":
        """Return the batches of what changed of one kind, all of which came.  Raises Stale."""
        from mirror.client.bounded import at_rest
        from mirror.client.server import Stale

        try:
            self.channel.ask(f"SYNC {kind}|since|{cursor}", 1)
            return at_rest(self.channel.read_batches())
        except Refused as error:
            if error.code == Code.STALE_CURSOR:
                raise Stale(error.text) from None
            raise

    def tail(self, listed: "RoomList") -> Iterator[int]:
        """Yield how much changes after a list of rooms was read, as it is committed; 0 of a keepalive.

        It ends, and the connection is for other questions again, once ``end_tail`` was called; who goes on reading
        from it calls ``tail_ended`` then.  Raises Refused for a cursor that is stale.
        """
        self.channel.ask(f"SYNC all|tail|{listed.cursor}|{listed.token:016x}", 1)
        from mirror.wire.batch import header_int

        for batch in self.channel.read_batches():
            yield header_int(batch.header, "Count")

    def end_tail(self) -> None:
        """Have a tail that another green thread reads come to its end."""
        self.channel.send(b"NOOP\n")

    def tail_ended(self) -> None:
        """Read the answer to what ended a tail."""
        self.channel.read_reply()

    def get(self, collection: str, keys: Sequence[str]) -> dict[str, "Held"]:
        return {one.record.key: one for held in self.pages(collection, keys) for one in held}

    def pages(self, collection: str, keys: Sequence[str]) -> Iterator[list["Held"]]:
        for start in range(0, len(keys), KEYS_A_REQUEST):
            yield from self._with_contents(self._records(collection, keys[start : start + KEYS_A_REQUEST]))

    def _records(self, collection: str, keys: Sequence[str]) -> "list[tuple[Record, int]]":
        """Return the records of some keys, with their CRCs.  Raises ProtocolError for any other."""
        from mirror.wire.codec import typed_batch

        wanted = set(keys)
        told: list[tuple[Record, int]] = []
        for batch in self._asked(f"SYNC {collection}|get", typed_batch("keys", list(keys))):
            for record, crc in _pairs(batch):
                if record.collection != collection or record.key not in wanted:
                    raise ProtocolError(f"{self.channel.peer} sent a record that nobody asked for: {record.key[:80]!r}")
                wanted.remove(record.key)
                told.append((record, crc))
        return told

    def _asked(self, command: str, request: "Batch") -> Iterator["Batch"]:
        """Return the answer to a command that takes a listing, batch by batch as it comes."""
        self.channel.ask(command, 8)
        self.channel.send_batches([request])
        reply = self.channel.read_reply()
        if reply.kind != 1:
            raise ProtocolError(f"{self.channel.peer} sent no listing where one was due")
        return self.channel.read_batches()

    def _with_contents(self, pairs: "Sequence[tuple[Record, int]]", largest: int = 0) -> Iterator[list["Held"]]:
        """Yield records with their bodies, so many at a time that these have room in memory."""
        group: list[tuple[Record, int]] = []
        size = 0
        for record, crc in pairs:
            fetched = record.size if not largest or record.size <= largest else 0
            if group and size + fetched > BODY_BYTES:
                yield self._fetched(group, largest)
                group, size = [], 0
            group.append((record, crc))
            size += fetched
        if group:
            yield self._fetched(group, largest)

    def _fetched(self, pairs: "Sequence[tuple[Record, int]]", largest: int) -> list["Held"]:
        from mirror.client.server import Held

        wanted = {
            record.content: record.size for record, _ in pairs if record.content and not 0 < largest < record.size
        }
        bodies = self._contents(wanted)
        return [Held(record, bodies.get(record.content, record.body), crc) for record, crc in pairs]

    def _contents(self, wanted: dict[bytes, int]) -> dict[bytes, bytes]:
        """Return contents of these sizes by what names them; each is checked.  Raises BadContent, ProtocolError."""
        if not wanted:
            return {}
        from mirror.client.bounded import Bodies
        from mirror.wire.bulk import parse_part
        from mirror.wire.codec import ContentRequest, typed_batch

        request = typed_batch("contents", [ContentRequest(one) for one in sorted(wanted)])
        bodies = Bodies(wanted, self.channel.peer)
        for batch in self._asked("SYNC all|body", request):
            bodies.add(parse_part(batch))
        return bodies.taken()

    def move(self, source: str, target: str, keys: "Sequence[str]") -> "list[Written] | None":
        from mirror.wire.codec import typed_batch

        told: list[Written] = []
        for start in range(0, len(keys), MOVED_A_REQUEST):
            some = list(keys[start : start + MOVED_A_REQUEST])
            request = typed_batch("keys", some)
            try:
                batches = self._asked(f"SYNC mailboxes|move|{source}|{target}", request)
            except Refused as error:
                if error.code not in _OF_A_DRAFT or start:
                    raise
                return None
            told += self._written(batches, len(some))
        return told

    def _written(self, batches: "Iterable[Batch]", count: int) -> "list[Written]":
        """Return what became of so many drafts or messages.  Raises ProtocolError where it is told of others."""
        from mirror.wire.bulk import parse_written

        told: list[Written] = []
        for batch in batches:
            told += parse_written(batch)
            if len(told) > count:
                break
        if len(told) != count:
            raise ProtocolError(f"{self.channel.peer} told what became of {len(told)} of {count} drafts")
        return told

    # -- drafts ---------------------------------------------------------------------------------------

    def offer(self, drafts: Sequence["Draft"]) -> list["Outcome"]:
        return [outcome for group in _grouped(drafts) for outcome in self._offer_group(group)]

    def _offer_group(self, drafts: Sequence["Draft"]) -> list["Outcome"]:
        """Offer some drafts in one transaction; where that is refused, half of them at a time, down to the one."""
        from mirror.client.server import Outcome
        from mirror.wire.bulk import format_drafts

        self.channel.ask("SYNC all|offer|versions", 4)
        self.channel.send_batches([*_parts(drafts), format_drafts([_apart(draft) for draft in drafts])])
        try:
            self.channel.read_reply()
        except Refused as error:
            if error.code not in _OF_A_DRAFT:
                raise
            if len(drafts) == 1:
                changed = error.code == Code.CHANGED
                return [Outcome(changed, "" if changed else error.text)]
        else:
            return [Outcome(there=written) for written in self._written(self.channel.read_batches(), len(drafts))]
        middle = len(drafts) // 2
        return self._offer_group(drafts[:middle]) + self._offer_group(drafts[middle:])


def _pairs(batch: "Batch", collections: set[str] | None = None) -> list[tuple["Record", int]]:
    """Return the records of a batch with their CRCs; of those that cannot be taken the node speaks itself."""
    from mirror.wire.bulk import parse_page

    page = parse_page(batch)
    pairs = zip(page.records, page.crcs, strict=True)
    return [(record, crc) for record, crc in pairs if collections is None or record.collection in collections]


def _without_contents(pairs: "Iterable[tuple[Record, int]]") -> list["Held"]:
    from mirror.client.server import Held

    return [Held(record, record.body, crc) for record, crc in pairs]


def _grouped(drafts: Sequence["Draft"]) -> Iterator[list["Draft"]]:
    group: list[Draft] = []
    size = 0
    for draft in drafts:
        if group and (len(group) == DRAFTS_A_BATCH or size + len(draft.body) > DRAFT_BYTES):
            yield group
            group, size = [], 0
        group.append(draft)
        size += len(draft.body)
    if group:
        yield group


def _is_apart(draft: "Draft") -> bool:
    from mirror.model.record import INLINE_LIMIT

    return len(draft.body) > INLINE_LIMIT


def _parts(drafts: Sequence["Draft"]) -> Iterator["Batch"]:
    """Yield the contents of drafts whose bodies are sent ahead."""
    import hashlib

    from mirror.wire.bulk import format_part
    from mirror.wire.values import ContentPart

    step = 1 << 20
    for body in (draft.body for draft in drafts if _is_apart(draft)):
        content = hashlib.sha256(body).digest()
        for offset in range(0, len(body), step):
            yield format_part(ContentPart(content, offset, len(body), body[offset : offset + step]))


def _apart(draft: "Draft") -> "Draft":
    """Return a draft that names its body, if that was sent ahead."""
    if not _is_apart(draft):
        return draft
    import hashlib

    import msgspec

    content = hashlib.sha256(draft.body).digest()
    return msgspec.structs.replace(draft, body=b"", content=content, size=len(draft.body))


# -- log-in -------------------------------------------------------------------------------------------


def dial(address: Address, trust: str, timeout: float = TIMEOUT_S) -> Channel:
    """Return an encrypted connection, or one within this machine.  Raises ConnectionLost, NotTrusted."""

    def begin(channel: Channel) -> None:
        if trust != TRUST_PLAIN:
            from mirror.peer.tls import secure

            secure(channel, trust, address.host)

    try:
        return greeted(address.host, address.port, timeout, begin)
    except NotTrusted as error:
        raise NotTrusted(f"{error}; 'ctdlmirror client init' shows which one it is, and has it trusted") from None


def log_in(channel: Channel, user: str, password: Callable[[], str]) -> Connection:
    """Log a user in over a connection.  Raises NotLoggedIn, Refused."""
    told = _node_of(channel)
    channel.ask(f"IDEN citadel-mirror|client|{mirror.__version__}|keeps folders equal|")
    try:
        channel.ask(f"USER {user}", 3)
        reply = channel.ask(f"PASS {password()}")
    except Refused as error:
        channel.close()
        if error.code == Code.PASSWORD:
            raise NotLoggedIn(f"{channel.peer} does not know user {user!r} with this password") from None
        raise
    return Connection(channel, told, reply.text.split("|")[1])


def _node_of(channel: Channel) -> str:
    """Return the name of a node that can all that a client needs.  Raises TooOld, ProtocolError."""
    from mirror.wire.values import DRAFTS_BASE, FOLDERS, ROOMS, VERSIONS

    channel.ask("INFO", 1)
    told: dict[str, str] = {}
    for line in channel.read_listing():
        name, _, told[name] = line.partition("=")
        if len(told) > INFO_LINES:
            raise ProtocolError(f"{channel.peer} says over {INFO_LINES} things of itself")
    if lacking := [
        one for one in (DRAFTS_BASE, FOLDERS, ROOMS, VERSIONS) if one not in told.get("capabilities", "").split()
    ]:
        raise TooOld(
            f"{channel.peer} cannot keep folders equal yet ({told.get('software', 'it')[:40]} lacks "
            f"{', '.join(lacking)}): ask its administrator to upgrade it"
        )
    return told.get("node", "")


def open_connection(address: Address, trust: str, user: str, password: Callable[[], str]) -> Connection:
    """Dial a node and log a user in.  Raises ConnectionLost, NotTrusted, NotLoggedIn, Refused."""
    channel = dial(address, trust)
    try:
        return log_in(channel, user, password)
    except BaseException:
        channel.close()
        raise
