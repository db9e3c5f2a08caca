"""Drafts over a session: what they were made from counts, and whose content it is; nothing is written in part."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest
from sessions import logged_in, sessions_on

from mirror.model.draft import Base, Draft, base_of
from mirror.model.fields import values_of
from mirror.model.kinds import parse_collection
from mirror.model.record import Record, pack_head, record_crc
from mirror.peer.remote import ChannelRemote
from mirror.server import basics, drafts, offers
from mirror.server.node import Node
from mirror.service.party import ADMIN, Party
from mirror.service.rooms import mailbox_of
from mirror.sync.scope import EVERYTHING
from mirror.wire.answers import parse_changed
from mirror.wire.bulk import format_drafts, format_part
from mirror.wire.codec import JSON, MSGPACK, ContentRequest, payload_batch
from mirror.wire.errors import ChangedThere, ProtocolError, Refused
from mirror.wire.values import DRAFTS_BASE, ContentPart, Held

MAIL, DROP_BOX, READ_ONLY = "messages/alpha:6", "files/alpha:43", "messages/alpha:2"
MESSAGE = b"\xffA\0Mhello\0"


@pytest.fixture
def node(exported: Node) -> Node:
    return exported


@pytest.fixture
def talk(node: Node) -> Iterator[Callable[..., ChannelRemote]]:
    """Opens sessions of users by name, or of a party."""
    with sessions_on(node) as start:

        def talk_as(who: str | Party) -> ChannelRemote:
            if isinstance(who, str):
                return logged_in(start(silence_s=60), who, f"pw-{who}")
            return ChannelRemote(start(who, silence_s=60))

        yield talk_as


def own_room(remote: ChannelRemote) -> str:
    """Return the collection of a room of the user's own."""
    remote.channel.ask("SYNC mailboxes|info", 1)
    return next(iter(list(remote.channel.read_listing()))).split("|")[0]


def held(node: Node, collection: str, key: str) -> Record:
    record = node.store.read(lambda reader: reader.get(collection, key))
    assert record is not None
    return record


def conflicts(node: Node) -> int:
    return node.store.read(lambda reader: reader.conflict_count())


# -- what a draft was made from -----------------------------------------------------------------------


def test_a_draft_that_names_what_is_there_replaces_it(talk: Callable[..., ChannelRemote], node: Node) -> None:
    remote = talk(ADMIN)
    assert remote.draft([Draft("pictures", "k", body=b"one")]).written == 1
    first = held(node, "pictures", "k")
    applied = remote.draft([Draft("pictures", "k", base_of(first), body=b"two")])
    assert (applied.written, applied.conflicts, conflicts(node)) == (1, 0, 0)
    assert held(node, "pictures", "k").body == b"two"


def test_a_draft_made_from_an_older_version_keeps_what_its_author_had_not_seen(
    talk: Callable[..., ChannelRemote], node: Node
) -> None:
    remote, other = talk(ADMIN), talk(ADMIN)
    remote.draft([Draft("pictures", "k", body=b"one")])
    base = base_of(held(node, "pictures", "k"))
    other.draft([Draft("pictures", "k", base, body=b"two")])
    assert remote.draft([Draft("pictures", "k", base, body=b"three")]).conflicts == 1
    (conflict,) = node.store.read(lambda reader: reader.conflicts())
    assert (held(node, "pictures", "k").body, conflict.loser.body) == (b"three", b"two")


def test_fields_that_were_not_changed_are_no_edit(talk: Callable[..., ChannelRemote], node: Node) -> None:
    remote = talk(ADMIN)
    base = base_of(held(node, "users", "alpha:2"))
    remote.draft([Draft("users", "alpha:2", base, head=pack_head({"u_fullname": "Alice L."}))])
    applied = remote.draft([Draft("users", "alpha:2", base, head=pack_head({"u_axlevel": 5}))])
    assert (applied.written, applied.conflicts) == (1, 0)
    values = values_of(held(node, "users", "alpha:2"))
    assert (values["u_fullname"], values["u_axlevel"]) == ("Alice L.", 5)


def test_a_draft_on_condition_is_refused_naming_what_is_there(talk: Callable[..., ChannelRemote], node: Node) -> None:
    remote = talk(ADMIN)
    remote.draft([Draft("pictures", "k", body=b"one")])
    there = held(node, "pictures", "k")
    with pytest.raises(ChangedThere, match="was changed meanwhile") as caught:
        remote.draft([Draft("pictures", "k", base_of(there), body=b"two", only_if=record_crc(there) ^ 1)])
    assert caught.value.code == 575
    assert parse_changed(caught.value.text) == Held(there.stamp, there.origin, record_crc(there))
    assert held(node, "pictures", "k") == there
    with pytest.raises(ChangedThere) as caught:
        remote.draft([Draft("pictures", "gone", body=b"two", only_if=5)])
    assert parse_changed(caught.value.text) is None
    assert remote.draft([Draft("pictures", "k", base_of(there), dead=True, only_if=record_crc(there))]).written == 1


