"""A user's views and the list of rooms: what a client is told of rooms, and what it reads within a view."""

from collections.abc import Callable, Iterator

import pytest
import users_rooms
from sessions import logged_in, sessions_on
from users_rooms import BOARD, CALENDAR, HIDDEN, MAIL, OTHER, OTHERS, ROOMS, TASKS, USER

from mirror.formats.names import ROOM_IN_USE
from mirror.model.record import Record
from mirror.peer.channel import Channel
from mirror.peer.remote import ChannelRemote, decode_page
from mirror.server.node import Node
from mirror.service.party import ADMIN
from mirror.service.views import VIEWS
from mirror.store.base import Writer
from mirror.store.sqlite.reader import SqliteReader
from mirror.sync import responder
from mirror.wire.answers import parse_room_list, parse_state
from mirror.wire.batch import Batch
from mirror.wire.bulk import in_collection, named_collection, parse_answers
from mirror.wire.codec import GREATEST, LEAST, Range, typed_batch
from mirror.wire.errors import Refused
from mirror.wire.values import ListedRoom, State


@pytest.fixture
def log_in(node: Node) -> Iterator[Callable[..., ChannelRemote]]:
    with sessions_on(node) as start:
        yield lambda name="ann", selector="all": _within(logged_in(start(), name).channel, selector)


def _within(channel: Channel, selector: str) -> ChannelRemote:
    return ChannelRemote(channel, selector)


def post(node: Node, room: str, key: str) -> None:
    node.store.write(lambda writer: users_rooms.post(writer, room, key))


def mark(node: Node, room: str, user: str, message: str) -> None:
    node.store.write(lambda writer: writer.set_fields(f"visits/{room}", f"{user} {message}", {"seen": True}))


def rooms_of(remote: ChannelRemote, selector: str = "all") -> dict[str, ListedRoom]:
    reply = remote.channel.ask(f"SYNC {selector}|rooms", 1)
    _, cursor, _, rooms = parse_room_list(reply.text, remote.channel.read_listing())
    assert cursor == remote.info().cursor
    return {room.key: room for room in rooms}


def state_of(remote: ChannelRemote, selector: str) -> State:
    return parse_state(remote.channel.ask(f"SYNC {selector}|info", 1).text, remote.channel.read_listing())


def found(remote: ChannelRemote, selector: str) -> set[tuple[str, str]]:
    return {(record.collection, record.key) for page in remote.getall(selector) for record in page.records}


def asked(remote: ChannelRemote, command: str, *batches: Batch) -> list[Batch]:
    """Send batches after a command, and return those that come back."""
    remote.channel.ask(command, 8)
    remote.channel.send_batches(batches)
    remote.channel.read_reply()
    return list(remote.channel.read_batches())


# -- the list of rooms --------------------------------------------------------------------------------


def test_rooms_are_listed_with_nothing_in_them_and_with_what_may_be_done(log_in: Callable[..., ChannelRemote]) -> None:
    remote = log_in()
    assert rooms_of(remote) == {
        MAIL: ListedRoom(MAIL, "Mail", 1, True, True, True, False),
        TASKS: ListedRoom(TASKS, "Tasks", 4, True, True, True, False),
        BOARD: ListedRoom(BOARD, "Lobby", 0, False, False, False, False),
        CALENDAR: ListedRoom(CALENDAR, "Holidays", 3, False, True, True, False),
    }
    assert set(rooms_of(remote, "mailboxes")) == {MAIL, TASKS}
    assert set(rooms_of(remote, "calendars")) == {CALENDAR}
    assert set(rooms_of(remote, "contacts")) == set()


def test_a_room_is_in_the_view_of_what_it_is_for(node: Node, log_in: Callable[..., ChannelRemote]) -> None:
    remote = log_in()
    for number, view in enumerate((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)):
        values = {"QRname": f"Room {view}", "QRflags": ROOM_IN_USE, "QRdefaultview": view}
        node.store.write(lambda writer: writer.set_fields("rooms", f"m:{100 + number}", {**values}))  # noqa: B023
    shown = {name: {room.view for room in rooms_of(remote, name).values() if not room.own} for name in VIEWS}
    assert shown == {"mailboxes": set(), "calendars": {3, 7}, "contacts": {2}, "tasks": {4}, "notes": {5, 8}}


