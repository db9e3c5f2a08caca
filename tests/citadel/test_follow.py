"""A node that follows a made-up server: what happens there is here, and where nothing does nothing is written."""

import base64
import copy
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from made_follower import LOBBY, TALK, ReadingFollower, feed_end
from made_live import HungUp, LiveServer, Session
from made_server import CREATED

from mirror.citadel.bootstrap import copy_server
from mirror.citadel.client import CitadelClient
from mirror.citadel.followed import Settings
from mirror.citadel.look import HeldBack
from mirror.citadel.rehearsal import dry_run
from mirror.formats.message import parse_message
from mirror.model.draft import Draft, base_of
from mirror.model.fields import fields_at, values_of
from mirror.model.kinds import MergeRule, kind_of
from mirror.model.record import Record, pack_head
from mirror.peer.channel import ConnectionLost
from mirror.store.base import Store
from mirror.store.sqlite.store import SqliteStore
from mirror.wire.errors import Refused

Make = Callable[..., SqliteStore]
Story = Iterator[None]


@pytest.fixture
def server() -> LiveServer:
    server = LiveServer()
    server.user(1, "admin")
    server.user(2, "Ann")
    server.room(1, "Lobby")
    server.room(2, "Talk")
    for text in ("one", "two", "three"):
        server.post(1, text)
    server.visit(1, 2, "1:2")
    server.now += 100
    return server


def texts(store: Store, collection: str = LOBBY) -> list[str]:
    def job(reader) -> list[str]:
        return sorted(parse_message(reader.body(one)).text("M").strip() for one in reader.scan_all(collection))

    return store.read(job)


def state(store: Store) -> dict[str, dict[str, object]]:
    """Return all that is alive, without versions; of messages the fields in any order, without a newline at the end."""

    def said(record: Record, body: bytes) -> object:
        if kind_of(record.collection).rule is MergeRule.FIELDS:
            return {name: value for name, value in values_of(record).items() if value}
        return sorted(part.rstrip(b"\n") for part in body[3:].split(b"\0")) if body else record.head

    def job(reader) -> dict[str, dict[str, object]]:
        found = {
            name: {one.key: said(one, reader.body(one)) for one in reader.scan_all(name)} for name in reader.digests()
        }
        return {name: kept for name, kept in found.items() if any(kept.values()) and name != "killed-rooms"}

    return store.read(job)


