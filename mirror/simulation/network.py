"""The simulated network: delay, loss at any step, repetition, partitions; an engine's Remote over it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from mirror.model.applied import Applied
from mirror.model.digest import Digest
from mirror.model.nodes import Heard
from mirror.simulation.node import Lost, SimulatedNode
from mirror.simulation.world import World
from mirror.sync.remote import StaleCursor
from mirror.sync.responder import Responder, check_page
from mirror.wire.codec import ContentRequest, Cursor, Range
from mirror.wire.values import Answer, ContentPart, Offered, Page, State

T = TypeVar("T")
PAGE_RECORDS = 3
"""Small pages, so that there is something to be cut off between."""


class Network:
    """Who can reach whom, and how badly."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.loss = 0.0
        self.repetition = 0.0
        self.slowest_ms = 20
        self._side: dict[str, int] = {}

    def partition(self, sides: dict[str, int]) -> None:
        """Let only nodes of the same side reach each other."""
        self._side = sides

    def heal(self) -> None:
        """Let everything reach everybody, once and soon."""
        self.partition({})
        self.loss = self.repetition = 0.0
        self.slowest_ms = 20

    def reaches(self, one: str, other: str) -> bool:
        return self._side.get(one, 0) == self._side.get(other, 0)

    def connect(self, source: SimulatedNode, target: SimulatedNode) -> "SimulatedRemote":
        """Return a connection.  Raises Lost."""
        remote = SimulatedRemote(self, source, target)
        remote.travel()
        return remote


class SimulatedRemote:
    """Implements mirror.sync.remote.Remote on another node's store."""

    def __init__(self, network: Network, source: SimulatedNode, target: SimulatedNode) -> None:
        self._network = network
        self._source = source
        self._target = target
        self._life = target.life
        if not target.up:
            raise Lost(f"{target.name} is down")
        self._responder = Responder(target.store, page_records=PAGE_RECORDS)

    def travel(self) -> None:
        """Let something be under way, and perhaps be lost."""
        network, chance = self._network, self._network.world.random
        network.world.sleep(chance.randint(1, network.slowest_ms))
        if not network.reaches(self._source.name, self._target.name) or chance.random() < network.loss:
            raise Lost("the network lost a connection")
        if not self._target.up or self._target.life != self._life:
            raise Lost(f"{self._target.name} is down")

    def _ask(self, question: Callable[[], T]) -> T:
        """Ask and be answered; if the answer is lost, what it answers has happened all the same."""
        self.travel()
        answer = question()
        self.travel()
        return answer

    def _follow(self, items: Callable[[], Iterator[T]]) -> Iterator[T]:
        self.travel()
        for item in items():
            self.travel()
            yield item
            if self._network.world.random.random() < self._network.repetition:
                yield item

    def info(self, known: Digest | None = None) -> State:
        return self._ask(lambda: self._responder.info(known))

    def heard(self) -> Heard:
        return self._ask(lambda: self._responder.heard())

    def since(self, cursor: Cursor) -> Iterator[Page]:
        return self._follow(lambda: self._responder.since(cursor))

    def tail(self, cursor: Cursor) -> Iterator[Page]:
        """Yield what changes after a cursor, as the server does, for a while."""
        self.travel()
        network, chance = self._network, self._network.world.random
        trimmed, after = self._responder.check_cursor(cursor), cursor.sequence
        recent = self._target.recent[self._source.name]
        for _ in range(chance.randint(1, 8)):
            more = True
            while more:
                page, more = self._responder.page(after)
                try:
                    check_page(page, after, trimmed)
                except StaleCursor:
                    raise Lost("inside a listing nothing can be said: the tail is broken off") from None
                after = page.cursor.sequence if page.cursor is not None else after
                new = recent.without(page)
                if new.records or more or chance.random() < 0.5:  # what is empty comes later, as a keepalive
                    yield from self._follow(lambda new=new: iter([new]))  # type: ignore[misc]
            network.world.sleep(chance.randint(20, 800))

    def get(self, collection: str, keys: Sequence[str]) -> Iterator[Page]:
        return self._follow(lambda: self._responder.get(collection, keys))

    def ranges(self, collection: str, ranges: Sequence[Range]) -> list[Answer]:
        return self._ask(lambda: self._responder.ranges(collection, ranges))

    def body(self, requests: Sequence[ContentRequest]) -> Iterator[ContentPart]:
        return self._follow(lambda: self._responder.body(requests))

    def lacks(self, requests: Sequence[ContentRequest]) -> list[ContentRequest]:
        return self._ask(lambda: self._responder.lacks(requests))

    def offer(self, offered: Iterable[Offered]) -> Applied:
        def arriving() -> Iterator[Offered]:
            for item in offered:
                self.travel()
                yield item
                if self._network.world.random.random() < self._network.repetition:
                    yield item

        return self._ask(lambda: self._taken(arriving()))

    def _taken(self, offered: Iterable[Offered]) -> Applied:
        """Take in what is offered, as the server does: what came from a peer is not sent back to it."""
        applied, recent = Applied(), self._target.recent[self._source.name]
        for item in offered:
            applied += self._responder.offer([item])
            if isinstance(item, Page):
                recent.add(item.crcs)
        return applied
