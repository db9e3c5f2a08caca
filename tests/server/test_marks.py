"""What a user may say of a message: marks, each a field of its own, and no more than there is room for."""

from collections.abc import Iterator
from functools import reduce
from itertools import permutations
from pathlib import Path

import msgspec
import pytest
from sessions import logged_in, sessions_on

from mirror.config.settings import Config
from mirror.formats.names import ROOM_IN_USE, ROOM_MAILBOX
from mirror.model.draft import Draft
from mirror.model.fields import pack_fields, unpack_fields, values_of
from mirror.model.judge import judge
from mirror.model.marks import MARKS as FIELDS
from mirror.model.marks import MAX_KEYWORDS, field_of, marks_in
from mirror.model.merge import merge
from mirror.model.record import pack_head
from mirror.peer.remote import ChannelRemote
from mirror.server.node import Node
from mirror.store.base import Writer
from mirror.store.green import open_green
from mirror.wire.errors import Refused

USER, ROOM, MARKS = "m:2", "m:10", "visits/m:10"
KEY = f"{USER} id:1"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    store = open_green(tmp_path, "m")

    def fill(writer: Writer) -> None:
        user = {"u_fullname": "Ann", "u_usernum": 2, "u_axlevel": 4, "u_password": "x"}
        writer.set_fields("users", USER, {**user})
        writer.set_fields("rooms", ROOM, {"QRname": "0000000002.Mail", "QRflags": ROOM_IN_USE | ROOM_MAILBOX})

    store.write(fill)
    yield Node(Config(tmp_path, "m"), {}, store)
    store.close()


@pytest.fixture
def ann(node: Node) -> Iterator[ChannelRemote]:
    with sessions_on(node) as start:
        yield logged_in(start(), "ann")


def mark(remote: ChannelRemote, **fields: object) -> None:
    remote.draft([Draft(MARKS, KEY, head=pack_head(fields))])


def held(node: Node) -> dict[str, object]:
    return {**values_of(node.store.read(lambda reader: reader.get(MARKS, KEY)))}


def test_marks_are_given_and_taken_off_one_by_one(ann: ChannelRemote, node: Node) -> None:
    mark(ann, **dict.fromkeys(map(field_of, ("seen", "flagged", "later", "Élan")), True))
    mark(ann, **{field_of("flagged"): False, field_of("draft"): True, field_of("later"): False})
    assert marks_in(values_of(node.store.read(lambda reader: reader.get(MARKS, KEY)))) == {"seen", "draft", "Élan"}
    assert set(held(node)) == {"seen", "flagged", "draft", "keyword later", "keyword Élan"}


@pytest.mark.parametrize(
    "fields",
    [
        {"seen": 1},
        {"flagged": "true"},
        {"colour": True},
        {"keyword ": True},
        {"keyword two words": True},
        {"keyword seen": True},
        {"keyword a\nb": True},
        {"keyword " + "é" * 51: True},
        {"keyword a": 1},
        {"v_flags": 4},
    ],
)
def test_what_is_no_mark_is_refused(ann: ChannelRemote, node: Node, fields: dict[str, object]) -> None:
    with pytest.raises(Refused, match="512"):
        mark(ann, **fields)
    assert held(node) == {}


def test_a_message_has_so_many_keywords(ann: ChannelRemote, node: Node) -> None:
    names = [f"keyword {number}" for number in range(MAX_KEYWORDS + 1)]
    mark(ann, **dict.fromkeys(names[:-1], True))
    mark(ann, **dict.fromkeys(names[:9], False), seen=True)
    with pytest.raises(Refused, match=r"512 .* 40 different keywords"):
        mark(ann, **{names[-1]: True})
    with pytest.raises(Refused, match=r"512 .* 40 different keywords"):  # in one batch neither
        ann.draft_told([Draft(MARKS, f"{USER} id:2", head=pack_head({name: True})) for name in names])


def test_keywords_that_three_nodes_give_merge_to_what_every_node_takes(ann: ChannelRemote, node: Node) -> None:
    """The marks are the earliest fields, so these would be lost first."""
    versions = []
    for side in "abc":
        mark(ann, **dict.fromkeys(FIELDS, True))
        mark(ann, **dict.fromkeys((f"keyword {side}{number}" for number in range(MAX_KEYWORDS)), True))
        record = node.store.read(lambda reader: reader.get(MARKS, KEY))
        assert record is not None
        fields = {name: field._replace(origin=side) for name, field in unpack_fields(record).items()}
        versions.append(msgspec.structs.replace(record, origin=side, head=pack_fields(fields)))
        node.store.write(lambda writer: writer.delete(MARKS, KEY))
    versions = [msgspec.structs.replace(one, born=versions[0].born, past=()) for one in versions]
    ways = [reduce(lambda one, other: merge(one, other).record, order) for order in permutations(versions)]
    assert all(way == ways[0] for way in ways)
    judge(ways[0])
    assert marks_in(values_of(ways[0])) >= set(FIELDS)
    assert len(values_of(ways[0])) == len(FIELDS) + 3 * MAX_KEYWORDS


@pytest.mark.parametrize(("collection", "key"), [("visits/m:11", KEY), (MARKS, "m:3 id:1")])
def test_nobody_marks_for_others_or_where_nothing_may_be_read(ann: ChannelRemote, collection: str, key: str) -> None:
    with pytest.raises(Refused, match="571"):
        ann.draft([Draft(collection, key, head=pack_head({"seen": True}))])
