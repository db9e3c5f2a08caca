"""What could not be written into a server, and may be later: kept by record, with why, and tried again.

So one thing that waits holds up nothing else, and what was left is written once its reason is gone.  Kept beside what
the server said last, under a name of its own, so it lasts while the node is down.  Knows no connection.
"""

import enum
from collections import Counter, deque
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import NamedTuple

from mirror.citadel.looks.decided import Verdict
from mirror.model.draft import Base
from mirror.model.record import Record
from mirror.model.status import Status
from mirror.store.base import PAGE_RECORDS, Reader, Store, Writer

ROUNDS = 60
"""After so many rounds, of which there is one a look, all is tried again that waits for somebody."""
TRIES = 60
"""So often something is tried that will be otherwise with the next looks."""
AT_ONCE = 1000
"""Records that are tried again in one round."""
MOST = 100_000
"""Records that are kept."""
MAX_REASONS = 100
_NO_BASE = Base(1, "later")
_SEPARATOR = "|"


class When(enum.Enum):
    """When something is tried again."""

    SOON = "s"
    """With the next looks, a number of times: it will be otherwise then."""
    LATER = "l"
    """Now and again: somebody has to do something first."""
    DECIDED = "d"
    """Once somebody decided about it: it is one of very many deletions."""


Where = tuple[str, str]
"""A record's collection and key."""


class Later(NamedTuple):
    """Something that was not written: when it is tried again, and why it was not, in a line."""

    where: Where
    when: When
    why: str


def put_later(writer: Writer, place: str, some: Iterable[Later]) -> None:
    """Keep what was not written, in the place of what was kept of the same records."""
    writer.put_statuses(_name(place), map(_status, some))


def _status(one: Later) -> Status:
    collection, key = one.where
    return Status(collection, key, key, f"{one.when.value}{_SEPARATOR}{one.why}", _NO_BASE, 0)


def drop_later(writer: Writer, place: str, some: Iterable[Where]) -> None:
    """Forget what needs not be tried any more."""
    for collection, group in groupby(sorted(some), lambda one: one[0]):
        writer.drop_statuses(_name(place), collection, [key for _, key in group])


def scan_later(reader: Reader, place: str) -> Iterator[Later]:
    """Yield all that is kept, collection by collection."""
    after = ("", "")
    while page := reader.scan_place(_name(place), after):
        for status in page:
            when, _, why = status.tag.partition(_SEPARATOR)
            yield Later((status.collection, status.foreign), When(when), why)
        if len(page) < PAGE_RECORDS:
            return
        after = (page[-1].collection, page[-1].foreign)


def records_of(reader: Reader, some: Iterable[Later]) -> list[Record]:
    """Return the records as they are here now, in the order of their collections; those that are forgotten are not."""
    places = sorted(one.where for one in some)
    return [
        record
        for collection, group in groupby(places, lambda one: one[0])
        for record in reader.get_many(collection, [key for _, key in group])
    ]


def _name(place: str) -> str:
    return f"later:{place}"


class Changes(NamedTuple):
    """What is to be kept from now on of what was not written, and what not any more."""

    place: str
    put: Sequence[Later]
    drop: Sequence[Where]

    def __bool__(self) -> bool:
        return bool(self.put or self.drop)

    def write(self, writer: Writer) -> None:
        put_later(writer, self.place, self.put)
        drop_later(writer, self.place, self.drop)


class PutOff:
    """What was not written into one server, round by round; lives as long as the connections to it."""

    def __init__(self, store: Store, place: str) -> None:
        self._store, self._place = store, place
        self._all = {one.where: one for one in store.read(lambda reader: list(scan_later(reader, place)))}
        self._tried: dict[Where, int] = {}
        self._queue: deque[Where] = deque()
        self._rounds = 0
        self._forgotten: list[Where] = []

    def due(self, but: Container[Where], verdict: Verdict) -> list[Record]:
        """Return the next records that are to be tried again, without some that are tried anyway.

        ``verdict`` is what was decided about very many deletions.
        """
        if self._rounds % ROUNDS == 0:
            self._queue_all()
        self._rounds += 1
        if not self._all:
            return []
        now = (When.SOON,) if verdict is Verdict.HOLD else (When.SOON, When.DECIDED)
        some = [one.where for one in self._all.values() if one.when in now]
        while self._queue and len(some) < AT_ONCE:
            some.append(self._queue.popleft())
        wanted = [self._all[where] for where in dict.fromkeys(some) if where in self._all and where not in but]
        found = self._store.read(lambda reader: records_of(reader, wanted)) if wanted else []
        there = {(one.collection, one.key) for one in found}
        self._forgotten = [one.where for one in wanted if one.where not in there]
        return found

    def rouse(self) -> None:
        """Have what waits for somebody be tried again next, since users or rooms are not what they were.

        Very much of that waits until it is time.
        """
        if len(self._all) <= AT_ONCE:
            self._queue_all()

    def _queue_all(self) -> None:
        later = (one.where for one in self._all.values() if one.when is When.LATER)
        self._queue = deque(dict.fromkeys([*self._queue, *later]))

    def after(self, tried: Iterable[Record], later: Mapping[Where, Later]) -> Changes:
        """Return what changes once some records were tried, of which these were put off again."""
        put = []
        for where, one in later.items():
            self._tried[where] = self._tried.get(where, 0) + 1
            if one.when is When.SOON and self._tried[where] >= TRIES:
                one = one._replace(when=When.LATER)
            if self._all.get(where) != one and (where in self._all or len(self._all) < MOST):
                self._all[where] = one
                put.append(one)
        gone = dict.fromkeys([*self._forgotten, *((one.collection, one.key) for one in tried)])
        drop = [where for where in gone if where in self._all and where not in later]
        for where in drop:
            del self._all[where]
            self._tried.pop(where, None)
        self._forgotten = []
        if drop:  # what waited for that may be written now: marks for their message, say
            self.rouse()
        return Changes(self._place, put, drop)

    def is_any(self) -> bool:
        """Tell whether anything is put off."""
        return bool(self._all)

    def is_soon(self) -> bool:
        """Tell whether something is tried again with the next looks."""
        return bool(self._queue) or any(one.when is When.SOON for one in self._all.values())

    def held(self) -> dict[str, int]:
        """Return how many deletions wait until somebody decided about them, by collections."""
        return Counter(one.where[0] for one in self._all.values() if one.when is When.DECIDED)

    def reasons(self) -> list[str]:
        """Return why something was not written yet, each reason once; of very much the first."""
        return list(islice(dict.fromkeys(one.why for one in self._all.values() if one.when is When.LATER), MAX_REASONS))
