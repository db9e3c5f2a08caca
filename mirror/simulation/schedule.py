"""One schedule: nodes, users, faults, healing, and the checks; all of it decided by one seed."""

from functools import partial

from mirror.simulation.ending import judge, note_conflicts, settle
from mirror.simulation.faults import Faults
from mirror.simulation.linking import Link, keep_node
from mirror.simulation.node import MAX_AHEAD_MS, SimulatedNode
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
        self._heal()
        settle(self.stage, HEALING_MS)
        judge(self.stage)
        self.stage.world.end()
        for node in self.stage.nodes:
            node.store.close()
        return self.stage.outcome

    def _begin(self) -> None:
        stage, chance = self.stage, self.stage.chance
        for node in stage.nodes:
            node.offset = chance.randint(-3000, 3000)
            self._bring_up(node)
        stage.network.loss = chance.choice((0.0, 0.02, 0.1))
        stage.network.repetition = chance.choice((0.0, 0.1))
        stage.network.slowest_ms = chance.choice((5, 50, 500))
        crash_chance = chance.choice((0.0, 0.0005, 0.003))
        for node in stage.nodes:
            node.crash_chance = crash_chance
        for fault in chance.sample(self.faults.all, chance.randint(1, len(self.faults.all))):
            stage.outcome.faults.append(fault.__name__)
            stage.world.spawn(fault, lambda: stage.troubled)

    def _bring_up(self, node: SimulatedNode) -> None:
        node.start()
        stage, life = self.stage, node.life

        def alive() -> bool:
            return node.up and node.life == life

        stage.world.spawn(partial(keep_node, stage, node, KEEPING), alive)
        if stage.troubled:
            stage.world.spawn(partial(self.users.work, node), alive)
        for source, target in self.edges:
            if stage.nodes[source] is node:
                link = Link(stage, node, stage.nodes[target], (target, source) not in self.edges)
                stage.world.spawn(partial(link.run, alive), alive)

    def _heal(self) -> None:
        stage = self.stage
        stage.troubled = False
        stage.network.heal()
        for node in stage.nodes:
            node.crash_chance = 0.0
            if node.up:
                node.crash()  # ends its users; its links begin anew
            node.offset = 0
        stage.world.run(stage.world.now + 4 * MAX_AHEAD_MS)
        self.faults.restart()


def run_seed(seed: int) -> Outcome:
    """Run the schedule of one seed."""
    return Schedule(seed).run()
