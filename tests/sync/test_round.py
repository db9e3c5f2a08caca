"""The order of steps of one connection, on an exchange that writes down what is asked of it."""

from collections.abc import Iterator

import pytest

from mirror.model.applied import Applied
from mirror.model.digest import Digest
from mirror.model.record import Record
from mirror.store.values import StoredCursor
from mirror.sync.pull import Wait, refuse_to_wait
from mirror.sync.recent import Recent
from mirror.sync.reconcile import Reconciled
from mirror.sync.remote import Remote, StaleCursor
from mirror.sync.round import Round, exchange_all
from mirror.wire.codec import Cursor
from mirror.wire.values import Page, State


def page(sequence: int, *crcs: int) -> Page:
    return Page([Record("files/r", f"k{crc}", crc, "x", 1) for crc in crcs], list(crcs), Cursor("e", sequence))


class Scripted:
    """An exchange whose feed is given, and that notes each step."""

    notes: list[str] = []

    def __init__(self, feed: list[Page], must: bool = False) -> None:
        self.feed = feed
        self.must = must
        self.steps: list[str] = []

    def must_reconcile(self, remote: object, epoch: str, pushing: bool) -> bool:
        self.steps.append("must?")
        return self.must

    def reconcile(self, remote: object, pushing: bool, wait: Wait = refuse_to_wait) -> Reconciled:
        self.steps.append("reconcile")
        return Reconciled(State("b", "e", 1, Digest(), None), pulled=Applied(3, 0, 1), pushed=Applied(2), refused=4)

    def pull_cursor(self, epoch: str) -> Cursor:
        return Cursor(epoch, 0)

    def distrust_cursor(self) -> None:
        self.steps.append("distrust")

    def take(self, page: Page, bodies: object) -> Applied:
        self.steps.append(f"take {page.crcs}")
        return Applied(len(page.records), 0, 1)

    def cursor(self, direction: str) -> StoredCursor:
        return StoredCursor("e", 0, True)

    def next_push(self, after: int) -> tuple[Page, bool]:
        rest = [page for page in self.feed if page.cursor is not None and page.cursor.sequence > after]
        return (rest or [page(after)])[0], len(rest) > 1

    def push(self, remote: object, epoch: str, page: Page, before: int) -> Applied:
        self.steps.append(f"push {page.crcs} after {before}")
        return Applied(len(page.records))


class Feed(Remote):
    """The other side, of which only its feed is asked."""

    def __init__(self, *pages: Page, stale: bool = False) -> None:
        self.pages = pages
        self.stale = stale

    def since(self, cursor: Cursor) -> Iterator[Page]:
        yield from self.pages
        if self.stale:
            raise StaleCursor("too old")


def test_all_is_compared_first_only_where_the_cursors_are_no_good() -> None:
    for must, steps in ((False, ["must?"]), (True, ["must?", "reconcile"])):
        exchange = Scripted([], must)
        work = Round(exchange, pushing=False)
        outcome = work.prepare(Feed(), "e")
        assert (exchange.steps, outcome is not None) == (steps, must)
        assert (work.counts.pulled, work.counts.pushed, work.counts.conflicts) == ((3, 2, 5) if must else (0, 0, 0))


def test_pages_are_taken_in_turn_and_signs_of_life_are_not() -> None:
    exchange = Scripted([])
    work = Round(exchange, pushing=False)
    feed = Feed(page(2, 1, 2), page(2), page(5), page(5), page(6, 3))
    taken = [page.crcs for page, _ in work.pull(feed.since, feed, "e")]
    assert taken == [[1, 2], [], [], [], [3]]
    assert exchange.steps == ["take [1, 2]", "take []", "take [3]"]
    assert (work.counts.pulled, work.counts.conflicts) == (3, 3)


def test_a_stale_cursor_is_forgotten_before_the_connection_ends() -> None:
    exchange = Scripted([])
    work = Round(exchange, pushing=False)
    feed = Feed(page(2, 1), stale=True)
    with pytest.raises(StaleCursor):
        list(work.pull(feed.since, feed, "e"))
    assert exchange.steps == ["take [1]", "distrust"]


def test_what_the_peer_gave_is_not_sent_back_and_the_cursor_advances_all_the_same() -> None:
    recent = Recent()
    exchange = Scripted([page(2, 1, 7), page(3, 8)])
    work = Round(exchange, pushing=True, recent=recent)
    assert work.given == -1
    exchange_all(work, Feed(page(9, 7, 8)), "e")
    assert exchange.steps == ["must?", "take [7, 8]", "push [1] after 0", "push [] after 2"]
    assert (work.counts.pushed, work.given) == (1, 3)


def test_a_version_is_remembered_before_it_is_taken_in() -> None:
    recent = Recent()

    class Watched(Scripted):
        def take(self, page: Page, bodies: object) -> Applied:
            assert recent.without(page).records == []  # whoever is woken by the commit does not send it back
            return super().take(page, bodies)

    work = Round(Watched([]), pushing=False, recent=recent)
    feed = Feed(page(2, 1))
    assert len(list(work.pull(feed.since, feed, "e"))) == 1


def test_nothing_is_taken_in_while_the_node_is_closed() -> None:
    class Closed(Exception):
        pass

    def closed() -> None:
        raise Closed

    exchange = Scripted([page(1, 1)], must=True)
    work = Round(exchange, pushing=True, wait_open=closed)
    feed = Feed(page(0), page(1, 1))
    with pytest.raises(Closed):
        work.prepare(feed, "e")
    with pytest.raises(Closed):
        list(work.pull(feed.since, feed, "e"))
    assert not work.push(feed, "e")  # giving goes on
    assert exchange.steps == ["must?", "push [1] after 0"]


def test_only_so_many_versions_are_remembered() -> None:
    recent = Recent(limit=2)
    recent.add([1, 2, 3])
    assert recent.without(page(1, 1, 2, 3)).crcs == [1]
    recent.forget()
    assert recent.without(page(1, 1, 2, 3)).crcs == [1, 2, 3]
