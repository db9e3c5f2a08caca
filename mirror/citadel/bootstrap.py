"""The first copy from a live Citadel server: log in, take its export over, fetch what an export leaves out.

Tells its progress to whoever wants to show it, and returns what it did; asks nobody anything.
"""

import enum
from collections.abc import Callable
from typing import NamedTuple

from mirror.citadel.client import CitadelClient
from mirror.citadel.importer import Importer, Report
from mirror.citadel.leftovers import Fetched, fetch_leftovers
from mirror.config import CONFIG_FILE, Address, Config, ConfigError
from mirror.peer.channel import connect
from mirror.store.base import Store
from mirror.sync.bootstrap import mark_begun, refuse_full

TIMEOUT_S = 90.0
"""Seconds for which the server may be silent."""


class ServerStage(enum.Enum):
    """What is being copied: the export, then files in rooms and system messages."""

    EXPORT = "export"
    FILES = "room files"


Progress = Callable[[ServerStage, int], None]
"""Told at the beginning of each stage and then now and again: the stage, and its bytes so far."""


class Taken(NamedTuple):
    """What a first copy did: the export's part and that of the rest."""

    report: Report
    fetched: Fetched


def require_private_line(config: Config, address: Address) -> None:
    """Raise ConfigError when a password would travel in clear to another machine, unless that is allowed."""
    if not (address.loopback or config.listen.plaintext):
        raise ConfigError(
            f"Citadel's protocol would carry the password in clear to {address.host}: reach it through a tunnel on "
            f"this machine, or set plaintext = true in [listen] of {config.path(CONFIG_FILE)}"
        )


def copy_server(
    store: Store,
    address: Address,
    user: str,
    password: str,
    *,
    merge: bool = False,
    progress: Progress | None = None,
) -> Taken:
    """Take over all that a server has, as its administrator ``user``.  Repeated after an interruption, it goes on.

    Without ``merge`` a store that holds something else is refused with StoreError.  Raises ConnectionLost,
    LoginFailed, CitadelError; what was committed stays.
    """
    tell = progress or (lambda _stage, _done: None)
    source = f"citadel:{address}"
    if not merge:
        refuse_full(store, source)
    channel = connect(address.host, address.port, TIMEOUT_S)
    try:
        client = CitadelClient(channel)
        client.log_in(user, password)
        mark_begun(store, source)
        # A new export need not have its elements where the last one had them: never resume by offset.
        store.write(lambda writer: writer.set_meta(f"import:{source}", 0))
        tell(ServerStage.EXPORT, 0)
        importer = Importer(store, source, progress=lambda done: tell(ServerStage.EXPORT, done))
        report = importer.run(client.export())
        tell(ServerStage.FILES, 0)
        fetched = fetch_leftovers(client, store, report.node)
        tell(ServerStage.FILES, fetched.bytes)
        client.quit()
    finally:
        channel.close()
    return Taken(report, fetched)
