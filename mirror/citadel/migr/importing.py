"""An export in a file, or one that comes block by block, taken over into a store."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from mirror.citadel.meaning.damaged import OF_A_FILE, anybody_damaged, nobody_damaged
from mirror.citadel.migr.importer import Importer
from mirror.citadel.migr.report import NOTHING_ACCEPTED, Accepted, Report
from mirror.store.base import Store

BLOCK = 1024 * 1024
"""Bytes read from a file at once."""


def import_file(
    store: Store,
    file: Path,
    node: str = "",
    progress: Callable[[int], None] | None = None,
    accepted: Accepted = NOTHING_ACCEPTED,
) -> Report:
    """Take over the export in a file.  Repeated after an interruption, it goes on where it was.

    ``node`` is taken when the export doesn't name its own; ``progress`` is told how many bytes were read.  Raises
    OSError when the file cannot be read; CitadelError or a store's error, and then what was committed stays.
    """
    state = file.stat()
    # Named so that another export, or a changed one, is not taken for the rest of this one.
    source = f"{file.resolve()}:{state.st_size}:{state.st_mtime_ns}"
    with file.open("rb") as stream:
        return import_blocks(store, source, read_blocks(stream), node, progress, accepted)


def import_blocks(
    store: Store,
    source: str,
    blocks: Iterable[bytes],
    node: str = "",
    progress: Callable[[int], None] | None = None,
    accepted: Accepted = NOTHING_ACCEPTED,
) -> Report:
    """Take over an export that comes from no server that could be asked; ``source`` as in ``Importer``, else as above.

    Users whom it does not tell wait, unless deletions are accepted: their accounts may be damaged.
    """
    damaged = nobody_damaged if accepted.deletions else anybody_damaged
    accepted = accepted._replace(damaged=damaged, damaged_why=OF_A_FILE)
    return Importer(store, source, node, progress, accepted).run(blocks)


def read_blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield what a stream holds, block by block."""
    while block := stream.read(BLOCK):
        yield block
