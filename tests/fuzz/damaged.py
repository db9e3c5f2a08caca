"""Nodes whose stores are damaged, or hold what an older version let in: they say so, and every listing ends."""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from known import DAY_MS
from stateful import BEGIN_MS, NODE, InProcess, Talk, Wrong

from mirror.model.record import Record, pack_head, record_crc
from mirror.model.stamp import make_stamp
from mirror.store.open import Options, open_store

FILE = "store.sqlite"
SILENCE_S = 3.0
"""Seconds after which such a node, which has nothing else to do, counts as hanging."""
LISTINGS = (
    "SYNC all|getall", "SYNC all|since", "SYNC users|getall", "SYNC pictures|newest|9", "SYNC mailboxes|info",
    "SYNC all|info", "SYNC all|conflicts|all", "SYNC all|status",
)  # fmt: skip
NAMELESS = (
    "UPDATE record SET origin = 9999 WHERE sequence = (SELECT max(sequence) FROM record WHERE collection IN "
    "(SELECT id FROM collection WHERE name LIKE 'messages/%'))"
)
"""A message of an origin that is not there."""
STAMP = make_stamp(BEGIN_MS - DAY_MS)
LET_IN = (
    Record("users", "old:1", STAMP, "a", 1, head=pack_head({"u_fullname": [["Ann"], STAMP, "a"]})),
    Record("pictures", "old:2", STAMP, "a", 1, head=b"\xc1", body=b"x"),
    Record("config", "old:3", STAMP, "a", 1, head=pack_head({f"f{at}": ["x", STAMP, "a"] for at in range(300)})),
)
"""Records that 0.1.0 took."""


def damaged_problems() -> Iterator[str]:
    """Yield what such nodes do wrong."""
    yield from _tried(_name_nobody)
    yield from _tried(_swap_indexes, lists=False)
    yield from _tried(_let_in, mends=True)


def _tried(spoil: Callable[[Path], None], lists: bool = True, mends: bool = False) -> Iterator[str]:
    """Look at a node whose store was spoilt: whether it ``lists`` what there is, and ``mends`` it."""
    with tempfile.TemporaryDirectory(prefix="ctdlmirror-fuzz-") as workplace:
        place = _spoilt(spoil)(Path(workplace))
        try:
            talk = Talk(place.connect("admin"))
            talk.channel.set_timeout(SILENCE_S)
            for line in LISTINGS if lists else ():
                _ask(talk, line)
            if not _ask(talk, "SYNC all|check"):
                yield "check finds nothing wrong with a store that is damaged"
            if mends:
                _ask(talk, "SYNC all|check|mend")
                yield from (f"check --mend leaves: {line}" for line in _ask(talk, "SYNC all|check"))
        except Wrong as error:
            yield str(error)
        finally:
            yield from place.troubles()
            place.close()


def _ask(talk: Talk, line: str) -> list[str]:
    """Ask, and read what is told up to its end; returns the lines.  Raises Wrong."""
    talk.send(line.encode() + b"\n")
    reply = talk.reply()
    if reply is None:
        raise Wrong(f"{line!r} is not answered")
    if reply.kind != 1:
        return [reply.text]
    if "check" in line:
        return list(talk.channel.read_listing())
    talk.listing(text=False)
    return []


def _spoilt(spoil: Callable[[Path], None]) -> type[InProcess]:
    """Return a place whose node begins with a store that was spoilt."""

    class Spoilt(InProcess):
        def _filled(self) -> Path:
            directory = Path(tempfile.mkdtemp(prefix="ctdlmirror-fuzz-")) / "spoilt"
            shutil.copytree(super()._filled(), directory)
            spoil(directory)
            return directory

    return Spoilt


def _name_nobody(directory: Path) -> None:
    """Have a record be of an origin that is not there."""
    with closing(sqlite3.connect(directory / FILE)) as connection:
        connection.execute(NAMELESS)
        connection.commit()


def _swap_indexes(directory: Path) -> None:
    """Have one index hold what another one does, which just the database can tell."""
    with closing(sqlite3.connect(directory / FILE)) as connection:
        roots = dict(connection.execute("SELECT name, rootpage FROM sqlite_master WHERE type = 'index'").fetchall())
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with open(directory / FILE, "r+b") as file:
        file.seek((roots["record_dead"] - 1) * size)
        page = file.read(size)
        file.seek((roots["record_key"] - 1) * size)
        file.write(page)


def _let_in(directory: Path) -> None:
    store = open_store(directory, NODE, options=Options(now_ms=lambda: BEGIN_MS, durable=False))
    for record in LET_IN:
        store.write(lambda writer, record=record: writer.replace(record.collection, [(record, record_crc(record))], []))  # type: ignore[misc]
    store.close()
