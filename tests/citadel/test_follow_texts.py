"""Bios, pictures, texts and rules, which a followed server keeps as messages in rooms of configuration, are here."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_followed import ANNS, CONFIGURATION, a_server, refuse_exports
from made_follower import ReadingFollower, state
from made_live import LiveServer

from mirror.citadel.bootstrap import copy_server
from mirror.formats.message import parse_message
from mirror.store.base import Reader
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
Story = Iterator[None]


@pytest.fixture
def server() -> LiveServer:
    return a_server()


FACE, BIO = "Photo uploaded by user", "Profile submitted with EBIO command"
RULES = "inbox rules configuration"
TEXT, PICTURE = "Banner submitted with EINF command", "Image uploaded by admin user"


def show_text(server: LiveServer, room: int, text: str) -> None:
    """Set a room's text as the server does: the new message first, then the room, then the old one goes."""
    old = int(server.rooms[room].get("msgnum_info", "0"))
    server.rooms[room]["msgnum_info"] = str(server.keep(CONFIGURATION, text, TEXT, old))
    server.touch(room)


def as_picture(picture: bytes) -> str:
    return f"Content-type: image/png\n\n{base64.b64encode(picture).decode()}\n"


def show_picture(server: LiveServer, room: int, picture: bytes) -> None:
    old = int(server.rooms[room].get("msgnum_pic", "0"))
    server.rooms[room]["msgnum_pic"] = str(server.keep(CONFIGURATION, as_picture(picture), PICTURE, old))
    server.pictures[room] = picture
    server.touch(room)


def test_bios_pictures_texts_rules_settings_and_configurations_need_no_export(
    make_store: Make, configured: LiveServer, directory: Path
) -> None:
    """Those that were there, those that are new, those that take another's place, and those that come in an outage."""
    server, store, other = configured, make_store("m"), make_store("n")
    show_text(server, 1, "Welcome")
    show_picture(server, 2, b"old")
    ann = server.users[2]
    ann["u_msgnum_bio"] = str(server.keep(ANNS, "I am Ann", BIO))

    def story() -> Story:
        refuse_exports(server)
        ann["u_msgnum_bio"] = str(server.keep(ANNS, "Still Ann", BIO, int(ann["u_msgnum_bio"])))
        ann["u_msgnum_pic"] = str(server.keep(ANNS, as_picture(b"a face"), FACE))
        ann["u_msgnum_inboxrules"] = str(server.keep(ANNS, "rule|0|", RULES))
        server.keep(ANNS, "BEGIN:VCARD", "Ann", author="Ann")
        server.settings["application/x-citadel-filters"] = str(server.keep(CONFIGURATION, "x|y\n", "", author="admin"))
        yield
        server.now += 10
        show_text(server, 1, "Welcome back")
        show_text(server, 2, "Talk!")
        show_picture(server, 2, b"new")
        yield

    ReadingFollower(store, directory).tell(story())
    server.before = lambda _command: None
    copy_server(other, directory)
    assert state(store) == state(other)
    assert {"bios", "pictures", "room-info", "inbox-rules", "user-settings"} <= state(store).keys()
    refuse_exports(server)
    server.now += 10
    show_text(server, 1, "Away")
    show_picture(server, 1, b"third")
    ReadingFollower(store, directory).tell(iter([None]))
    server.before = lambda _command: None
    copy_server(other, directory, merge=True)
    assert state(store) == state(other)


def test_a_text_that_no_room_shows_yet_is_asked_for_again_and_one_that_none_shows_is_nobodys(
    make_store: Make, configured: LiveServer, directory: Path
) -> None:
    server, store = configured, make_store("m")

    def rooms_with_texts() -> dict[str, object]:
        return state(store).get("room-info", {})

    def story() -> Story:
        refuse_exports(server)
        number = server.keep(CONFIGURATION, "Welcome", TEXT)
        yield
        assert not rooms_with_texts()
        server.rooms[1]["msgnum_info"] = str(number)
        server.touch(1)
        yield
        yield
        assert rooms_with_texts().keys() == {"alpha:1"}
        server.keep(CONFIGURATION, "of a room that was killed", TEXT)
        yield
        assert follower.following.state.behind
        yield
        yield
        assert not follower.following.state.behind
        assert rooms_with_texts().keys() == {"alpha:1"}

    follower = ReadingFollower(store, directory)
    follower.tell(story())


def test_a_text_of_long_ago_that_no_room_shows_is_nobodys_at_once(
    make_store: Make, configured: LiveServer, directory: Path
) -> None:
    server, store = configured, make_store("m")
    server.keep(CONFIGURATION, "of a room that was killed", TEXT)
    ReadingFollower(store, directory).tell(iter([None]))
    server.now += 60
    follower = ReadingFollower(store, directory)
    follower.tell(iter([None]))
    assert not follower.following.state.behind


