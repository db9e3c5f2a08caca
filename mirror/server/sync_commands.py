"""SYNC type|action|arguments: one table of actions, answered by the engine's responder.

A type is ``all``, a kind of collection, one collection, or a client's view: ``mailboxes``, ``calendars``.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gevent
import msgspec
from gevent.event import Event
from gevent.socket import wait_read

from mirror.model.applied import Applied
from mirror.model.digest import Digest
from mirror.model.errors import BadRecord, MirrorError
from mirror.model.kinds import KINDS, NODES, MergeRule, check_collection, kind_of, room_of
from mirror.model.record import Record, unpack_head
from mirror.peer.remote import decode_page
from mirror.server.access import VIEWS_CALENDAR, UserScope
from mirror.server.conflicts import conflict_as_json
from mirror.server.pages import SharedPage
from mirror.server.session import Session
from mirror.server.share_commands import list_shares, preview, tell_sharing
from mirror.store.base import Reader, Writer
from mirror.store.check import check_store
from mirror.sync.remote import Denied, StaleCursor
from mirror.sync.responder import Responder, check_page
from mirror.sync.share.rules import check_netconf
from mirror.wire.answers import (
    DigestLine,
    format_applied,
    format_check,
    format_digest_line,
    format_heard,
    format_place,
    format_state,
    parse_known,
)
from mirror.wire.batch import Batch
from mirror.wire.bulk import format_answers, format_page, format_part, parse_part
from mirror.wire.codec import ENCODINGS, MSGPACK, ContentRequest, Range, parse_cursor, read_typed, typed_batch
from mirror.wire.errors import ProtocolError, Refused
from mirror.wire.lines import Code, clean, parse_number
from mirror.wire.values import CheckResult, Page

log = logging.getLogger("mirror.session")

MAX_ITEMS = 65_536
"""Keys, ranges or contents in one request at most."""
MAX_DRAIN = 64 * 1024 * 1024
"""Bytes read and thrown away after a refused batch, so that the refusal is heard."""

VIEWS = {
    "mailboxes": "the logged-in user's own rooms",
    "calendars": "the calendars that the logged-in user may read",
}


class Asked(NamedTuple):
    """One SYNC command: its type, the test for collections of that type, the arguments."""

    type: str
    allows: Callable[[str], bool]
    arguments: list[str]


class Action(NamedTuple):
    """One action: what runs it, its arguments as documented, what it does."""

    run: Callable[[Session, Asked], None]
    arguments: str
    help: str


def run_sync(session: Session, parameters: list[str]) -> None:
    """Run SYNC.  ``SYNC encoding|NAME`` chooses how records are written from now on."""
    if not parameters or not parameters[0]:
        types = [
            ("all", "everything"),
            ("shares", "the rooms shared with the peer that asks"),
            *((kind.name, kind.holds) for kind in KINDS.values()),
            *VIEWS.items(),
        ]
        session.send_listing("Types:", [f"{name}|{text}" for name, text in types])
        return
    if parameters[0].lower() == "encoding" and len(parameters) == 2:
        if parameters[1] not in ENCODINGS:
            raise Refused(Code.ILLEGAL, f"encodings are {' and '.join(ENCODINGS)}")
        session.encoding = parameters[1]
        session.reply(Code.OK, parameters[1])
        return
    session.require_party()
    if parameters[0] == "shares":
        _shares(session, parameters[1] if len(parameters) > 1 else "info")
        return
    asked = Asked(parameters[0], _selector(session, parameters[0]), parameters[2:])
    if len(parameters) == 1 or not parameters[1]:
        session.send_listing(
            f"Actions on {asked.type}:",
            [f"{name}|{entry.arguments}|{entry.help}" for name, entry in ACTIONS.items()],
        )
        return
    action = ACTIONS.get(parameters[1].lower())
    if action is None:
        raise Refused(Code.ILLEGAL, f"no action {parameters[1][:20]!r}; SYNC {asked.type} lists them")
    action.run(session, asked)


def _shares(session: Session, action: str) -> None:
    if action == "info":
        list_shares(session)
    elif action == "status":
        _require_admin(session)
        tell_sharing(session)
    else:
        raise Refused(Code.ILLEGAL, "shares has the actions info and status")


def _selector(session: Session, name: str) -> Callable[[str], bool]:
    if name == "all":
        return lambda _collection: True
    if name in VIEWS:
        scope = session.responder().scope
        if not isinstance(scope, UserScope):
            raise Refused(Code.USER_REQUIRED, f"{name} are a user's: log in with USER and PASS")
        rooms = {key for key, room in scope.rooms.items() if _in_view(name, room)}
        return lambda collection: collection.startswith("messages/") and room_of(collection) in rooms
    if name in KINDS:
        return lambda collection: collection.partition("/")[0] == name
    try:
        check_collection(name)
    except BadRecord as error:
        raise Refused(Code.ILLEGAL, f"{error}; SYNC lists the types") from None
    return lambda collection: collection == name


def _in_view(view: str, room: Any) -> bool:
    return bool(room.own if view == "mailboxes" else room.view in VIEWS_CALENDAR)


# -- state --------------------------------------------------------------------------------------------


def _info(session: Session, asked: Asked) -> None:
    known = None
    if len(asked.arguments) >= 2:
        try:
            known = parse_known(*asked.arguments[:2])
        except ProtocolError:
            raise Refused(Code.ILLEGAL, "info|count|crc: the digest you hold") from None
    state = session.responder().info(known, None if asked.type == "all" else asked.allows)
    if state.collections is None:
        session.reply(Code.OK, format_state(state))
        return
    lines = (_digest_line(session, name, digest) for name, digest in state.collections.items())
    session.send_listing(format_state(state), [format_digest_line(line) for line in lines])


def _digest_line(session: Session, name: str, digest: Digest) -> DigestLine:
    scope = session.responder().scope
    room = scope.rooms.get(room_of(name)) if isinstance(scope, UserScope) else None
    return DigestLine(name, digest, room.name if room is not None else "")


def _heard(session: Session, _asked: Asked) -> None:
    session.send_listing(*format_heard(session.responder().heard()))


def _pin(session: Session, asked: Asked) -> None:
    _require_peer(session)
    session.pin()
    _info(session, asked._replace(type="all", arguments=[]))


def _unpin(session: Session, _asked: Asked) -> None:
    session.unpin()
    session.reply(Code.OK, "unpinned")


def _require_peer(session: Session) -> None:
    if not session.require_party().administers:
        raise Refused(Code.ACCESS, "this action is for peers and administrators")


# -- out ----------------------------------------------------------------------------------------------


def _batch(session: Session, page: Page) -> Batch:
    return format_page(page, session.encoding)


def _send_pages(session: Session, pages: Iterable[Page]) -> None:
    """Send a listing of batches.  What cannot be answered is told before the listing begins."""
    iterator = iter(pages)
    first = next(iterator, None)
    session.reply(Code.LISTING, "records follow")
    if first is not None:
        session.channel.send_batch(_batch(session, first))
    session.channel.send_batches(_batch(session, page) for page in iterator)


def _since(session: Session, asked: Asked) -> None:
    cursor = parse_cursor(asked.arguments[0] if asked.arguments else ":0")
    _send_pages(session, session.responder().since(cursor, asked.allows))


def _getall(session: Session, asked: Asked) -> None:
    responder = session.responder()
    names = responder.info(None, asked.allows).collections or {}
    _send_pages(session, (page for name in names for page in responder.scan(name)))


def _get(session: Session, asked: Asked) -> None:
    keys = ["|".join(asked.arguments)] if asked.arguments else None
    responder = session.responder()
    if keys is None:
        keys = _receive(session, "keys", str)
    _send_pages(session, responder.get(asked.type, keys))


def _newest(session: Session, asked: Asked) -> None:
    limit = parse_number(asked.arguments[0] if asked.arguments else "20", 1000)
    if not limit:
        raise Refused(Code.ILLEGAL, "newest|number of records, 1 to 1000")
    _send_pages(session, session.responder().newest(asked.type, limit))


def _receive(session: Session, kind: str, item: Any) -> list[Any]:
    session.reply(Code.SEND_THEN_READ, f"send {kind}, then read")
    items: list[Any] = []
    batches = session.channel.read_batches()  # held, so that the connection outlives an error until that is told
    for batch in batches:
        items += read_typed(batch, kind, item)
        if len(items) > MAX_ITEMS:
            raise ProtocolError(f"more than {MAX_ITEMS} {kind} in one request")
    return items


def _ranges(session: Session, asked: Asked) -> None:
    ranges = _receive(session, "ranges", Range)
    answers = session.responder().ranges(asked.type, ranges)
    session.reply(Code.LISTING, "ranges follow")
    session.channel.send_batches(format_answers(answers))


def _body(session: Session, asked: Asked) -> None:
    if asked.arguments:
        try:
            content = bytes.fromhex(asked.arguments[0])
        except ValueError:
            content = b""
        offset = parse_number(asked.arguments[1]) if len(asked.arguments) > 1 else 0
        if len(content) != 32 or offset is None:
            raise Refused(Code.ILLEGAL, "body|SHA-256 in hex|offset")
        requests = [ContentRequest(content, offset)]
    else:
        requests = _receive(session, "contents", ContentRequest)
    parts = session.responder().body(requests)
    first = next(parts, None)
    session.reply(Code.LISTING, "contents follow")
    if first is not None:
        session.channel.send_batch(format_part(first))
    session.channel.send_batches(format_part(part) for part in parts)


def _lacks(session: Session, _asked: Asked) -> None:
    wanted = session.responder().lacks(_receive(session, "contents", ContentRequest))
    session.reply(Code.LISTING, "contents wanted")
    session.channel.send_batches([typed_batch("contents", wanted)])


def _tail(session: Session, asked: Asked) -> None:
    """Send what changes as it is committed, until the other side sends anything or goes away."""
    cursor = parse_cursor(asked.arguments[0] if asked.arguments else ":0")
    responder = session.responder()
    trimmed = responder.check_cursor(cursor)
    session.reply(Code.LISTING, "changes follow; any line ends them")
    changed, stopped = Event(), Event()
    stop_watching = session.node.store.watch(changed.set)
    listener = gevent.spawn(_wait_for_input, session, changed, stopped)
    try:
        _send_changes(session, asked, cursor.sequence, trimmed, changed, stopped)
    finally:
        stop_watching()
        listener.kill()
    session.channel.end_listing()


def _wait_for_input(session: Session, changed: Event, stopped: Event) -> None:
    try:
        if not session.channel.pending:
            wait_read(session.channel.socket.fileno())
        session.closing = session.channel.read_line() is None
    except (MirrorError, OSError) as error:
        log.debug("a tail ends: %s", error)
        session.closing = True
    stopped.set()
    changed.set()


def _send_changes(session: Session, asked: Asked, after: int, trimmed: int, changed: Event, stopped: Event) -> None:
    recent = session.node.recent[session.require_party().name]
    keepalive = session.node.config.replication.keepalive_s
    while not stopped.is_set():
        changed.clear()
        shared = _next_page(session, asked, after)
        try:
            check_page(shared.page, after, trimmed)
        except StaleCursor as error:
            log.info("a tail of %s ends: %s", session.require_party().label, error)
            session.closing = True  # inside a listing nothing can be said; its cursor is refused when it comes back
            return
        page = recent.without(shared.page)
        if page is shared.page and page.records and shared.wire:
            session.channel.send(shared.wire)
        elif page.records or shared.more:
            session.channel.send_batch(_batch(session, page))
        after = page.cursor.sequence if page.cursor is not None else after
        if not shared.more and not changed.wait(keepalive):
            session.channel.send_batch(_batch(session, Page([], [], page.cursor)))


def _next_page(session: Session, asked: Asked, after: int) -> SharedPage:
    """Return the next page: the one that all mirrors share, or one for this party's rights and type alone."""
    party = session.require_party()
    if asked.type == "all" and party.kind != "user" and session.pinned is None:
        shared = session.node.pages_for(party.scope).read(after)
        return shared if session.encoding == MSGPACK else shared._replace(wire=b"")
    page, more = session.responder().page(after, asked.allows)
    return SharedPage(page, more, b"")


