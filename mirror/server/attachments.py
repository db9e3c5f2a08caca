"""The Citadel servers that this node follows: each is supervised like a link, and none disturbs anything else.

What follows a server is handed in; here is when it runs, whether this node may, and how it is.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, TypeVar

import gevent
from gevent.event import Event

from mirror.config.settings import Attachment, Config
from mirror.faults import Faults
from mirror.peer.supervision import Pauses, Supervisor, run_together
from mirror.store.base import Reader, Store, Writer
from mirror.store.wrapped import WrappedStore
from mirror.sync.claims import CLAIMS, claim
from mirror.wire.errors import Refused
from mirror.wire.lines import Code
from mirror.wire.status import AttachmentStatus

T = TypeVar("T")

CONNECTING, FOLLOWING, PAUSED = "connecting", "following", "paused"
"""Phases of an attachment, besides waiting between two tries."""
STOP_TIMEOUT_S = 2.0
"""Seconds that attachments get to end."""


class Follower(Protocol):
    """What follows one server, from a connection until that is lost; safe to kill at any instant."""

    def ask_name(self) -> str:
        """Ask the server under which name it is known in records.  Raises MirrorError."""
        ...

    def run(self) -> None:
        """Follow until the connection is lost.  Raises MirrorError."""
        ...

    @property
    def looked(self) -> float:
        """As of when all is here but what an export alone tells, in Unix seconds; 0 for never."""
        ...

    def describe(self, status: AttachmentStatus) -> None:
        """Say how it goes: the phase of following, and the fields that are about the server."""
        ...

    def approve(self) -> bool:
        """Have what is held back deleted; returns whether there was anything."""
        ...

    def pair(self, kind: str, number: int, key: str) -> None:
        """Have a user or room there, by its number, be what is here under a key.  Raises MirrorError."""
        ...

    def refuse(self) -> bool:
        """Have what is held back kept as this node's own; returns whether there was anything."""
        ...


Begin = Callable[[Store, Attachment, str], Follower]
"""Returns what follows an attachment's place into a store, given the password."""


class WaitingStore(WrappedStore):
    """A store whose writes wait while the node takes nothing in, as in single-user mode."""

    def __init__(self, store: Store, wait_open: Callable[[], None]) -> None:
        super().__init__(store)
        self._wait_open = wait_open

    def write(self, job: Callable[[Writer], T]) -> T:
        self._wait_open()
        return super().write(job)


class Attached:
    """Follows one server for as long as it runs."""

    def __init__(
        self,
        store: Store,
        one: Attachment,
        password: str,
        begin: Begin,
        pauses: Pauses,
        faults: Faults,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``now`` returns Unix seconds."""
        self.settings = one
        self.password = password
        self._follower: Follower | None = None
        self._looked = 0.0
        self._store = store
        self._begin = begin
        self._now = now
        self._supervisor = Supervisor(f"attachment {one.name}", pauses, faults=faults)
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin to follow, unless it does already."""
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._supervisor.run, self._work)

    def stop(self) -> None:
        """End; what was committed stays, and the next time goes on there."""
        if self._greenlet is not None:
            self._greenlet.kill(timeout=STOP_TIMEOUT_S)
            self._greenlet = None
            self._supervisor.enter(PAUSED)

    def describe(self, status: AttachmentStatus) -> None:
        """Say how it goes."""
        if self._follower is not None:
            self._follower.describe(status)
        status.looked = max(self._looked, status.looked)
        status.lag_s = max(0.0, self._now() - status.looked) if status.looked else 0.0
        health = self._supervisor.health
        if health.phase != FOLLOWING:
            status.phase = health.phase
        status.since, status.error, status.failures = health.since, health.error, health.failures

    @property
    def following(self) -> Follower | None:
        """What follows the server now, if anything does."""
        return self._follower if self._supervisor.health.phase == FOLLOWING else None

    def _work(self) -> None:
        self._supervisor.enter(CONNECTING)
        follower = self._begin(self._store, self.settings, self.password)
        place = follower.ask_name()
        sequence = self._store.read(lambda reader: reader.last_sequence())
        self._claim(place)
        self._follower = follower
        self._supervisor.succeeded(f", following {place}")
        self._supervisor.enter(FOLLOWING)
        try:
            run_together([follower.run, partial(self._watch_claim, place, sequence)])
        finally:
            self._looked = max(self._looked, follower.looked)

    def _claim(self, place: str) -> None:
        """Claim the place that the server is.  Raises PlaceTaken."""
        one = self.settings
        self._store.write(lambda writer: claim(writer, place, self._store.node, one.name, str(one.place)))

    def _watch_claim(self, place: str, sequence: int) -> None:
        """Raise PlaceTaken once another node has the place; of its claims after a place of the feed none is missed."""
        woken = Event()
        woken.set()
        stop_watching = self._store.watch(woken.set)
        try:
            while True:
                woken.wait()
                woken.clear()
                changed, sequence = self._store.read(partial(_changed_after, sequence))
                if CLAIMS in changed:
                    self._claim(place)
        finally:
            stop_watching()