def test_what_is_posted_there_is_here_after_the_next_look(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store, other = make_store("m"), make_store("n")
    follower = ReadingFollower(store, directory)

    def story() -> Story:
        assert texts(store) == ["one", "three", "two"]
        server.post(1, "four")
        yield
        assert texts(store) == ["four", "one", "three", "two"]
        assert (follower.following.state.phase, follower.following.state.behind) == ("following", False)

    follower.tell(story())
    copy_server(other, directory)
    assert state(store) == state(other)


def test_records_are_counted_for_as_long_as_a_server_is_followed(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    first = ReadingFollower(store, directory)
    first.tell(iter([None]))
    assert first.following.state.written > 5 and first.following.state.deleted == 0

    def story() -> Story:
        server.now += 10
        server.delete(1, 1)
        server.post(1, "four")
        for _ in range(12):
            yield

    second = ReadingFollower(store, directory)
    second.tell(story())
    assert (second.following.state.looks, second.following.state.exports) == (13, 0)
    third = ReadingFollower(store, directory)
    third.tell(iter([None]))
    counted = (third.following.state.written, third.following.state.deleted)
    assert counted == (first.following.state.written + 3, 2), "a mark went with the message"


def test_at_rest_nothing_is_written_and_no_transaction_is_made(
    make_store: Make, server: LiveServer, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store("m")

    def story() -> Story:
        yield
        end = feed_end(store)
        monkeypatch.setattr(store, "write", None)
        for _ in range(60):
            server.now += 1
            yield
        assert feed_end(store) == end

    follower = ReadingFollower(store, directory, Settings(export_s=10))
    follower.tell(story())
    assert follower.following.state.wholes >= 5


@pytest.mark.parametrize("change", ["setting", "room", "renamed", "gone", "user", "level"])
def test_what_is_no_message_needs_no_export_either(
    make_store: Make, server: LiveServer, directory: Path, change: str
) -> None:
    store, other = make_store("m"), make_store("n")
    follower = ReadingFollower(store, directory)
    changes: dict[str, Callable[[], object]] = {
        "setting": lambda: server.settings.update(c_humannode="Omega"),
        "room": lambda: server.room(3, "New"),
        "renamed": lambda: server.rooms[2].update(QRname="Foyer"),
        "gone": lambda: server.rooms.pop(2),
        "user": lambda: server.user(3, "Bob"),
        "level": lambda: server.users[2].update(u_axlevel="6"),
    }

    def story() -> Story:
        yield
        before = state(store)
        server.asked.clear()
        changes[change]()
        yield
        assert state(store) != before

    follower.tell(story())
    assert not [command for command in server.asked if command.startswith(b"MIGR")]
    copy_server(other, directory)
    expected = state(other)
    expected["rooms"].get("alpha:3", {}).pop("QRgen", None)  # no question tells it
    assert state(store) == expected


def refuse_exports(server: LiveServer) -> None:
    """Have a server hang up when it is asked for an export."""

    def before(command: bytes) -> None:
        if command == b"MIGR export":
            raise HungUp

    server.before = before


def test_messages_that_are_new_gone_moved_copied_or_replaced_need_no_export(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """With their marks: those of the room that they are in, as the visitors' sets were told last."""
    store, other = make_store("m"), make_store("n")
    item = server.post(2, "item", euid="ev")
    server.visit(2, 2, f"1:{item}")
    server.visit(1, 1, "1,3")
    follower = ReadingFollower(store, directory)
    follower.let_exports_take(server, 10)

    def story() -> Story:
        first, second, third = server.lists[1]
        refuse_exports(server)
        yield
        server.post(1, "four")
        server.delete(1, first)
        server.now += 1
        yield
        server.move(1, 2, second)
        server.now += 1
        yield
        server.lists[2].append(third)
        server.touch(2)
        server.now += 1
        yield
        server.post(2, "another item", euid="ev")
        yield
        server.before = lambda _command: None

    follower.tell(story())
    copy_server(other, directory)
    assert state(store) == state(other)
    assert texts(store) == ["four", "three"] and texts(store, TALK) == ["another item", "three", "two"]
    assert follower.following.state.exports == 1


CONFIGURATION, ANNS = 8, 9
TEXT, PICTURE = "Banner submitted with EINF command", "Image uploaded by admin user"


@pytest.fixture
def configured(server: LiveServer) -> LiveServer:
    """The server, with its rooms of configuration."""
    server.room(CONFIGURATION, "Local System Configuration")
    server.room(ANNS, "0000000002.My Citadel Config", QRflags="16390")
    return server


def show_text(server: LiveServer, room: int, text: str) -> None:
    """Set a room's text as the server does: the new message first, then the room, then the old one goes."""
    old = int(server.rooms[room].get("msgnum_info", "0"))
    server.rooms[room]["msgnum_info"] = str(server.keep(CONFIGURATION, text, TEXT, old))
    server.touch(room)


def show_picture(server: LiveServer, room: int, picture: bytes) -> None:
    old = int(server.rooms[room].get("msgnum_pic", "0"))
    text = f"Content-type: image/png\n\n{base64.b64encode(picture).decode()}\n"
    server.rooms[room]["msgnum_pic"] = str(server.keep(CONFIGURATION, text, PICTURE, old))
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
    ann["u_msgnum_bio"] = str(server.keep(ANNS, "I am Ann", "Profile submitted with EBIO command"))

    def story() -> Story:
        refuse_exports(server)
        bio = "Profile submitted with EBIO command"
        ann["u_msgnum_bio"] = str(server.keep(ANNS, "Still Ann", bio, int(ann["u_msgnum_bio"])))
        ann["u_msgnum_pic"] = str(server.keep(ANNS, "a face", "Photo uploaded by user"))
        ann["u_msgnum_inboxrules"] = str(server.keep(ANNS, "rule|0|", "inbox rules configuration"))
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


def test_a_move_is_one_act(make_store: Make, server: LiveServer, directory: Path) -> None:
    store = make_store("m")
    transactions: list[tuple[list[str], list[str]]] = []
    follower = ReadingFollower(store, directory)

    def story() -> Story:
        store.watch(lambda: transactions.append((texts(store), texts(store, TALK))))
        server.move(1, 2, server.lists[1][0])
        yield

    follower.tell(story())
    assert transactions and all(seen == (["three", "two"], ["one"]) for seen in transactions)


def test_a_room_that_changes_again_in_the_second_of_a_look_is_looked_at_again(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")

    def story() -> Story:
        refuse_exports(server)
        server.post(1, "four")
        yield
        server.post(1, "five")
        server.highest -= 1  # nothing but the list of the room shows it
        yield
        assert texts(store) == ["five", "four", "one", "three", "two"]
        server.highest += 1

    ReadingFollower(store, directory).tell(story())


def test_two_rooms_that_swap_names_are_told_apart(make_store: Make, server: LiveServer, directory: Path) -> None:
    store, other = make_store("m"), make_store("n")

    def story() -> Story:
        server.rooms[1]["QRname"], server.rooms[2]["QRname"] = "Talk", "Lobby"
        server.touch(1, 2)
        server.post(1, "four")
        yield
        yield

    ReadingFollower(store, directory).tell(story())
    copy_server(other, directory)
    assert state(store) == state(other)
    assert texts(store) == ["four", "one", "three", "two"]


@pytest.mark.parametrize("change", ["password", "aide"])
def test_what_shows_in_no_list_is_found(make_store: Make, server: LiveServer, directory: Path, change: str) -> None:
    """A password by the sweep of accounts, an aide by what the room tells of itself."""
    store = make_store("m")

    def make_aide() -> None:
        server.rooms[1]["QRroomaide"] = "2"
        server.touch(1)

    def set_password() -> None:
        server.users[2]["u_password"] = "new"

    changes = {"password": set_password, "aide": make_aide}

    def story() -> Story:
        server.now += 10
        yield
        before = (follower.following.state.wholes, state(store))
        changes[change]()
        yield
        yield
        assert follower.following.state.wholes == before[0] + 1
        assert state(store) != before[1]

    follower = ReadingFollower(store, directory, Settings(users_s=1))
    follower.tell(story())
    assert follower.following.state.exports == 1


def test_a_node_that_meets_a_server_again_needs_no_export(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """All that happened meanwhile, but marks, is told by the questions; users that are not listed are asked for."""
    store, other = make_store("m"), make_store("n")
    server.user(3, "Bob", u_password="pw")
    server.room(3, "Closed", QRflags="14", QRpasswd="sesame")
    server.post(3, "secret")
    ReadingFollower(store, directory).tell(iter([None]))
    refuse_exports(server)
    server.now += 10
    server.move(1, 2, server.lists[1][0])
    server.delete(3, server.lists[3][0])
    server.post(3, "secret too")
    server.users[2].update(u_fullname="Anna", u_emailaddrs="anna@alpha|a@alpha")
    server.users[3]["u_axlevel"] = "0"
    server.rooms[1].update(QRname="Foyer", QRroomaide="2")
    server.floor(2, "Upstairs")
    server.settings["c_humannode"] = "Omega"
    follower = ReadingFollower(store, directory)
    follower.tell(iter([None]))
    assert follower.following.state.exports == 0
    server.before = lambda _command: None
    copy_server(other, directory)
    assert state(store) == state(other)
    assert "Bob" in [user["u_fullname"] for user in state(store)["users"].values()]
    del server.users[3]
    ReadingFollower(store, directory).tell(iter([None]))
    assert "Bob" not in [user["u_fullname"] for user in state(store)["users"].values()]


def test_a_room_that_cannot_be_entered_is_not_taken_for_gone(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    ReadingFollower(store, directory).tell(iter([None]))
    server.rooms[2]["QRpasswd"] = "sesame"
    ReadingFollower(store, directory).tell(iter([None]))
    assert "alpha:2" in state(store)["rooms"]


def test_files_are_swept(make_store: Make, server: LiveServer, directory: Path) -> None:
    store = make_store("m")

    def story() -> Story:
        server.banners["hello"] = "Welcome"
        refuse_exports(server)
        for _ in range(7):
            yield
        assert store.read(lambda reader: reader.get("system-messages", "hello")) is not None

    follower = ReadingFollower(store, directory, Settings(sweep_s=5))
    follower.let_exports_take(server, 10)
    follower.tell(story())


def backup(server: LiveServer) -> dict[str, object]:
    return copy.deepcopy({name: getattr(server, name) for name in BACKED_UP})


def restore(server: LiveServer, held: dict[str, object]) -> None:
    for name, value in copy.deepcopy(held).items():
        setattr(server, name, value)


BACKED_UP = ("settings", "users", "rooms", "lists", "messages", "visits", "highest")


@pytest.mark.parametrize("since", [0, 2, 5], ids=["older", "as many messages", "more messages"])
def test_a_server_restored_from_a_backup_takes_nothing_back(
    make_store: Make, server: LiveServer, directory: Path, since: int
) -> None:
    """What came since the backup stays, what was changed since is the mirror's, and what is new there comes."""
    store = make_store("m")
    ReadingFollower(store, directory).tell(iter([None]))
    held = backup(server)
    server.post(1, "lost"), server.post(1, "lost too")
    server.rooms[2]["QRname"] = "Foyer"
    server.delete(1, 1)
    server.visit(1, 2, "1:5")
    ReadingFollower(store, directory).tell(iter([None]))
    lost = state(store)
    restore(server, held)
    for number in range(since):
        server.post(1, f"new {number}", name=f"new-{number}@alpha")
    follower = ReadingFollower(store, directory)

    def story() -> Story:
        assert follower.following.state.another
        assert texts(store) == sorted(["lost", "lost too", "two", "three", *(f"new {one}" for one in range(since))])
        assert state(store)["rooms"] == lost["rooms"]
        assert all(state(store)["visits/alpha:1"][key] == mark for key, mark in lost["visits/alpha:1"].items())
        server.delete(1, 2)
        server.rooms[2]["QRflags"] = "6"
        yield
        yield
        assert "two" not in texts(store) and "lost" in texts(store)
        assert state(store)["rooms"]["alpha:2"] == lost["rooms"]["alpha:2"] | {"QRflags": "6"}

    follower.tell(story())
    again = ReadingFollower(store, directory)
    again.tell(iter([None]))
    assert again.following.state.written == follower.following.state.written
    assert store.read(lambda reader: reader.conflict_count()) == 0


@pytest.mark.parametrize("field", ["T", "I"])
def test_a_message_of_the_same_key_with_another_time_or_id_is_another_one(
    make_store: Make, server: LiveServer, directory: Path, field: str
) -> None:
    """A number that was given anew: to a message of one id at another time, to an item whose message is another one."""
    store = make_store("m")
    number = server.post(2, "item", euid="ev") if field == "I" else server.post(2, "mail", name="m@alpha")
    ReadingFollower(store, directory).tell(iter([None]))
    again = ReadingFollower(store, directory)
    again.tell(iter([None]))
    assert not again.following.state.another
    data = server.messages[number]
    other = data.replace(b"T%d\0" % (CREATED + 300), b"T%d\0" % (CREATED + 301 if field == "T" else CREATED + 300))
    server.messages[number] = other if field == "T" else data.replace(b"E" + b"ev", b"Iother@alpha\0Eev")
    follower = ReadingFollower(store, directory)
    follower.tell(iter([None]))
    assert follower.following.state.another.startswith(f"its message {number} is another one")


def test_an_item_that_was_changed_here_is_still_the_one_that_is_there(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    server.post(2, "item", euid="ev")
    ReadingFollower(store, directory).tell(iter([None]))
    (key,) = store.read(lambda reader: [one.key for one in reader.scan_all(TALK)])
    (held,) = store.read(lambda reader: [reader.body(one) for one in reader.scan_all(TALK)])
    base = store.read(lambda reader: base_of(reader.get(TALK, key)))
    changed = Draft(TALK, key, base, body=held.replace(b"T%d\0" % (CREATED + 300), b"T%d\0" % (CREATED + 400)))
    store.write(lambda writer: writer.write(changed))
    follower = ReadingFollower(store, directory)
    follower.tell(iter([None]))
    assert not follower.following.state.another


def test_pairing_anew_that_is_interrupted_goes_on(make_store: Make, server: LiveServer, directory: Path) -> None:
    store = make_store("m")
    held = backup(server)
    server.post(1, "lost")
    ReadingFollower(store, directory).tell(iter([None]))
    restore(server, held)
    for cut in range(1, 400):
        left = cut

        def fail(_command: bytes) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise HungUp

        server.before = fail
        try:
            ReadingFollower(store, directory).tell(iter([None]))
            break
        except ConnectionLost:
            assert texts(store) == ["lost", "one", "three", "two"]
    assert cut > 10
    assert texts(store) == ["lost", "one", "three", "two"]


def test_a_server_that_was_set_up_anew_deletes_nothing(make_store: Make, server: LiveServer, directory: Path) -> None:
    store = make_store("m")
    ReadingFollower(store, directory).tell(iter([None]))
    fresh = LiveServer(created=server.created + 5)
    fresh.user(1, "admin")
    fresh.room(1, "Lobby")
    for number in range(9):
        fresh.post(1, f"new {number}", name=f"new-{number}@alpha")
    server.created = fresh.created
    restore(server, backup(fresh))
    follower = ReadingFollower(store, directory)
    follower.tell(iter([None]))
    assert "set up" in follower.following.state.another
    assert texts(store) == sorted(["one", "two", "three", *(f"new {number}" for number in range(9))])
    assert store.read(lambda reader: reader.get("users", "alpha:2")).dead is False


def test_people_are_turned_away_only_until_the_messages_begin(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """All that is new is fetched by itself, however much it is."""
    store, other = make_store("m"), make_store("n")
    server.room(5, "0000000002.My Citadel Config")
    server.post(1, "long " * 200_000)  # more than a socket holds, so the server notices who hangs up
    follower = ReadingFollower(store, directory, Settings(export_s=1))

    def story() -> Story:
        for text in range(100):
            server.post(2, f"talk {text}")
        server.lists[5].append(server.hold("bio"))
        server.users[2]["u_msgnum_bio"] = str(server.highest)
        yield
        assert "bios" in state(store)

    follower.tell(story())
    assert (follower.following.state.exports, server.exported) == (2, 1)
    copy_server(other, directory)
    assert state(store) == state(other)


def test_answered_marks_come_with_the_next_export(make_store: Make, server: LiveServer, directory: Path) -> None:
    store, other = make_store("m"), make_store("n")
    follower = ReadingFollower(store, directory, Settings(export_s=10))

    def story() -> Story:
        server.visit(1, 2, "1:2", "2")
        for _ in range(12):
            yield

    follower.tell(story())
    copy_server(other, directory)
    assert state(store) == state(other)


def marks(store: Store, room: str = "alpha:1") -> dict[str, list[str]]:
    """Return which messages of a room users have read, by texts, by the users' keys."""

    def job(reader) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for record in reader.scan_all(f"visits/{room}"):
            user, _, key = record.key.partition(" ")
            if key and values_of(record).get("seen"):
                message = parse_message(reader.body(reader.get(f"messages/{room}", key)))
                found.setdefault(user, []).append(message.text("M").strip())
        return {user: sorted(read) for user, read in found.items()}

    return store.read(job)


def test_what_was_read_is_here_without_an_export_and_what_was_marked_unread_again(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """Where somebody is; where nobody was yet; and of what is posted after that, by the sets as they are told now."""
    store, other = make_store("m"), make_store("n")

    def story() -> Story:
        refuse_exports(server)
        assert marks(store) == {"alpha:2": ["one", "two"]}
        server.visit(1, 2, "1,3")
        server.visit(2, 2, "4:5")
        server.now += 10
        yield
        yield
        assert marks(store) == {"alpha:2": ["one", "three"]}
        server.post(2, "talk")
        yield
        assert marks(store, "alpha:2") == {"alpha:2": ["talk"]}

    follower = ReadingFollower(store, directory, Settings(marks_s=1))
    follower.tell(story())
    assert follower.following.state.exports == 1
    server.before = lambda _command: None
    copy_server(other, directory)
    expected = state(other)
    for name in ("v_flags", "v_roomgen"):  # of a room where nobody was yet, no question tells it
        expected["visits/alpha:2"]["alpha:2"].pop(name)
    assert state(store) == expected


def test_who_marked_all_unread_again_has_seen_nothing_however_that_is_told(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store, other = make_store("m"), make_store("n")

    def story() -> Story:
        server.visit(1, 2, "0")
        yield
        yield

    ReadingFollower(store, directory, Settings(marks_s=1)).tell(story())
    copy_server(other, directory)
    assert marks(store) == {}
    assert state(store)["visits/alpha:1"]["alpha:2"] == state(other)["visits/alpha:1"]["alpha:2"]


def test_who_logged_in_while_nobody_followed_is_asked_for_and_nobody_else(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    server.somebody = False
    server.user(3, "Bob", CREATED + 200_000)
    server.now = CREATED + 300_000
    ReadingFollower(store, directory, Settings(marks_s=1)).tell(iter([None]))
    server.users[2]["u_lastcall"] = str(CREATED + 100_000)
    server.visit(1, 2, "1:3")
    server.asked.clear()
    follower = ReadingFollower(store, directory, Settings(marks_s=1))
    follower.tell(iter([None, None, None]))
    assert marks(store) == {"alpha:2": ["one", "three", "two"]}
    asked = [command for command in server.asked if command.startswith(b"USER") and b"SYS_" not in command]
    assert asked == [b"USER Ann", b"USER Bob"] and follower.following.state.marks > 0
    assert server.asked.count(b"USER SYS_Citadel") == 2, "after each turn the session is nobody's again"


def test_what_an_export_just_told_is_not_asked_for_again(make_store: Make, server: LiveServer, directory: Path) -> None:
    server.somebody = False
    ReadingFollower(make_store("m"), directory, Settings(marks_s=1)).tell(iter([None, None, None]))
    assert not [command for command in server.asked if command.startswith(b"USER")]


def test_who_logs_in_again_within_the_second_of_a_look_is_asked_for_again(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    server.somebody = False

    def story() -> Story:
        server.users[2]["u_lastcall"] = str(server.now)
        yield
        yield
        server.visit(1, 2, "1:3")
        yield
        yield
        assert marks(store) == {"alpha:2": ["one", "three", "two"]}

    ReadingFollower(store, directory, Settings(marks_s=1, idle_look_s=1)).tell(story())


@pytest.mark.parametrize("why", ["never", "host"])
def test_nobody_is_asked_for_where_that_is_not_wanted_or_would_make_a_user(
    make_store: Make, server: LiveServer, directory: Path, why: str
) -> None:
    if why == "host":
        server.settings["c_auth_mode"] = "1"
    follower = ReadingFollower(make_store("m"), directory, Settings(marks_s=0.0 if why == "never" else 1.0))
    follower.tell(iter([None, None, None]))
    assert not [command for command in server.asked if command.startswith(b"USER")]


def test_a_server_that_lets_no_second_session_in_is_followed_all_the_same(
    make_store: Make, server: LiveServer, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store("m")

    def full() -> CitadelClient:
        raise Refused(551, "too many users are already online (maximum is 2)")

    def story() -> Story:
        yield
        following = follower.following
        following._marks._client = None
        monkeypatch.setattr(following._marks, "_connect", full)
        server.visit(1, 2, "1:3")
        server.post(1, "four")
        yield
        assert texts(store) == ["four", "one", "three", "two"] and marks(store) == {"alpha:2": ["one", "two"]}
        monkeypatch.undo()
        yield
        yield
        assert marks(store) == {"alpha:2": ["one", "three", "two"]}

    follower = ReadingFollower(store, directory, Settings(marks_s=1))
    follower.tell(story())


def test_who_was_renamed_since_users_were_listed_is_asked_for_again(
    make_store: Make, server: LiveServer, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store("m")

    def story() -> Story:
        yield
        yield
        server.somebody = False
        listed = server._list("", Session())
        monkeypatch.setattr(server, "_list", lambda *_: listed)
        server.users[2]["u_fullname"] = "Anna"
        server.visit(1, 2, "1:3")
        yield
        assert marks(store) == {"alpha:2": ["one", "two"]}
        monkeypatch.undo()
        yield
        yield
        assert marks(store) == {"alpha:2": ["one", "three", "two"]}

    ReadingFollower(store, directory, Settings(marks_s=1, idle_look_s=1)).tell(story())


def test_marks_of_a_name_that_is_another_user_by_now_are_not_taken_over(
    make_store: Make, server: LiveServer, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store("m")

    def story() -> Story:
        yield
        asked = server.asked.count(b"USER Ann")
        listed = server._list("", Session())
        monkeypatch.setattr(server, "_list", lambda *_: listed)
        del server.users[2]
        server.user(3, "Ann")
        server.visit(1, 3, "1:3")
        yield
        assert server.asked.count(b"USER Ann") > asked
        assert marks(store) == {"alpha:2": ["one", "two"]}

    ReadingFollower(store, directory, Settings(marks_s=1, idle_look_s=1e6, users_s=1e6)).tell(story())


def test_very_many_deletions_wait_until_they_are_approved_or_refused(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    for text in range(20):
        server.post(2, f"talk {text}")
    for verdict, left in (("approve", 0), ("refuse", 20)):
        store = make_store("m")
        follower = ReadingFollower(store, directory)
        following = follower.following

        def story(store=store, following=following, verdict=verdict, left=left) -> Story:
            listed, server.lists[2] = server.lists[2], []
            server.touch(2)
            yield
            assert following.state.held == [HeldBack(TALK, 20, 20)] and following.state.phase == "held"
            assert len(texts(store, TALK)) == 20
            getattr(following, verdict)()
            yield
            assert following.state.held == [] and following.state.phase == "following"
            assert len(texts(store, TALK)) == left
            server.lists[2] = listed
            server.touch(2)
            yield

        follower.tell(story())
        assert len(texts(store, TALK)) == 20


@pytest.mark.parametrize("policy", [{"QRexpire_mode": "2", "QRexpire_value": "5"}, {"QRfloor": "1"}])
@pytest.mark.parametrize("away", [False, True], ids=["by the room's list", "by the export"])
def test_what_the_server_throws_away_by_itself_is_followed_or_kept_and_never_held_back(
    make_store: Make, server: LiveServer, directory: Path, away: bool, policy: dict[str, str]
) -> None:
    """All but the newest five, by the room's policy or its floor's; what somebody deleted besides is deleted."""
    server.rooms[2].update(policy)
    server.floor(1, "Upstairs", f_ep_expire_mode="2", f_ep_expire_value="5")
    for text in range(30):
        server.post(2, f"talk {text}")
    full = backup(server)
    for expiry, left in (("follow", 4), ("keep", 29)):
        restore(server, full)
        store = make_store("m")
        follower = ReadingFollower(store, directory, Settings(expiry=expiry))

        def purge() -> None:
            server.lists[2] = server.lists[2][-5:]
            server.delete(2, server.lists[2][-1])
            server.post(2, "new")

        def story(away=away, purge=purge) -> Story:
            if not away:
                refuse_exports(server)
                purge()
                yield
            yield

        follower.let_exports_take(server, 10)
        follower.tell(story())
        server.before = lambda _command: None
        if away:
            purge()
            follower = ReadingFollower(store, directory, Settings(expiry=expiry))
            follower.tell(iter([None]))
        assert follower.following.state.held == []
        assert len(texts(store, TALK)) == left + 1
        assert "talk 29" not in texts(store, TALK) and "new" in texts(store, TALK)


def test_what_is_gone_since_it_was_decided_waits_for_itself(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    for text in range(20):
        server.post(1, f"lobby {text}")
        server.post(2, f"talk {text}")
    store = make_store("m")
    follower = ReadingFollower(store, directory)
    following = follower.following

    def story() -> Story:
        server.lists[2] = server.lists[2][:2]
        server.touch(2)
        yield
        assert following.state.held == [HeldBack(TALK, 18, 20)]
        assert len(following.state.waiting) == 18 and all("in room Talk" in line for line in following.state.waiting)
        following.approve()
        server.lists[1] = []
        server.touch(1)
        yield
        assert len(texts(store, TALK)) == 2
        assert following.state.held == [HeldBack(LOBBY, 23, 23)]
        assert len(texts(store)) == 23

    follower.tell(story())


@pytest.mark.parametrize("hour", ["3", "4"])
def test_what_a_purge_took_that_is_in_use_elsewhere_stays(
    make_store: Make, configured: LiveServer, directory: Path, hour: str
) -> None:
    """A user who called elsewhere, with mailbox and bio; a room that was written in elsewhere; in that hour alone."""
    server, store = configured, make_store("m")
    server.now = server.now // 86_400 * 86_400 + 3 * 3600 + 60
    server.settings.update(c_purge_hour=hour, c_userpurge="60", c_roompurge="60")
    server.room(5, "0000000002.Mail", QRflags="16390")
    server.post(5, "mail")
    server.users[2]["u_msgnum_bio"] = str(server.keep(ANNS, "I am Ann", "Profile submitted with EBIO command"))
    server.user(3, "Bob")

    def story() -> Story:
        yield
        user = store.read(lambda reader: reader.get("users", "alpha:2"))
        called = fields_at({"u_lastcall": str(server.now - 86_400)}, user.stamp + 1, "citadel:beta")
        store.write(lambda writer: writer.adopt(msgspec.structs.replace(user, head=called)))
        post = Draft(TALK, "id:elsewhere", head=pack_head({}), body=server.messages[server.lists[1][0]])
        store.write(lambda writer: writer.write(post))
        for room in (2, 5, ANNS):
            del server.rooms[room]
        for number in (2, 3):
            del server.users[number]
        server.now += 60
        yield
        yield
        in_time = hour == "3"
        assert state(store)["rooms"].keys() & {"alpha:2", "alpha:5"} == ({"alpha:2", "alpha:5"} if in_time else set())
        assert state(store)["users"].keys() & {"alpha:2", "alpha:3"} == ({"alpha:2"} if in_time else set())
        assert ("alpha:2" in state(store).get("bios", {})) == in_time
        assert texts(store, "messages/alpha:5") == (["mail"] if in_time else [])
        yield

    follower = ReadingFollower(store, directory)
    follower.tell(story())
    assert not follower.following.state.held


def test_only_rooms_of_the_patterns_are_followed_and_others_stay_as_they_were(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store, other = make_store("m"), make_store("n")
    server.post(2, "talk")
    only = Settings(rooms=("l*",))
    ReadingFollower(store, directory, only).tell(iter([None]))
    assert (texts(store), texts(store, TALK)) == (["one", "three", "two"], [])
    assert store.read(lambda reader: reader.get("rooms", "alpha:2")) is None
    copy_server(other, directory)
    follower = ReadingFollower(other, directory, only)

    def story() -> Story:
        server.delete(2, server.lists[2][0])
        server.post(2, "another")
        server.rooms[2]["QRname"] = "Foyer"
        server.post(1, "four")
        yield

    follower.tell(story())
    assert (texts(other), texts(other, TALK)) == (["four", "one", "three", "two"], ["talk"])


def test_a_connection_that_is_lost_at_any_command_loses_nothing(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    """Cut after few commands, after more, and so on, until a story of changes ends before the cut."""
    store, other = make_store("m"), make_store("n")

    def changes() -> Story:
        yield
        server.now += 5
        server.move(1, 2, server.post(1, "moved"))
        yield
        server.delete(2, server.lists[2][0])
        server.visit(1, 2, f"1:{server.highest}")
        server.post(1, f"text {server.highest}")
        for _ in range(7):
            yield

    for cut in (number * (number + 13) // 4 for number in range(100)):
        left = cut

        def fail(_command: bytes) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise HungUp

        server.before = fail
        follower = ReadingFollower(store, directory, Settings(export_s=2))
        try:
            follower.tell(changes())
            break
        except ConnectionLost:
            continue
    else:
        pytest.fail("the story never came to its end")
    assert cut > 30
    server.before = lambda _command: None
    copy_server(other, directory)
    assert state(store) == state(other)


def test_a_dry_run_tells_what_would_be_written_and_writes_nothing(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    before = (feed_end(store), store.read(lambda reader: reader.is_empty()))
    told, _ = dry_run(store, directory)
    assert (feed_end(store), store.read(lambda reader: reader.is_empty())) == before
    assert told.report.applied.written == copy_server(store, directory).report.applied.written
    server.post(1, "four")
    assert dry_run(store, directory)[0].report.applied.written == 1
    assert texts(store) == ["one", "three", "two"]
