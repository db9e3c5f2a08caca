"""What a node sets aside of a partner comes again once its time has come, whichever of the two dials."""

from collections.abc import Callable
from functools import partial

import pytest
from share_ends import End, Stores, both, drop, keys, post, shares_of

from mirror.model.errors import StampAhead
from mirror.model.nodes import Horizon
from mirror.model.stamp import make_stamp
from mirror.store.base import Writer
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.remote import StaleCursor
from mirror.sync.responder import Responder
from mirror.sync.round import Round, exchange_all
from mirror.sync.share.exchange import ShareExchange
from mirror.sync.share.rules import Watched

NOW_MS = 1_700_000_000_000
BEHIND_MS = 3_600_000


class Clock:
    """The time, and by how much the clock of one node is behind, until a test sets it right."""

    now = NOW_MS
    behind = BEHIND_MS


@pytest.fixture
def late(make_store: Callable[..., SqliteStore]) -> Stores:
    """Two stores that share a room, the first one's clock an hour behind."""
    Clock.now, Clock.behind = NOW_MS, BEHIND_MS
    pair = make_store("a", now_ms=lambda: Clock.now - Clock.behind), make_store("b", now_ms=lambda: Clock.now)
    both(pair)
    return pair


class Partners:
    """One node's dealings with its partner for one life of its daemon: what it was shown and gave is remembered."""

    def __init__(self, store: SqliteStore, other: SqliteStore) -> None:
        self._store, self._other = store, other
        self._shares = shares_of(store, other.node)
        self._exchange = self._make()

    def _make(self) -> ShareExchange:
        return ShareExchange(self._store, self._other.node, self._shares.scope, self._shares.rooms)

    def dial(self) -> None:
        """Do once what a link does, which begins anew when what is shared has changed."""
        if (shares := shares_of(self._store, self._other.node)) != self._shares:
            self._shares = shares
            self._exchange = self._make()
        remote = End(self._other, shares_of(self._other, self._store.node), peer=self._store.node)
        try:
            exchange_all(Round(self._exchange, True), remote, self._other.epoch)
        except StaleCursor:
            self.dial()

    def compare(self) -> None:
        """Do what is done once a day."""
        remote = End(self._other, shares_of(self._other, self._store.node), peer=self._store.node)
        self._exchange.must_reconcile(remote, self._other.epoch, True)
        self._exchange.reconcile(remote, True)


def set_right(store: SqliteStore) -> None:
    """Have the clock set right, and the daemon's upkeep try again what is due."""
    Clock.behind = 0
    store.write(lambda writer: writer.retry_aside())
    assert store.read(lambda reader: reader.aside_counts()) == {}


@pytest.mark.parametrize("when", ["before they met", "since they met"])
@pytest.mark.parametrize("dials", ["who is behind", "the other one"])
def test_what_was_set_aside_comes_again_when_its_time_has_come(late: Stores, dials: str, when: str) -> None:
    a, b = late
    link = Partners(a, b) if dials == "who is behind" else Partners(b, a)
    if when == "since they met":
        link.dial()
    post(b, "b:9", "of b")
    link.dial()
    assert (keys(a, "a:1"), a.read(lambda reader: reader.aside_counts())) == (set(), {"b": 1})
    set_right(a)
    link.dial()
    assert keys(a, "a:1") == {"of b"}


def test_a_comparison_in_between_does_not_take_it_for_what_a_rule_keeps_there(late: Stores) -> None:
    a, b = late
    link = Partners(b, a)
    post(b, "b:9", "of b")
    link.dial()
    set_right(a)
    link.compare()
    link.dial()
    assert keys(a, "a:1") == {"of b"}


def test_whoever_watches_what_is_shared_hears_of_it(late: Stores) -> None:
    a, b = late
    post(b, "b:9", "of b")
    Partners(b, a).dial()
    watched = Watched()
    a.read(watched.begin)
    a.write(lambda writer: writer.beat())
    assert not a.read(watched.has_changed)
    set_right(a)
    assert a.read(watched.has_changed)
    assert not a.read(watched.has_changed)


def test_what_was_deleted_and_is_forgotten_does_not_come_back_with_it(late: Stores) -> None:
    a, b = late
    link = Partners(b, a)
    post(b, "b:9", "deleted here")
    post(a, "a:1", "kept")
    link.dial()
    set_right(a)
    link.dial()
    assert keys(a, "a:1") == keys(b, "b:9") == {"deleted here", "kept"}
    drop(a, "a:1", "deleted here")

    def forget(writer: Writer) -> None:
        writer.beat()
        writer.advance_horizon(Horizon(writer.clock.tick(), (writer.origin(),)))

    a.write(forget)
    link.dial()
    assert (keys(a, "a:1"), keys(b, "b:9")) == ({"kept"}, {"deleted here", "kept"})
    Clock.now, Clock.behind = NOW_MS + 1000, BEHIND_MS
    post(b, "b:9", "of b")
    link.dial()
    assert keys(a, "a:1") == {"kept"}
    set_right(a)
    link.dial()
    assert keys(a, "a:1") == {"kept", "of b"}


def test_a_comparison_waits_for_what_is_a_little_ahead(late: Stores) -> None:
    """In a room in which much is written something always is, and the two would never have compared."""
    a, b = late
    Clock.behind = 5000
    posted = [post(b, "b:9", f"{number} of b") for number in range(3)]
    waited: list[int] = []

    def wait(error: StampAhead) -> None:
        waited.append(error.wait_ms)
        Clock.behind -= error.wait_ms
        post(b, "b:9", f"after wait {len(waited)}")

    exchange = ShareExchange(a, "b", shares_of(a, "b").scope, shares_of(a, "b").rooms)
    outcome = Round(exchange, False, wait=wait).prepare(End(b, shares_of(b, "a"), peer="a"), b.epoch)
    assert outcome is not None and waited == [5000]
    assert {one.key[3:] for one in posted} <= keys(a, "a:1")


