"""SYNC's offer: records and contents that peers bring, drafts and their bodies from users and administrators."""

from collections.abc import Iterator

from mirror.model.applied import Applied
from mirror.model.draft import Written
from mirror.peer.remote import decode_page
from mirror.server.drafts import Drafted, overwrite, take_drafts
from mirror.server.session import Session
from mirror.server.table import Asked
from mirror.service.party import Party
from mirror.sync.responder import Responder
from mirror.wire.answers import format_applied
from mirror.wire.batch import Batch
from mirror.wire.bulk import DRAFTS, format_written, parse_part
from mirror.wire.errors import ProtocolError, Refused
from mirror.wire.lines import Code
from mirror.wire.values import VERSIONS, ContentPart

MAX_DRAIN = 64 * 1024 * 1024
"""Bytes read and thrown away after a refused batch, so that the refusal is heard."""

MAX_USER_CONTENT = 1 << 30
"""Bytes of one body that a user may send."""


MAX_TOLD = 65_536
"""Drafts of which each is told, after which an offer takes no further batch."""


def take_offer(session: Session, _asked: Asked, versions: str | None) -> None:
    """offer: take batches in, each in a transaction of its own, and tell what became of them, or of each draft."""
    party = session.require_party()
    session.node.single_user.check_open(party.label)
    responder = session.responder()
    session.reply(Code.SEND_LISTING, "send records")
    batches = session.channel.read_batches()
    applied, each = Applied(), list[Written]()
    try:
        for batch in batches:
            session.node.single_user.check_open(party.label)
            if versions and len(each) >= MAX_TOLD:
                raise Refused(Code.TOO_BIG, f"an offer with {VERSIONS} ends once {MAX_TOLD} drafts were told of")
            drafted = _take(session, responder, batch)
            applied += drafted.applied
            each += drafted.each if versions else ()
    except ProtocolError:
        raise  # framing is lost: nothing more can be read
    except Exception:
        _drain(batches)
        raise
    if versions:
        session.send_batches(format_applied(applied), format_written(each, session.encoding))
    else:
        session.reply(Code.OK, format_applied(applied))


def _drain(batches: Iterator[Batch]) -> None:
    size = 0
    for batch in batches:
        size += len(batch.payload)
        if size > MAX_DRAIN:
            raise ProtocolError("too much was sent after a batch that was refused")


def _take(session: Session, responder: Responder, batch: Batch) -> Drafted:
    kind, party = batch.header.get("Type"), session.require_party()
    if kind == "content":
        return Drafted(_take_part(party, responder, parse_part(batch)))
    if party.is_node:
        if kind == DRAFTS:
            raise ProtocolError("drafts are for users and administrators; peers send records")
        page = decode_page(batch)
        applied = responder.offer([page])
        session.node.recent_of(party).add(page.crcs)
        return Drafted(applied)
    if kind == DRAFTS:
        return take_drafts(session, responder, batch)
    return overwrite(session, responder, decode_page(batch).records)


def _take_part(party: Party, responder: Responder, part: ContentPart) -> Applied:
    """Store a part of a content; the responder notes whose own bytes it was."""
    if party.is_user and part.size > MAX_USER_CONTENT:
        raise Refused(Code.TOO_BIG, f"{part.size} bytes: a body from a user has at most {MAX_USER_CONTENT}")
    return responder.offer([part])
