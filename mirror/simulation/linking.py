"""What a mirror's link does with its peer, and a node's upkeep, in a schedule's time."""

from collections.abc import Callable
from functools import partial

from mirror.model.errors import StampAhead
from mirror.simulation.network import SimulatedRemote
from mirror.simulation.node import Lost, SimulatedNode
from mirror.simulation.presence import Leave, connect
from mirror.simulation.stage import Stage
from mirror.sync.clock import ClockDoubted
from mirror.sync.exchange import MirrorExchange
from mirror.sync.horizon import Keeping, keep_up
from mirror.sync.reconcile import Reconciled
from mirror.sync.remote import Denied, StaleCursor
from mirror.sync.round import Exchange, Round

COMPARE_MS = 60_000
"""The longest time between two comparisons of everything, whatever the cursors say and however connections end."""
ENDS = (StaleCursor, Lost, StampAhead, Denied, ClockDoubted)
"""What may end a connection; the rules of a shared room may change between two of them."""


class Link:
    """One node's link to one peer; ``pushing`` where the peer does not dial back."""

    def __init__(
        self,
        stage: Stage,
        node: SimulatedNode,
        peer: SimulatedNode,
        pushing: bool,
        make_exchange: Callable[[], Exchange[SimulatedRemote]] | None = None,
    ) -> None:
        """``make_exchange`` is called for each life of the link; without it the peer is a mirror."""
        self._stage = stage
        self._node = node
        self._peer = peer
        self._pushing = pushing
        self._make_exchange = make_exchange or self._with_a_mirror
        self._leaving: list[Leave] = []
        self._put_off_comparing()

    def _put_off_comparing(self) -> None:
        self._compare_at = self._stage.world.now + self._stage.chance.randint(1, COMPARE_MS)

    def _with_a_mirror(self) -> Exchange[SimulatedRemote]:
        return MirrorExchange(self._node.store, self._peer.name)

    def run(self, alive: Callable[[], bool]) -> None:
        """Dial, exchange, lose the connection, dial again, for as long as the node lives and what is shared stays."""
        exchange = self._make_exchange()
        while True:
            self._stage.world.sleep(self._stage.chance.randint(50, 1500))
            recent = self._node.recent[self._peer.name]
            work = Round(exchange, self._pushing, recent=recent, wait=self._wait)
            try:
                self._connected(work, alive)
            except ENDS:
                continue
            finally:
                while self._leaving:
                    self._leaving.pop()()

    def _connected(self, work: Round[SimulatedRemote], alive: Callable[[], bool]) -> None:
        """What mirror.peer.link does with a connection."""
        commands = self._dial()
        epoch = commands.info().epoch
        self._compared(work.prepare(commands, epoch))
        workers: list[Callable[[], None]] = [partial(self._pull, work, commands, epoch), partial(self._compare, work)]
        if work.pushing:
            workers.append(partial(self._push, work, epoch))
        self._stage.world.together(workers, alive, ENDS)

    def _wait(self, error: StampAhead) -> None:
        self._stage.world.sleep(error.wait_ms)

    def _dial(self) -> SimulatedRemote:
        remote, leave = connect(self._stage.network, self._node, self._peer)
        self._leaving.append(leave)
        hear(self._node, self._peer)
        hear(self._peer, self._node)
        return remote

    def _pull(self, work: Round[SimulatedRemote], commands: SimulatedRemote, epoch: str) -> None:
        for _ in work.pull(self._dial().tail, commands, epoch):
            pass

    def _push(self, work: Round[SimulatedRemote], epoch: str) -> None:
        remote = self._dial()
        while True:
            if not work.push(remote, epoch):
                self._stage.world.sleep(self._stage.chance.randint(20, 800))

    def _compare(self, work: Round[SimulatedRemote]) -> None:
        while True:
            self._stage.world.sleep(max(1, self._compare_at - self._stage.world.now))
            self._compared(work.reconcile(self._dial()))

    def _compared(self, outcome: Reconciled | None) -> None:
        if outcome is not None:
            self._put_off_comparing()
            self._stage.outcome.absences += bool(outcome.absence)


def hear(node: SimulatedNode, peer: SimulatedNode) -> None:
    """Have a node hear what a peer's clock says, as it is told when they log in."""
    if node.guard is not None:
        theirs_ms, ours_ms = (one.world.now + one.offset for one in (peer, node))
        node.guard.hear(peer.name, theirs_ms, ours_ms, mirror=peer.name not in node.shares)


def keep_node(stage: Stage, node: SimulatedNode, keeping: Keeping) -> None:
    """Do what the daemon's upkeep does, for one life of a node."""

    suspects: dict[bytes, int] = {}

    def keep() -> None:
        nonlocal suspects
        if keep_up(node.store, stage.world.now + node.offset, keeping):
            stage.outcome.trimmed += 1
        if stage.chance.random() < 0.2:
            node.store.write(lambda writer: writer.retry_aside())
            suspects = node.store.write(lambda writer: writer.sweep_contents(suspects))

    while True:
        stage.attempt(keep)
        stage.world.sleep(keeping.every_ms // 2)
