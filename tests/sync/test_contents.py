"""Contents that cannot be had stop nothing but the records that refer to them; nobody spoils what others send."""

import hashlib
from collections.abc import Callable

import pytest

from mirror.model.errors import BadContent
from mirror.model.record import Record
from mirror.store.base import Backend
from mirror.store.values import Source
from mirror.sync.exchange import MirrorExchange
from mirror.sync.remote import Denied
from mirror.sync.responder import Responder
from mirror.sync.round import Round, exchange_all
from mirror.sync.share.policy import ShareScope
from mirror.sync.uploads import Uploads
from mirror.wire.values import ContentPart
from netconf.rules import read_rules

Make = Callable[..., Backend]
LARGE = [bytes([number]) * 300_000 for number in range(3)]
"""Bodies of more than one part."""


def put(store: Backend, key: str, body: bytes) -> None:
    store.write(lambda writer: writer.put(writer.store_body(Record("files/r", key, 1, "x", 1), body)))


def damage(store: Backend, body: bytes) -> None:
    """Have the disk of a node change a byte of a content."""
    content = hashlib.sha256(body).digest()
    number = "(SELECT id FROM content WHERE hash = ?)"
    command = f"UPDATE content_part SET data = zeroblob(length(data)) WHERE content = {number}"
    store.write(lambda writer: writer.connection.execute(command, (content,)))  # type: ignore[attr-defined]


def mend(store: Backend, body: bytes) -> None:
    content = hashlib.sha256(body).digest()
    store.write(lambda writer: (writer.forget_content(content), writer.add_content(content, len(body), 0, body)))


def pull(store: Backend, other: Backend) -> None:
    exchange_all(Round(MirrorExchange(store, other.node), False), Responder(other, peer=store.node), other.epoch)


def push(store: Backend, other: Backend) -> None:
    """Have the other node, which cannot be dialled, be told by us who dial it."""
    exchange_all(Round(MirrorExchange(other, store.node), True), Responder(store, peer=other.node), store.epoch)


def keys(store: Backend) -> list[str]:
    return store.read(lambda reader: sorted(record.key for record in reader.scan_all("files/r")))


@pytest.mark.parametrize("exchange", [pull, push])
def test_a_content_that_is_damaged_there_stops_no_other(make_store: Make, exchange: Callable[..., None]) -> None:
    a, b = make_store("a"), make_store("b")
    put(a, "before", LARGE[0])
    put(a, "bad", LARGE[1])
    put(a, "after", LARGE[2])
    damage(a, LARGE[1])
    exchange(b, a)
    assert keys(b) == ["after", "before"]
    (one,) = b.read(lambda reader: reader.aside("a"))
    assert (one.unfit.key, "another SHA-256" in one.unfit.reason) == ("bad", True)
    mend(a, LARGE[1])
    b.write(lambda writer: writer.retry_aside(everything=True))
    exchange(b, a)
    Round(MirrorExchange(b, "a"), False).reconcile(Responder(a, peer="b"))  # who pushes is compared with at night
    assert keys(b) == ["after", "bad", "before"]
    assert b.read(lambda reader: reader.aside_counts()) == {}


@pytest.mark.parametrize("exchange", [pull, push])
def test_what_came_wrong_before_is_sent_anew(make_store: Make, exchange: Callable[..., None]) -> None:
    a, b = make_store("a"), make_store("b")
    put(a, "k", LARGE[1])
    content = hashlib.sha256(LARGE[1]).digest()
    b.write(lambda writer: writer.add_content(content, len(LARGE[1]), 0, b"another mirror's, damaged"))
    if exchange is push:  # who pushes is told at once, and sends it whole the next time
        with pytest.raises(BadContent):
            exchange(b, a)
    exchange(b, a)
    assert keys(b) == ["k"]
    assert b.read(lambda reader: reader.aside_counts()) == {}


class Forgetful(Responder):
    """A node that has dropped a content since it told of the record: that was replaced, say."""

    def body(self, requests):  # type: ignore[no-untyped-def]
        for request in requests:
            if request.content == hashlib.sha256(LARGE[0]).digest():
                raise Denied("it is not here")
            yield from super().body([request])


def test_a_content_that_is_gone_there_stops_no_other(make_store: Make) -> None:
    a, b = make_store("a"), make_store("b")
    put(a, "gone", LARGE[0])
    put(a, "k", LARGE[1])
    exchange_all(Round(MirrorExchange(b, "a"), False), Forgetful(a, peer="b"), a.epoch)
    assert keys(b) == ["k"]
    (one,) = b.read(lambda reader: reader.aside("a"))
    assert (one.unfit.key, one.unfit.reason) == ("gone", "it is not here")
    put(a, "gone", LARGE[2])
    pull(b, a)
    assert keys(b) == ["gone", "k"]
    assert b.read(lambda reader: reader.aside_counts()) == {}


SCOPE = ShareScope({"r": read_rules(b"mirror_share|partner|pull|what=messages,files\n")[0]})


@pytest.mark.parametrize("size", [len(LARGE[1]), len(LARGE[1]) - 1])
@pytest.mark.parametrize("party", ["user 7", ""])
def test_nobody_spoils_a_content_that_a_mirror_sends(make_store: Make, size: int, party: str) -> None:
    """Whoever knew the hash of what was to come could stop two mirrors for good by sending its beginning."""
    a, b = make_store("a"), make_store("b")
    content = hashlib.sha256(LARGE[1]).digest()
    theirs = Responder(b, SCOPE, peer="" if party else "partner", party=party, uploads=Uploads())
    theirs.offer([ContentPart(content, 0, size, b"garbage")])
    put(a, "k", LARGE[1])
    pull(b, a)
    assert keys(b) == ["k"]
    theirs.offer([ContentPart(content, 7, size, b"garbage" * 10)])  # it is here, and stays as it is
    assert b.read(lambda reader: reader.body(reader.get("files/r", "k"))) == LARGE[1]


def test_a_content_of_another_size_than_its_record_says_is_set_aside(make_store: Make) -> None:
    b = make_store("b")
    put(b, "own", LARGE[0])
    own = b.read(lambda reader: reader.get("files/r", "own"))
    lying = Record("files/r", "k", own.stamp, "p", 1, content=own.content, size=own.size + 1)
    b.write(lambda writer: writer.admit(Source("a"), [lying], [1]))
    assert keys(b) == ["own"]
    assert b.read(lambda reader: reader.aside_counts()) == {"a": 1}
