"""How a schedule ends: all faults are healed, the nodes become equal, and what they hold is judged."""

from mirror.model.kinds import NODES
from mirror.model.record import Record
from mirror.simulation.ledger import Thing
from mirror.simulation.node import Lost, SimulatedNode
from mirror.simulation.stage import Stage
from mirror.store.base import Reader
from mirror.store.check import check_store

LOOK_MS = 5000
"""How often is looked whether all are equal by now."""


def settle(stage: Stage, within_ms: int) -> None:
    """Let the nodes exchange until they are equal, or until they had every chance."""
    deadline = stage.world.now + within_ms
    while stage.world.now < deadline:
        stage.world.run(stage.world.now + LOOK_MS)
        if len({holdings(node) for node in stage.nodes}) == 1:
            return
    for node in stage.nodes:
        stage.problem(f"not equal after healing: {node.name} has {holdings(node)}")


def holdings(node: SimulatedNode, with_horizon: bool = True) -> str:
    """Return what a node holds, signs of life aside, which go on for ever."""
    digests = node.store.peek(lambda reader: reader.digests(lambda name: name != NODES))
    horizon = node.store.peek(lambda reader: reader.horizon()) if with_horizon else "?"
    return f"{horizon} " + " ".join(f"{name}={digest}" for name, digest in digests.items())


def judge(stage: Stage) -> None:
    """Hold what all nodes have in the end against each other and against the ledger."""
    finals: list[dict[Thing, Record]] = []
    for node in stage.nodes:
        finals.append(node.store.read(everything))
        note_conflicts(stage, node)
        for problem in check_store(node.store).problems:
            stage.problem(f"{node.name}: {problem}")
    if any(final != finals[0] for final in finals):
        stage.problem("equal digests, but not equal records")
    for problem in stage.ledger.problems(finals[0]):
        stage.problem(problem)


def everything(reader: Reader) -> dict[Thing, Record]:
    """Return all that a store holds, signs of life aside."""
    return {
        (record.collection, record.key): record
        for name in reader.digests(lambda name: name != NODES)
        for record in reader.scan(name, limit=100_000)
    }


def note_conflicts(stage: Stage, node: SimulatedNode) -> None:
    """Have the ledger know what a node's conflict log holds."""
    try:
        conflicts = node.store.read(lambda reader: reader.conflicts(limit=100_000, unresolved=False))
    except Lost:
        return
    stage.outcome.conflicts += len(conflicts)
    for conflict in conflicts:
        stage.ledger.logged(node.name, conflict.loser, conflict.winner, conflict.winner_past)
