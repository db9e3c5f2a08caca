"""The first copy from a live Citadel server: take its export over, fetch what an export leaves out.

By its administrator's socket on the same machine, which asks for no log-in, or over TCP with one.
Tells its progress to whoever wants to show it, and returns what it did; asks nobody anything.
"""

import enum
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mirror.addresses import Address
from mirror.citadel.looks.decided import Gone
from mirror.citadel.meaning.keys import Keys
from mirror.citadel.migr.importer import Importer
from mirror.citadel.migr.leftovers import Fetched, fetch_leftovers
from mirror.citadel.migr.posted import Known
from mirror.citadel.migr.reached import forget_place
from mirror.citadel.migr.report import NOTHING_ACCEPTED, Accepted, Report
from mirror.citadel.migr.untold import ask_by_name, with_answers
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.protocol.pieces import Wanted, fetch_messages
from mirror.config.errors import ConfigError
from mirror.config.files import CONFIG_FILE
from mirror.config.settings import Config
from mirror.formats.migr import Broken, Element
from mirror.peer.channel import Channel, ConnectionLost, connect, connect_unix
from mirror.store.base import Reading, Store
from mirror.sync.bootstrap import has_begun, mark_begun, mark_ended, note_begun, refuse_full
from mirror.wire.errors import Refused

TIMEOUT_S = 90.0
"""Seconds for which the server may be silent."""
EXPORTING_S = 120.0
"""Seconds for which a server that lets nobody in, as while it exports, is asked again..."""
AGAIN_S = 0.1
"""... every so many seconds."""
NOBODY_AT_ALL = "(maximum is 0)"
"""So ends what a server says then to who connects; with another number there are as many as it lets in."""
ADMIN_SOCKET = "citadel-admin.socket"
"""In a server's directory, the socket on which whoever may connect is its administrator."""

ANY_SERVER = "citadel"
"""In the place of a source: that a copy of some server was begun, whichever door it was asked at."""

Place = Address | Path
"""Where a server is asked: an address, or the directory of one on this machine that has its administrator's socket."""


class ServerStage(enum.Enum):
    """What is being copied: the export, then files in rooms and system messages."""

    EXPORT = "export"
    FILES = "room files"


Progress = Callable[[ServerStage, int], None]
"""Told at the beginning of each stage and then now and again: the stage, and its bytes so far."""


class Taken(NamedTuple):
    """What was taken over of a server: its export, and what an export leaves out where the server itself was asked.

    ``known`` is what has to be known to look at single rooms; for ``blocked_s`` seconds the server let nobody in.
    """

    report: Report
    fetched: Fetched | None = None
    known: Known | None = None
    blocked_s: float = 0.0
    damaged: Sequence[str] = ()
    """Names of users whose accounts the server damaged, where it was asked for these."""

    @property
    def why_incomplete(self) -> str:
        """Why what is here is not all that the server has; nothing where it is."""
        fetched = self.fetched.why_incomplete if self.fetched is not None else ""
        return "; ".join(why for why in (self.report.why_incomplete, fetched) if why)

    @property
    def gone(self) -> list[Gone]:
        """The first of what the server has no more, and was deleted or is held back."""
        return self.report.gone + (self.fetched.gone if self.fetched is not None else [])

    @property
    def why_held_back(self) -> str:
        """What the server has no more and is kept until somebody accepts that it goes; nothing where there is none."""
        held = self.report.held + (self.fetched.held if self.fetched is not None else [])
        told = [f"{one.gone} of {one.told} of {one.collection}" for one in held]
        return f"the server has no more {', '.join(told)}" if told else ""


def require_private_line(config: Config, address: Address) -> None:
    """Raise ConfigError when a password would travel in clear to another machine, unless that is allowed."""
    if not (address.loopback or config.listen.plaintext):
        raise ConfigError(
            f"Citadel's protocol would carry the password in clear to {address.host}: reach it through a tunnel on "
            f"this machine, or set plaintext = true in [listen] of {config.path(CONFIG_FILE)}"
        )


