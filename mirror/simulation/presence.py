"""Who is connected under which name: in the simulation, too, nodes say which instance they are, and are asked."""

from collections import Counter
from collections.abc import Callable, Sequence

from mirror.simulation.network import Network, SimulatedRemote
from mirror.simulation.node import Lost, SimulatedNode
from mirror.sync.twins import Life, NotNow, TwoOfOneName, read_identity

Leave = Callable[[], None]


class SimulatedContact:
    """One connection, as the node at one end knows it; satisfies mirror.sync.twins.Contact."""

    def __init__(self, other: SimulatedNode) -> None:
        """``other`` is who is at the other end, in its present life."""
        self.instance = other.instance
        self.name = other.name
        self.ended = False
        self._other = other

    def end(self) -> None:
        self.ended = True

    def lives(self) -> bool:
        return self._other.up and self._other.instance == self.instance


def names_served_twice(node: SimulatedNode) -> list[str]:
    """Return the names under which two instances are connected with a node, both alive and neither ended."""
    alive = {(one.name, one.instance) for one in node.contacts if one.lives() and not one.ended}
    return sorted(name for name, count in Counter(name for name, _ in alive).items() if count > 1)


def ask_over(network: Network, node: SimulatedNode) -> Callable[[Sequence[SimulatedContact]], Life]:
    """Return what finds out for a node whether those live that are connected under one name."""

    def ask(contacts: Sequence[SimulatedContact]) -> Life:
        if not any(one.lives() and network.reaches(node.name, one.name) for one in contacts):
            return Life.GONE
        return Life.ANSWERS if network.world.random.random() < 0.9 else Life.REACHED

    return ask


def connect(network: Network, source: SimulatedNode, target: SimulatedNode) -> tuple[SimulatedRemote, Leave]:
    """Connect, as both let each other in; returns also what is to be called when the connection has ended.

    Raises Lost, where one of them is not the one that has its name as well: that is told to it.
    """
    if source.twins is None or target.twins is None:
        return network.connect(source, target), lambda: None
    known_there, known_here = target.twins.recall(source.name), source.twins.recall(target.name)
    remote = network.connect(source, target)
    there, here = SimulatedContact(source), SimulatedContact(target)

    def leave() -> None:
        for node, name, contact in ((target, source.name, there), (source, target.name, here)):
            node.contacts.discard(contact)
            if node.twins is not None:
                node.twins.leave(name, contact)

    for node, other, known, contact in ((target, source, known_there, there), (source, target, known_here, here)):
        told = other.store.read(lambda reader, one=other: read_identity(reader, one.instance))  # type: ignore[misc]
        try:
            node.twins.admit(other.name, told, known, contact)  # type: ignore[union-attr]
        except (TwoOfOneName, NotNow) as error:
            leave()
            if isinstance(error, TwoOfOneName) and other.twins is not None:
                other.twins.was_refused(node.name, str(error))
            raise Lost(str(error)) from None
        node.contacts.add(contact)
    remote.ends_with(lambda: there.ended or here.ended)
    return remote, leave
