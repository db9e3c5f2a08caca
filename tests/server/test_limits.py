"""The bounds of docs/limits.md that no other test meets; the page names a test for each of its rows."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from gevent import socket
from gevent.event import Event
from sessions import sessions_on

from mirror.config.settings import Config, ListenSettings
from mirror.formats import migr
from mirror.formats.migr import Broken, read_elements
from mirror.model.record import Record, record_crc
from mirror.peer import prefetch as prefetch_module
from mirror.peer.channel import Channel, ConnectionLost
from mirror.peer.prefetch import prefetch
from mirror.server import queries
from mirror.server import session as session_module
from mirror.server.node import Node
from mirror.server.upkeep import Upkeep
from mirror.service.party import ADMIN, Party
from mirror.store.base import PAGE_RECORDS
from mirror.store.green import GreenStore, open_green
from mirror.sync.responder import Responder
from mirror.sync.scope import EVERYTHING
from mirror.wire.batch import MAX_BATCH, MAX_HEADERS, BatchReader
from mirror.wire.codec import MAX_RECORDS, Cursor, records_batch, typed_batch
from mirror.wire.errors import ProtocolError
from mirror.wire.receiver import Receiver

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GreenStore]:
    opened = open_green(tmp_path, "m")
    yield opened
    opened.close()


@pytest.fixture
def talk(store: GreenStore, tmp_path: Path) -> Iterator[Callable[..., Channel]]:
    """Opens sessions on a node whose silent sessions end after one second."""
    node = Node(Config(tmp_path, "m", ListenSettings(idle_timeout_s=1)), {}, store)
    with sessions_on(node) as start:
        yield start


def first_error(channel: Channel) -> str:
    return channel.require_line().decode()


def read_batch(data: bytes) -> object:
    receiver = Receiver()
    receiver.feed(data)
    return BatchReader(receiver).next()


def test_header_lines_of_a_batch() -> None:
    lines = b"".join(b"N%d=x\n" % number for number in range(MAX_HEADERS + 1))
    with pytest.raises(ProtocolError, match="more than 32 header lines"):
        read_batch(lines)


def test_bytes_of_a_batch_and_of_a_window() -> None:
    with pytest.raises(ProtocolError, match=f"a number up to {MAX_BATCH}"):
        read_batch(b"Size=%d\nDATA CHUNK 1\n" % (MAX_BATCH + 1))
    with pytest.raises(ProtocolError, match="1 to 65535 are allowed"):
        read_batch(b"Size=70000\nDATA CHUNK 65536\n")


def test_records_of_a_batch(talk: Callable[..., Channel]) -> None:
    records = [Record("pictures", f"k{number}", 9, "b", 9) for number in range(MAX_RECORDS + 1)]
    channel = talk(Party("peer", "beta", EVERYTHING))
    channel.ask("SYNC all|offer", 4)
    channel.send_batch(records_batch(records, [record_crc(record) for record in records]))
    assert first_error(channel).startswith("512 batch header Count='8193': a number up to 8192")


def test_a_page_of_the_feed_is_one_thousand_records_or_one_mebibyte(store: GreenStore) -> None:
    small = [Record("pictures", f"k{number}", 9, "b", 9) for number in range(PAGE_RECORDS + 1)]
    store.write(lambda writer: writer.apply(small))
    pages = list(Responder(store).since(Cursor("", 0)))
    assert [len(page.records) for page in pages] == [PAGE_RECORDS, 1]
    large = [Record("bios", f"k{number}", 9, "b", 9, body=b"x" * 16_000) for number in range(100)]
    store.write(lambda writer: writer.apply(large))
    pages = list(Responder(store).since(pages[-1].cursor or Cursor("", 0)))
    assert len(pages) == 2
    assert 1_000_000 < sum(len(record.body) for record in pages[0].records) < 1_100_000


@pytest.mark.parametrize(("command", "kind"), [("pictures|get", "keys"), ("all|lacks", "contents")])
def test_items_in_one_request(
    talk: Callable[..., Channel], monkeypatch: pytest.MonkeyPatch, command: str, kind: str
) -> None:
    assert queries.MAX_ITEMS == 65_536
    monkeypatch.setattr(queries, "MAX_ITEMS", 10)
    items = [f"k{number}" for number in range(11)] if kind == "keys" else [[b"x" * 32, 0]] * 11
    channel = talk(ADMIN)
    channel.ask(f"SYNC {command}", 8)
    channel.send_batches([typed_batch(kind, items)])
    assert first_error(channel) == f"512 more than 10 {kind} in one request; closing"


def test_a_silent_session_is_closed(talk: Callable[..., Channel]) -> None:
    assert talk(ADMIN).read_line() is None


def test_a_connection_without_log_in_is_closed_sooner(
    talk: Callable[..., Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert session_module.LOGIN_TIMEOUT_S == 30
    monkeypatch.setattr(session_module, "LOGIN_TIMEOUT_S", 0.05)
    stranger, known = talk(None), talk(ADMIN)
    with pytest.raises(ConnectionLost):  # however much it says until then
        while True:
            stranger.ask("NOOP")
            gevent.sleep(0.01)
    known.ask("NOOP")


def test_a_link_that_is_silent_is_lost() -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(ours, "beta", 0.05)
    with pytest.raises(ConnectionLost, match=r"beta was silent for 0\.05 s"):
        channel.require_line()
    theirs.close()


def test_pages_read_ahead_are_few() -> None:
    assert prefetch_module.DEPTH == 4
    given = 0
    waiting = Event()

    def pages() -> Iterator[int]:
        nonlocal given
        for given in range(1, 100):
            if given == 6:
                waiting.set()
            yield given

    ahead = prefetch(pages())
    assert next(ahead) == 1
    assert waiting.wait(10)
    gevent.idle()  # whatever else the reader would do, it would do now
    assert given == 6  # one was taken, four wait, one is in hand
    ahead.close()  # type: ignore[attr-defined]


def test_one_element_of_an_export(monkeypatch: pytest.MonkeyPatch) -> None:
    assert migr.MAX_ELEMENT == 512 * 1024 * 1024
    monkeypatch.setattr(migr, "MAX_ELEMENT", 1000)
    export = b"<citadel_migrate_data>\n<config key='a'>" + b"x" * 5000 + b"</config>\n<version>980</version>\n"
    found = list(read_elements([export[at : at + 100] for at in range(0, len(export), 100)]))
    assert isinstance(found[0], Broken)
    assert (found[0].name, found[0].line) == ("config", 2)
    assert "1000" in found[0].reason or "1,000" in found[0].reason
    assert getattr(found[1], "text", "") == "980"


def test_a_content_that_nothing_refers_to_goes_with_the_second_sweep(store: GreenStore, tmp_path: Path) -> None:
    draft = Record("files/r", "f", 1, "x", 1)
    record = store.write(lambda writer: writer.put(writer.store_body(draft, b"x" * 20_000)))
    store.write(lambda writer: writer.delete("files/r", "f"))
    Upkeep(store, Config(tmp_path, "m"))._sweep()
    Upkeep(store, Config(tmp_path, "m"))._sweep()  # of a daemon that was started again at once
    assert store.read(lambda reader: reader.content_complete(record.content))
    now = store.clock.now_ms() + 3_600_000
    store.clock._now_ms = lambda: now
    Upkeep(store, Config(tmp_path, "m"))._sweep()  # it is started each hour
    assert not store.read(lambda reader: reader.content_have(record.content))


def test_seconds_of_single_user_mode(talk: Callable[..., Channel]) -> None:
    channel = talk(ADMIN)
    channel.send(b"SNGL 86401|1\n")
    assert first_error(channel).startswith("512")
    channel.send(b"SNGL 1|86401\n")
    assert first_error(channel).startswith("512")
    channel.send(b"SNGL 0|86400\n")
    assert first_error(channel).startswith("200")
    channel.ask("ESNG")


def test_every_row_of_the_page_names_tests_that_there_are() -> None:
    rows = [
        line.strip("| \n").split(" | ")
        for line in (ROOT / "docs/limits.md").read_text("utf-8").splitlines()
        if line.startswith("|") and not line.startswith(("| what", "| ---"))
    ]
    assert len(rows) > 20
    for row in rows:
        assert len(row) == 4, f"{row[0]}: what, limit, beyond it and test are four columns"
        named = re.findall(r"`([a-z_/]+\.py)::(\w+)`", row[3])
        assert named, f"{row[0]} names no test"
        for file, function in named:
            text = (ROOT / "tests" / file).read_text("utf-8")
            assert f"def {function}(" in text, f"{row[0]}: there is no {file}::{function}"