# -- in -----------------------------------------------------------------------------------------------


def _offer(session: Session, asked: Asked) -> None:
    party = session.require_party()
    session.node.single_user.check_open(party.label)
    responder = session.responder()
    session.reply(Code.SEND_LISTING, "send records")
    batches = session.channel.read_batches()
    applied = Applied()
    try:
        for batch in batches:
            session.node.single_user.check_open(party.label)
            applied += _take(session, responder, batch)
    except ProtocolError:
        raise  # framing is lost: nothing more can be read
    except Exception:
        _drain(batches)
        raise
    session.reply(Code.OK, format_applied(applied))


def _drain(batches: Iterator[Batch]) -> None:
    size = 0
    for batch in batches:
        size += len(batch.payload)
        if size > MAX_DRAIN:
            raise ProtocolError("too much was sent after a batch that was refused")


def _take(session: Session, responder: Responder, batch: Batch) -> Applied:
    party = session.require_party()
    if batch.header.get("Type") == "content":
        if party.kind == "user":
            raise Denied("contents are not taken from users: send the body inside its draft")
        return responder.offer([parse_part(batch)])
    drafts = batch.header.get("Type") == "drafts"
    if drafts and party.kind in ("peer", "share"):
        raise ProtocolError("drafts are for users and administrators; peers send records")
    page = _read_drafts(batch) if drafts else decode_page(batch)
    if party.kind in ("peer", "share"):
        applied = responder.offer([page])
        session.node.recent[party.name].add(page.crcs)
        return applied
    scope = responder.scope
    for record in page.records:
        if record.collection == NODES:
            raise Denied("what nodes say of themselves is written by nodes alone")
        # A hash alone must not open somebody else's content, so users' drafts carry their bodies.
        if isinstance(scope, UserScope) and (record.content or not scope.writes(record)):
            raise Denied(f"{record.collection} is not here")
        if record.collection.startswith("netconf/") and not record.dead:
            check_netconf(record.body)
    return session.node.store.write(lambda writer: _write_drafts(writer, page.records))


