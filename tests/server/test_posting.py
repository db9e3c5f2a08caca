"""Users in rooms of others: they sign with their own names, and change what they wrote; sessions over a socket pair."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sessions import logged_in, sessions_on

from mirror.config.settings import Config
from mirror.formats.message import Message, parse_message, serialize_message
from mirror.formats.names import ROOM_IN_USE, ROOM_MAILBOX
from mirror.model.draft import Base, Draft, base_of
from mirror.model.record import Record, pack_head
from mirror.model.stamp import make_stamp
from mirror.peer.remote import ChannelRemote
from mirror.server import drafts
from mirror.server.node import Node
from mirror.service.rooms import ROOM2_COLLABORATIVE, ROOM_DIRECTORY
from mirror.store.base import Reader, Writer
from mirror.store.green import open_green
from mirror.wire.bulk import format_drafts
from mirror.wire.errors import Refused
from mirror.wire.values import ContentPart

OPEN, MAIL, SHARED = "messages/m:10", "messages/m:11", "messages/m:12"
TEXT = serialize_message([("A", b"Bob"), ("F", b"bob@a.example"), ("M", b"hello")])


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    store = open_green(tmp_path, "m")

    def fill(writer: Writer) -> None:
        for number, name in ((2, "Ann"), (3, "Bob"), (4, "Cleo")):
            address = f"{name.lower()}@a.example"
            values = {"u_fullname": name, "u_usernum": number, "u_axlevel": 4, "u_password": "x"}
            writer.set_fields("users", f"m:{number}", {**values, "u_emailaddrs": address})
        flags = ROOM_IN_USE | ROOM_DIRECTORY
        writer.set_fields("rooms", "m:10", {"QRname": "Open", "QRflags": flags, "QRroomaide": 4})
        writer.set_fields("rooms", "m:11", {"QRname": "0000000002.Mail", "QRflags": ROOM_IN_USE | ROOM_MAILBOX})
        shared = {"QRname": "Shared", "QRflags": ROOM_IN_USE, "QRflags2": ROOM2_COLLABORATIVE}
        writer.set_fields("rooms", "m:12", {**shared})

    store.write(fill)
    yield Node(Config(tmp_path, "m"), {}, store)
    store.close()


@pytest.fixture
def talk(node: Node) -> Iterator[Callable[[str], ChannelRemote]]:
    with sessions_on(node) as start:
        yield lambda name: logged_in(start(), name)


def held(node: Node, collection: str, key: str) -> Record:
    record = node.store.read(lambda reader: reader.get(collection, key))
    assert record is not None
    return record


def message(node: Node, collection: str, key: str) -> Message:
    def job(reader: Reader) -> bytes:
        record = reader.get(collection, key)
        assert record is not None
        return reader.body(record)

    return parse_message(node.store.read(job))


def put(node: Node, collection: str, key: str, author: str, text: bytes = b"hello") -> Record:
    signature = [("A", author.encode()), ("F", f"{author.lower()}@a.example".encode())]
    body = serialize_message([*signature, ("I", key.removeprefix("id:").encode()), ("M", text)])
    return node.store.write(lambda writer: writer.put(writer.store_body(Record(collection, key, 1, "x", 1), body)))


Post = Callable[[ChannelRemote, str, str, bytes], object]


def as_draft(remote: ChannelRemote, collection: str, key: str, body: bytes) -> None:
    remote.draft([Draft(collection, key, body=body)])


def as_of_old(remote: ChannelRemote, collection: str, key: str, body: bytes) -> None:
    remote.overwrite([Record(collection, key, 1, "x", 1, body=body)])


def apart(remote: ChannelRemote, collection: str, key: str, body: bytes) -> None:
    """Post with the body sent before."""
    content = hashlib.sha256(body).digest()
    remote.offer([ContentPart(content, 0, len(body), body)])
    remote.draft([Draft(collection, key, content=content, size=len(body))])


@pytest.mark.parametrize(
    ("post", "size"), [(as_draft, 10), (as_of_old, 10), (as_draft, 40_000), (as_of_old, 40_000), (apart, 40_000)]
)
def test_a_post_is_signed_by_its_user(talk: Callable[[str], ChannelRemote], node: Node, post: Post, size: int) -> None:
    text = b"x" * size
    post(talk("Ann"), OPEN, "id:1", serialize_message([("A", b"Bob"), ("F", b"bob@a.example"), ("M", text)]))
    made = message(node, OPEN, "id:1")
    assert (made.get("A"), made.get("F"), made.get("I"), made.get("M")) == (b"Ann", b"ann@a.example", b"1", text)


@pytest.mark.parametrize("post", [as_draft, as_of_old, apart])
@pytest.mark.parametrize("body", [b"\0" * 40_000, serialize_message([("I", b"2"), ("M", b"x" * 40_000)])])
def test_what_is_no_message_of_that_id_is_refused(
    talk: Callable[[str], ChannelRemote], node: Node, post: Post, body: bytes
) -> None:
    with pytest.raises(Refused, match="512"):
        post(talk("Ann"), OPEN, "id:1", body)
    assert node.store.read(lambda reader: reader.get(OPEN, "id:1")) is None


def test_in_the_own_mailbox_a_user_files_whatever_it_is(talk: Callable[[str], ChannelRemote], node: Node) -> None:
    remote = talk("Ann")
    as_draft(remote, MAIL, "id:1", TEXT)
    assert message(node, MAIL, "id:1").get("A") == b"Bob"
    remote.draft([Draft(MAIL, "id:1", base_of(held(node, MAIL, "id:1")), dead=True)])
    assert held(node, MAIL, "id:1").dead


def test_a_post_to_others_has_a_limit(
    talk: Callable[[str], ChannelRemote], node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts, "MAX_POST", 40_000)
    remote = talk("Ann")
    large = serialize_message([("M", b"x" * 40_000)])
    for post in (as_draft, apart):
        with pytest.raises(Refused, match="511 a message in a room of others has at most 40000 bytes"):
            post(remote, OPEN, "id:1", large)
    as_draft(remote, MAIL, "id:1", large)


CHANGES: dict[str, Callable[[Record], Draft]] = {
    "replaced": lambda one: Draft(one.collection, one.key, base_of(one), body=TEXT),
    "replaced by who saw little": lambda one: Draft(one.collection, one.key, Base(1, "m"), body=TEXT),
    "deleted": lambda one: Draft(one.collection, one.key, base_of(one), dead=True),
    "deleted by its key alone": lambda one: Draft(one.collection, one.key, dead=True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_message_is_changed_by_its_author_alone(
    talk: Callable[[str], ChannelRemote], node: Node, change: str
) -> None:
    there = put(node, OPEN, "id:1", "Bob")
    with pytest.raises(Refused, match="550 a message is replaced or deleted by who wrote it"):
        talk("Ann").draft([CHANGES[change](there)])
    assert held(node, OPEN, "id:1") == there
    for name in ("Bob", "Cleo"):  # the author, and the room's aide
        there = put(node, OPEN, f"id:{name}", "Bob")
        talk(name).draft([CHANGES[change](there)])
        assert held(node, OPEN, f"id:{name}").version > there.version


@pytest.mark.parametrize("dead", [False, True])
def test_who_names_no_base_changes_no_more(talk: Callable[[str], ChannelRemote], node: Node, dead: bool) -> None:
    there = put(node, OPEN, "id:1", "Bob")
    remote = talk("Ann")
    draft = Record(OPEN, "id:1", 1, "x", 1, dead=True) if dead else Record(OPEN, "id:1", 1, "x", 1, body=TEXT)
    if dead:
        with pytest.raises(Refused, match="550"):
            remote.overwrite([draft])
    else:
        remote.overwrite([draft])  # of the same id, and another message: both are there
    texts = [one for one in node.store.read(lambda reader: reader.scan(OPEN)) if not one.dead]
    assert there.body in [one.body for one in texts]
    assert len(texts) == (1 if dead else 2)


def test_a_message_of_the_same_id_is_deleted_by_naming_its_text(
    talk: Callable[[str], ChannelRemote], node: Node
) -> None:
    put(node, OPEN, "id:1", "Bob")
    remote = talk("Ann")
    as_draft(remote, OPEN, "id:1", TEXT)
    own = [one for one in node.store.read(lambda reader: reader.scan(OPEN)) if b"Ann" in one.body]
    other = [one for one in node.store.read(lambda reader: reader.scan(OPEN)) if b"Bob" in one.body]
    with pytest.raises(Refused, match="550"):
        remote.draft([Draft(OPEN, other[0].key, base_of(other[0]), dead=True)])
    remote.draft([Draft(OPEN, own[0].key, base_of(own[0]), dead=True)])
    assert [one.key for one in node.store.read(lambda reader: reader.scan(OPEN)) if not one.dead] == [other[0].key]


def test_one_who_only_has_the_authors_name_is_another(talk: Callable[[str], ChannelRemote], node: Node) -> None:
    body = serialize_message([("A", b"Ann"), ("F", b"ann@elsewhere.example"), ("I", b"1"), ("M", b"x")])
    there = node.store.write(lambda writer: writer.put(Record(OPEN, "id:1", 1, "x", 1, body=body)))
    with pytest.raises(Refused, match="550"):
        talk("Ann").draft([Draft(OPEN, "id:1", base_of(there), dead=True)])


@pytest.mark.parametrize("key", ["id:1", "euid:1"])
@pytest.mark.parametrize("dead", [False, True])
def test_what_has_not_come_here_yet_is_not_changed_for_when_it_does(
    talk: Callable[[str], ChannelRemote], node: Node, key: str, dead: bool
) -> None:
    base = Base(make_stamp(1_700_000_000_000), "elsewhere", (), make_stamp(1_600_000_000_000))
    with pytest.raises(Refused, match="550 this is not here"):
        talk("Ann").draft([Draft(OPEN, key, base, dead=dead, body=b"" if dead else TEXT)])
    assert node.store.read(lambda reader: reader.get(OPEN, key)) is None


def test_what_was_deleted_is_posted_anew(talk: Callable[[str], ChannelRemote], node: Node) -> None:
    ann = talk("Ann")
    for key in ("id:1", "euid:1"):
        put(node, OPEN, key, "Bob")
        dead = node.store.write(lambda writer: writer.delete(OPEN, key))  # noqa: B023
        assert dead is not None
        ann.draft([Draft(OPEN, key, base_of(dead), body=TEXT)])
        assert message(node, OPEN, key).get("A") == b"Ann"


def test_which_text_a_message_stands_for_is_not_its_users_to_say(talk: Callable[[str], ChannelRemote]) -> None:
    with pytest.raises(Refused, match="512 'id:1': which text"):
        talk("Ann").draft([Draft(OPEN, "id:1", head=pack_head({"text": "0123456789abcdef"}), body=TEXT)])


def test_where_who_posts_may_delete_anybody_does(talk: Callable[[str], ChannelRemote], node: Node) -> None:
    there = put(node, SHARED, "id:1", "Bob")
    with pytest.raises(Refused, match="550"):
        talk("Ann").draft([CHANGES["replaced"](there)])
    talk("Ann").draft([CHANGES["deleted"](there)])
    assert held(node, SHARED, "id:1").dead


def test_an_item_is_edited_by_whoever_posts_and_deleted_by_its_author(
    talk: Callable[[str], ChannelRemote], node: Node
) -> None:
    item = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nSUMMARY:%s\nEND:VEVENT\nEND:VCALENDAR\n"
    ann, bob = talk("Ann"), talk("Bob")
    text = b"Content-type: text/calendar\n\n" + item
    as_draft(bob, OPEN, "euid:1", serialize_message([("M", text % b"one")], 4))
    there = held(node, OPEN, "euid:1")
    body = serialize_message([("A", b"Ann"), ("E", b"1"), ("M", text % b"two")], 4)
    ann.draft([Draft(OPEN, "euid:1", base_of(there), body=body)])
    made = message(node, OPEN, "euid:1")
    assert (made.get("A"), b"SUMMARY:two" in made.get("M")) == (b"Bob", True)
    there = held(node, OPEN, "euid:1")
    with pytest.raises(Refused, match="550"):
        ann.draft([Draft(OPEN, "euid:1", base_of(there), dead=True)])
    bob.draft([Draft(OPEN, "euid:1", base_of(there), dead=True)])


def test_files_are_where_there_is_a_directory_and_stay_for_the_rooms_aide(
    talk: Callable[[str], ChannelRemote], node: Node
) -> None:
    ann, cleo = talk("Ann"), talk("Cleo")
    for room in ("m:11", "m:12"):
        with pytest.raises(Refused, match="550 this room has no directory for files"):
            ann.draft([Draft(f"files/{room}", "f", head=pack_head({}), body=b"x")])
    ann.draft([Draft("files/m:10", "f", body=b"x")])
    there = held(node, "files/m:10", "f")
    for draft in (Draft("files/m:10", "f", body=b"y"), Draft("files/m:10", "f", base_of(there), dead=True)):
        with pytest.raises(Refused, match="550 a file that is there"):
            ann.draft([draft])
        cleo.draft([draft])


def test_a_batch_in_which_one_draft_is_not_allowed_writes_nothing(
    talk: Callable[[str], ChannelRemote], node: Node
) -> None:
    there = put(node, OPEN, "id:1", "Bob")
    channel = talk("Ann").channel
    channel.ask("SYNC all|offer", 4)
    channel.send_batches([format_drafts([Draft(OPEN, "id:2", body=TEXT), CHANGES["deleted"](there)])])
    with pytest.raises(Refused, match="550"):
        channel.read_reply()
    assert node.store.read(lambda reader: reader.get(OPEN, "id:2")) is None
