"""One schedule: nodes, users, faults, healing, and the checks; all of it decided by one seed."""

from functools import partial

from mirror.simulation.ending import judge, note_conflicts, settle
from mirror.simulation.faults import Faults
from mirror.simulation.linking import Link, keep_node
from mirror.simulation.node import SimulatedNode
from mirror.simulation.stage import START_MS, TOPOLOGIES, Outcome, Stage, edges
from mirror.simulation.users import Users
from mirror.sync.horizon import Keeping

TROUBLE_MS = 60_000
"""How long users write and faults happen (virtual milliseconds)."""
KEEP_MS = 30_000
"""How long tombstones are kept; most partitions are shorter."""
KEEPING = Keeping(KEEP_MS, 2_000, 1_000)
HEALING_MS = 200_000
"""How long the nodes have to become equal once all faults have ended."""


class Schedule:
    """Runs one seed.  Use once."""

    def __init__(self, seed: int) -> None:
        self.stage = Stage(seed)
        chance, outcome = self.stage.chance, self.stage.outcome
        outcome.nodes = chance.randint(2, 4)
        outcome.topology = chance.choice(TOPOLOGIES)
        self.stage.nodes += [SimulatedNode(self.stage.world, name) for name in "abcd"[: outcome.nodes]]
        self.edges = edges(outcome.topology, outcome.nodes)
        self.users = Users(self.stage)
        self.faults = Faults(self.stage, self._bring_up, partial(note_conflicts, self.stage), KEEP_MS + 10_000)

    def run(self) -> Outcome:
        """Run it to its end."""
        self._begin()
        self.stage.world.run(START_MS + TROUBLE_MS)
        self.faults.heal()
        settle(self.stage, HEALING_MS)
        judge(self.stage)
        return self.stage.end()

    def _begin(self) -> None:
        stage = self.stage
        for node in stage.nodes:
            node.offset = stage.chance.randint(-3000, 3000)
            self._bring_up(node)
        stage.roughen((5, 50, 500))
        self.faults.begin(self.faults.all, 1)

    def _bring_up(self, node: SimulatedNode) -> None:
        node.start()
        stage, alive = self.stage, node.this_life()
        stage.world.spawn(partial(keep_node, stage, node, KEEPING), alive)
        if stage.troubled:
            stage.world.spawn(partial(self.users.work, node), alive)
        for source, target in self.edges:
            if stage.nodes[source] is node:
                link = Link(stage, node, stage.nodes[target], (target, source) not in self.edges)
                stage.world.spawn(partial(link.run, alive), alive)


def run_seed(seed: int) -> Outcome:
    """Run the schedule of one seed."""
    return Schedule(seed).run()