def test_what_is_a_little_ahead_holds_up_nothing_but_itself_while_comparing(late: Stores) -> None:
    """Else whoever keeps writing ahead of the time holds up each kind of each room by itself."""
    a, b = late
    Clock.behind = 0
    post(b, "b:9", "earlier")
    post(a, "a:1", "of a")
    Clock.now, Clock.behind = Clock.now + 10_000, 5000
    post(b, "b:9", "ahead")
    when_waiting: list[tuple[set[str], set[str]]] = []

    def wait(error: StampAhead) -> None:
        when_waiting.append((keys(a, "a:1"), keys(b, "b:9")))
        Clock.behind -= error.wait_ms

    exchange = ShareExchange(a, "b", shares_of(a, "b").scope, shares_of(a, "b").rooms)
    Round(exchange, True, wait=wait).prepare(End(b, shares_of(b, "a"), peer="a"), b.epoch)
    assert when_waiting == [({"earlier", "of a"}, {"earlier", "of a", "ahead"})]
    assert keys(a, "a:1") == keys(b, "b:9") == {"earlier", "of a", "ahead"}


def ahead_of_its_time(store: SqliteStore, by_ms: int) -> None:
    """Have a store's stamps be ahead of its clock, as a client's draft does that names a version from ahead."""
    store.write(lambda writer: writer.clock.observe(make_stamp(Clock.now + by_ms)))


def test_what_is_offered_a_little_ahead_holds_up_nothing_but_itself_while_comparing(late: Stores) -> None:
    a, b = late
    Clock.behind = 0
    post(b, "b:9", "of b")
    post(a, "a:1", "of a")
    ahead_of_its_time(b, 5000)
    post(b, "b:9", "ahead")
    when_waiting: list[tuple[set[str], set[str], int]] = []

    def wait(error: StampAhead) -> None:
        when_waiting.append((keys(a, "a:1"), keys(b, "b:9"), error.wait_ms))
        Clock.now += error.wait_ms

    exchange = ShareExchange(b, "a", shares_of(b, "a").scope, shares_of(b, "a").rooms)
    Round(exchange, True, wait=wait).prepare(End(a, shares_of(a, "b"), peer="b"), a.epoch)
    assert when_waiting == [({"of a", "of b"}, {"of a", "of b", "ahead"}, 5000)]
    assert keys(a, "a:1") == keys(b, "b:9") == {"of a", "of b", "ahead"}


@pytest.mark.parametrize("behind_ms", [0, 2000])
def test_a_push_of_what_is_a_little_ahead_waits_and_ends_nothing(late: Stores, behind_ms: int) -> None:
    """Else who keeps writing ahead of the time, or to one whose clock is behind, ends each connection so."""
    a, b = late
    Clock.behind = behind_ms
    waited: list[int] = []

    def wait(error: StampAhead) -> None:
        waited.append(error.wait_ms)
        Clock.now += error.wait_ms

    work = Round(ShareExchange(b, "a", shares_of(b, "a").scope, shares_of(b, "a").rooms), True, wait=wait)
    remote = End(a, shares_of(a, "b"), peer="b")
    work.prepare(remote, a.epoch)
    ahead_of_its_time(b, 5000)
    for number in range(3):
        post(b, "b:9", f"{number}")
        ahead_of_its_time(b, 6000 + number)
    work.push(remote, a.epoch)
    assert keys(a, "a:1") == {"0", "1", "2"}
    assert waited == [6001 + behind_ms]


def test_more_than_may_be_offered_later_is_waited_for_in_between(late: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirror.sync.share.settling.MAX_LATER", 1)
    monkeypatch.setattr("mirror.sync.share.exchange.Responder", partial(Responder, page_records=2))
    a, b = late
    Clock.behind = 0
    ahead_of_its_time(b, 5000)
    posted = {post(b, "b:9", f"{number}").key[3:] for number in range(7)}
    waits: list[int] = []

    def wait(error: StampAhead) -> None:
        waits.append(error.wait_ms)
        Clock.now += error.wait_ms

    exchange = ShareExchange(b, "a", shares_of(b, "a").scope, shares_of(b, "a").rooms)
    Round(exchange, True, wait=wait).prepare(End(a, shares_of(a, "b"), peer="b"), a.epoch)
    assert (keys(a, "a:1"), waits) == (posted, [5000])


def test_more_than_may_be_put_off_is_waited_for_in_between(late: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirror.sync.share.settling.MAX_LATER", 1)
    monkeypatch.setattr("mirror.sync.share.settling.PAGE_RECORDS", 2)
    a, b = late
    Clock.behind = 5000
    posted = {post(b, "b:9", f"{number}").key[3:] for number in range(7)}
    waits: list[int] = []

    def wait(error: StampAhead) -> None:
        waits.append(error.wait_ms)
        Clock.behind -= error.wait_ms

    exchange = ShareExchange(a, "b", shares_of(a, "b").scope, shares_of(a, "b").rooms)
    Round(exchange, False, wait=wait).prepare(End(b, shares_of(b, "a"), peer="a"), b.epoch)
    assert (keys(a, "a:1"), waits) == (posted, [5000])
