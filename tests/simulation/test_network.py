"""The simulated network shows what a server would, and nothing else."""

from mirror.simulation.network import Network, SimulatedRemote
from mirror.simulation.node import Lost, SimulatedNode
from mirror.simulation.world import World
from mirror.wire.codec import Cursor
from mirror.wire.values import Page


class Watching:
    """Satisfies mirror.simulation.network.Audit."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def shown(self, _source: object, _target: object, page: Page, asked: bool = False, read_ms: int = 0) -> None:
        self.keys += [record.key for record in page.records]

    def listed(self, *_: object) -> None:
        raise AssertionError("nobody asked for keys")


def test_a_session_that_a_change_of_rules_ended_reads_nothing_more() -> None:
    world = World(3, 1_700_000_000_000)
    network, one, other = Network(world), SimulatedNode(world, "a"), SimulatedNode(world, "b")
    network.audit = watching = Watching()
    for node in (one, other):
        node.start()
    other.store.write(lambda writer: writer.set_fields("config", "before", {"x": "1"}))
    ended: list[str] = []

    def follow() -> None:
        remote: SimulatedRemote = network.connect(one, other)
        try:
            for page in remote.tail(Cursor(other.store.epoch, 0)):
                if page.records:
                    other.rules[one.name] += 1
                    other.store.write(lambda writer: writer.set_fields("config", "after", {"x": "1"}))
        except Lost as error:
            ended.append(str(error))

    world.spawn(follow)
    world.run(world.now + 60_000)
    assert ended == ["b is down, or has ended the session"]
    assert watching.keys == ["before"]
