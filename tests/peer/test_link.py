"""A link in this process, to a node on which something is always written, and to one that sends what is wrong."""

import itertools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import gevent
import pytest
from gevent import socket
from gevent.event import Event
from share_ends import keys, post, room, shares_of

from mirror.config.settings import Config, ListenSettings, Peer, ReplicationSettings
from mirror.model.record import Record
from mirror.peer import link as link_module
from mirror.peer.channel import Channel
from mirror.peer.comparing import Comparisons
from mirror.peer.link import Link
from mirror.peer.supervision import WAITING
from mirror.server import comparing, pages, tail
from mirror.server.commands import TABLE
from mirror.server.node import Node
from mirror.server.session import Session
from mirror.service.party import Party
from mirror.store.green import GreenStore, open_green
from mirror.store.ledger import sorting
from mirror.store.values import PULL
from mirror.sync.exchange import MirrorExchange
from mirror.sync.recent import Recent
from mirror.sync.scope import EVERYTHING
from mirror.sync.share.exchange import ShareExchange
from mirror.sync.share.rules import Shares
from mirror.wire.batch import Batch
from mirror.wire.bulk import format_page
from mirror.wire.codec import MSGPACK
from mirror.wire.errors import Refused
from mirror.wire.status import LIVE, DifferenceStatus, LinkStatus
from mirror.wire.values import Greeting, Page

KEEPALIVE_S = 1
PATIENCE_S = 20.0
KEEPALIVES = 5
"""More than the three after which a silent peer counts as lost."""
DIALS = 20
COMPARE_S = 1


class Hub:
    """A node on which something is written as soon as the last thing is durable, and the connections to it."""

    def __init__(self, directory: Path) -> None:
        settings = ReplicationSettings(keepalive_s=KEEPALIVE_S)
        listen = ListenSettings(idle_timeout_s=2 * KEEPALIVE_S)
        self.store = open_green(directory, "hub")
        self.node = Node(Config(directory, "hub", listen, replication=settings), {}, self.store)
        self.dials: list[Session] = []
        self._sessions: list[gevent.Greenlet] = []
        self._writing = gevent.spawn(self._write)

    def _write(self) -> None:
        for number in itertools.count():
            self.put(Record("config", f"c{number % 100}", 1, "x", 1, body=b"%d" % number))

    def still(self) -> None:
        """Have nothing be written any more."""
        self._writing.kill()

    def follower(self) -> Callable[[str], None]:
        """Wait until somebody follows, and return what asks that one to compare."""
        with gevent.Timeout(PATIENCE_S):
            while not (found := [session.compare for session in self.dials if session.compare is not None]):
                gevent.sleep(0.01)
        return found[0]

    def put(self, draft: Record, body: bytes = b"") -> Record:
        return self.store.write(lambda writer: writer.put(writer.store_body(draft, body) if body else draft))

    def dialled(self, party: Party) -> Channel:
        ours, theirs = socket.socketpair()
        session = Session(self.node, Channel(theirs, "spoke"), TABLE, local=True, party=party)
        self.dials.append(session)
        self._sessions.append(gevent.spawn(session.run))
        channel = Channel(ours, "hub", 3.0 * KEEPALIVE_S)
        channel.read_reply()
        return channel

    def close(self) -> None:
        self._writing.kill()
        for session in self.dials:
            session.channel.close()
        gevent.joinall(self._sessions, timeout=10)
        self.store.close()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    (tmp_path / "hub").mkdir()
    made = Hub(tmp_path / "hub")
    yield made
    made.close()


@pytest.fixture
def spoke(tmp_path: Path) -> Iterator[GreenStore]:
    (tmp_path / "spoke").mkdir()
    opened = open_green(tmp_path / "spoke", "spoke")
    yield opened
    opened.close()


@pytest.fixture
def link(hub: Hub, spoke: GreenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Link]]:
    """Runs a link of a kind over socket pairs."""
    running: list[gevent.Greenlet] = []

    def start(kind: str, party: Party, compare_s: int = 86_400, shares: Shares | None = None) -> Link:
        shares = shares or Shares()
        greeting = Greeting("hub", hub.store.epoch, True, kind)
        monkeypatch.setattr(link_module, "dial_peer", lambda *_: (hub.dialled(party), greeting))
        exchange = (
            MirrorExchange(spoke, "hub")
            if kind == "mirror"
            else ShareExchange(spoke, "hub", shares.scope, shares.rooms)
        )
        settings = ReplicationSettings(
            keepalive_s=KEEPALIVE_S, reconcile_s=compare_s, retry_min_s=0.01, retry_max_s=0.02
        )
        config = Config(tmp_path, "spoke", replication=settings)
        made = Link(spoke, config, Peer("hub", kind=kind), "secret", Recent(), lambda: None, exchange)
        running.append(gevent.spawn(made.run))
        return made

    yield start
    gevent.killall(running)


def wait_until(store: GreenStore, holds: Callable[[], bool]) -> bool:
    """Wait until a condition holds, asked after each commit; tell whether it came to that in time."""
    changed, deadline = Event(), time.monotonic() + PATIENCE_S
    stop_watching = store.watch(changed.set)
    try:
        while not holds():
            changed.clear()
            if not changed.wait(max(0.0, deadline - time.monotonic())):
                return holds()
        return True
    finally:
        stop_watching()