def _changed_after(sequence: int, reader: Reader) -> tuple[set[str], int]:
    return reader.changed_collections(sequence)


class Attachments:
    """All servers that a node follows, by the names of their attachments.  Until ``start`` they are just told of."""

    def __init__(self, store: Store, faults: Faults, config: Config) -> None:
        self._store = store
        self._faults = faults
        self._begin: Begin | None = None
        self._waiting: Store = store
        self._attached: dict[str, Attached] = {}
        self._settings: dict[str, Attachment] = {}
        self.configure(config, {})

    def start(self, begin: Begin, wait_open: Callable[[], None], config: Config, passwords: Mapping[str, str]) -> None:
        """Begin to follow servers; ``wait_open`` blocks while the node takes nothing in."""
        self._begin = begin
        self._waiting = WaitingStore(self._store, wait_open)
        self.configure(config, passwords)

    def configure(self, config: Config, passwords: Mapping[str, str]) -> None:
        """Take over which servers are followed: what is as it was goes on undisturbed."""
        self._pauses = Pauses(config.replication.retry_min_s, config.replication.retry_max_s)
        self._settings = {one.name: one for one in config.attachments}
        for name, attached in list(self._attached.items()):
            if (attached.settings, attached.password) != (self._settings.get(name), passwords.get(name, "")):
                self._attached.pop(name).stop()
        if self._begin is not None:
            for name, one in self._settings.items():
                if name not in self._attached:
                    self._attach(one, passwords.get(name, ""), self._begin)

    def _attach(self, one: Attachment, password: str, begin: Begin) -> None:
        attached = Attached(self._waiting, one, password, begin, self._pauses, self._faults)
        self._attached[one.name] = attached
        if not self._is_paused(one.name):
            attached.start()

    def stop(self) -> None:
        """End all."""
        gevent.joinall([gevent.spawn(attached.stop) for attached in self._attached.values()])
        self._attached.clear()

    # -- what an administrator does ---------------------------------------------------------------

    def statuses(self) -> list[AttachmentStatus]:
        """Say how it is with each, in the order of the configuration."""
        return [self._status(one) for one in self._settings.values()]

    def _status(self, one: Attachment) -> AttachmentStatus:
        told = AttachmentStatus(one.name, str(one.place), list(one.rooms), one.direction, one.expiry)
        told.paused = self._is_paused(one.name)
        if one.name in self._attached:
            self._attached[one.name].describe(told)
        if told.paused:
            told.phase = PAUSED
        return told

    def pause(self, name: str) -> None:
        """Stop following a server until ``resume``, also after a restart.  Raises Refused."""
        self._require(name)
        self._keep_paused(name, True)
        if name in self._attached:
            self._attached[name].stop()

    def resume(self, name: str) -> None:
        """Follow it again.  Raises Refused."""
        self._require(name)
        self._keep_paused(name, False)
        if name in self._attached:
            self._attached[name].start()

    def forget(self, name: str) -> None:
        """Forget that what is no attachment any more was paused: another one may get its name."""
        if name not in self._settings:
            self._keep_paused(name, False)

    def approve(self, name: str) -> None:
        """Have deletions that are held back carried out.  Raises Refused."""
        if not self._following(name).approve():
            raise Refused(Code.NOT_FOUND, f"nothing of {name} is held back")

    def pair(self, name: str, kind: str, number: int, key: str) -> None:
        """Have a user or room of a server be what is here under a key.  Raises Refused, MirrorError."""
        self._following(name).pair(kind, number, key)

    def refuse(self, name: str) -> None:
        """Have what they would delete kept, as this node's own.  Raises Refused."""
        if not self._following(name).refuse():
            raise Refused(Code.NOT_FOUND, f"nothing of {name} is held back")

    def _following(self, name: str) -> Follower:
        self._require(name)
        follower = self._attached[name].following if name in self._attached else None
        if follower is None:
            raise Refused(Code.BUSY, f"{name} is not followed now: see 'ctdlmirror attach show {name}'")
        return follower

    def _require(self, name: str) -> None:
        if name not in self._settings:
            known = ", ".join(self._settings) or "none"
            raise Refused(Code.NOT_FOUND, f"there is no attachment {name[:80]!r}; there are: {known}")

    def _is_paused(self, name: str) -> bool:
        return bool(self._store.read(lambda reader: reader.meta_text(_paused(name))))

    def _keep_paused(self, name: str, paused: bool) -> None:
        if self._is_paused(name) != paused:
            self._store.write(lambda writer: writer.set_meta(_paused(name), "yes" if paused else ""))


def _paused(name: str) -> str:
    """Return under which name a store keeps that an attachment is paused."""
    return f"paused:{name}"
