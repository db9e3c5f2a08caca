"""What users and administrators want written, as this node's own edits: checked, then given to the store.

A batch of drafts is written in one transaction, or not at all.  Those of clients of 0.1.0 name no base and replace
what is there.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from mirror.model.applied import Applied
from mirror.model.draft import Changed, Draft, Written, base_of, check_draft
from mirror.model.errors import BadRecord
from mirror.model.fields import values_of
from mirror.model.kinds import ITEM_PREFIX, NODES, check_collection, parse_collection
from mirror.model.marks import check_marks
from mirror.model.merge import has_fields
from mirror.model.record import INLINE_LIMIT, Record, record_crc, unpack_head
from mirror.model.texts import is_message
from mirror.server.session import Session
from mirror.service.posting import MAX_POST, check_place, check_replaced, signed
from mirror.service.rights import UserScope, scope_in_room
from mirror.service.rooms import mailbox_of
from mirror.store.base import Reader, Writer
from mirror.store.errors import BoundReached, MissingContent
from mirror.store.values import Acting, DraftResult
from mirror.sync.remote import Denied
from mirror.sync.responder import Responder
from mirror.sync.scope import Scope
from mirror.sync.share.rules import NETCONF, check_netconf
from mirror.wire.answers import format_changed
from mirror.wire.batch import Batch
from mirror.wire.bulk import names_base, parse_drafts, parse_overwrites
from mirror.wire.errors import Refused
from mirror.wire.lines import Code
from mirror.wire.values import Held
from netconf.lines import MAX_BYTES

Write = Callable[[Writer, bytes | None], DraftResult]
"""Writes a draft, with another body than the one that was sent if one is given."""
Following = Callable[[Writer, Sequence[Written]], Sequence[Draft]]
"""Returns the drafts that follow from what became of others, in the transaction in which those were written."""

VISITS = "visits"
MAX_ORIGINS_USER = 256
"""Origins that nobody here knows of, which the bases of one user's drafts may name."""
MAX_CONFLICTS_USER = 1000
"""Conflicts that a user may make before some are resolved."""
MAX_USER_KEYS = 1_000_000
"""Records, tombstones included, in a collection in which users may make new ones."""


class Drafted(NamedTuple):
    """What became of drafts: in numbers, and of each one in their order."""

    applied: Applied = Applied()
    each: tuple[Written, ...] = ()


def take_drafts(session: Session, responder: Responder, batch: Batch) -> Drafted:
    """Take a batch of drafts in, of either kind.  Raises Refused, Denied, BadRecord, MissingContent."""
    if not names_base(batch):
        return overwrite(session, responder, parse_overwrites(batch))
    drafts = parse_drafts(batch)
    for draft in drafts:
        check_draft(draft)
    return write_drafts(session, responder, drafts)


def write_drafts(
    session: Session, responder: Responder, drafts: Sequence[Draft], following: Following | None = None
) -> Drafted:
    """Write drafts as this node's next versions, and those that follow from them, all or none of them.

    Raises as ``take_drafts``.
    """
    try:
        return _write_all(session, responder, _pairs(drafts), following)
    except Changed as error:
        there = error.held
        held = Held(there.stamp, there.origin, record_crc(there)) if there is not None else None
        raise Refused(Code.CHANGED, format_changed(held, str(error))) from None


def overwrite(session: Session, responder: Responder, records: Sequence[Record]) -> Drafted:
    """Have records replace what is there, whatever their stamps.  Raises as ``take_drafts``."""
    for record in records:
        check_collection(record.collection)
        if not record.key:
            raise BadRecord(f"a draft for {record.collection} has no key")
    return _write_all(session, responder, [(record, _overwriting(record)) for record in records])


def _as_record(draft: Draft) -> Record:
    """Return what rights are judged by: a version that never will be."""
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


def _pairs(drafts: Sequence[Draft]) -> list[tuple[Record, Write]]:
    """Return each draft as the record that it is judged by, and what writes it."""
    return [(_as_record(draft), _writing(draft)) for draft in drafts]


def _writing(draft: Draft) -> Write:
    def write(writer: Writer, body: bytes | None) -> DraftResult:
        wanted = draft if body is None else msgspec.structs.replace(draft, body=body, content=b"", size=0)
        if len(wanted.body) <= INLINE_LIMIT:
            return writer.write(wanted)
        kept = writer.store_body(_as_record(wanted), wanted.body)
        return writer.write(msgspec.structs.replace(wanted, body=b"", content=kept.content, size=kept.size))

    return write


def _overwriting(record: Record) -> Write:
    def write(writer: Writer, body: bytes | None) -> DraftResult:
        given = record.body if body is None else body
        outcome = writer.overwrite(writer.store_body(record, given) if given else record)
        if outcome.record is None:
            raise Denied(f"{record.collection} {record.key!r} is not here")
        return outcome

    return write


def _write_all(
    session: Session,
    responder: Responder,
    writes: Sequence[tuple[Record, Write]],
    following: Following | None = None,
) -> Drafted:
    """Write drafts in one transaction, each with the record that it is judged by, then those that follow from them."""
    scope = responder.renewed().scope

    def job(writer: Writer) -> Drafted:
        drafted = _write_some(session, responder, writer, scope, writes)
        if following is None:
            return drafted
        more = _write_some(session, responder, writer, scope, _pairs(following(writer, drafted.each)))
        return Drafted(drafted.applied + more.applied, drafted.each + more.each)

    return session.node.store.write(job)