def test_deleting_what_is_gone_changes_nothing(talk: Callable[..., ChannelRemote], node: Node) -> None:
    remote = talk(ADMIN)
    assert remote.draft([Draft("pictures", "k", dead=True)]) == (0, 1, 0)
    with pytest.raises(Refused, match="571"):
        remote.overwrite([Record("pictures", "k", 1, "x", 1, dead=True)])


def test_without_a_base_what_is_there_is_replaced_and_another_origins_is_kept(
    talk: Callable[..., ChannelRemote], node: Node
) -> None:
    remote = talk(ADMIN)
    theirs = Record("pictures", "k", 9, "beta", 9, body=b"theirs")
    node.store.write(lambda writer: writer.apply([theirs]))
    assert remote.overwrite([Record("pictures", "k", 1, "x", 1, body=b"ours")]).written == 1
    (conflict,) = node.store.read(lambda reader: reader.conflicts())
    assert (held(node, "pictures", "k").body, conflict.loser) == (b"ours", theirs)
    assert remote.overwrite([Record("pictures", "k", 1, "x", 1, body=b"ours again")]).conflicts == 0


def test_a_batch_of_drafts_is_written_whole_or_not_at_all(talk: Callable[..., ChannelRemote], node: Node) -> None:
    remote = talk(ADMIN)
    before = node.store.read(lambda reader: reader.root())
    drafts = [Draft("pictures", "k", body=b"one"), Draft("pictures", "l", only_if=5)]
    remote.channel.ask("SYNC all|offer", 4)
    remote.channel.send_batches([format_drafts(drafts)])
    with pytest.raises(Refused, match="575"):
        remote.channel.read_reply()
    assert node.store.read(lambda reader: reader.root()) == before


def test_a_draft_can_be_typed_by_hand(talk: Callable[..., ChannelRemote], node: Node) -> None:
    channel = talk(ADMIN).channel
    channel.ask("SYNC all|offer", 4)
    channel.send_batches([format_drafts([Draft("bios", "alpha:1", body="é".encode())], JSON)])
    assert channel.read_reply().parameters[0] == "1"
    assert held(node, "bios", "alpha:1").body.decode() == "é"


def test_a_node_that_does_not_know_bases_gets_drafts_as_it_takes_them(
    talk: Callable[..., ChannelRemote], node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basics, "CAPABILITIES", tuple(set(basics.CAPABILITIES) - {DRAFTS_BASE}))
    remote = talk(ADMIN)
    remote.draft([Draft("pictures", "k", body=b"one")])
    remote.draft([Draft("pictures", "k", Base(5, "x"), body=b"two")])
    assert (held(node, "pictures", "k").body, conflicts(node)) == (b"two", 0)
    with pytest.raises(ProtocolError, match="too old"):
        remote.draft([Draft("pictures", "k", body=b"three", only_if=5)])


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        (Draft("users/x", "k"), 512),
        (Draft("pictures", ""), 512),
        (Draft("pictures", "k" * 2000, body=b"x"), 512),
        (Draft("pictures", "k", dead=True, body=b"x"), 512),
        (Draft("pictures", "k", Base(0, "a"), body=b"x"), 512),
        (Draft("pictures", "k", Base(1 << 62, "a"), body=b"x"), 512),
        (Draft("pictures", "k", Base(5, "a", (("b", -1),)), body=b"x"), 512),
        (Draft("users", "k", head=pack_head({"a": [1, 2]})), 512),
        (Draft("users", "k", head=b"\xff"), 512),
        (Draft("messages/alpha:32", "euid:k", head=b"\xff", body=MESSAGE), 512),
        (Draft("netconf/alpha:32", "netconf", body=b"mirror_share|beta||direction=up\n"), 512),
        (Draft("netconf/alpha:32", "netconf", body=b"x\n" * 20_000 + b"mirror_share|beta||direction=up\n"), 512),
        (Draft("netconf/alpha:32", "netconf", body=b"x\n" * 35_000), 512),
        (Draft("pictures", "k", content=b"x" * 32, size=20_000), 571),
        (Draft("pictures", "k", content=b"x", size=20_000), 571),
        (Draft("nodes", "k", body=b"x"), 571),
    ],
)
def test_a_draft_that_cannot_be_is_refused(
    talk: Callable[..., ChannelRemote], node: Node, draft: Draft, code: int
) -> None:
    remote = talk(ADMIN)
    before = node.store.read(lambda reader: reader.root())
    with pytest.raises(Refused) as caught:
        remote.draft([draft])
    assert caught.value.code == code, caught.value
    assert node.store.read(lambda reader: reader.root()) == before
    remote.channel.ask("NOOP")