def test_a_list_that_is_still_the_same_is_not_told_again(node: Node, log_in: Callable[..., ChannelRemote]) -> None:
    remote = log_in()
    token = remote.channel.ask("SYNC all|rooms", 1).text.partition("|")[0]
    list(remote.channel.read_listing())
    post(node, MAIL, "id:1")
    assert remote.channel.ask(f"SYNC all|rooms|{token}", 2).text.startswith(f"{token}|")
    for change in ({"QRname": "Foyer"}, {"QRflags": ROOM_IN_USE}, {"QRdefaultview": 5}, {"QRflags": 0}):
        node.store.write(lambda writer: writer.set_fields("rooms", BOARD, {**change}))  # noqa: B023
        reply = remote.channel.ask(f"SYNC all|rooms|{token}", 1)
        list(remote.channel.read_listing())
        assert reply.text.partition("|")[0] != token
        token = reply.text.partition("|")[0]


def test_an_administrator_is_told_to_read_everything(node: Node, log_in: Callable[..., ChannelRemote]) -> None:
    node.store.write(lambda writer: writer.set_fields("users", USER, {"u_axlevel": 6}))
    channel = log_in().channel
    told = parse_room_list(channel.ask("SYNC all|rooms", 1).text, channel.read_listing())
    assert told[2]
    assert HIDDEN in {room.key for room in told[3]}
    told = parse_room_list(channel.ask("SYNC calendars|rooms", 1).text, channel.read_listing())
    assert not told[2]


def test_views_and_rooms_are_for_users(node: Node, log_in: Callable[..., ChannelRemote]) -> None:
    with sessions_on(node) as start:
        channel = start(ADMIN)
        for command in ("SYNC all|rooms", "SYNC calendars|info", "SYNC notes|rooms"):
            with pytest.raises(Refused) as refused:
                channel.ask(command, 1)
            assert refused.value.code == 542, command
    with pytest.raises(Refused, match="512"):
        log_in().channel.ask("SYNC users|rooms", 1)


# -- within a view ------------------------------------------------------------------------------------


def test_a_view_has_messages_and_the_users_own_marks(node: Node, log_in: Callable[..., ChannelRemote]) -> None:
    for room in ROOMS:
        post(node, room, "id:1")
        mark(node, room, USER, "id:1")
        mark(node, room, OTHER, "id:1")
    node.store.write(lambda writer: writer.put(Record(f"files/{MAIL}", "f", 1, "x", 1, body=b"f")))
    own = f"{USER} id:1"
    expected = {
        "mailboxes": {(f"messages/{room}", "id:1") for room in (MAIL, TASKS)}
        | {(f"visits/{room}", own) for room in (MAIL, TASKS)},
        "calendars": {(f"messages/{CALENDAR}", "id:1"), (f"visits/{CALENDAR}", own)},
        "tasks": {(f"messages/{TASKS}", "id:1"), (f"visits/{TASKS}", own)},
        "contacts": set(),
    }
    for level in (4, 6):
        node.store.write(lambda writer: writer.set_fields("users", USER, {"u_axlevel": level}))  # noqa: B023
        if level == 6:
            expected["calendars"] |= {(f"messages/{HIDDEN}", "id:1"), (f"visits/{HIDDEN}", own)}
        remote = log_in()
        for view, wanted in expected.items():
            assert found(remote, view) == wanted, (level, view)
            told = state_of(remote, view)
            assert set(told.collections or {}) == {collection for collection, _ in wanted}
            assert told.digest.count == len(wanted)


def test_a_view_follows_rooms_that_come_while_it_is_tailed(node: Node, log_in: Callable[..., ChannelRemote]) -> None:
    remote = log_in(selector="calendars")
    tail = remote.tail(remote.info().cursor)

    def make(writer: Writer) -> None:
        writer.set_fields("rooms", "m:20", {"QRname": "New", "QRflags": ROOM_IN_USE, "QRdefaultview": 3})
        writer.put(Record("messages/m:20", "id:new", 1, "x", 1, body=b"x"))

    node.store.write(make)
    assert [record.key for record in next(tail).records] == ["id:new"]


def test_the_newest_messages_of_a_view_are_those_of_all_its_rooms(
    node: Node, log_in: Callable[..., ChannelRemote]
) -> None:
    for number in range(6):
        post(node, (MAIL, TASKS, OTHERS)[number % 3], f"id:{number}")
    node.store.write(lambda writer: writer.delete(f"messages/{TASKS}", "id:4"))
    remote = log_in()
    for number, wanted in ((1, ["id:3"]), (2, ["id:1", "id:3"]), (9, ["id:0", "id:1", "id:3"])):
        pages = list(remote.newest("mailboxes", number))
        assert [record.key for page in pages for record in page.records] == wanted


