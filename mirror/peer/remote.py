"""The engine's Remote over a connection: SYNC commands out, records in."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import gevent
import msgspec

from mirror.model.applied import Applied
from mirror.model.digest import Digest
from mirror.model.draft import Draft, Written
from mirror.model.errors import StampAhead
from mirror.model.kinds import NODES
from mirror.model.nodes import Heard
from mirror.model.record import INLINE_LIMIT, Record
from mirror.peer.channel import MAX_LISTING, Channel
from mirror.peer.presence import nothing
from mirror.store.threads import run_in
from mirror.sync.remote import StaleCursor
from mirror.sync.responder import PART_BYTES
from mirror.wire.answers import (
    format_known,
    parse_ahead,
    parse_applied,
    parse_heard,
    parse_server_info,
    parse_shared_room,
    parse_state,
)
from mirror.wire.batch import Batch
from mirror.wire.bulk import (
    format_comparison,
    format_drafts,
    format_overwrites,
    format_page,
    format_part,
    is_rooms,
    parse_answers,
    parse_page,
    parse_part,
    parse_rooms,
    parse_wanted,
    parse_written,
)
from mirror.wire.codec import MSGPACK, ContentRequest, Cursor, Range, read_typed, typed_batch
from mirror.wire.errors import ChangedThere, ProtocolError, Refused
from mirror.wire.lines import Code, format_line
from mirror.wire.status import ComparisonStatus
from mirror.wire.values import DRAFTS_BASE, Answer, ContentPart, Offered, Page, RoomsTold, ServerInfo, SharedRoom, State

DECODED_HERE = 16 * 1024
"""Bytes of a batch of records up to which decoding it does not hold up other green threads."""


class ChannelRemote:
    """Implements mirror.sync.remote.Remote.  One exchange at a time."""

    def __init__(self, channel: Channel, selector: str = "all") -> None:
        """``selector`` is the type in the SYNC commands: all, a kind, or one collection."""
        self.channel = channel
        self._type = selector
        self._capable: frozenset[str] | None = None  # the other side's capabilities, once asked for
        self.asked_to_compare: Callable[[str], None] = _pass_over
        """Called with what a comparison is called that the other side wants while it is tailed."""
        channel.ask(f"SYNC encoding|{MSGPACK}")

    def server_info(self) -> ServerInfo:
        """Return what the other side tells everybody of itself."""
        self.channel.ask("INFO", 1)
        return parse_server_info(self.channel.read_listing())

    def info(self, known: Digest | None = None) -> State:
        return self._state(f"SYNC {self._type}|info" + (f"|{format_known(known)}" if known is not None else ""))

    def pin(self) -> State:
        """Pin the present state on the other side; what follows on this connection reads it."""
        return self._state("SYNC all|pin")

    def _state(self, command: str) -> State:
        self.channel.send(format_line(command))
        reply = self.channel.read_reply()
        return parse_state(reply.text, self.channel.read_listing() if reply.kind == 1 else None)

    def heard(self) -> Heard:
        reply = self.channel.ask(f"SYNC {NODES}|heard", 1)
        return parse_heard(reply.text, self.channel.read_listing())

    def shares(self) -> list[SharedRoom]:
        """Return the rooms that the other side shares with us."""
        self.channel.ask("SYNC shares|info", 1)
        return [parse_shared_room(line) for line in self.channel.read_listing()]

    def since(self, cursor: Cursor) -> Iterator[Page]:
        return self._pages(f"SYNC {self._type}|since|{cursor}")

    def tail(self, cursor: Cursor, asks: bool = False) -> Iterator[Page]:
        """Yield what changes after a cursor for as long as the connection lasts; empty pages are keepalives.

        ``asks`` for the first one at once: it tells how much there is to come.
        """
        return self._pages(f"SYNC {self._type}|tail|{cursor}", self.sign_of_life if asks else nothing)

    def news(self, cursor: Cursor, token: int, tail: bool = False) -> Iterator[Page | RoomsTold]:
        """Yield what changes after a cursor, and of the list of rooms after that of a token, as a user may see it.

        With ``tail`` it goes on until any command is sent; what is left of it has to be read before the reply.  What
        is there is followed by an empty page, as the other side is asked for a sign of life.
        """
        with _told_why():
            self.channel.ask(f"SYNC {self._type}|{'tail' if tail else 'since'}|{cursor}|{token:016x}", 1)
            if tail:
                self.sign_of_life()
            told: RoomsTold | None = None
            for batch in self.channel.read_batches():
                self._do_as_wanted(batch)
                if not is_rooms(batch):
                    yield decode_page(batch)
                    continue
                page = parse_rooms(batch)
                told = page if told is None else told.going_on(page)
                if len(told.events) > MAX_LISTING:
                    raise ProtocolError(f"{self.channel.peer} tells of over {MAX_LISTING} rooms")
                if not told.more:
                    yield told
                    told = None

    def _pages(self, command: str, begin: Callable[[], None] = nothing) -> Iterator[Page]:
        with _told_why():
            self.channel.ask(command, 1)
            begin()
            for batch in self.channel.read_batches():
                self._do_as_wanted(batch)
                yield decode_page(batch)

    def _do_as_wanted(self, batch: Batch) -> None:
        wanted = parse_wanted(batch)
        if wanted.life:
            self.sign_of_life()
        if wanted.comparison:
            self.asked_to_compare(wanted.comparison)

    def sign_of_life(self) -> None:
        """Tell the other side that this one lives; of who is being tailed, it asks for the same."""
        self.channel.send(b"QNOP\n")

    def getall(self, selector: str) -> Iterator[Page]:
        """Yield all records of a type."""
        return self._pages(f"SYNC {selector}|getall")

    def newest(self, collection: str, limit: int) -> Iterator[Page]:
        """Yield a collection's newest living records, oldest first."""
        return self._pages(f"SYNC {collection}|newest|{limit}")

    def draft(self, drafts: Sequence[Draft]) -> Applied:
        """Have drafts written as the other node's own edits; for administrators and users.

        Bodies over INLINE_LIMIT go ahead of their drafts as contents.  A node of 0.1.0 does not look at what a draft
        was made from: there it replaces what it finds.  Raises ChangedThere.
        """
        if DRAFTS_BASE in self._capabilities():
            return self._send_drafts(_draft_batches(drafts, lambda draft: format_drafts([draft])))
        if any(draft.only_if is not None for draft in drafts):
            raise ProtocolError(f"{self.channel.peer} cannot write on condition of what is there: it is too old")
        return self.overwrite([_overwriting(draft) for draft in drafts])

    def draft_told(self, drafts: Sequence[Draft]) -> list[Written]:
        """Have drafts written, and return of each what is there now; their batch is written as a whole or not at all.

        Bodies over INLINE_LIMIT were given before, as contents.  For nodes that have the capability VERSIONS.
        Raises ChangedThere.
        """
        self.channel.ask("SYNC all|offer|versions", 4)
        self.channel.send_batches([format_drafts(drafts)])
        with _changed_there():
            self.channel.read_reply()
        return [one for batch in self.channel.read_batches() for one in parse_written(batch)]

    def overwrite(self, records: Sequence[Record]) -> Applied:
        """Have records written as the other node's own edits, whatever they replace; their stamps mean nothing."""
        return self._send_drafts(_draft_batches(records, lambda record: format_overwrites([record])))

    def _send_drafts(self, batches: Iterable[Batch]) -> Applied:
        self.channel.ask("SYNC all|offer", 4)
        self.channel.send_batches(batches)
        with _changed_there():
            return self._applied()

    def _capabilities(self) -> frozenset[str]:
        if self._capable is None:
            self._capable = frozenset(self.server_info().capabilities)
        return self._capable

    def tell_comparison(self, name: str, found: ComparisonStatus) -> None:
        """Tell the other side what came of comparing, which it asked for."""
        self.channel.ask(f"SYNC all|compared|{name}", 4)
        self.channel.send_batches([format_comparison(found)])
        self.channel.read_reply()

    def _applied(self) -> Applied:
        return parse_applied(self.channel.read_reply().text)

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
            answers += parse_answers(batch)
        return answers

    def body(self, requests: Sequence[ContentRequest]) -> Iterator[ContentPart]:
        self._send_request("SYNC all|body", typed_batch("contents", list(requests)))
        for batch in self.channel.read_batches():
            yield parse_part(batch)

    def lacks(self, requests: Sequence[ContentRequest]) -> list[ContentRequest]:
        self._send_request("SYNC all|lacks", typed_batch("contents", list(requests)))
        return [item for batch in self.channel.read_batches() for item in read_typed(batch, "contents", ContentRequest)]

    def offer(self, offered: Iterable[Offered]) -> Applied:
        self.channel.ask("SYNC all|offer", 4)
        self.channel.send_batches(
            format_part(item) if isinstance(item, ContentPart) else format_page(item._replace(cursor=None))
            for item in offered
        )
        with _told_why():
            return self._applied()