@pytest.mark.parametrize("new", [False, True])
def test_where_a_server_was_killed_between_a_users_message_and_the_user_what_it_shows_is_here(
    make_store: Make, configured: LiveServer, directory: Path, new: bool
) -> None:
    """It keeps both messages, and the user has the old ones, none yet, or the ``new`` ones."""
    server, store, other = configured, make_store("m"), make_store("n")
    ann = server.users[2]
    ann["u_msgnum_bio"] = str(server.keep(ANNS, "I am Ann", BIO))
    ann["u_msgnum_inboxrules"] = str(server.keep(ANNS, "rule|0|", RULES))

    def story() -> Story:
        refuse_exports(server)
        fields = {"u_msgnum_bio": ("Still Ann", BIO), "u_msgnum_inboxrules": ("rule|1|", RULES)}
        fields["u_msgnum_pic"] = as_picture(b"a face"), FACE
        for field, (text, subject) in fields.items():
            number = server.keep(ANNS, text, subject)
            ann[field] = str(number) if new else ann.get(field, "0")
        for _ in range(6):
            yield
        server.asked.clear()
        yield
        assert not {b"RBIO Ann", b"GIBR"} & set(server.asked), "what was told again and again stays so"

    follower = ReadingFollower(store, directory)
    follower.tell(story())
    assert not follower.following.state.behind
    server.before = lambda _command: None
    copy_server(other, directory)
    assert state(store) == state(other)


def show_by_picture(server: LiveServer, room: int, what: str) -> None:
    show_picture(server, room, what.encode())


def shown(store: SqliteStore) -> list[str]:
    """Return what rooms show by texts or pictures, as the messages here say it, in the order of the rooms' keys."""

    def job(reader: Reader) -> list[str]:
        records = [*reader.scan_all("room-info"), *reader.scan_all("pictures")]
        return [parse_message(reader.body(one)).text("M") for one in sorted(records, key=lambda one: one.key)]

    texts = [text.partition("\n\n") for text in store.read(job)]
    return [base64.b64decode(picture).decode() if picture else text.strip() for text, _, picture in texts]


@pytest.mark.parametrize("show", [show_text, show_by_picture])
def test_rooms_that_were_given_the_same_at_once_are_told_apart_when_one_of_them_shows_something_else(
    make_store: Make, configured: LiveServer, directory: Path, show: Callable[[LiveServer, int, str], None]
) -> None:
    """Which message is whose cannot be told until then, so each may be taken for the other's, and goes with that."""
    server, store = configured, make_store("m")

    def story() -> Story:
        refuse_exports(server)
        show(server, 1, "alike")
        show(server, 2, "alike")
        yield
        assert shown(store) == ["alike", "alike"]
        server.now += 20
        show(server, 2, "other")
        yield
        assert shown(store) == ["alike", "other"]
        server.asked.clear()
        server.touch(1, 2)
        yield
        assert not {b"RINF", b"DLRI"} & set(server.asked), "all is known"
        yield

    follower = ReadingFollower(store, directory)
    follower.tell(story())
    assert not follower.following.state.behind


def test_a_room_whose_new_text_was_kept_beside_the_old_one_as_the_server_was_killed_has_the_new_one(
    make_store: Make, configured: LiveServer, directory: Path
) -> None:
    server, store = configured, make_store("m")
    show_text(server, 1, "old")

    def story() -> Story:
        refuse_exports(server)
        server.now += 20
        server.rooms[1]["msgnum_info"] = str(server.keep(CONFIGURATION, "new", TEXT))
        server.touch(1)
        yield
        assert shown(store) == ["new"]
        yield
        yield
        yield

    follower = ReadingFollower(store, directory)
    follower.tell(story())
    assert not follower.following.state.behind, "the old one is nobody's"


def test_a_message_that_was_nobodys_is_a_rooms_once_that_lost_the_one_that_was_taken_for_its_own(
    make_store: Make, configured: LiveServer, directory: Path
) -> None:
    server, store = configured, make_store("m")

    def story() -> Story:
        refuse_exports(server)
        other = server.keep(CONFIGURATION, "alike", TEXT)
        show_text(server, 1, "alike")
        for _ in range(4):
            yield
        server.now += 20
        server.delete(CONFIGURATION, int(server.rooms[1]["msgnum_info"]))
        server.rooms[1]["msgnum_info"] = str(other)
        yield
        server.settings["c_sysadm"] = "whoever"  # so that all is looked at again
        yield
        yield
        assert shown(store) == ["alike"]

    follower = ReadingFollower(store, directory)
    follower.tell(story())
    assert not follower.following.state.behind
