"""What goes wrong while users write: partitions, crashes, clocks, broken disks, nodes that are away for too long."""

from collections.abc import Callable, Sequence

from mirror.simulation.node import MAX_AHEAD_MS, SimulatedNode
from mirror.simulation.stage import Stage


class Faults:
    """Each fault is a task that goes on until it is killed."""

    def __init__(
        self,
        stage: Stage,
        bring_up: Callable[[SimulatedNode], None],
        note_conflicts: Callable[[SimulatedNode], None],
        away_ms: int,
    ) -> None:
        """``away_ms``: who is away for so long misses deletions."""
        self._stage = stage
        self._world = stage.world
        self._chance = stage.chance
        self._nodes = stage.nodes
        self._bring_up = bring_up
        self._note_conflicts = note_conflicts
        self._away_ms = away_ms

    @property
    def all(self) -> tuple[Callable[[], None], ...]:
        return self.partitions, self.crashes, self.wrong_clocks, self.backups, self.absence

    def begin(self, some: Sequence[Callable[[], None]], least: int) -> None:
        """Begin as many of some faults as the seed decides, at least ``least``."""
        for fault in self._chance.sample(some, self._chance.randint(least, len(some))):
            self._stage.outcome.faults.append(fault.__name__)
            self._world.spawn(fault, lambda: self._stage.troubled)

    def heal(self) -> None:
        """End all faults: all nodes come up with right clocks, and their links begin anew."""
        self._stage.troubled = False
        self._stage.network.heal()
        for node in self._nodes:
            node.crash_chance = 0.0
            if node.up:
                node.crash()  # ends its users; its links begin anew
            node.offset = 0
        self._world.run(self._world.now + 4 * MAX_AHEAD_MS)
        self.restart()

    def _pause(self, least_ms: int, most_ms: int) -> None:
        self._world.sleep(self._chance.randint(least_ms, most_ms))

    def partitions(self) -> None:
        while True:
            self._pause(1000, 15_000)
            self._stage.network.partition({node.name: self._chance.randint(0, 1) for node in self._nodes})
            self._pause(1000, 30_000)
            self._stage.network.partition({})

    def crashes(self) -> None:
        while True:
            self._pause(500, 10_000)
            node = self._chance.choice(self._nodes)
            if node.up:
                node.crash()
            self._pause(100, 5000)
            self.restart()

    def restart(self) -> None:
        """Bring all up that are down."""
        for node in self._nodes:
            if not node.up:
                self._stage.outcome.crashes += 1
                self._bring_up(node)

    def wrong_clocks(self) -> None:
        while True:
            self._pause(1000, 10_000)
            self._chance.choice(self._nodes).offset = self._chance.choice((-30_000, -2000, 0, 2000, MAX_AHEAD_MS))

    def backups(self) -> None:
        while True:
            self._pause(2000, 20_000)
            node = self._chance.choice(self._nodes)
            if node.up and node.backup_taken is None:
                node.back_up()
            elif node.up and node.backup_taken is not None:
                self._stage.ledger.restored(node.name, node.backup_taken)
                self._note_conflicts(node)  # its conflict log is lost with its disk
                node.put_back()
                self.restart()

    def absence(self) -> None:
        """One node is away for longer than tombstones are kept."""
        self._pause(1000, 20_000)
        node = self._chance.choice(self._nodes)
        if self._chance.random() < 0.5:
            if node.up:
                node.crash()
        else:
            self._stage.network.partition({node.name: 1})
        self._world.sleep(self._away_ms)
        self._stage.network.partition({})
        self.restart()
