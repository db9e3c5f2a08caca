"""How much is in a room: what is alive of what its user sees, and nothing of what is closed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sessions import logged_in, sessions_on

from mirror.config.settings import Config
from mirror.formats.names import ROOM_IN_USE
from mirror.model.record import INLINE_LIMIT, Record
from mirror.server.node import Node
from mirror.service.rooms import ROOM_PRIVATE
from mirror.store.base import Writer
from mirror.store.green import open_green

OPEN, CLOSED = "m:10", "m:11"
BIG = b"x" * (INLINE_LIMIT + 1)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    store = open_green(tmp_path, "m")
    store.write(fill)
    yield Node(Config(tmp_path, "m"), {}, store)
    store.close()


def fill(writer: Writer) -> None:
    user = {"u_fullname": "Ann", "u_usernum": 2, "u_axlevel": 4, "u_password": "x"}
    writer.set_fields("users", "m:2", {**user})
    writer.set_fields("rooms", OPEN, {"QRname": "Open", "QRflags": ROOM_IN_USE})
    writer.set_fields("rooms", CLOSED, {"QRname": "Closed", "QRflags": ROOM_IN_USE | ROOM_PRIVATE})
    for room in (OPEN, CLOSED):
        for key in ("id:a", "id:b", "id:gone"):
            writer.put(Record(f"messages/{room}", key, 1, "x", 1, body=key.encode()))
        large = Record(f"messages/{room}", "id:large", 1, "x", 1)
        writer.put(writer.store_body(large, BIG))
        writer.delete(f"messages/{room}", "id:gone")


def test_what_is_alive_is_counted_and_measured_and_of_what_is_closed_nothing_is_told(node: Node) -> None:
    with sessions_on(node) as start:
        channel = logged_in(start(), "ann").channel
        channel.ask("SYNC all|sizes", 1)
        assert list(channel.read_listing()) == [f"messages/{OPEN}|3|{len('id:aid:b') + len(BIG)}"]
        channel.ask("SYNC mailboxes|sizes", 1)
        assert list(channel.read_listing()) == []
