"""A running node: what its sessions and links share."""

import secrets as random_names
import time
from collections import defaultdict
from collections.abc import Callable, Hashable
from typing import Any, Protocol

import msgspec

from mirror.config.reading import load_config
from mirror.config.secrets import load_passwords
from mirror.config.settings import MIRROR, SHARE, Config
from mirror.faults import Faults
from mirror.peer.clocks import SYSTEM
from mirror.peer.link import Link
from mirror.peer.presence import Presence, ask
from mirror.server.attachments import Attachments
from mirror.server.comparing import Comparing
from mirror.server.credentials import Credential, Credentials
from mirror.server.digest_lines import DigestLines
from mirror.server.guessing import Guessing
from mirror.server.pages import SharedPages, changes_of
from mirror.server.sharing import Sharing
from mirror.server.single_user import SingleUser
from mirror.service.directory import Directory
from mirror.service.party import Party, PartyKind
from mirror.store.green import GreenStore
from mirror.sync.clock import ClockGuard
from mirror.sync.derived import Sums
from mirror.sync.recent import Recent
from mirror.sync.scope import Scope
from mirror.sync.told import ToldDigests
from mirror.sync.twins import Twins, read_identity
from mirror.sync.uploads import UploadsOfParties
from mirror.wire.values import Identity

MAX_SCOPES = 256
"""Different rights for which pages are kept."""


class Connected(Protocol):
    """A session, as those see it who just want to know who is there, and to tell them something."""

    party: Party | None
    host: str
    network: str
    since: float
    leaving: bool
    credential: Credential | None
    password: object
    sent: int | None
    caught_up: float
    compare: Callable[[str], None] | None

    def notify(self, text: str) -> None:
        """Tell the other side something out of turn."""
        ...

    def hang_up(self) -> None:
        """End the connection at once."""
        ...


class Node:
    """The store, the configuration, who is connected, and the links."""

    def __init__(
        self,
        config: Config,
        secrets: dict[str, str],
        store: GreenStore,
        elapsed_ms: Callable[[], int] = SYSTEM.elapsed_ms,
        instance: str = "",
    ) -> None:
        """``elapsed_ms`` returns milliseconds that only go forward; from now on the store's clock may be doubted.

        ``instance`` names this run of the node; without one it gets a name that no other run has.
        """
        self.store = store
        last_ms = store.read(lambda reader: reader.committed_ms())
        self.clock = ClockGuard(store.clock, elapsed_ms, last_ms, self._has_mirrors)
        store.clock.check = self.clock.check
        self.instance = instance or random_names.token_hex(8)
        self.twins: Twins[Presence] = Twins(store, ask)
        self.sessions: set[Connected] = set()
        self.links: dict[str, Link] = {}
        self.recent: defaultdict[str, Recent] = defaultdict(Recent)
        self.single_user = SingleUser(self.users_online)
        self._pages: dict[Hashable, SharedPages] = {}
        self.sharing = Sharing(store)
        self.sums = Sums()
        self.told = ToldDigests()
        self.lines = DigestLines()
        self.uploads = UploadsOfParties()
        self.directory = Directory()
        self.changes = changes_of(store)
        self.faults = Faults()
        self.credentials = Credentials()
        self.guessing = Guessing()
        self.max_users = config.listen.max_sessions  # as far as this process may have so many files open
        self.comparing = Comparing()
        self.attachments = Attachments(store, self.faults, config)
        self.started = time.time()
        self.addresses: list[str] = []
        self.last_seen: dict[str, float] = {}  # when a peer's connection ended that it had dialled (Unix seconds)
        self.last_sent: dict[str, int] = {}  # up to where a peer was sent the feed that does not follow it now
        self.tls: Any = None
        self.reload: Callable[[], list[str]] | None = None  # a daemon's: takes changed settings over
        self.configure(config, secrets)

    def configure(self, config: Config, secrets: dict[str, str]) -> None:
        """Take a new configuration over, but for which servers are followed; peers that it concerns log in anew."""
        self.config = config
        self.store.clock.max_ahead_ms = config.max_ahead_ms
        self.secrets = secrets
        self.credentials.configure(config.peers, secrets)
        self.sharing.configure([peer.name for peer in config.peers if peer.kind == SHARE])
        for session in list(self.sessions):
            if session.party is not None and session.party.is_node and not self._stays(session, session.party):
                session.hang_up()
        kind, _, name = self.single_user.holder.partition(" ")
        if kind == PartyKind.PEER and not self.credentials.knows(name, MIRROR):
            self.single_user.lose(self.single_user.holder)

    def _stays(self, session: Connected, party: Party) -> bool:
        """Tell whether a peer's session outlives a new configuration: what let it in holds, and so do its rights."""
        return party.kind == PartyKind.PEER and self.credentials.holds(party.name, session.credential)

    def reload_attachments(self) -> None:
        """Take over which servers are followed, as the files in the node's directory say now.  Raises ConfigError."""
        new = load_config(self.config.directory)
        passwords = load_passwords(self.config.directory)
        self.config = msgspec.structs.replace(self.config, attachments=new.attachments)
        self.attachments.configure(self.config, passwords)

    def identity(self) -> Identity:
        """Return which one of the nodes of its name this one is."""
        return self.store.read(lambda reader: read_identity(reader, self.instance))

    def _has_mirrors(self) -> bool:
        return any(peer.kind == MIRROR for peer in self.config.peers)

    def pages_for(self, scope: Scope) -> SharedPages:
        """Return the pages that all parties of equal rights share."""
        pages = self._pages.get(scope.signature)
        if pages is None:
            if len(self._pages) >= MAX_SCOPES:
                self._pages.pop(next(iter(self._pages))).close()
            pages = self._pages[scope.signature] = SharedPages(self.store, scope)
        return pages

    def recent_of(self, party: Party) -> Recent:
        """Return what came from a party lately: from another node alone, a user may be called as one is."""
        return self.recent[party.name] if party.is_node else Recent()

    def users_online(self) -> int:
        """How many Citadel users are logged in, the holder of single-user mode not counted."""
        parties = (session.party for session in self.sessions if session.party is not None)
        return sum(1 for party in parties if party.is_user and party.label != self.single_user.holder)

    def notify_users(self, text: str) -> None:
        """Tell all logged-in users something."""
        for session in list(self.sessions):
            party = session.party
            if party is not None and party.is_user and party.label != self.single_user.holder:
                session.notify(text)
