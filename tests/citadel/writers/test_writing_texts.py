"""Texts and pictures of rooms and users from elsewhere are shown by a made-up server, and what it makes is no edit."""

import base64
from collections.abc import Iterator

import pytest
from made_follower import Follower, feed_end
from made_writable import CONFIGURATION, WritableServer, written_into

from mirror.formats.message import serialize_message
from mirror.formats.texts_of_rooms import text_in
from mirror.model.drafting import deletion_of, draft_over
from mirror.store.base import Store

ANN, CALLED = 2, 1690000100
LOBBY, ANNS = "alpha:1", "alpha:2"


@pytest.fixture
def server() -> Iterator[WritableServer]:
    server = WritableServer()
    server.user(ANN, "Ann", CALLED, u_password="secret")
    server.room(1, "Lobby")
    server.room(2, CONFIGURATION)
    server.room(3, "0000000002.My Citadel Config", QRflags="16390")
    with written_into(server):
        yield server


def put(store: Store, collection: str, key: str, text: str, kind: str = "text/plain", encoding: str = "8bit") -> None:
    """Have a text or picture be here as another server made it."""
    head = f"Content-type: {kind}\nContent-transfer-encoding: {encoding}\n\n"
    fields = [("I", "x@beta"), ("T", "1690000500"), ("A", "Citadel"), ("M", head + text)]
    body = serialize_message([(name, value.encode()) for name, value in fields], 4)
    store.write(lambda writer: writer.write(draft_over(writer.get(collection, key), collection, key, body=body)))


def put_picture(store: Store, key: str, data: bytes) -> None:
    put(store, "pictures", key, base64.encodebytes(data).decode(), "image/png", "base64")


def text_here(store: Store, collection: str, key: str) -> str:
    record = store.read(lambda reader: reader.get(collection, key))
    return text_in(store.read(lambda reader: reader.body(record))).decode()


FACE, ROOM = b"\x89PNG a face of more than twenty bytes", b"\x89PNG a room of more than twenty bytes"


def test_texts_pictures_and_bios_are_shown_there_and_do_not_come_back(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        yield
        put(store, "room-info", LOBBY, "Welcome\nall\n")
        put(store, "bios", ANNS, "I am Ann\n")
        put_picture(store, f"room {LOBBY}", ROOM)
        put_picture(store, f"user {ANNS}", FACE)
        end = feed_end(store)
        yield
        room, ann = server.rooms[1], server.users[ANN]
        assert (server.shown(room, "msgnum_info"), server.shown(ann, "u_msgnum_bio")) == (
            "Welcome\nall\n",
            "I am Ann\n",
        )
        shown = [base64.b64decode(server.shown(of, name)) for of, name in ((room, "msgnum_pic"), (ann, "u_msgnum_pic"))]
        assert (shown, ann["u_lastcall"]) == ([ROOM, FACE], str(CALLED))
        server.now += 10
        for _ in range(4):
            yield
        assert (feed_end(store), follower.state.written_there, follower.state.left_there) == (end, 4, [])
        highest = server.highest
        put(store, "room-info", LOBBY, "Welcome back\n")
        yield
        assert (server.shown(room, "msgnum_info"), server.highest) == ("Welcome back\n", highest + 1)

    follower.tell(story())


def test_what_was_changed_there_just_before_is_looked_at_first(server: WritableServer, follower: Follower) -> None:
    store = follower.store
    server.show(server.rooms[1], "msgnum_info", CONFIGURATION, "Banner submitted with EINF command", "a: b\n\nold\n")

    def change() -> None:
        subject = "Banner submitted with EINF command"
        server.show(server.rooms[1], "msgnum_info", CONFIGURATION, subject, "a: b\n\nanother\n")
        server.touch(1)

    def story():
        yield
        put(store, "room-info", LOBBY, "mine\n")
        server.once_before(b"RINF", change)
        yield
        assert server.shown(server.rooms[1], "msgnum_info") == "another\n"
        server.now += 10
        for _ in range(4):
            yield
        assert len(store.read(lambda reader: reader.conflicts())) == 1
        assert server.shown(server.rooms[1], "msgnum_info") == text_here(store, "room-info", LOBBY)

    follower.tell(story())


def test_a_bio_of_a_user_without_a_password_is_told_of(server: WritableServer, follower: Follower) -> None:
    server.users[ANN]["u_password"] = ""

    def story():
        yield
        put(follower.store, "bios", ANNS, "I am Ann\n")
        yield
        assert follower.state.left_there == [
            "bio of Ann: alpha:2: its user is not there, or has no password of its own"
        ]

    follower.tell(story())


def test_what_was_taken_back_here_or_cannot_be_kept_stays_as_it_is_there(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    server.show(server.rooms[1], "msgnum_info", CONFIGURATION, "Banner submitted with EINF command", "a: b\n\nold\n")

    def story():
        yield
        store.write(lambda writer: writer.write(deletion_of(writer.get("room-info", LOBBY))))
        put(store, "bios", ANNS, "I am\n000\nAnn\n")
        put(store, "bios", "gamma:7", "I am\n")
        put(store, "pictures", f"room {LOBBY}", "no base64", "image/png", "8bit")
        yield
        assert server.shown(server.rooms[1], "msgnum_info") == "old\n"
        assert sorted(follower.state.left_there) == [
            "Ann: alpha:2: it has a line 000, or one of over 4000 bytes",
            "Lobby: room alpha:1: a picture of type 'image/png' is none that can be shown",
        ]

    follower.tell(story())
