"""What all parts of one schedule work on: the world, its network, its nodes, and the books that are kept."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from mirror.simulation.ledger import Deed, Ledger
from mirror.simulation.network import Network
from mirror.simulation.node import Crashed, Lost, SimulatedNode
from mirror.simulation.world import World
from mirror.sync.clock import ClockDoubted

T = TypeVar("T")
START_MS = 1_700_000_000_000
TOPOLOGIES = ("chain", "star", "ring", "mesh")
COUNTED = ("writes", "drafts", "crashes", "conflicts", "absences", "trimmed")


class Outcome(msgspec.Struct):
    """What a schedule did and what was wrong afterwards."""

    seed: int
    nodes: int = 0
    topology: str = ""
    faults: list[str] = []
    writes: int = 0
    drafts: int = 0
    """Writes that named the version which they were made from."""
    crashes: int = 0
    conflicts: int = 0
    absences: int = 0
    trimmed: int = 0
    problems: list[str] = []


def edges(topology: str, count: int) -> list[tuple[int, int]]:
    """Return who dials whom."""
    if topology == "chain":
        return [(at + 1, at) for at in range(count - 1)]
    if topology == "star":
        return [(at, 0) for at in range(1, count)]
    if topology == "ring":
        return [(at, (at + 1) % count) for at in range(count)]
    return [(one, other) for one in range(count) for other in range(count) if one != other]


class Stage:
    """One schedule under way.  ``troubled`` tells whether users write and faults happen."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed, START_MS)
        self.chance = self.world.random
        self.network = Network(self.world)
        self.ledger = Ledger()
        self.outcome = Outcome(seed, faults=[], problems=[])
        self.nodes: list[SimulatedNode] = []
        self.troubled = True

    def attempt(self, step: Callable[[], T]) -> T | None:
        """Do something on a node that may go down over it; what had become durable by then is noted."""
        try:
            return step()
        except Crashed as error:
            if isinstance(error.result, tuple):
                for deed in error.result:
                    if isinstance(deed, Deed):
                        self.ledger.happened(deed)
        except (Lost, ClockDoubted):
            pass  # the node is down: its tasks end at their next step; or nothing is written while its clock is doubted
        return None

    def roughen(self, slowest_ms: tuple[int, ...]) -> None:
        """Have the network lose, repeat and delay, and nodes crash, as the seed decides."""
        self.network.loss = self.chance.choice((0.0, 0.02, 0.1))
        self.network.repetition = self.chance.choice((0.0, 0.1))
        self.network.slowest_ms = self.chance.choice(slowest_ms)
        crash_chance = self.chance.choice((0.0, 0.0005, 0.003))
        for node in self.nodes:
            node.crash_chance = crash_chance

    def end(self) -> Outcome:
        """End the world, and return what happened in it."""
        self.world.end()
        for node in self.nodes:
            node.store.close()
        return self.outcome

    def problem(self, text: str) -> None:
        """Note something that must not be."""
        self.outcome.problems.append(text)
