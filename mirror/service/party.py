"""Who is on the other end of a session, once that is settled."""

from typing import NamedTuple

from mirror.service.rights import Rights
from mirror.sync.scope import EVERYTHING, Scope


class Party(NamedTuple):
    """Somebody authenticated: a ``kind`` (peer, share, user, admin), a name, the rights at log-in.

    A user's ``rights`` give those of any later state of the store.
    """

    kind: str
    name: str
    scope: Scope
    user_key: str = ""
    rights: Rights | None = None

    @property
    def administers(self) -> bool:
        """Whether this is a peer, the machine's administrator, or at log-in was one of the Citadel server."""
        return self.kind in ("peer", "admin") or getattr(self.scope, "aide", False)

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name}"


ADMIN = Party("admin", "local", EVERYTHING)
