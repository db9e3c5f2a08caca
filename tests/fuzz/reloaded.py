"""A node whose administrator lets stamps be further ahead: what it refused to take before that, it takes after it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from known import page_of
from stateful import HOSTILE, InProcess, Run, Wrong

from mirror.config.settings import ReplicationSettings
from mirror.model.record import Record, record_bytes
from mirror.model.stamp import make_stamp

AHEAD_S = 240
"""Further ahead than a link waits for."""


def reloaded_problems() -> Iterator[str]:
    """Yield what such a node does wrong."""
    with tempfile.TemporaryDirectory(prefix="ctdlmirror-fuzz-") as workplace:
        place = InProcess(Path(workplace))
        run = Run(place, Path(workplace))
        try:
            if _is_taken(run, place, "before"):
                yield f"a record {AHEAD_S} s ahead is taken"
            place.reload(ReplicationSettings(max_clock_ahead_s=2 * AHEAD_S))
            if not _is_taken(run, place, "after"):
                yield f"a record {AHEAD_S} s ahead is not taken, though the configuration lets it"
        except Wrong as error:
            yield run.described(error)
        finally:
            run.close()


def _is_taken(run: Run, place: InProcess, key: str) -> bool:
    """Have a peer send a record from ahead, and tell whether the node holds it then.  Raises Wrong."""
    stamp = make_stamp(place.now_ms() + AHEAD_S * 1000)
    record = Record("config", key, stamp, HOSTILE, 1, body=b"x")
    run.take(page_of("peer", record_bytes(record)))
    return any(one.key == key for one in place.held())
