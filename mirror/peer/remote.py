"""The engine's Remote over a connection: SYNC commands out, records in."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import gevent
import msgspec

from mirror.model.applied import Applied
from mirror.model.digest import Digest
from mirror.model.kinds import NODES
from mirror.model.nodes import Heard, Horizon
from mirror.model.record import INLINE_LIMIT, Record
from mirror.peer.channel import Channel
from mirror.sync.remote import StaleCursor
from mirror.sync.responder import PART_BYTES
from mirror.wire.batch import Batch, header_int
from mirror.wire.codec import (
    MSGPACK,
    ContentRequest,
    Cursor,
    Listed,
    Range,
    content_batch,
    parse_cursor,
    read_records,
    read_typed,
    records_batch,
    typed_batch,
)
from mirror.wire.errors import ProtocolError, Refused
from mirror.wire.lines import Code, Reply
from mirror.wire.values import Answer, Offered, Page, Part, SharedRoom, State


class ChannelRemote:
    """Implements mirror.sync.remote.Remote.  One exchange at a time."""

    def __init__(self, channel: Channel, selector: str = "all") -> None:
        """``selector`` is the type in the SYNC commands: all, a kind, or one collection."""
        self.channel = channel
        self._type = selector
        channel.ask(f"SYNC encoding|{MSGPACK}")

    def info(self, known: Digest | None = None) -> State:
        command = f"SYNC {self._type}|info"
        if known is not None:
            command += f"|{known.count}|{known.total:016x}"
        self.channel.send(command.encode() + b"\n")
        return read_state(self.channel, self.channel.read_reply())

    def heard(self) -> Heard:
        reply = self.channel.ask(f"SYNC {NODES}|heard", 1)
        return read_heard(self.channel, reply)

    def shares(self) -> list[SharedRoom]:
        """Return the rooms that the other side shares with us."""
        self.channel.ask("SYNC shares|info", 1)
        return [_read_shared(self.channel, line) for line in self.channel.read_listing()]

    def pin(self) -> State:
        """Pin the present state on the other side; what follows on this connection reads it."""
        self.channel.send(b"SYNC all|pin\n")
        return read_state(self.channel, self.channel.read_reply())

    def since(self, cursor: Cursor) -> Iterator[Page]:
        return self._pages(f"SYNC {self._type}|since|{cursor}")

    def tail(self, cursor: Cursor) -> Iterator[Page]:
        """Yield what changes after a cursor for as long as the connection lasts; empty pages are keepalives."""
        return self._pages(f"SYNC {self._type}|tail|{cursor}")

    def _pages(self, command: str) -> Iterator[Page]:
        with _told_stale():
            self.channel.ask(command, 1)
        for batch in self.channel.read_batches():
            yield decode_page(batch)

    def getall(self, selector: str) -> Iterator[Page]:
        """Yield all records of a type."""
        return self._pages(f"SYNC {selector}|getall")

    def newest(self, collection: str, limit: int) -> Iterator[Page]:
        """Yield a collection's newest living records, oldest first."""
        return self._pages(f"SYNC {collection}|newest|{limit}")

    def draft(self, records: Sequence[Record]) -> Applied:
        """Have drafts written as the other node's own edits; for administrators and users.

        Bodies over INLINE_LIMIT go ahead of their drafts as contents.
        """
        self.channel.ask("SYNC all|offer", 4)
        self.channel.send_batches(_draft_batches(records))
        return self._applied()

    def _applied(self) -> Applied:
        written, held, conflicts = self.channel.read_reply().parameters[:3]
        return Applied(int(written), int(held), int(conflicts))

    def _send_request(self, command: str, request: Batch) -> None:
        """Send a command that takes a listing and, once it has been read, answers with one."""
        self.channel.ask(command, 8)
        self.channel.send_batches([request])
        reply = self.channel.read_reply()
        if reply.kind != 1:
            raise ProtocolError(f"{self.channel.peer} answered {command!r} with {reply.code} {reply.text[:60]!r}")

    def get(self, collection: str, keys: Sequence[str]) -> Iterator[Page]:
        self._send_request(f"SYNC {collection}|get", typed_batch("keys", list(keys)))
        for batch in self.channel.read_batches():
            yield decode_page(batch)

    def ranges(self, collection: str, ranges: Sequence[Range]) -> list[Answer]:
        self._send_request(f"SYNC {collection}|ranges", typed_batch("ranges", list(ranges)))
        answers: list[Answer] = []
        for batch in self.channel.read_batches():
            kind = batch.header.get("Type", "")
            answers += read_typed(batch, kind, Listed if kind == "listed" else Range)
        return answers

    def body(self, requests: Sequence[ContentRequest]) -> Iterator[Part]:
        self._send_request("SYNC all|body", typed_batch("contents", list(requests)))
        for batch in self.channel.read_batches():
            yield read_part(batch)

    def lacks(self, requests: Sequence[ContentRequest]) -> list[ContentRequest]:
        self._send_request("SYNC all|lacks", typed_batch("contents", list(requests)))
        return [item for batch in self.channel.read_batches() for item in read_typed(batch, "contents", ContentRequest)]

    def offer(self, offered: Iterable[Offered]) -> Applied:
        self.channel.ask("SYNC all|offer", 4)
        self.channel.send_batches(
            content_batch(item.content, item.offset, item.size, item.data)
            if isinstance(item, Part)
            else records_batch(item.records, item.crcs)
            for item in offered
        )
        with _told_stale():
            return self._applied()


