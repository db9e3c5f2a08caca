"""How Citadel servers that are followed are shown: in a table, and what is not as it should be, a line each."""

import time
from collections.abc import Iterator, Sequence

from mirror.cli.output import duration, print_table
from mirror.wire.status import AttachmentStatus


def print_attachments(attachments: Sequence[AttachmentStatus]) -> None:
    """Print a table of servers that are followed."""
    now = time.time()
    print_table("Attached", ["name", "place", "phase", "for", "as of", "written", "deleted", "error"], [
        [one.name, one.place, one.phase, duration(now - one.since) if one.since else "", as_of(one),
         str(one.written), str(one.deleted), one.error]
        for one in attachments
    ])  # fmt: skip


def as_of(one: AttachmentStatus) -> str:
    """Return how long ago it was that all of a server was here, but for what its export alone tells."""
    return f"{one.lag_s:.1f} s ago" if 0 < one.lag_s < 60 else duration(one.lag_s) + " ago" if one.looked else ""


def troubles(one: AttachmentStatus) -> Iterator[str]:
    """Yield what is not as it should be with a server that is followed."""
    if one.behind:
        yield "something has changed there that is not here yet"
    for held in one.held:
        yield (
            f"HELD BACK: {held.gone} of {held.told} of {held.collection} are gone there: 'ctdlmirror attach approve "
            f"{one.name}' deletes them here, too, 'refuse' keeps them"
        )
    if one.incomplete:
        yield f"INCOMPLETE: {one.incomplete}"
