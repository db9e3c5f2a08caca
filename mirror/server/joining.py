"""Guests become peers: who logs in by an invitation gives a secret of its own, and the invitation is used up.

The secret of an invitation that nobody used in time lets nobody in.
"""

import logging

from mirror.config.secrets import drop_invitation, load_invitations, load_secrets, save_secret
from mirror.server.session import Session
from mirror.server.table import Asked
from mirror.wire.errors import Refused
from mirror.wire.lines import Code

log = logging.getLogger("mirror.login")

MIN_OWN_SECRET = 32
"""Characters in the secret that a guest's machine makes."""


def join(session: Session, _asked: Asked, secret: str) -> None:
    """join: take the secret that a guest logs in with from now on, in place of the invitation's."""
    node, party = session.node, session.require_party()
    directory = node.config.directory
    if not party.is_node or party.name not in load_invitations(directory):
        raise Refused(Code.ACCESS, "this is for a node that was invited, once")
    if len(secret) < MIN_OWN_SECRET or not secret.isascii():
        raise Refused(Code.ILLEGAL, f"a secret has {MIN_OWN_SECRET} characters of ASCII or more")
    save_secret(directory, party.name, secret)
    drop_invitation(directory, party.name)
    log.info("%s has joined from %s; its invitation is used", party.label, session.channel.peer)
    session.reply(Code.OK, node.config.node)
    node.configure(node.config, usable_secrets(load_secrets(directory), load_invitations(directory), _now_s(session)))


def usable_secrets(secrets: dict[str, str], invitations: dict[str, int], now_s: int) -> dict[str, str]:
    """Return the secrets without those of invitations that nobody used in time."""
    return {name: secret for name, secret in secrets.items() if invitations.get(name, now_s) >= now_s}


def _now_s(session: Session) -> int:
    return session.node.store.clock.now_ms() // 1000
