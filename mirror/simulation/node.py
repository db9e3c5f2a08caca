"""A simulated node: a real store whose every call may be the last before a crash, and a clock that may be wrong."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mirror.simulation.world import World
from mirror.store.base import Backend, Pinned, Reader, Writer
from mirror.store.errors import StoreError
from mirror.store.open import FULL, IO_ERROR, DiskFault, Memory, Options, open_in_memory
from mirror.sync.clock import ClockGuard
from mirror.sync.derived import Sums
from mirror.sync.recent import Recent
from mirror.sync.remote import SyncError
from mirror.sync.responder import Responder
from mirror.sync.share.rules import Shares
from mirror.sync.twins import Life, Twins
from mirror.wire.values import SharedRoom

T = TypeVar("T")
MAX_AHEAD_MS = 10_000
PAGE_RECORDS = 3
"""Small pages, so that there is something to be cut off between."""


class Lost(SyncError):
    """A connection that broke, or a node that is down."""


class Crashed(Lost):
    """A node crashed in a call to its store; ``result`` is what had become durable, if anything had."""

    def __init__(self, text: str, result: Any = None) -> None:
        super().__init__(text)
        self.result = result


class FaultyStore:
    """A store until its node crashes."""

    def __init__(self, node: "SimulatedNode", store: Backend) -> None:
        self._node = node
        self._store: Backend | None = store
        self.node = store.node
        self.clock = store.clock

    def _open(self) -> Backend:
        if self._store is None:
            raise Lost(f"{self.node} is down")
        return self._store

    @property
    def epoch(self) -> str:
        return self._open().epoch

    generation = None
    """Nobody is spared a read: each of them may be the one at which the node dies."""

    def read(self, job: Callable[[Reader], T]) -> T:
        if self._node.dies():
            self._node.crash()
        return self._tried(lambda: self._open().read(job))

    def write(self, job: Callable[[Writer], T]) -> T:
        """Run a job; the node may crash before it commits, or after that but before anybody hears of it."""
        store = self._open()
        if self._node.dies():

            def fails(writer: Writer) -> T:
                job(writer)
                raise Crashed(f"{self.node} crashed before a commit")

            try:
                return self._tried(lambda: store.write(fails))
            finally:
                self._node.crash()
        result = self._tried(lambda: store.write(job))
        if self._node.dies():
            self._node.crash()
            raise Crashed(f"{self.node} crashed after a commit", result)
        return result

    def peek(self, job: Callable[[Reader], T]) -> T:
        """Read as who looks on from outside: nobody crashes over it, and no disk fails.  Raises Lost."""
        failing, self._node.disk_chance = self._node.disk_chance, 0.0
        try:
            return self._open().read(job)
        finally:
            self._node.disk_chance = failing

    def _tried(self, step: Callable[[], T]) -> T:
        try:
            return step()
        except StoreError as error:
            if FULL in str(error) or IO_ERROR in str(error):
                raise Lost(f"the disk of {self.node} failed") from error
            raise

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        return self._open().watch(callback)

    def pin(self) -> Pinned:
        return self._open().pin()

    def backup(self, destination: Path) -> None:
        self._open().backup(destination)

    def renew_epoch(self, also: Callable[[Writer], Any] | None = None) -> str:
        return self._open().renew_epoch(also)

    def close(self) -> None:
        """Close without a word, as a crash does."""
        if self._store is not None:
            self._store.close()
            self._store = None


class Session(NamedTuple):
    """What a node has for a peer that is logged in, for as long as it is ``valid``."""

    responder: Responder
    rooms: list[SharedRoom]
    valid: Callable[[], bool]


class SimulatedNode:
    """One node: up or down; ``life`` counts how often it came up.

    ``shares`` is what it shares with peers that are no mirrors, ``rules`` counts how often that changed, by peer.
    """

    def __init__(self, world: World, name: str, failing_disk: bool = False, image: bytes = b"") -> None:
        """A ``failing_disk`` fails at a statement by ``disk_chance``, once that is set; ``image`` is its store's."""
        self.world = world
        self.name = name
        self.disk_chance = 0.0
        self.memory = Memory(image, fault=self._disk_fault if failing_disk else None)
        self.offset = 0
        self.life = 0
        self.up = False
        self.crash_chance = 0.0
        self.backup_taken: int | None = None
        self.recent: defaultdict[str, Recent] = defaultdict(Recent)
        self.shares: dict[str, Shares] = {}
        self.rules: defaultdict[str, int] = defaultdict(int)
        self.sums = Sums()
        self._epochs = 0
        self.twins: Twins[Any] | None = None
        self.contacts: set[Any] = set()
        """Its connections, by whichever side, where two nodes of one name are told apart."""
        self.ask: Callable[[Any], Life] | None = None
        """Finds out whether who is connected lives; where it is given, two nodes of one name are told apart."""
        self.guard: ClockGuard | None = None
        self.guarded = False
        """Whether it holds its clock against what others saw."""
        self.store: FaultyStore

    def _new_epoch(self) -> str:
        self._epochs += 1
        return f"{self._epochs:08}{self.name}"  # of which the first eight name the origin

    @property
    def instance(self) -> str:
        """Which run of which of its copies a node is."""
        return f"{id(self)}:{self.life}"

    def this_life(self) -> Callable[[], bool]:
        """Return what tells whether the node has been up ever since."""
        life = self.life
        return lambda: self.up and self.life == life

    def start(self) -> None:
        """Open the store again after a crash or a stop."""
        self.life += 1
        self.up = True
        self.recent.clear()  # this was in memory alone
        self.sums = Sums()
        failing, dying = self.disk_chance, self.crash_chance
        self.disk_chance = self.crash_chance = 0.0
        self.store = FaultyStore(self, self._opened())
        self.twins = Twins(self.store, self.ask) if self.ask is not None else None
        self.contacts.clear()
        if self.guarded:
            last_ms = self.store.peek(lambda reader: reader.committed_ms())
            self.guard = ClockGuard(self.store.clock, lambda: self.world.now, last_ms, lambda: True)
            self.store.clock.check = self.guard.check
        self.disk_chance, self.crash_chance = failing, dying

    def _opened(self) -> Backend:
        options = Options(
            now_ms=lambda: self.world.now + self.offset,
            max_ahead_ms=MAX_AHEAD_MS,
            new_epoch=self._new_epoch,
        )
        return open_in_memory(self.memory, self.name, options)

    def _disk_fault(self) -> DiskFault | None:
        chance = self.world.random
        if not self.disk_chance or chance.random() >= self.disk_chance:
            return None
        return DiskFault(chance.choice((FULL, IO_ERROR)), chance.random() < 0.3)

    def open_session(self, peer: str) -> Session:
        """Log a peer in."""
        shares, alive, rules = self.shares.get(peer), self.this_life(), self.rules[peer]

        def valid() -> bool:
            return alive() and self.rules[peer] == rules

        if shares is None:
            return Session(Responder(self.store, page_records=PAGE_RECORDS, peer=peer), [], valid)
        answering = Responder(self.store, shares.scope, page_records=PAGE_RECORDS, peer=peer, sums=self.sums)
        return Session(answering, shares.rooms, valid)

    def dies(self) -> bool:
        """Tell whether this is the moment of a crash."""
        return self.up and self.world.random.random() < self.crash_chance

    def crash(self) -> None:
        """Go down; what was not committed is gone."""
        self.up, failing, self.disk_chance = False, self.disk_chance, 0.0
        self.store.close()
        self.disk_chance = failing

    def back_up(self) -> None:
        """Keep a copy of the store as it is."""
        self.memory.back_up()
        self.backup_taken = self.world.now

    def revert(self) -> None:
        """Go back to the copy as it is, as a machine does whose snapshot is taken up again: nobody tells the store."""
        self.crash()
        self.memory.put_back()

    def put_back(self) -> None:
        """Go back to the copy, as an administrator with a broken disk does."""
        self.crash()
        self.memory.put_back()
        store = self._opened()
        store.renew_epoch()
        store.close()
