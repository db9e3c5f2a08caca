"""What a peer has to prove that it knows, for SCRAM-SHA-256: made from the peers' tables and secrets.

Who has no table of its own, or no secret, cannot log in.  Such a name is answered as one that is known would be, up to
the same step, so that nobody learns who the peers are.  Knows neither sessions nor sockets.
"""

import hmac
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from scramp import ScramMechanism

from mirror.config.settings import Peer, PeerKind
from mirror.peer.dial import MECHANISM

ITERATIONS = 4096
"""Rounds of the derivation (RFC 7677).  More would buy little: a secret is made by a machine, not thought of."""


class Credential(NamedTuple):
    """Salt, stored key, server key and iterations (RFC 5802), as scramp takes them."""

    salt: bytes
    stored_key: bytes
    server_key: bytes
    iterations: int


class _Held(NamedTuple):
    """A peer's credential, and what it was made for: another secret or kind is another credential."""

    secret: str
    kind: PeerKind
    credential: Credential


class Credentials:
    """Those of all peers that may log in."""

    def __init__(self) -> None:
        self._pepper = os.urandom(32)
        self._held: dict[str, _Held] = {}

    def configure(self, peers: Iterable[Peer], secrets: Mapping[str, str]) -> None:
        """Have just those peers log in that have both a table and a secret; who is as before keeps its credential."""
        self._held = {peer.name: self._made(peer, secrets[peer.name]) for peer in peers if peer.name in secrets}

    def _made(self, peer: Peer, secret: str) -> _Held:
        held = self._held.get(peer.name)
        if held is not None and (held.secret, held.kind) == (secret, peer.kind):
            return held
        made = ScramMechanism(MECHANISM).make_auth_info(secret, ITERATIONS, self._derive("salt", peer.name))
        return _Held(secret, peer.kind, Credential(*made))

    def find(self, name: str) -> Credential:
        """Return the credential of a peer; of any other name always the same one that nobody can prove."""
        made_up = self._made_up(name)  # whether it is needed or not, so that both take the same time
        held = self._held.get(name)
        return held.credential if held is not None else made_up

    def holds(self, name: str, credential: Credential | None) -> bool:
        """Tell whether a credential that a peer had at some time is still that peer's."""
        held = self._held.get(name)
        return held is not None and held.credential is credential

    def knows(self, name: str, kind: PeerKind) -> bool:
        """Tell whether a peer of this name and kind may log in."""
        held = self._held.get(name)
        return held is not None and held.kind == kind

    def _made_up(self, name: str) -> Credential:
        salt, stored, server = (self._derive(what, name) for what in ("salt", "stored", "server"))
        return Credential(salt, stored, server, ITERATIONS)

    def _derive(self, what: str, name: str) -> bytes:
        return hmac.digest(self._pepper, f"{what} {name}".encode(), "sha256")
