"""A node that sends whatever it likes: as who is dialled it answers anything, as who dials it asks and offers anything.

Whether it is hostile or has a bug makes no difference.  What it says is of the types that are read from a connection.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from mirror.model.applied import Applied
from mirror.model.digest import Digest
from mirror.model.errors import MirrorError
from mirror.model.kinds import NODES
from mirror.model.nodes import Heard, Horizon
from mirror.model.record import Record
from mirror.simulation.garbage import NUMBERS, ORIGINS, TEXTS, Garbage
from mirror.simulation.node import Lost, Session, SimulatedNode
from mirror.simulation.world import World
from mirror.sync.remote import Denied, StaleCursor
from mirror.wire.codec import GREATEST, LEAST, Bound, ContentRequest, Cursor, Entry, Listed, Range
from mirror.wire.values import Answer, ContentPart, Offered, Page, SharedRoom, State

MASK = (1 << 64) - 1


class HostileRemote:
    """What an honest node meets that has dialled a hostile one; satisfies Remote, ShareRemote and the tail."""

    def __init__(
        self, world: World, name: str, garbage: Garbage, rooms: Sequence[SharedRoom], alive: Callable[[], bool]
    ):
        """``rooms`` are what it claims to share, ``alive`` tells whether it is there still."""
        self._world = world
        self._name = name
        self._garbage = garbage
        self._chance = garbage.chance
        self._rooms = list(rooms)
        self._alive = alive

    def travel(self) -> None:
        """Let something be under way."""
        self._world.sleep(self._chance.randint(1, 60))
        if not self._alive() or self._chance.random() < 0.02:
            raise Lost(f"{self._name} is gone")

    def _number(self) -> int:
        return min(self._chance.choice(NUMBERS), (1 << 63) - 1) if self._chance.random() < 0.5 else 5

    def _cursor(self) -> Cursor:
        return Cursor(self._chance.choice((f"{self._name}0000001", "other", "")), max(0, self._number()))

    def _digest(self) -> Digest:
        return Digest(self._number(), self._number(), self._chance.getrandbits(64))

    def info(self, known: Digest | None = None) -> State:
        self.travel()
        names = [self._garbage.place()[0] for _ in range(self._chance.randrange(5))]
        collections = {name: self._digest() for name in names}
        digest = known if known is not None and self._chance.random() < 0.2 else self._digest()
        told = collections if self._chance.random() < 0.8 else None
        horizon = self._garbage.stamp() if self._chance.random() < 0.3 else 0
        return State(self._name, f"{self._name}0000001", max(0, self._number()), digest, told, horizon)

    def heard(self) -> Heard:
        self.travel()
        if self._chance.random() < 0.2:
            raise Denied("it does not say")
        vector = {self._chance.choice(ORIGINS): self._garbage.stamp() for _ in range(3)}
        nodes = tuple(self._chance.sample(ORIGINS, 2))
        return Heard(Horizon(self._garbage.stamp(), nodes), vector, vector)

    def shares(self) -> list[SharedRoom]:
        self.travel()
        return [room for room in self._rooms if self._chance.random() < 0.9]

    def _pages(self, cursor: Cursor | None) -> Iterator[Page]:
        for _ in range(self._chance.randrange(5)):
            self.travel()
            if self._chance.random() < 0.05:
                raise StaleCursor("it says so")
            yield self._garbage.page(self._cursor() if cursor is not None else None)

    def since(self, cursor: Cursor) -> Iterator[Page]:
        return self._pages(cursor)

    def tail(self, cursor: Cursor) -> Iterator[Page]:
        return self._pages(cursor)

    def get(self, collection: str, keys: Sequence[str]) -> Iterator[Page]:
        return self._pages(None)

    def ranges(self, collection: str, ranges: Sequence[Range]) -> list[Answer]:
        self.travel()
        return [self._answer(asked) for asked in ranges if self._chance.random() < 0.8]

    def _answer(self, asked: Range) -> Answer:
        if self._chance.random() < 0.3:
            return Range(self._bound(), self._bound(), self._number(), self._chance.getrandbits(64))
        entries = [
            Entry(self._number(), self._chance.choice(("euid:1", "id:1", *TEXTS)), self._chance.getrandbits(64))
            for _ in range(self._chance.randrange(4))
        ]
        return Listed(asked.lower, asked.upper, entries)

    def _bound(self) -> Bound:
        return self._chance.choice((LEAST, GREATEST, Bound(self._number(), self._chance.choice(TEXTS))))

    def body(self, requests: Sequence[ContentRequest]) -> Iterator[ContentPart]:
        for request in requests:
            self.travel()
            content = self._chance.choice((request.content, request.content, b"d" * 32))
            yield ContentPart(
                content, max(0, self._number()), max(0, self._number()), b"x" * self._chance.choice((0, 9, 20_000))
            )

    def lacks(self, requests: Sequence[ContentRequest]) -> list[ContentRequest]:
        self.travel()
        return [*requests, ContentRequest(b"e" * 32, max(0, self._number()))]

    def offer(self, offered: Iterable[Offered]) -> Applied:
        for item in offered:
            self.travel()
            if isinstance(item, Page):
                self._garbage.learn(item.records)
        return Applied(self._number(), self._number(), self._number())


class HostileClient:
    """A hostile node that has dialled an honest one, as a mirror or to share rooms: asks and offers anything."""

    def __init__(self, world: World, name: str, garbage: Garbage, node: SimulatedNode) -> None:
        self._world = world
        self._name = name
        self._garbage = garbage
        self._chance = garbage.chance
        self._node = node

    def run(self) -> None:
        """Log in and do things, until killed."""
        while True:
            self._world.sleep(self._chance.randint(20, 200))
            if not self._node.up:
                continue
            session = self._node.open_session(self._name)
            try:
                for _ in range(self._chance.randint(1, 6)):
                    self._world.sleep(self._chance.randint(1, 60))
                    if not session.valid():
                        break
                    self._do_something(session)
            except MirrorError:
                continue  # it was told what was wrong, in a line

    def _do_something(self, session: Session) -> None:
        responder, chance = session.responder, self._chance
        what = chance.random()
        if what < 0.6:
            applied: list[Offered] = [self._garbage.page() for _ in range(chance.randint(1, 2))]
            responder.offer(applied)
        elif what < 0.65:
            content = chance.choice((b"c" * 32, b"d" * 32))
            size = chance.choice((20_000, 17_000, 5))
            responder.offer([ContentPart(content, chance.choice((0, 7)), size, b"x" * chance.choice((9, 20_000)))])
        elif what < 0.75:
            responder.info(chance.choice((None, Digest(1, 2, 3))))
        elif what < 0.8:
            responder.heard()
        elif what < 0.88:
            self._learn(responder.since(Cursor(self._node.store.epoch, chance.choice((0, 0, 5, 1 << 62)))))
        elif what < 0.92:
            collection, key = self._garbage.place()
            self._learn(responder.get(collection, [key, *chance.sample(TEXTS, 2)]))
        elif what < 0.96:
            collection, _ = self._garbage.place()
            lower, upper = (chance.choice((LEAST, GREATEST, Bound(5, "k"))) for _ in range(2))
            responder.ranges(collection, [Range(lower, upper, chance.choice(NUMBERS), chance.getrandbits(64))])
        else:
            request = ContentRequest(chance.choice((b"c" * 32, b"d" * 32)), chance.choice((0, 5, 1 << 62)))
            responder.lacks([request])
            list(responder.body([request]))

    def _learn(self, pages: Iterator[Page]) -> None:
        for page in pages:
            known: list[Record] = [record for record in page.records if record.collection != NODES]
            self._garbage.learn(known)
