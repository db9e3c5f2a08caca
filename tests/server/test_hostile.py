"""What once jammed a node and all its peers is refused, or told, and everybody else goes on: row by row.

Each of these was stored by a node that let it in, and every other node refused what came after.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from sessions import logged_in, sessions_on

from mirror.model.draft import Draft
from mirror.model.record import Record, pack_head, record_crc
from mirror.peer.channel import Channel
from mirror.peer.remote import ChannelRemote
from mirror.server.node import Node
from mirror.service.party import ADMIN
from mirror.store.check import check_store
from mirror.wire.codec import JSON, payload_batch
from mirror.wire.errors import Refused

MARK = ("visits/alpha:32", "alpha:2 id:x")
"""A read mark of the user Alice, whose key is alpha:2."""
NO_VALUES: dict[str, Any] = {
    "a list": ["b"],
    "none": None,
    "a fraction": 1.5,
    "a map": {"b": 1},
    "a NUL": "b\0",
    "bytes": b"b",
    "too large a number": 1 << 63,
}


@pytest.fixture
def node(exported: Node) -> Node:
    return exported


@pytest.fixture
def talk(node: Node) -> Iterator[Callable[..., Channel]]:
    """Opens sessions: the administrator's, or a user's by name."""
    with sessions_on(node) as start:
        yield lambda user="": logged_in(start(), user, f"pw-{user}").channel if user else start(ADMIN)


def force(node: Node, record: Record) -> None:
    """Store a record as it is, as 0.1.0 could."""
    node.store.write(lambda writer: writer.replace(record.collection, [(record, record_crc(record))], []))


def write_as_before(remote: ChannelRemote, draft: Draft) -> None:
    """Send a draft as clients of 0.1.0 do, without its base."""
    remote.overwrite([Record(draft.collection, draft.key, 1, "draft", 1, head=draft.head)])


def write_by_name(remote: ChannelRemote, draft: Draft) -> None:
    remote.draft([draft])


WAYS = [write_as_before, write_by_name]


@pytest.mark.parametrize("write", WAYS)
@pytest.mark.parametrize("what", sorted(NO_VALUES))
def test_a_users_mark_with_a_value_that_is_none_is_refused(
    talk: Callable[..., Channel], node: Node, what: str, write: Callable[[ChannelRemote, Draft], None]
) -> None:
    remote = ChannelRemote(talk("Alice Liddell"))
    before = node.store.read(lambda reader: reader.root())
    with pytest.raises(Refused) as refused:
        write(remote, Draft(*MARK, head=pack_head({"seen": NO_VALUES[what]})))
    assert refused.value.code == 512
    assert node.store.read(lambda reader: reader.root()) == before
    assert remote.channel.ask("NOOP").code == 200


@pytest.mark.parametrize("write", WAYS)
def test_a_name_that_is_a_list_is_refused_and_all_log_in_as_before(
    talk: Callable[..., Channel], node: Node, write: Callable[[ChannelRemote, Draft], None]
) -> None:
    with pytest.raises(Refused):
        write(ChannelRemote(talk()), Draft("users", "alpha:3", head=pack_head({"u_fullname": ["Ann"]})))
    talk("Alice Liddell")
    assert check_store(node.store).problems == []


@pytest.mark.parametrize("head", [b"\xc1", b"\x91\x01", b"\xc0", b"\x81\xa1a"])
@pytest.mark.parametrize("collection", ["pictures", "users", "messages/alpha:2"])
def test_a_head_that_is_no_map_is_refused(
    talk: Callable[..., Channel], node: Node, collection: str, head: bytes
) -> None:
    remote = ChannelRemote(talk())
    for write in WAYS:
        with pytest.raises(Refused) as refused:
            write(remote, Draft(collection, "euid:x", head=head))
        assert refused.value.code == 512
    assert check_store(node.store).problems == []


HEADS = {
    "no map": b"\xc1",
    "bytes inside": msgspec.msgpack.encode({"a": b"\xff"}),
    "not a number": msgspec.msgpack.encode({"a": float("nan")}),
    "numbers as names": msgspec.msgpack.encode({"a": {1: b""}}),
}


@pytest.mark.parametrize("what", sorted(HEADS))
def test_a_head_that_json_cannot_say_ends_no_listing(talk: Callable[..., Channel], node: Node, what: str) -> None:
    force(node, Record("pictures", "odd", 5 << 16, "a", 1, head=HEADS[what]))
    channel = talk()
    for line in ("SYNC pictures|getall", "SYNC pictures|get|odd", "SYNC all|since", "SYNC pictures|newest|9"):
        channel.ask(line, 1)
        payloads = [batch.payload for batch in channel.read_batches()]
        assert any(b'"odd"' in payload for payload in payloads), line
    assert channel.ask("NOOP").code == 200


def test_a_conflict_with_such_a_head_is_listed(talk: Callable[..., Channel], node: Node) -> None:
    force(node, Record("pictures", "odd", 5 << 16, "a", 1, head=b"\xc1"))
    channel = talk()
    channel.ask("SYNC all|check|mend", 1)
    told = list(channel.read_listing())
    assert len(told) == 1 and "'odd': written anew" in told[0]
    channel.send(b"SYNC all|conflicts\n")
    (conflict,) = channel.read_json_listing()
    assert conflict["loser"]["head_base64"] == "wQ=="


LINES = {
    "a name": b'{"collection":"users","key":"alpha:3","fields":{"u_fullname":"\\ud800"}}',
    "a key": b'{"collection":"users","key":"\\udc00","fields":{"u_fullname":"x"}}',
    "a field": b'{"collection":"users","key":"alpha:3","fields":{"\\ud800":"x"}}',
    "a text": b'{"collection":"messages/alpha:2","key":"id:x","text":"\\ud800"}',
}


@pytest.mark.parametrize("what", sorted(LINES))
@pytest.mark.parametrize("named", [True, False])
def test_half_a_surrogate_pair_in_json_is_refused_in_a_line(
    talk: Callable[..., Channel], node: Node, caplog: pytest.LogCaptureFixture, what: str, named: bool
) -> None:
    channel = talk()
    line = LINES[what] if named else LINES[what].replace(b'"fields"', b'"head"')
    batch = payload_batch("drafts" if named else "records", 1, JSON, line + b"\n")
    if named:
        batch.header["Base"] = "named"
    channel.ask("SYNC all|offer", 4)
    channel.send_batches([batch])
    with pytest.raises(Refused) as refused:
        channel.read_reply()
    assert refused.value.code == 512
    assert [record for record in caplog.records if record.exc_info] == []
    assert channel.ask("NOOP").code == 200