@contextmanager
def _told_stale() -> Iterator[None]:
    """Raise StaleCursor where the other side says so."""
    try:
        yield
    except Refused as error:
        if error.code == Code.STALE_CURSOR:
            raise StaleCursor(error.text) from None
        raise


def _draft_batches(records: Sequence[Record]) -> Iterator[Batch]:
    for record in records:
        body = record.body
        if len(body) > INLINE_LIMIT:
            content = hashlib.sha256(body).digest()
            for offset in range(0, len(body), PART_BYTES):
                yield content_batch(content, offset, len(body), body[offset : offset + PART_BYTES])
            record = msgspec.structs.replace(record, body=b"", content=content, size=len(body))
        yield typed_batch("drafts", [record])


def decode_page(batch: Batch) -> Page:
    """Decode and check a batch of records, outside the hub when it is large.  Raises ProtocolError."""
    large = len(batch.payload) > 16 * 1024
    checked = gevent.get_hub().threadpool.apply(read_records, (batch,)) if large else read_records(batch)
    cursor = batch.header.get("Cursor")
    return Page(checked.records, checked.crcs, parse_cursor(cursor) if cursor else None)


def read_part(batch: Batch) -> Part:
    """Read a batch of content.  Raises ProtocolError."""
    header = batch.header
    if header.get("Type") != "content":
        raise ProtocolError(f"a batch of Type={header.get('Type', '')[:40]!r} where 'content' was expected")
    try:
        content = bytes.fromhex(header.get("Content", ""))
    except ValueError:
        raise ProtocolError(f"Content={header.get('Content', '')[:40]!r} is no SHA-256") from None
    if len(content) != 32:
        raise ProtocolError(f"Content={header.get('Content', '')[:40]!r} is no SHA-256")
    return Part(content, header_int(header, "Offset"), header_int(header, "Total"), batch.payload)


def read_state(channel: Channel, reply: Reply) -> State:
    """Read the answer to ``info``: a reply line, and a listing of collections unless all was equal."""
    node, epoch, sequence, count, newest, total, horizon = (reply.parameters + [""] * 7)[:7]
    try:
        digest = Digest(int(count), int(newest, 16), int(total, 16))
        state = State(node, epoch, int(sequence), digest, None, int(horizon or "0", 16))
        if reply.kind != 1:
            return state
        return state._replace(collections=dict(_read_digest(line) for line in channel.read_listing()))
    except ValueError:
        raise ProtocolError(f"{channel.peer} answered info with {reply.text[:80]!r}") from None


def read_heard(channel: Channel, reply: Reply) -> Heard:
    """Read the answer to ``heard``: the horizon, and a listing of origins."""
    signs: dict[str, int] = {}
    newest: dict[str, int] = {}
    agreed: list[str] = []
    try:
        for line in channel.read_listing():
            origin, sign, stamp, agrees = line.split("|")[:4]
            if int(sign, 16):
                signs[origin] = int(sign, 16)
            newest[origin] = int(stamp, 16)
            if agrees == "1":
                agreed.append(origin)
        return Heard(Horizon(int(reply.parameters[0], 16), tuple(agreed)), signs, newest)
    except (ValueError, IndexError):
        raise ProtocolError(f"{channel.peer} answered heard with {reply.text[:80]!r}") from None


def _read_shared(channel: Channel, line: str) -> SharedRoom:
    try:
        key, name, remote, directions, what, mark, whole = line.split("|")[:7]
    except ValueError:
        raise ProtocolError(f"{channel.peer} told of a shared room with {line[:80]!r}") from None
    return SharedRoom(
        key, name, remote, "push" in directions, "pull" in directions, frozenset(what.split(",")), mark, whole == "1"
    )


def _read_digest(line: str) -> tuple[str, Digest]:
    name, count, newest, total = line.split("|")[:4]
    return name, Digest(int(count), int(newest, 16), int(total, 16))
