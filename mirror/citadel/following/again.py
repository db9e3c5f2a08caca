"""Looking again at a server that is followed, so that its users notice as little as can be.

While it exports, the server turns new sessions away.  So the export is read as fast as it comes, hung up before its
messages, and only then looked at; what is new is fetched message by message over the connection that stays.
"""

import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from mirror.citadel.bootstrap import Taken
from mirror.citadel.migr.importer import Fetch, Importer
from mirror.citadel.migr.importing import read_blocks
from mirror.citadel.migr.leftovers import fetch_leftovers
from mirror.citadel.migr.reached import forget_place
from mirror.citadel.migr.report import NOTHING_ACCEPTED, Accepted
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.protocol.pieces import fetch_messages
from mirror.store.base import Store
from mirror.sync.bootstrap import mark_ended

IN_MEMORY = 16 * 1024 * 1024
"""Bytes of an export that are kept in memory; more are in a temporary file."""
_MESSAGES_BEGIN = re.compile(rb"<progress>\s*(?:2[5-9]|[3-9]\d|100)\s*</progress>|<message>")
_LONGEST = 64
"""Bytes of that at most."""


class _Cut(NamedTuple):
    """What a server exported up to its messages, and for how many seconds it let nobody in."""

    file: BinaryIO
    blocked_s: float


def look_again(
    store: Store,
    connect: Callable[[], CitadelClient],
    client: CitadelClient,
    node: str,
    *,
    directory: Path | None = None,
    accepted: Accepted = NOTHING_ACCEPTED,
    only: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> Taken:
    """Take over what changed on a server of which all was looked at before.

    ``connect`` gives a connection that is hung up upon, ``client`` stays; all else as in ``copy_server``.  Of a server
    of another version than 980 the report says that the export ends before its end tag, and nothing was deleted.
    """
    source = f"citadel:{node}"
    forget_place(store, source)
    importer = Importer(store, source, progress=progress, accepted=accepted, only=only)
    with _exported(connect) as cut:
        report = importer.run(read_blocks(cut.file), lambda wanted: fetch_messages(client, wanted), few=False)
    known = importer.known
    fetched = fetch_leftovers(
        client,
        store,
        known.node,
        known.file_rooms,
        directory,
        decision=accepted.decision,
        shares=accepted.site_settings,
    )
    taken = Taken(report, fetched, known, cut.blocked_s)
    if not taken.why_incomplete:
        mark_ended(store, source)
    return taken


def look_at_told(
    store: Store,
    told: Iterable[bytes],
    kinds: Set[str],
    node: str,
    fetch: Fetch,
    *,
    accepted: Accepted = NOTHING_ACCEPTED,
    only: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> Taken:
    """Take over what an export says that was put together; of these ``kinds`` of collections it has all.

    ``fetch`` is asked for the messages that it names and that are new; all else is as in ``look_again``.
    """
    source = f"citadel:{node}"
    forget_place(store, source)
    importer = Importer(store, source, progress=progress, accepted=accepted, only=only, told=kinds)
    return Taken(importer.run(told, fetch, few=False), None, importer.known)


@contextmanager
def _exported(connect: Callable[[], CitadelClient]) -> Iterator[_Cut]:
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
        client = connect()
        began = time.monotonic()
        try:
            for block in _before_messages(client.export()):
                file.write(block)
        finally:
            client.channel.close()
        blocked = time.monotonic() - began
        file.seek(0)
        yield _Cut(cast(BinaryIO, file), blocked)


def _before_messages(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield blocks up to the one in which the messages begin."""
    tail = b""
    for block in blocks:
        yield block
        if _MESSAGES_BEGIN.search(tail + block):
            return
        tail = block[-_LONGEST:]
