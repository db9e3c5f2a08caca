"""SNGL and ESNG: asking for single-user mode, and ending it."""

from mirror.server.session import Session
from mirror.service.party import PartyKind
from mirror.wire.lines import Code


def enter_single_user(session: Session, wait: int, expire: int) -> None:
    """SNGL: wait for users to leave (seconds), then have the node alone, until silent for ``expire`` seconds."""
    holder = session.require_party().label
    expire = max(1, expire)
    session.node.single_user.enter(holder, wait, expire, session.node.notify_users)
    session.reply(Code.OK, f"single-user mode for {holder}, ends by ESNG or {expire} seconds after the last command")


def leave_single_user(session: Session) -> None:
    """ESNG: let the others in again; the mode's holder may, and this machine's administrator whoever that is."""
    party = session.require_party()
    session.node.single_user.leave(party.label, anyway=party.kind == PartyKind.ADMIN)
    session.reply(Code.OK, "multi-user mode")
