"""A user's upload goes on over another connection, and tells nothing of what is here otherwise."""

import hashlib
from collections.abc import Callable, Iterator

import pytest
from sessions import logged_in, sessions_on
from users_rooms import HIDDEN, MAIL

from mirror.model.draft import Draft
from mirror.model.record import Record
from mirror.peer.remote import ChannelRemote
from mirror.server.node import Node
from mirror.store.base import Writer
from mirror.wire.bulk import format_part
from mirror.wire.codec import ContentRequest
from mirror.wire.errors import Refused
from mirror.wire.values import ContentPart

BODY = bytes(range(256)) * 40_000
CONTENT = hashlib.sha256(BODY).digest()
HALF = len(BODY) // 2


@pytest.fixture
def log_in(node: Node) -> Iterator[Callable[..., ChannelRemote]]:
    with sessions_on(node) as start:
        yield lambda name="ann": logged_in(start(silence_s=60), name)


def send(remote: ChannelRemote, begin: int, end: int, body: bytes = BODY) -> None:
    remote.channel.ask("SYNC all|offer", 4)
    parts = range(begin, end, 1 << 20)
    remote.channel.send_batches(
        format_part(ContentPart(CONTENT, at, len(BODY), body[at : min(at + (1 << 20), end)])) for at in parts
    )
    remote.channel.read_reply()


def wanted_from(remote: ChannelRemote) -> int | None:
    """Return from which byte on the node wants the content; None where it has all of it from this user."""
    wanted = remote.lacks([ContentRequest(CONTENT)])
    return wanted[0].offset if wanted else None


def draft(remote: ChannelRemote) -> None:
    remote.draft([Draft(f"messages/{MAIL}", "id:1", content=CONTENT, size=len(BODY))])


def test_an_upload_goes_on_over_another_connection(node: Node, log_in: Callable[..., ChannelRemote]) -> None:
    first = log_in()
    assert wanted_from(first) == 0
    send(first, 0, HALF)
    first.channel.close()
    second = log_in()
    assert wanted_from(second) == HALF
    send(second, HALF, len(BODY))
    third = log_in()
    assert wanted_from(third) is None
    draft(third)
    record = node.store.read(lambda reader: reader.get(f"messages/{MAIL}", "id:1"))
    assert record is not None and record.content == CONTENT
    assert node.store.read(lambda reader: reader.body(record)) == BODY


def test_what_one_user_has_begun_is_no_others(log_in: Callable[..., ChannelRemote]) -> None:
    send(log_in(), 0, HALF)
    bob = log_in("bob")
    assert wanted_from(bob) == 0
    with pytest.raises(Refused, match="512"):
        send(bob, HALF, len(BODY))
    with pytest.raises(Refused, match="571"):
        draft(bob)


def test_bytes_that_are_others_are_found_out_whenever_they_came(log_in: Callable[..., ChannelRemote]) -> None:
    send(log_in(), 0, HALF)
    with pytest.raises(Refused, match=r"512 .* another SHA-256"):
        send(log_in(), HALF, len(BODY), b"?" * len(BODY))
    assert wanted_from(log_in()) == 0


@pytest.mark.parametrize("here", [False, True])
def test_where_an_upload_goes_on_does_not_tell_what_is_here(
    node: Node, log_in: Callable[..., ChannelRemote], here: bool
) -> None:
    if here:
        secret = Record(f"messages/{HIDDEN}", "id:1", 1, "x", 1)
        node.store.write(lambda writer: writer.put(writer.store_body(secret, BODY)))
    assert wanted_from(log_in()) == 0
    send(log_in(), 0, HALF)
    assert wanted_from(log_in()) == HALF
    with pytest.raises(Refused, match="571"):
        draft(log_in())


def test_what_the_store_has_dropped_begins_anew(node: Node, log_in: Callable[..., ChannelRemote]) -> None:
    remote = log_in()
    send(remote, 0, HALF)

    def sweep(writer: Writer) -> None:
        writer.sweep_contents(writer.sweep_contents({}))

    node.store.write(sweep)
    assert wanted_from(remote) == 0
    send(remote, 0, len(BODY))
    draft(remote)