def _pass_over(_name: str) -> None:
    """Compare nothing."""


@contextmanager
def _told_why() -> Iterator[None]:
    """Raise StaleCursor or StampAhead where the other side says so."""
    try:
        yield
    except Refused as error:
        if error.code == Code.STALE_CURSOR:
            raise StaleCursor(error.text) from None
        if error.code == Code.NOT_YET:
            wait_ms, problem = parse_ahead(error.text)
            raise StampAhead(problem, wait_ms) from None
        raise


@contextmanager
def _changed_there() -> Iterator[None]:
    """Raise ChangedThere where a draft was refused since another version is there."""
    try:
        yield
    except Refused as error:
        if error.code == Code.CHANGED:
            raise ChangedThere(error.code, error.text) from None
        raise


Drafted = TypeVar("Drafted", Draft, Record)


def _draft_batches(drafts: Iterable[Drafted], format_: Callable[[Drafted], Batch]) -> Iterator[Batch]:
    for draft in drafts:
        body = draft.body
        if len(body) > INLINE_LIMIT:
            content = hashlib.sha256(body).digest()
            for offset in range(0, len(body), PART_BYTES):
                yield format_part(ContentPart(content, offset, len(body), body[offset : offset + PART_BYTES]))
            draft = msgspec.structs.replace(draft, body=b"", content=content, size=len(body))
        yield format_(draft)


def _overwriting(draft: Draft) -> Record:
    """Return a draft as nodes of 0.1.0 take it."""
    return Record(
        draft.collection,
        draft.key,
        1,
        "draft",
        1,
        dead=draft.dead,
        head=draft.head,
        body=draft.body,
        content=draft.content,
        size=draft.size,
    )


def decode_page(batch: Batch) -> Page:
    """Decode and check a batch of records, outside the hub when it is large.  Raises ProtocolError or BadRecord."""
    if len(batch.payload) <= DECODED_HERE:
        return parse_page(batch)
    return run_in(gevent.get_hub().threadpool, partial(parse_page, batch))
