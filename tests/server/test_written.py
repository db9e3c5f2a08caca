"""What an offer tells of each draft: the version that is there now, from which the next edit is made."""

from collections.abc import Iterator

import pytest
from sessions import logged_in, sessions_on

from mirror.model.draft import Draft, Written, base_of
from mirror.model.drafting import draft_over
from mirror.model.record import Record, pack_head, record_crc
from mirror.peer.remote import ChannelRemote
from mirror.server import offers
from mirror.server.node import Node
from mirror.wire.answers import parse_room_list
from mirror.wire.bulk import format_drafts, format_part, parse_written
from mirror.wire.codec import JSON, MSGPACK
from mirror.wire.errors import ChangedThere, Refused
from mirror.wire.values import ContentPart

ALICE = "alpha:2"


@pytest.fixture
def node(exported: Node) -> Node:
    return exported


@pytest.fixture
def alice(node: Node) -> Iterator[ChannelRemote]:
    with sessions_on(node) as start:
        yield logged_in(start(silence_s=60), "Alice Liddell", "pw-Alice Liddell")


def a_room(remote: ChannelRemote, own: bool) -> str:
    """Return the collection of a room that the user may write into."""
    reply = remote.channel.ask("SYNC all|rooms", 1)
    rooms = parse_room_list(reply.text, remote.channel.read_listing())[3]
    return next(f"messages/{room.key}" for room in rooms if room.own == own and room.writable)


def own_room(remote: ChannelRemote) -> str:
    return a_room(remote, own=True)


def held(node: Node, collection: str, key: str) -> Record:
    record = node.store.read(lambda reader: reader.get(collection, key))
    assert record is not None
    return record


def told_of(record: Record, as_sent: bool = True) -> Written:
    return Written(record.collection, record.key, base_of(record), record_crc(record), record.dead, as_sent)


def test_each_draft_is_told_of_in_order_and_the_next_edit_is_made_from_that(alice: ChannelRemote, node: Node) -> None:
    room = own_room(alice)
    first = alice.draft_told([Draft(room, f"id:{name}", body=name.encode()) for name in "ba"])
    assert first == [told_of(held(node, room, "id:b")), told_of(held(node, room, "id:a"))]
    second = alice.draft_told(
        [Draft(room, "id:a", first[1].base, body=b"new"), Draft(room, "id:b", first[0].base, True)]
    )
    assert second == [told_of(held(node, room, "id:a")), told_of(held(node, room, "id:b"))]
    assert [one.dead for one in second] == [False, True]
    assert node.store.read(lambda reader: reader.conflict_count()) == 0


def test_the_feed_brings_what_was_told(alice: ChannelRemote) -> None:
    room, cursor = own_room(alice), alice.info().cursor
    (written,) = alice.draft_told([Draft(room, "id:a", body=b"a")])
    (page,) = alice.since(cursor)
    assert page.crcs == [written.crc]


def test_what_is_signed_or_merged_is_not_as_it_was_sent(alice: ChannelRemote, node: Node) -> None:
    board = a_room(alice, own=False)
    (written,) = alice.draft_told([Draft(board, "id:a@b", body=b"\xffA\0AMallory\0Mhello\0")])
    assert written == told_of(held(node, board, "id:a@b"), as_sent=False)
    event = b"\r\n".join(
        (
            b"\xffA\x04Ee\0MContent-Type: text/calendar\r\n",
            b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:e\r\n%sEND:VEVENT\r\nEND:VCALENDAR\r\n\0",
        )
    )
    room = own_room(alice)
    (made,) = alice.draft_told([Draft(room, "euid:e", body=event % b"SUMMARY:one\r\n")])
    assert made.as_sent
    first = held(node, room, "euid:e")
    alice.draft_told([Draft(room, "euid:e", made.base, body=event % b"SUMMARY:one\r\nLOCATION:here\r\n")])
    late = draft_over(first, room, "euid:e", body=event % b"SUMMARY:two\r\n", held_body=first.body)
    (merged,) = alice.draft_told([late])
    assert merged == told_of(held(node, room, "euid:e"), as_sent=False)
    body = held(node, room, "euid:e").body
    assert b"LOCATION:here" in body and b"SUMMARY:two" in body


def test_marks_are_as_sent_where_their_fields_are(alice: ChannelRemote, node: Node) -> None:
    room = own_room(alice).partition("/")[2]
    draft = Draft(f"visits/{room}", f"{ALICE} id:a", head=pack_head({"seen": True}))
    assert alice.draft_told([draft]) == [told_of(held(node, f"visits/{room}", f"{ALICE} id:a"))]


def test_a_large_body_is_as_it_was_sent(alice: ChannelRemote, node: Node) -> None:
    room, body = own_room(alice), b"y" * 30_000
    (written,) = alice.draft_told([Draft(room, "id:inside", body=body)])
    assert written == told_of(held(node, room, "id:inside"))
    content, size = held(node, room, "id:inside").content, len(body)
    alice.channel.ask("SYNC all|offer", 4)
    alice.channel.send_batches([format_part(ContentPart(content, 0, size, body))])
    alice.channel.read_reply()
    (written,) = alice.draft_told([Draft(room, "id:apart", content=content, size=size)])
    assert written.as_sent


def test_deleting_what_is_not_there_leaves_nothing(alice: ChannelRemote) -> None:
    room = own_room(alice)
    assert alice.draft_told([Draft(room, "id:nothing", dead=True)]) == [Written(room, "id:nothing", as_sent=True)]


def test_a_condition_that_fails_is_told_as_ever(alice: ChannelRemote) -> None:
    with pytest.raises(ChangedThere):
        alice.draft_told([Draft(own_room(alice), "id:a", body=b"a", only_if=7)])


@pytest.mark.parametrize("encoding", [JSON, MSGPACK])
def test_it_is_told_in_either_encoding(alice: ChannelRemote, node: Node, encoding: str) -> None:
    room = own_room(alice)
    alice.channel.ask(f"SYNC encoding|{encoding}")
    alice.channel.ask("SYNC all|offer|versions", 4)
    alice.channel.send_batches(
        [format_drafts([Draft(room, "id:a", body=b"a"), Draft(room, "id:b", dead=True)], encoding)]
    )
    assert alice.channel.read_reply().text.startswith("1|1|0|")
    (batch,) = alice.channel.read_batches()
    assert batch.header["Encoding"] == encoding
    assert parse_written(batch) == [told_of(held(node, room, "id:a")), Written(room, "id:b", as_sent=True)]


def test_one_offer_tells_of_so_many_drafts(alice: ChannelRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "MAX_TOLD", 1)
    room = own_room(alice)
    batches = [format_drafts([Draft(room, f"id:{name}", body=b"a") for name in names]) for names in ("ab", "c")]
    alice.channel.ask("SYNC all|offer|versions", 4)
    alice.channel.send_batches(batches)
    with pytest.raises(Refused, match=r"511 .* once 1 drafts"):
        alice.channel.read_reply()
    alice.channel.ask("SYNC all|offer", 4)
    alice.channel.send_batches(batches)
    assert alice.channel.read_reply().code == 200