def copy_server(
    store: Store,
    place: Place,
    user: str = "",
    password: str = "",
    *,
    merge: bool = False,
    directory: Path | None = None,
    accepted: Accepted = NOTHING_ACCEPTED,
    progress: Progress | None = None,
    only: Sequence[str] = (),
    keys: Keys | None = None,
    held: Reading | None = None,
) -> Taken:
    """Take over all that a server has.  Repeated after an interruption, it goes on.

    ``user`` is an administrator of it; without one nobody logs in, which works at a Path alone.  ``directory`` is the
    server's own on this machine, where that is known.  Without ``merge`` a store that holds something else is refused
    with StoreError.  ``only`` are patterns of the shell for the rooms that are taken over, all where there is none;
    ``keys`` are those of a server that is yet to be paired.  Users who are ``held``, in the store itself where nothing
    is named, are asked for by name where the server does not list them.

    Raises ConnectionLost, LoginFailed, CitadelError; what was committed stays.
    """
    tell = progress or (lambda _stage, _done: None)
    door = f"citadel:{place}"
    if not (merge or has_begun(store, ANY_SERVER)):
        refuse_full(store, door)
    with closing(_Asked(place, user, password)) as asked:
        node = asked.client.node_name()
        source = f"citadel:{node or place}"
        _begin(store, source, door, merge)
        untold = ask_by_name(held or store, asked.client, node, keys)
        accepted = with_answers(accepted, untold, store, node)
        tell(ServerStage.EXPORT, 0)
        importer = Importer(
            store, source, progress=lambda done: tell(ServerStage.EXPORT, done), accepted=accepted, only=only, keys=keys
        )
        report = importer.run(asked.client.export(), asked.fetch)
        tell(ServerStage.FILES, 0)
        fetched = fetch_leftovers(
            asked.client,
            store,
            report.node,
            importer.file_rooms,
            directory,
            decision=accepted.decision,
            keys=keys,
            shares=accepted.site_settings,
        )
        tell(ServerStage.FILES, fetched.bytes)
        asked.client.quit()
    damaged = [name for number, name in untold.damaged.items() if number not in importer.users]
    taken = Taken(report, fetched, importer.known, damaged=damaged)
    if accepted.incomplete or not taken.why_incomplete:
        for name in (source, door):
            mark_ended(store, name)
    return taken


class _Asked:
    """A server that is asked, on another connection once an export is hung up on."""

    def __init__(self, place: Place, user: str, password: str) -> None:
        """Raises as ``log_in`` does."""
        self._log_in = partial(log_in, place, user, password)
        self.client = self._log_in()

    def fetch(self, wanted: list[Wanted]) -> Iterator[Element | Broken]:
        """Hang up on the export, and ask for what is wanted."""
        self.close()
        self.client = self._log_in()
        yield from fetch_messages(self.client, wanted)

    def close(self) -> None:
        self.client.channel.close()


def _begin(store: Store, source: str, door: str, merge: bool) -> None:
    """Note that a copy from a source is begun.  Raises StoreError where the store holds something else."""
    if not has_begun(store, source):
        if not merge:
            refuse_full(store, door)
        mark_begun(store, source)
        note_begun(store, ANY_SERVER)
    # A new export need not have its elements where the last one had them: never resume by offset.
    forget_place(store, source)


def log_in(place: Place, user: str, password: str) -> CitadelClient:
    """Connect to a server, and log in where there is a user.  Raises ConnectionLost, LoginFailed, Refused.

    A server that exports lets nobody in until it is done, or has noticed that who asked for it hung up: that is waited
    for.
    """
    client = _let_in(place)
    try:
        if user:
            client.log_in(user, password)
    except BaseException:
        client.channel.close()
        raise
    return client


def _let_in(place: Place) -> CitadelClient:
    until = time.monotonic() + EXPORTING_S
    while True:
        channel = _connect(place)
        try:
            return CitadelClient(channel)
        except Refused as error:
            channel.close()
            if NOBODY_AT_ALL not in error.text or time.monotonic() >= until:
                raise Refused(error.code, f"{channel.peer} lets nobody in: {error.text}") from None
        except BaseException:
            channel.close()
            raise
        # The server tells nobody when it is done; there is nothing to wait for but time.
        time.sleep(AGAIN_S)


def _connect(place: Place) -> Channel:
    if isinstance(place, Address):
        return connect(place.host, place.port, TIMEOUT_S)
    socket = place / ADMIN_SOCKET
    try:
        return connect_unix(str(socket), TIMEOUT_S)
    except ConnectionLost as error:
        raise ConnectionLost(
            f"{error}: give the directory where a running server has its sockets, and be who started it, root as a rule"
        ) from None