def _read_drafts(batch: Batch) -> Page:
    """Read what a user or administrator wants written: records whose versions this node will make."""
    records: list[Record] = read_typed(batch, "drafts", Record)
    for record in records:
        check_collection(record.collection)
        if not record.key:
            raise BadRecord(f"a draft for {record.collection} has no key")
    return Page(records, [])


def _write_drafts(writer: Writer, drafts: list[Record]) -> Applied:
    for draft in drafts:
        if draft.dead:
            if writer.delete(draft.collection, draft.key) is None:
                raise Denied(f"{draft.collection} {draft.key!r} is not here")
        elif kind_of(draft.collection).rule is MergeRule.FIELDS:
            writer.set_fields(draft.collection, draft.key, unpack_head(draft.head))
        else:
            writer.put(writer.store_body(draft, draft.body) if draft.body else draft)
    return Applied(written=len(drafts))


# -- administration -----------------------------------------------------------------------------------


def _require_admin(session: Session) -> None:
    if session.require_party().kind != "admin":
        raise Refused(Code.ACCESS, "this action is for administrators on this machine")


def _json_listing(session: Session, values: Iterable[Any]) -> None:
    session.send_listing("JSON lines follow", [json.dumps(value, ensure_ascii=True) for value in values])


def _status(session: Session, _asked: Asked) -> None:
    _require_admin(session)
    node = session.node
    root, conflicts = node.store.read(lambda reader: (reader.root(), reader.conflict_count()))
    parties = [other.party for other in node.sessions if other.party is not None and other is not session]
    _json_listing(
        session,
        [
            {
                "node": node.config.node,
                "epoch": root.epoch,
                "sequence": root.sequence,
                "records": root.digest.count,
                "newest": root.digest.newest,
                "digest": f"{root.digest.total:016x}",
                "mode": node.single_user.mode.value,
                "holder": node.single_user.holder,
                "uptime_s": int(time.time() - node.started),
                "addresses": node.addresses,
                "conflicts": conflicts,
                "sessions": [{"kind": party.kind, "name": party.name} for party in parties],
                "links": [msgspec.to_builtins(link.status) for link in node.links.values()],
            }
        ],
    )


