"""The tail of a node on which something is always written: keepalives come on time, and say how far it has come."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import pytest
from sessions import sessions_on

from mirror.config.settings import Config, ReplicationSettings
from mirror.model.record import Record, record_crc
from mirror.peer.channel import Channel, ConnectionLost
from mirror.peer.remote import ChannelRemote
from mirror.server.node import Node
from mirror.service.party import ADMIN, Party
from mirror.service.rights import Rights, UserScope
from mirror.store.base import PAGE_RECORDS
from mirror.store.green import open_green
from mirror.wire.values import Page

SILENCE_S = 3.0
"""Seconds of silence after which a link takes its peer for lost, at a keepalive each second."""
Talk = Callable[[Party], Channel]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    store = open_green(tmp_path, "m")
    node = Node(Config(tmp_path, "m", replication=ReplicationSettings(keepalive_s=1)), {}, store)
    store.write(lambda writer: writer.set_fields("users", "m:1", {"u_fullname": "Ann", "u_axlevel": "4"}))
    yield node
    for session in list(node.sessions):
        session.channel.close()
    store.close()


@pytest.fixture
def talk(node: Node) -> Iterator[Talk]:
    with sessions_on(node) as start:
        yield lambda party: start(party, silence_s=SILENCE_S)


@contextmanager
def always_writing(node: Node) -> Iterator[None]:
    """Write something as soon as the last thing is durable, which is many times a second."""

    def write() -> None:
        for number in itertools.count():
            draft = Record("config", f"c{number}", 1, "x", 1)
            node.store.write(lambda writer, draft=draft: writer.put(draft))  # type: ignore[misc]

    writing = gevent.spawn(write)
    try:
        yield
    finally:
        writing.kill()


def nothing_shared(node: Node) -> Party:
    return Party("share", "beta", node.sharing.of("beta").scope)


def a_user(node: Node) -> Party:
    return Party("user", "Ann", UserScope("m:1", {}), "m:1", Rights("m:1", node.directory.rooms))


def sequences(pages: list[Page]) -> list[int]:
    return [page.cursor.sequence for page in pages if page.cursor is not None]


@pytest.mark.parametrize("party", [nothing_shared, a_user])
def test_who_sees_nothing_of_what_is_written_hears_a_keepalive_in_time(
    talk: Talk, node: Node, party: Callable[[Node], Party]
) -> None:
    remote = ChannelRemote(talk(party(node)))
    begun = remote.info().cursor
    with always_writing(node):
        pages = list(itertools.islice(remote.tail(begun), 3))
    reached = sequences(pages)
    assert [page.records for page in pages] == [[], [], []]
    assert [begun.sequence, *reached] == sorted({begun.sequence, *reached}), "the cursor stands still"


def test_a_peer_that_gave_all_of_what_is_written_hears_a_keepalive_in_time(talk: Talk, node: Node) -> None:
    remote = ChannelRemote(talk(Party("peer", "beta", ADMIN.scope)))
    begun = remote.info().cursor
    node.recent["beta"].without = lambda page: Page([], [], page.cursor)  # type: ignore[method-assign]
    with always_writing(node):
        pages = list(itertools.islice(remote.tail(begun), 2))
    assert [begun.sequence, *sequences(pages)] == sorted({begun.sequence, *sequences(pages)})


def test_a_tail_that_is_hung_up_on_ends_at_once_not_at_its_next_keepalive(talk: Talk, node: Node) -> None:
    quietly(node)
    remote = ChannelRemote(talk(ADMIN))
    tail = remote.tail(remote.info().cursor)
    node.store.write(lambda writer: writer.put(Record("config", "c", 1, "x", 1)))
    assert next(tail).records
    (session,) = node.sessions
    gevent.idle()  # it waits for the next change now
    session.hang_up()
    with pytest.raises(ConnectionLost, match="closed the connection"):
        next(tail)
    with gevent.Timeout(SILENCE_S):
        while node.sessions:
            gevent.sleep(0)


def quietly(node: Node) -> None:
    """Have no keepalive be sent by itself while a test runs."""
    node.configure(Config(node.config.directory, "m", replication=ReplicationSettings(keepalive_s=3600)), {})


def put(node: Node, count: int) -> list[Record]:
    drafts = [Record("config", f"c{number}", 1, "x", 1) for number in range(count)]
    return node.store.write(lambda writer: [writer.put(draft) for draft in drafts])


def test_a_tail_tells_how_much_is_to_come(talk: Talk, node: Node) -> None:
    quietly(node)
    remote = ChannelRemote(talk(Party("peer", "beta", ADMIN.scope)))
    begun = remote.info().cursor
    put(node, PAGE_RECORDS + 76)
    pages = list(itertools.islice(remote.tail(begun), 2))
    assert [(len(page.records), page.left) for page in pages] == [(PAGE_RECORDS, 76), (76, 0)]


@pytest.mark.parametrize("party", [lambda _node: Party("peer", "beta", ADMIN.scope), nothing_shared, a_user])
def test_who_asks_hears_at_once_that_nothing_is_to_come(talk: Talk, node: Node, party: Callable[[Node], Party]) -> None:
    quietly(node)
    remote = ChannelRemote(talk(party(node)))
    (first,) = itertools.islice(remote.tail(remote.info().cursor, asks=True), 1)
    assert (first.records, first.left) == ([], 0)


def test_who_was_promised_more_hears_that_it_gave_that_itself(talk: Talk, node: Node) -> None:
    quietly(node)
    remote = ChannelRemote(talk(Party("peer", "beta", ADMIN.scope)))
    begun = remote.info().cursor
    node.recent["beta"].add(record_crc(record) for record in put(node, PAGE_RECORDS + 8)[PAGE_RECORDS:])
    pages = list(itertools.islice(remote.tail(begun), 2))
    assert [(len(page.records), page.left) for page in pages] == [(PAGE_RECORDS, 8), (0, 0)]