def test_what_very_many_rooms_hold_is_looked_through_once_for_all_who_ask_for_the_newest(
    node: Node, log_in: Callable[..., ChannelRemote], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responder, "FEW_NAMES", 0)
    for number, room in enumerate((MAIL, TASKS, OTHERS)):
        post(node, room, f"id:{number}")
    looks: list[str] = []
    digests = SqliteReader.digests
    monkeypatch.setattr(SqliteReader, "digests", lambda *given: (looks.append("all"), digests(*given))[1])
    for user, wanted in (("ann", ["id:0", "id:1"]), ("bob", ["id:2"]), ("ann", ["id:0", "id:1"])):
        pages = list(log_in(user).newest("mailboxes", 9))
        assert [record.key for page in pages for record in page.records] == wanted
    assert looks == ["all"]


def test_a_key_is_found_in_all_rooms_of_a_view(node: Node, log_in: Callable[..., ChannelRemote]) -> None:
    for room in (MAIL, TASKS, OTHERS):
        post(node, room, "id:1")
    remote = log_in()
    remote.channel.ask("SYNC mailboxes|get|id:1", 1)
    pages = [decode_page(batch) for batch in remote.channel.read_batches()]
    assert [record.collection for page in pages for record in page.records] == [f"messages/{MAIL}", f"messages/{TASKS}"]


def test_keys_of_several_rooms_are_asked_for_in_one_request(node: Node, log_in: Callable[..., ChannelRemote]) -> None:
    for room in (MAIL, TASKS):
        post(node, room, "id:1")
        post(node, room, "id:2")
    wanted = {f"messages/{MAIL}": ["id:1"], f"messages/{TASKS}": ["id:2", "id:3"]}
    keys = [in_collection(typed_batch("keys", list(named)), collection) for collection, named in wanted.items()]
    pages = map(decode_page, asked(log_in(), "SYNC mailboxes|get", *keys))
    assert [(record.collection, record.key) for page in pages for record in page.records] == [
        (f"messages/{MAIL}", "id:1"),
        (f"messages/{TASKS}", "id:2"),
    ]


def test_several_rooms_are_compared_in_one_request(node: Node, log_in: Callable[..., ChannelRemote]) -> None:
    for room in (MAIL, TASKS):
        post(node, room, "id:1")
    remote = log_in()
    digest = (state_of(remote, "mailboxes").collections or {})[f"messages/{MAIL}"]
    same = Range(LEAST, GREATEST, digest.count, digest.total)
    other = Range(LEAST, GREATEST, 0, 0)
    answers = asked(
        remote,
        "SYNC mailboxes|ranges",
        in_collection(typed_batch("ranges", [same]), f"messages/{MAIL}"),
        in_collection(typed_batch("ranges", [other]), f"messages/{TASKS}"),
    )
    assert [named_collection(batch) for batch in answers] == [f"messages/{TASKS}"]
    (listed,) = parse_answers(answers[0])
    assert [entry.key for entry in getattr(listed, "entries", ())] == ["id:1"]


@pytest.mark.parametrize("action", ["get", "ranges"])
def test_what_is_outside_of_a_view_is_not_here(node: Node, log_in: Callable[..., ChannelRemote], action: str) -> None:
    post(node, BOARD, "id:1")
    kind, items = ("keys", ["id:1"]) if action == "get" else ("ranges", [Range(LEAST, GREATEST, 0, 0)])
    for collection, code in ((f"messages/{BOARD}", 571), (f"files/{MAIL}", 571), ("users", 571), ("", 512)):
        with pytest.raises(Refused) as refused:
            asked(log_in(), f"SYNC mailboxes|{action}", in_collection(typed_batch(kind, [*items]), collection))
        assert refused.value.code == code, collection


def test_of_a_room_of_others_the_users_marks_are_found_by_their_keys(
    node: Node, log_in: Callable[..., ChannelRemote], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many marks others have there, none of them is read."""
    own = [f"{USER} id:{number}" for number in range(1, 4)]
    for key in (*own, f"{OTHER} id:1", f"{USER}0 id:1", f"{USER}!"):
        node.store.write(lambda writer: writer.set_fields(f"visits/{BOARD}", key, {"seen": True}))  # noqa: B023
    looked: list[str] = []
    for name in ("scan", "entries", "blocks"):
        inner = getattr(SqliteReader, name)
        monkeypatch.setattr(SqliteReader, name, lambda *given, inner=inner: (looked.append(given[1]), inner(*given))[1])
    remote = log_in(selector=f"visits/{BOARD}")
    assert found(remote, f"visits/{BOARD}") == {(f"visits/{BOARD}", key) for key in own}
    assert state_of(remote, f"visits/{BOARD}").digest.count == 3
    (listed,) = remote.ranges(f"visits/{BOARD}", [Range(LEAST, GREATEST, 0, 0)])
    assert sorted(entry.key for entry in getattr(listed, "entries", ())) == own
    assert f"visits/{BOARD}" not in looked