def test_more_drafts_than_a_batch_may_have(talk: Callable[..., ChannelRemote]) -> None:
    channel = talk(ADMIN).channel
    channel.ask("SYNC all|offer", 4)
    batch = format_drafts([Draft("pictures", "k")])
    batch.header["Count"] = "8193"
    channel.send_batches([batch])
    assert channel.require_line().startswith(b"512 batch header Count='8193': a number up to 8192")


@pytest.mark.parametrize("kind", ["peer", "share"])
def test_drafts_are_not_for_peers(talk: Callable[..., ChannelRemote], kind: str) -> None:
    with pytest.raises(Refused, match="512 drafts are for users and administrators"):
        talk(Party(kind, "beta", EVERYTHING)).draft([Draft("pictures", "k", body=b"x")])


# -- bodies of users ----------------------------------------------------------------------------------


def test_a_user_sends_a_body_of_twenty_megabytes(talk: Callable[..., ChannelRemote], node: Node) -> None:
    body = bytes(range(256)) * 80_000
    remote = talk("Alice Liddell")
    room = own_room(remote)
    assert remote.draft([Draft(room, "id:large", body=body)]).written == 1
    record = held(node, room, "id:large")
    assert (record.size, record.content) == (len(body), hashlib.sha256(body).digest())
    parts = remote.body([ContentRequest(record.content)])
    assert hashlib.sha256(b"".join(part.data for part in parts)).digest() == record.content


def test_so_does_a_client_that_names_no_base(talk: Callable[..., ChannelRemote], node: Node) -> None:
    remote = talk("Alice Liddell")
    room = own_room(remote)
    assert remote.overwrite([Record(room, "id:large", 1, "x", 1, body=b"x" * 9_000_000)]).written == 1
    assert held(node, room, "id:large").size == 9_000_000


def test_a_hash_opens_nothing_of_somebody_elses(talk: Callable[..., ChannelRemote], node: Node) -> None:
    secret = b"somebody else's" * 2000
    draft = Record("files/alpha:3", "f", 1, "x", 1)
    record = node.store.write(lambda writer: writer.put(writer.store_body(draft, secret)))
    remote = talk("Alice Liddell")
    room = own_room(remote)
    for write in (
        lambda: remote.draft([Draft(room, "id:k", content=record.content, size=record.size)]),
        lambda: remote.overwrite([Record(room, "id:k", 1, "x", 1, content=record.content, size=record.size)]),
    ):
        with pytest.raises(Refused, match=r"571 content \w+ was not sent"):
            write()
    assert remote.lacks([ContentRequest(record.content)]) == [ContentRequest(record.content)]


def test_a_part_of_a_content_is_no_proof(talk: Callable[..., ChannelRemote], node: Node) -> None:
    secret = b"0123456789abcdef" * 2000
    draft = Record("files/alpha:3", "f", 1, "x", 1)
    record = node.store.write(lambda writer: writer.put(writer.store_body(draft, secret)))
    remote = talk("Alice Liddell")
    room = own_room(remote)
    for part, told in (
        (ContentPart(record.content, 0, len(secret), secret[:20_000]), nullcontext()),
        (
            ContentPart(record.content, 20_000, len(secret), b"x" * (len(secret) - 20_000)),
            pytest.raises(Refused, match=r"512 .* another SHA-256"),  # as if it were not here
        ),
    ):
        remote.channel.ask("SYNC all|offer", 4)
        remote.channel.send_batches([format_part(part)])
        with told:
            remote.channel.read_reply()
    with pytest.raises(Refused, match="571"):
        remote.draft([Draft(room, "id:k", content=record.content, size=len(secret))])


def test_what_was_sent_stays_proved_while_others_write(talk: Callable[..., ChannelRemote], node: Node) -> None:
    body = b"y" * 30_000
    content = hashlib.sha256(body).digest()
    remote = talk("Alice Liddell")
    room = own_room(remote)
    remote.channel.ask("SYNC all|offer", 4)
    remote.channel.send_batches([format_part(ContentPart(content, 0, len(body), body))])
    remote.channel.read_reply()
    node.store.write(lambda writer: writer.put(Record("pictures", "k", 1, "x", 1, body=b"new")))
    assert remote.draft([Draft(room, "id:k", content=content, size=len(body))]).written == 1


