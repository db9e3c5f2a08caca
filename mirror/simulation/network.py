"""The simulated network: delay, loss at any step, repetition, partitions; an engine's Remote over it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from mirror.model.applied import Applied
from mirror.model.digest import Digest
from mirror.model.nodes import Heard
from mirror.simulation.node import Lost, SimulatedNode
from mirror.simulation.world import World
from mirror.sync.remote import StaleCursor
from mirror.sync.responder import check_page
from mirror.wire.codec import ContentRequest, Cursor, Listed, Range
from mirror.wire.values import Answer, ContentPart, Offered, Page, SharedRoom, State

T = TypeVar("T")


class Audit(Protocol):
    """Looks at all that a node shows to another."""

    def shown(
        self, source: SimulatedNode, target: SimulatedNode, page: Page, asked: bool = False, read_ms: int = 0
    ) -> None:
        """``target`` is shown a page of ``source``'s; ``asked`` where it named the keys.

        ``read_ms``: it was read from the store so many milliseconds ago at most.
        """
        ...

    def listed(self, source: SimulatedNode, target: SimulatedNode, collection: str, keys: Iterable[str]) -> None:
        """``target`` is told that these keys are there."""
        ...


PUSHED_MS = 10_000
"""Milliseconds that a page may have waited for its contents before it is pushed."""


class Network:
    """Who can reach whom, and how badly."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.loss = 0.0
        self.repetition = 0.0
        self.slowest_ms = 20
        self.audit: Audit | None = None
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
    """Implements mirror.sync.remote.Remote on another node's store, and ShareRemote where rooms are shared."""

    def __init__(self, network: Network, source: SimulatedNode, target: SimulatedNode) -> None:
        self._network = network
        self._source = source
        self._target = target
        if not target.up:
            raise Lost(f"{target.name} is down")
        self._session = target.open_session(source.name)
        self._responder = self._session.responder
        self._ended: Callable[[], bool] = lambda: False

    def ends_with(self, ended: Callable[[], bool]) -> None:
        """Have the connection be broken from when ``ended`` says so."""
        self._ended = ended

    def travel(self) -> None:
        """Let something be under way, and perhaps be lost."""
        network, chance = self._network, self._network.world.random
        network.world.sleep(chance.randint(1, network.slowest_ms))
        if not network.reaches(self._source.name, self._target.name) or chance.random() < network.loss:
            raise Lost("the network lost a connection")
        self._check_session()

    def _check_session(self) -> None:
        if not self._session.valid() or self._ended():
            raise Lost(f"{self._target.name} is down, or has ended the session")

    def _ask(self, question: Callable[[], T]) -> T:
        """Ask and be answered; if the answer is lost, what it answers has happened all the same."""
        self.travel()
        answer = question()
        self.travel()
        return answer

    def _shown(self, pages: Iterator[Page], asked: bool = False) -> Iterator[Page]:
        for page in pages:
            if self._network.audit is not None:
                self._network.audit.shown(self._target, self._source, page, asked)
            yield page

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
        return self._follow(lambda: self._shown(self._responder.since(cursor)))

    def tail(self, cursor: Cursor) -> Iterator[Page]:
        """Yield what changes after a cursor, as the server does, for a while."""
        self.travel()
        network, chance = self._network, self._network.world.random
        trimmed, after = self._responder.check_cursor(cursor), cursor.sequence
        recent = self._target.recent[self._source.name]
        for _ in range(chance.randint(1, 8)):
            more = True
            while more:
                self._check_session()  # one that a change of rules ended reads nothing more
                page, more = self._responder.page(after)
                try:
                    check_page(page, after, trimmed)
                except StaleCursor:
                    raise Lost("inside a listing nothing can be said: the tail is broken off") from None
                after = page.cursor.sequence if page.cursor is not None else after
                new = recent.without(page)
                if new.records or more or chance.random() < 0.5:  # what is empty comes later, as a keepalive
                    shown = [*self._shown(iter([new]))]  # by the rules of the moment at which it was read
                    yield from self._follow(lambda shown=shown: iter(shown))  # type: ignore[misc]
            network.world.sleep(chance.randint(20, 800))

    def get(self, collection: str, keys: Sequence[str]) -> Iterator[Page]:
        return self._follow(lambda: self._shown(self._responder.get(collection, keys), asked=True))

    def ranges(self, collection: str, ranges: Sequence[Range]) -> list[Answer]:
        def answered() -> list[Answer]:
            answers = self._responder.ranges(collection, ranges)
            if self._network.audit is not None:
                keys = [entry.key for answer in answers if isinstance(answer, Listed) for entry in answer.entries]
                self._network.audit.listed(self._target, self._source, collection, keys)
            return answers

        return self._ask(answered)

    def shares(self) -> list[SharedRoom]:
        return self._ask(lambda: list(self._session.rooms))

    def body(self, requests: Sequence[ContentRequest]) -> Iterator[ContentPart]:
        return self._follow(lambda: self._responder.body(requests))

    def lacks(self, requests: Sequence[ContentRequest]) -> list[ContentRequest]:
        return self._ask(lambda: self._responder.lacks(requests))

    def offer(self, offered: Iterable[Offered]) -> Applied:
        def arriving() -> Iterator[Offered]:
            for item in offered:
                if self._network.audit is not None and isinstance(item, Page):
                    self._network.audit.shown(self._source, self._target, item, read_ms=PUSHED_MS)
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
