"""Listings that cannot go on: they end with a line that says why, and the session lives on where it can."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sessions import sessions_on

from mirror.config.settings import Config, ReplicationSettings
from mirror.model.errors import StampAhead
from mirror.model.record import Record, record_crc
from mirror.model.stamp import make_stamp
from mirror.peer.channel import Channel
from mirror.peer.remote import ChannelRemote
from mirror.server import login, tail
from mirror.server.node import Node
from mirror.service.party import ADMIN, Party
from mirror.store.errors import StoreError
from mirror.store.green import open_green
from mirror.sync.remote import StaleCursor
from mirror.sync.responder import Responder
from mirror.sync.scope import EVERYTHING
from mirror.wire.batch import frame
from mirror.wire.bulk import format_drafts
from mirror.wire.codec import ContentRequest
from mirror.wire.errors import Refused
from mirror.wire.values import ContentPart, Page

PEER = Party("peer", "beta", EVERYTHING)
GOOD = Record("users", "m:1", 65536, "m", 1)
Talk = Callable[[Party | None], Channel]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    store = open_green(tmp_path, "m")
    node = Node(Config(tmp_path, "m", replication=ReplicationSettings(keepalive_s=1)), {}, store)
    store.write(lambda writer: writer.put(Record("pictures", "k", 1, "x", 1, body=b"body")))
    yield node
    for session in list(node.sessions):
        session.channel.close()
    store.close()


@pytest.fixture
def talk(node: Node) -> Iterator[Talk]:
    with sessions_on(node) as start:
        yield start


def page(record: Record) -> Page:
    return Page([record], [record_crc(record)])


def still_here(channel: Channel) -> bool:
    return channel.ask("ECHO still here").text == "still here"


def one_page_then(error: Exception) -> Callable[..., Iterator[Page]]:
    def scan(_self: Responder, _collection: str) -> Iterator[Page]:
        yield page(GOOD)
        raise error

    return scan


def test_an_error_in_the_middle_of_a_listing_is_told_and_ends_it(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Responder, "scan", one_page_then(StoreError("the disk is gone")))
    remote = ChannelRemote(talk(PEER))
    for _ in range(100):
        pages = remote.getall("pictures")
        assert next(pages).records == [GOOD]
        with pytest.raises(Refused, match="510 the disk is gone"):
            next(pages)
    assert still_here(remote.channel)
    assert [record.message for record in caplog.records] == ["peer beta: the disk is gone"]


def test_what_was_not_foreseen_ends_a_listing_too(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Responder, "scan", one_page_then(ZeroDivisionError("really")))
    remote = ChannelRemote(talk(PEER))
    with pytest.raises(Refused, match="510 internal error, see this node's log; closing"):
        list(remote.getall("pictures"))
    assert remote.channel.read_line() is None
    (told,) = caplog.records
    assert told.message == "peer beta: unexpected ZeroDivisionError: really" and told.exc_info


def test_an_error_between_parts_of_contents_is_told(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    def body(_self: Responder, _requests: object) -> Iterator[ContentPart]:
        yield ContentPart(b"c" * 32, 0, 9, b"part")
        raise StoreError("the disk is gone")

    monkeypatch.setattr(Responder, "body", body)
    remote = ChannelRemote(talk(PEER))
    parts = remote.body([ContentRequest(b"c" * 32)])
    assert next(parts).data == b"part"
    with pytest.raises(Refused, match="the disk is gone"):
        next(parts)
    assert still_here(remote.channel)


def test_a_tail_whose_cursor_goes_stale_says_so(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    def forgotten(_page: Page, after: int, _trimmed: int) -> None:
        if after:
            raise StaleCursor("deletions have been forgotten: reconcile")

    monkeypatch.setattr(tail, "check_page", forgotten)
    remote = ChannelRemote(talk(PEER))
    pages = remote.tail(remote.info().cursor._replace(sequence=0))
    assert next(pages).records
    with pytest.raises(StaleCursor, match="deletions have been forgotten"):
        list(pages)
    assert still_here(remote.channel)


def test_a_line_that_is_none_ends_a_tail_with_what_is_wrong_with_it(talk: Talk) -> None:
    remote = ChannelRemote(talk(PEER))
    pages = remote.tail(remote.info().cursor)
    assert next(pages).records == []
    remote.channel.send(b"x" * 5000)
    with pytest.raises(Refused, match="512 a line is longer than 4096 bytes; closing"):
        list(pages)
    assert remote.channel.read_line() is None


def test_who_breaks_an_offer_off_is_answered_and_goes_on(talk: Talk, node: Node) -> None:
    channel = talk(ADMIN)
    channel.ask("SYNC all|offer", 4)
    channel.send(b"".join(frame(format_drafts([]))) + b"510 my disk is gone\n000\n")
    with pytest.raises(Refused, match="510 my disk is gone"):
        channel.read_reply()
    assert still_here(channel)


def test_who_offers_what_may_be_taken_soon_is_told_when(talk: Talk, node: Node) -> None:
    remote = ChannelRemote(talk(PEER))
    stamp = make_stamp(node.store.clock.now_ms() + node.config.replication.max_clock_ahead_s * 1000 + 30_000)
    early = Record("users", "k", stamp, "beta", stamp)
    with pytest.raises(StampAhead, match="ahead of this node's clock") as refused:
        remote.offer([Page([early], [record_crc(early)])])
    assert 25_000 < refused.value.wait_ms <= 30_001
    assert remote.offer([Page([GOOD], [record_crc(GOOD)])]).written == 1


def test_a_thousand_broken_lines_are_one_line_in_the_log(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    for data, answer in ((b"\xff\n", b"512 "), (b"x" * 5000, b"511 ")) * 20:
        channel = talk(PEER)
        channel.send(data)
        assert channel.require_line().startswith(answer)
    assert [record.message for record in caplog.records] == [
        "peer beta: a line is not UTF-8",
        "peer beta: a line is longer than 4096 bytes",
    ]


def test_failed_log_ins_are_one_line_in_the_log(
    talk: Talk, node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(login, "FAILURE_PAUSE_S", 0.0)
    for number in range(3):
        channel = talk(None)
        for _ in range(2):
            channel.ask(f"USER nobody{number}", 3)
            with pytest.raises(Refused, match="540"):
                channel.ask("PASS x")
    (told,) = caplog.records
    assert told.message == "who is not logged in: failed to log in as user 'nobody0' from client"


def test_a_listing_of_text_fails_before_it_begins(talk: Talk, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node.store, "read", lambda _job: (_ for _ in ()).throw(StoreError("the disk is gone")))
    channel = talk(ADMIN)
    channel.send(b"SYNC all|conflicts\n")
    assert channel.require_line() == b"510 the disk is gone"
    assert still_here(channel)