def test_a_link_that_may_see_nothing_of_a_busy_node_is_dialled_once(
    hub: Hub, spoke: GreenStore, link: Callable[..., Link]
) -> None:
    made = link("share", Party("share", "spoke", Shares().scope))
    cursors: set[int] = set()

    def heard_enough() -> bool:
        cursors.add(spoke.read(lambda reader: reader.cursor("hub", PULL)).sequence)
        return len(cursors) > KEEPALIVES

    assert wait_until(spoke, heard_enough), cursors
    assert (len(hub.dials), made.status.error) == (2, "")


def test_the_connection_for_bodies_lives_on_while_nothing_but_small_records_come(
    hub: Hub, spoke: GreenStore, link: Callable[..., Link]
) -> None:
    made = link("mirror", Party("peer", "spoke", EVERYTHING))
    assert wait_until(spoke, lambda: made.status.pulled > 0)
    commands, _tail = hub.dials
    later = time.monotonic() + 3.0 * KEEPALIVE_S  # longer than the hub bears with a silent connection
    assert wait_until(spoke, lambda: time.monotonic() > later)
    written = hub.put(Record("pictures", "k", 1, "x", 1), b"large" * 20_000)
    assert wait_until(spoke, lambda: spoke.read(lambda reader: reader.get("pictures", "k")) is not None)
    assert spoke.read(lambda reader: reader.content_complete(written.content))
    assert (len(hub.dials), made.status.error, commands.closing) == (2, "", False)


def test_connections_that_are_lost_again_and_again_do_not_put_a_comparison_off(
    hub: Hub, spoke: GreenStore, link: Callable[..., Link]
) -> None:
    Comparisons(spoke, "hub", COMPARE_S).done()
    made = link("mirror", Party("peer", "spoke", EVERYTHING), COMPARE_S)

    def is_compared() -> bool:
        """Ends all connections well before a comparison that counted from their beginning would be due."""
        status = made.status
        if status.phase == LIVE and time.time() - status.since > COMPARE_S / 5 and not status.reconciled:
            for session in hub.dials:
                session.channel.close()
        return status.reconciled > 0

    assert wait_until(spoke, is_compared), len(hub.dials)


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_peers_bad_pages_are_one_line_in_the_log_and_print_nothing(
    hub: Hub,
    link: Callable[..., Link],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    size: int,
) -> None:
    """The larger ones are decoded in a thread."""

    def spoilt(page: Page, encoding: str = MSGPACK) -> Batch:
        return Batch(format_page(page, encoding).header, b"\xc1" * size)

    monkeypatch.setattr(tail, "format_page", spoilt)
    monkeypatch.setattr(pages, "format_page", spoilt)
    link("mirror", Party("peer", "spoke", EVERYTHING))
    assert wait_until(hub.store, lambda: len(hub.dials) >= DIALS), hub.dials
    told = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(told) == 1 and told[0].startswith("link to hub: "), told
    assert capfd.readouterr().err == ""


def test_a_partner_at_its_bound_pauses_its_link_which_says_so_and_goes_on_by_itself(
    hub: Hub, spoke: GreenStore, link: Callable[..., Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorting, "MAX_KEYS_SHARE", 1)
    for store, key, name, lines in (
        (hub.store, "h:1", "Lobby", "mirror_share|spoke|Foyer"),
        (spoke, "s:1", "Foyer", "mirror_share|hub|Lobby"),
    ):
        room(store, key, name, lines)
    hub.node.sharing.configure(["spoke"])
    for key in ("one", "two"):
        post(hub.store, "h:1", key)
    made = link("share", Party("share", "spoke", shares_of(hub.store, "spoke").scope), shares=shares_of(spoke, "hub"))
    told: list[LinkStatus] = []

    def is_told() -> bool:
        told.append(made.status)
        return told[-1].phase == WAITING and "hub, which rooms are shared with, makes no new ones" in told[-1].error

    post(spoke, "s:1", "there already")
    assert wait_until(hub.store, is_told), told[-1]
    assert keys(spoke, "s:1") == {"there already"}
    monkeypatch.setattr(sorting, "MAX_KEYS_SHARE", 10)
    assert wait_until(spoke, lambda: keys(spoke, "s:1") == {"there already", "one", "two"}), made.status
    assert wait_until(hub.store, lambda: (made.status.phase, made.status.error) == (LIVE, "")), made.status


def test_who_dials_compares_when_it_is_asked_to_and_tells_what_it_found(
    hub: Hub, spoke: GreenStore, link: Callable[..., Link]
) -> None:
    hub.still()
    link("mirror", Party("peer", "spoke", EVERYTHING))
    spoke.write(lambda writer: writer.put(Record("config", "of the spoke", 1, "x", 1)))
    ask = hub.follower()
    found = hub.node.comparing.ask("spoke", ask, lambda: True)
    assert (found.here, found.there, found.told_by) == ("hub", "spoke", "spoke")
    assert found.records == {"config": DifferenceStatus([], ["of the spoke"], [])}


def test_of_very_many_comparisons_that_are_asked_for_at_once_some_are_passed_over(
    hub: Hub, link: Callable[..., Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "ANSWER_S", 0.3)
    monkeypatch.setattr(comparing, "LOOK_S", 0.3)
    monkeypatch.setattr(link_module, "COMPARE_PAUSE_S", 0.0)
    hub.still()
    made = link("mirror", Party("peer", "spoke", EVERYTHING))
    ask, names = hub.follower(), [f"{number:x}" for number in range(50)]
    for name in names:  # each in a keepalive of its own
        ask(name)
        gevent.sleep(0.001)
    with gevent.Timeout(PATIENCE_S):
        while True:
            with suppress(Refused):  # while those before it are worked off
                assert hub.node.comparing.ask("spoke", ask, lambda: True).equal
                break
    assert (made.status.phase, made.status.error) == (LIVE, "")