def test_what_one_user_has_sent_proves_nothing_for_the_next(talk: Callable[..., ChannelRemote], node: Node) -> None:
    body = b"z" * 30_000
    content = hashlib.sha256(body).digest()
    remote = talk("Alice Liddell")
    remote.channel.ask("SYNC all|offer", 4)
    remote.channel.send_batches([format_part(ContentPart(content, 0, len(body), body))])
    remote.channel.read_reply()
    remote.channel.ask("LOUT")
    remote.channel.ask("USER Bob Stone", 3)
    remote.channel.ask("PASS pw-Bob Stone")
    with pytest.raises(Refused, match="571"):
        remote.draft([Draft(own_room(remote), "id:k", content=content, size=len(body))])


def test_a_draft_says_how_long_its_content_is(talk: Callable[..., ChannelRemote]) -> None:
    body = b"w" * 30_000
    content = hashlib.sha256(body).digest()
    remote = talk("Alice Liddell")
    room = own_room(remote)
    remote.channel.ask("SYNC all|offer", 4)
    remote.channel.send_batches([format_part(ContentPart(content, 0, len(body), body))])
    remote.channel.read_reply()
    with pytest.raises(Refused, match=r"512 content .* has 30000 bytes, not 29999"):
        remote.draft([Draft(room, "id:k", content=content, size=29_999)])


def test_a_users_body_has_a_limit(talk: Callable[..., ChannelRemote], monkeypatch: pytest.MonkeyPatch) -> None:
    assert offers.MAX_USER_CONTENT == 1 << 30
    monkeypatch.setattr(offers, "MAX_USER_CONTENT", 20_000)
    remote = talk("Alice Liddell")
    room = own_room(remote)
    with pytest.raises(Refused, match="511 20001 bytes: a body from a user has at most 20000"):
        remote.draft([Draft(room, "id:k", body=b"x" * 20_001)])
    assert remote.draft([Draft(room, "id:k", body=b"x" * 20_000)]).written == 1


def test_users_make_nothing_new_where_very_much_is(
    talk: Callable[..., ChannelRemote], monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = talk("Alice Liddell")
    room = own_room(remote)
    assert remote.draft([Draft(room, "id:k", body=b"one")]).written == 1
    assert drafts.MAX_USER_KEYS == 1_000_000
    monkeypatch.setattr(drafts, "MAX_USER_KEYS", 1)
    with pytest.raises(Refused, match=r"551 .* users make no new ones there"):
        remote.draft([Draft(room, "id:l", body=b"two")])
    with pytest.raises(Refused, match=r"551 .* users make no new ones there"):
        remote.draft([Draft(room, "id:k", body=b"another message of that id")])
    assert remote.overwrite([Record(room, "id:k", 1, "x", 1, body=b"one")]).written == 1


def test_a_large_body_may_stand_in_a_draft(talk: Callable[..., ChannelRemote], node: Node) -> None:
    channel = talk("Alice Liddell")
    room = own_room(channel)
    channel.channel.ask("SYNC all|offer", 4)
    channel.channel.send_batches([format_drafts([Draft(room, "id:k", body=b"x" * 40_000)])])
    channel.channel.read_reply()
    assert held(node, room, "id:k").size == 40_000


def test_users_write_no_more_than_before(talk: Callable[..., ChannelRemote]) -> None:
    remote = talk("Alice Liddell")
    for collection in ("users", "config", READ_ONLY, "messages/alpha:99999", "nodes"):
        with pytest.raises(Refused, match="571"):
            remote.draft([Draft(collection, "id:k", body=MESSAGE)])


def test_a_draft_that_cannot_be_decoded(talk: Callable[..., ChannelRemote]) -> None:
    channel = talk(ADMIN).channel
    channel.ask("SYNC all|offer", 4)
    batch = payload_batch("drafts", 1, MSGPACK, b"\x91\x01")
    batch.header["Base"] = "named"
    channel.send_batches([batch])
    assert channel.require_line().startswith(b"512 a batch's payload cannot be decoded")


def test_a_user_goes_with_the_mailbox_and_what_is_in_it(talk: Callable[..., ChannelRemote], node: Node) -> None:
    mailbox = node.store.read(lambda reader: mailbox_of(reader, "alpha:2"))
    mail = own_room(talk("Alice Liddell"))
    assert parse_collection(mail).room in mailbox
    assert node.store.read(lambda reader: reader.newest(mail, 1)) != []
    before = node.store.read(lambda reader: {room.key for room in reader.scan_all("rooms") if not room.dead})
    talk(ADMIN).draft([Draft("users", "alpha:2", base_of(held(node, "users", "alpha:2")), dead=True)])
    after = node.store.read(lambda reader: {room.key for room in reader.scan_all("rooms") if not room.dead})
    assert before - after == set(mailbox)
    assert node.store.read(lambda reader: reader.newest(mail, 1)) == []