def _conflicts(session: Session, asked: Asked) -> None:
    _require_admin(session)
    arguments = asked.arguments
    number = parse_number(arguments[0]) if arguments else None
    every = bool(arguments) and arguments[0] == "all"

    def job(reader: Reader) -> list[dict[str, Any]]:
        return [conflict_as_json(reader, found) for found in reader.conflicts(number, unresolved=not every)]

    found = session.node.store.read(job)
    if number is not None and not found:
        raise Refused(Code.NOT_FOUND, f"there is no conflict {number}")
    _json_listing(session, found)


def _restore(session: Session, asked: Asked) -> None:
    _require_admin(session)
    number = parse_number(asked.arguments[0]) if asked.arguments else None
    if number is None:
        raise Refused(Code.ILLEGAL, "restore|number of a conflict")
    session.node.single_user.check_open()
    record = session.node.store.write(lambda writer: writer.restore(number))
    session.reply(Code.OK, format_place(record.collection, record.key))


def _check(session: Session, _asked: Asked) -> None:
    _require_admin(session)
    report = session.node.store.run(check_store)
    found = CheckResult(report.records, report.contents, tuple(report.problems))
    session.send_listing(*format_check(found))


def _preview(session: Session, asked: Asked) -> None:
    _require_admin(session)
    preview(session, asked.type)


