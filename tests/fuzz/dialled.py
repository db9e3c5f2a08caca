"""A link in this process to a node whose answers are cut off or spoilt on the way: one line each, and it goes on."""

import logging
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pipes import NoPool
from typing import Any

import gevent
from stateful import GOOD, NODE, InProcess

from mirror.config.settings import Config, Peer, ReplicationSettings
from mirror.model.record import Record
from mirror.peer import link as link_module
from mirror.peer.channel import Channel
from mirror.peer.link import Link
from mirror.store.green import GreenStore
from mirror.store.open import Options, open_store
from mirror.sync.exchange import MirrorExchange
from mirror.sync.recent import Recent
from mirror.wire.values import Greeting

DIALS = 40
"""Connections that are spoilt, one after another; most rounds of a link have two."""
WITHIN_S, SILENCE_S = 60.0, 0.5
LINES = 20
"""Lines that the log may have of all that: of one link it is told of 16 different faults in an hour."""
LARGE = [Record("config", f"large {at}", 1, "x", 1, body=b"x" * 10_000) for at in range(30)]
"""Makes pages of a size that is decoded beside the others' work."""
NO_MESSAGEPACK = b"\xc1"


class Spoilt:
    """One end of a connection on which what comes is cut off, or has bytes in it that nobody sent."""

    def __init__(self, end: Any, chance: random.Random) -> None:
        self._end = end
        self._cuts = chance.random() < 0.5
        self._left = chance.choice((5, 200, 2000, 20_000) if self._cuts else (2000, 5000, 20_000))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._end, name)

    def recv(self, limit: int) -> bytes:
        data: bytes = self._end.recv(limit)
        if len(data) <= self._left:
            self._left -= len(data)
            return data
        good, self._left = data[: self._left], 1 << 40
        if self._cuts:
            self._end.close()
            return good
        return good + NO_MESSAGEPACK + data[len(good) + 1 :]


def dialled_problems() -> Iterator[str]:
    """Yield what such a link does wrong."""
    with tempfile.TemporaryDirectory(prefix="ctdlmirror-fuzz-") as workplace:
        hub = InProcess(Path(workplace))
        hub.write(LARGE)
        directory = Path(workplace) / GOOD
        directory.mkdir()
        options = Options(now_ms=hub.now_ms, durable=False)
        spoke = GreenStore(open_store(directory, GOOD, options=options), NoPool)
        lines = Lines()
        logging.getLogger("mirror").addHandler(lines)
        try:
            yield from _dialled(hub, spoke, directory)
            yield from hub.troubles()
            if len(lines.told) > LINES:
                yield f"the log was told {len(lines.told)} lines, such as {lines.told[-1]}"
        finally:
            logging.getLogger("mirror").removeHandler(lines)
            hub.close()
            spoke.close()


class Lines(logging.Handler):
    """Keeps what the log is told that an administrator sees."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())


def _dialled(hub: InProcess, spoke: GreenStore, directory: Path) -> Iterator[str]:
    chance, dials = random.Random("dialled"), 0

    def dial(*_arguments: Any) -> tuple[Channel, Greeting]:
        nonlocal dials
        dials += 1
        channel = hub.connect("good")
        channel.set_timeout(SILENCE_S)
        if dials <= DIALS:
            channel.socket = Spoilt(channel.socket, chance)
        return channel, Greeting(NODE, hub.epoch, True, "mirror")

    settings = ReplicationSettings(keepalive_s=1, retry_min_s=0.005, retry_max_s=0.01)
    config = Config(directory, GOOD, replication=settings)
    with _dialling(dial):
        link = Link(spoke, config, Peer(NODE), "", Recent(), lambda: None, MirrorExchange(spoke, NODE))
        running = gevent.spawn(link.run)
        due = time.monotonic() + WITHIN_S
        while not (equal := _is_equal(hub, spoke)) and time.monotonic() < due and not hub.troubles():
            gevent.sleep(0.02)
        running.kill()
    if not equal:
        yield f"after {dials} connections the link has not brought what there is: {link.status.error}"


def _is_equal(hub: InProcess, spoke: GreenStore) -> bool:
    theirs = hub.held()
    return len(theirs) == spoke.read(lambda reader: sum(len(list(reader.scan_all(name))) for name in reader.digests()))


@contextmanager
def _dialling(dial: Any) -> Iterator[None]:
    before = vars(link_module)["dial_peer"]
    setattr(link_module, "dial_peer", dial)  # noqa: B010
    try:
        yield
    finally:
        setattr(link_module, "dial_peer", before)  # noqa: B010
