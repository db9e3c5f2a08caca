"""Machines that are copied, or go back to a snapshot, and what their administrators do once that is noticed.

Who uses a copy is promised nothing; but nobody is to serve two nodes of one name at once.  Knows of no other party.
"""

from collections.abc import Callable
from functools import partial

from mirror.model.stamp import make_stamp
from mirror.simulation.ending import note_conflicts
from mirror.simulation.linking import Link, keep_node
from mirror.simulation.node import SimulatedNode
from mirror.simulation.presence import ask_over, names_served_twice
from mirror.simulation.sharing import server_of
from mirror.simulation.stage import Stage
from mirror.store.renew import renew
from mirror.sync.horizon import Keeping


class Machines:
    """Copies machines and puts them back; ``here`` tells whether any of that goes on still."""

    def __init__(
        self, stage: Stage, keeping: Keeping, bring_up: Callable[[SimulatedNode], None], here: Callable[[], bool]
    ) -> None:
        self._stage, self._keeping, self._bring_up, self._here = stage, keeping, bring_up, here
        self.twins: list[SimulatedNode] = []
        self._parted_ms: dict[str, int] = {}
        """When a machine was copied, by its own clock: since then another one has written under its name as well."""

    def copy(self) -> None:
        """Copy a machine of a mirror, and have the copy run beside it; that may be away for a while."""
        stage, chance = self._stage, self._stage.chance
        stage.world.sleep(chance.randint(200, 3000))
        node = chance.choice([one for one in stage.nodes if server_of(one.name) == "a"])
        twin = SimulatedNode(stage.world, node.name, image=node.memory.image())
        twin.ask = ask_over(stage.network, twin)
        self._parted_ms.setdefault(node.name, stage.world.now + node.offset)
        self.twins.append(twin)
        if chance.random() < 0.4:
            node.crash()
        twin.start()
        stage.world.spawn(partial(keep_node, stage, twin, self._keeping), lambda: self._here() and twin.up)
        stage.world.spawn(partial(self._write_as_twin, twin), lambda: self._here() and twin.up)
        stage.world.spawn(partial(self._look_for_twins, chance.randint(20, 100)), lambda: self._here() and twin.up)
        for other in stage.nodes:
            if other.name != node.name and server_of(other.name) == "a":
                link = Link(stage, twin, other, pushing=chance.random() < 0.5)
                stage.world.spawn(partial(link.run, lambda: self._here() and twin.up), lambda: self._here() and twin.up)
        stage.world.sleep(chance.randint(500, 2000))
        if not node.up:
            self._bring_up(node)

    def _look_for_twins(self, every_ms: int) -> None:
        """Nobody is to serve two nodes of one name at once."""
        found: set[tuple[str, str]] = set()
        while True:
            self._stage.world.sleep(every_ms)
            now = {(node.name, name) for node in self._stage.nodes if node.up for name in names_served_twice(node)}
            for node_name, name in now - found:
                self._stage.problem(f"{node_name} serves two nodes at once that are named {name}")
            found |= now

    def _write_as_twin(self, twin: SimulatedNode) -> None:
        """Who uses a copy is not promised anything; but what it writes bears the name of the other one."""
        while True:
            self._stage.world.sleep(self._stage.chance.randint(200, 800))
            text = f"twin {self._stage.world.now}"
            self._stage.attempt(lambda: twin.store.write(lambda one: one.set_fields("config", "twin", {"text": text})))  # noqa: B023

    def revert(self) -> None:
        """Have a machine go back to a snapshot of a while ago."""
        stage, chance = self._stage, self._stage.chance
        stage.world.sleep(chance.randint(200, 2000))
        node = chance.choice(stage.nodes)
        if node.up:
            node.back_up()
            taken = stage.world.now
            self._parted_ms.setdefault(node.name, taken + node.offset)
            stage.world.sleep(chance.randint(500, 3000))
            if node.up:
                note_conflicts(stage, node)
                stage.ledger.restored(node.name, taken)
                node.revert()
                self._bring_up(node)

    def renew_if_refused(self, node: SimulatedNode) -> bool:
        """Begin a new life of a store that was refused, or misses what it wrote, as is done by who has read why."""
        if node.twins is None or not (node.twins.refused or self._misses_its_own(node)):
            return False
        since_ms = self._parted_ms.get(node.name, 0)
        renew(node.store, make_stamp(since_ms), lambda _done: None)
        self._stage.ledger.renamed(node.name, since_ms)
        return True

    def _misses_its_own(self, node: SimulatedNode) -> bool:
        """Tell whether a machine that went back to a snapshot is brought what it wrote after that.

        Just whoever put it back can tell that from a forgery, so nobody renews other stores for that.
        """
        names_itself = f"it says to be of {node.store.peek(lambda reader: reader.origin())}, "
        aside = node.store.peek(lambda reader: reader.aside(limit=10_000))
        return node.name in self._parted_ms and any(one.unfit.reason.startswith(names_itself) for one in aside)
