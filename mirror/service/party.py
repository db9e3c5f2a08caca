"""Who is on the other end of a session, once that is settled."""

import enum
from typing import NamedTuple

from mirror.service.rights import Rights
from mirror.sync.scope import EVERYTHING, Scope


class PartyKind(enum.StrEnum):
    """What somebody authenticated is to this node."""

    PEER = "peer"
    """A mirror: a complete duplicate."""
    SHARE = "share"
    """A peer that single rooms are shared with."""
    USER = "user"
    """A Citadel user."""
    ADMIN = "admin"
    """The administrator of this machine."""


class Party(NamedTuple):
    """Somebody authenticated: what that is, a name, the rights at log-in.

    A user's ``rights`` give those of any later state of the store.
    """

    kind: PartyKind
    name: str
    scope: Scope
    user_key: str = ""
    rights: Rights | None = None

    @property
    def administers(self) -> bool:
        """Whether this is a peer, the machine's administrator, or at log-in was one of the Citadel server."""
        return self.kind in (PartyKind.PEER, PartyKind.ADMIN) or getattr(self.scope, "aide", False)

    @property
    def is_user(self) -> bool:
        return self.kind == PartyKind.USER

    @property
    def is_node(self) -> bool:
        """Whether this is another node, of either kind."""
        return self.kind in (PartyKind.PEER, PartyKind.SHARE)

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name}"


ADMIN = Party(PartyKind.ADMIN, "local", EVERYTHING)