def _backup(session: Session, asked: Asked) -> None:
    _require_admin(session)
    destination = Path("|".join(asked.arguments))
    if not destination.is_absolute():
        raise Refused(Code.ILLEGAL, "backup|absolute path of a new file")
    session.node.store.run(lambda store: store.backup(destination))
    session.reply(Code.OK, clean(str(destination)))


ACTIONS: dict[str, Action] = {
    "info": Action(_info, "[count|crc]", "state and digests; with the digest you hold, 200 alone if it is equal"),
    "getall": Action(_getall, "", "all records"),
    "get": Action(_get, "[key]", "one record of a collection; without a key, send a batch of keys"),
    "newest": Action(_newest, "[number]", "the newest records of one collection that are alive, oldest first"),
    "since": Action(_since, "[epoch:sequence]", "what changed after a cursor"),
    "tail": Action(_tail, "[epoch:sequence]", "the same, then every change as it is committed"),
    "offer": Action(_offer, "", "takes records, contents or drafts that you send"),
    "heard": Action(_heard, "", "what was heard of all nodes: the horizon; origin|sign of life|newest stamp|agreed"),
    "ranges": Action(_ranges, "", "reconciles: send fingerprints of ranges, read what differs"),
    "body": Action(_body, "[sha-256|offset]", "contents of large bodies, from an offset in bytes"),
    "lacks": Action(_lacks, "", "send contents you have, read which are wanted from where"),
    "pin": Action(_pin, "", "pins the present state for this session, and tells it"),
    "unpin": Action(_unpin, "", "reads the living state again"),
    "status": Action(_status, "", "this node's links and sessions (administrators)"),
    "conflicts": Action(_conflicts, "[number or all]", "versions that lost (administrators)"),
    "restore": Action(_restore, "number", "makes the losing version the newest (administrators)"),
    "preview": Action(
        _preview, "", "of netconf/ROOM: send lines, read how many records they send or stop (administrators)"
    ),
    "backup": Action(_backup, "file", "writes the whole store to a new file (administrators)"),
    "check": Action(_check, "", "recomputes every CRC and digest (administrators)"),
}