def _write_some(
    session: Session, responder: Responder, writer: Writer, scope: Scope, writes: Sequence[tuple[Record, Write]]
) -> Drafted:
    records = [record for record, _ in writes]
    for record in records:
        _check_rights(writer, scope, record)
    if session.require_party().is_user:
        _check_room(acting(session, writer), records)
    responder.check_contents(writer, records)
    applied, each = Applied(), list[Written]()
    for record, write in writes:
        _check_content(writer, record)
        _check_lines(writer, record)
        _check_marks(writer, scope, record)
        mailbox = mailbox_of(writer, record.key) if record.dead and record.collection == "users" else []
        outcome = write(writer, _signed(writer, scope, record))
        applied += outcome.applied
        each.append(_told(record, outcome.record))
        if outcome.record is not None and outcome.record.dead:
            for room in mailbox:
                writer.delete("rooms", room)
    return Drafted(applied, tuple(each))


def acting(session: Session, writer: Writer) -> Writer:
    """Return a Writer for which the rest of its job counts as the doing of the user who is logged in."""
    party = session.require_party()
    may = partial(check_replaced, writer, party.user_key)
    writer.act_for(Acting(party.label, MAX_CONFLICTS_USER, MAX_ORIGINS_USER, may))
    return writer


def _told(sent: Record, there: Record | None) -> Written:
    """Return what is told of a draft that was written, given what is there now."""
    if there is None:
        return Written(sent.collection, sent.key, as_sent=sent.dead)
    same = sent.dead == there.dead and (
        _has_fields(sent, there) if has_fields(sent) else _body_name(sent) == _body_name(there)
    )
    return Written(there.collection, there.key, base_of(there), record_crc(there), there.dead, same)


def _has_fields(sent: Record, there: Record) -> bool:
    values = values_of(there)
    return all(values.get(name) == value for name, value in unpack_head(sent.head).items())


def _body_name(record: Record) -> bytes:
    """Return what names a body, wherever it stands."""
    return record.content or hashlib.sha256(record.body).digest()


def _check_room(writer: Writer, records: Sequence[Record]) -> None:
    """Raise BoundReached where a user would make something new in a collection that holds very much already."""
    for record in records:
        if record.dead or writer.digest(record.collection).count < MAX_USER_KEYS:
            continue
        (key,) = writer.kept_under([record]) if is_message(record) else (record.key,)
        if writer.get(record.collection, key) is None:
            raise BoundReached(f"{record.collection} holds {MAX_USER_KEYS} records: users make no new ones there")


def _check_rights(reader: Reader, scope: Scope, record: Record) -> None:
    """Raise Denied unless this party may write a record into the state that is there when it is written."""
    if record.collection == NODES:
        raise Denied("what nodes say of themselves is written by nodes alone")
    if not isinstance(scope, UserScope):
        return
    now = scope_in_room(reader, scope.user_key, parse_collection(record.collection).room)
    if not now.writes(record):
        raise Denied(f"{record.collection} is not here")
    room = now.rooms.get(parse_collection(record.collection).room)
    if room is not None and not now.aide:
        check_place(room, record)


def _signed(reader: Reader, scope: Scope, record: Record) -> bytes | None:
    """Return a message as its author may put it into the room it is meant for; None where it is that already.

    Raises Refused where it is too large to be signed.
    """
    name = parse_collection(record.collection)
    if record.dead or not isinstance(scope, UserScope) or name.kind != "messages":
        return None
    now = scope_in_room(reader, scope.user_key, name.room)
    if now.aide or now.rooms[name.room].own:
        return None
    if max(record.size, len(record.body)) > MAX_POST:
        raise Refused(Code.TOO_BIG, f"a message in a room of others has at most {MAX_POST} bytes")
    sent = record.body or reader.body(record)
    held = reader.get(record.collection, record.key) if record.key.startswith(ITEM_PREFIX) else None
    there = reader.body(held) if held is not None and not held.dead else b""
    body = signed(sent, record.key, now.rooms[name.room], now.author, there)
    return None if body is sent else body


def _check_content(reader: Reader, record: Record) -> None:
    """Raise MissingContent or BadRecord unless the content that a draft names is here, and as long as it says."""
    if not record.content:
        return
    if not reader.content_complete(record.content):
        raise MissingContent([(record.content, record.size)])
    size = reader.content_size(record.content)
    if size != record.size:
        raise BadRecord(f"content {record.content.hex()} has {size} bytes, not {record.size}")


def _check_lines(reader: Reader, record: Record) -> None:
    """Raise BadRecord unless a room's network configuration can be obeyed."""
    if record.dead or parse_collection(record.collection).kind != NETCONF:
        return
    if record.size > MAX_BYTES:
        raise BadRecord(f"{record.size} bytes: a room's configuration has at most {MAX_BYTES}")
    check_netconf(reader.body(record))


def _check_marks(reader: Reader, scope: Scope, record: Record) -> None:
    """Raise BadRecord where what a user says of a message is no mark, or too many; administrators are not asked."""
    if record.dead or parse_collection(record.collection).kind != VISITS:
        return
    if not isinstance(scope, UserScope) or scope.aide:
        return
    held = reader.get(record.collection, record.key)
    check_marks(unpack_head(record.head), values_of(held) if held is not None and not held.dead else ())
