"""SYNC's offer: what peers bring, as it is; and what users and administrators want written, as this node's edits."""

from collections.abc import Iterator

from mirror.model.applied import Applied
from mirror.model.errors import BadRecord
from mirror.model.kinds import NODES, MergeRule, check_collection, kind_of, parse_collection
from mirror.model.record import Record, unpack_head
from mirror.peer.remote import decode_page
from mirror.server.access import UserScope
from mirror.server.session import Session
from mirror.server.table import Asked
from mirror.store.base import Writer
from mirror.sync.remote import Denied
from mirror.sync.responder import Responder
from mirror.sync.share.rules import NETCONF, check_netconf
from mirror.wire.answers import format_applied
from mirror.wire.batch import Batch
from mirror.wire.bulk import parse_part
from mirror.wire.codec import read_typed
from mirror.wire.errors import ProtocolError
from mirror.wire.lines import Code
from mirror.wire.values import Page

MAX_DRAIN = 64 * 1024 * 1024
"""Bytes read and thrown away after a refused batch, so that the refusal is heard."""


def take_offer(session: Session, _asked: Asked) -> None:
    """offer: take batches in, each in a transaction of its own, and tell what became of them."""
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
        if parse_collection(record.collection).kind == NETCONF and not record.dead:
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
