"""What a client that reads the feed hears of rooms: before the page that was read with other rights, and in time."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sessions import logged_in, sessions_on
from users_rooms import BOARD, CALENDAR, HIDDEN, MAIL, TASKS, USER, post

from mirror.config.settings import Config, ReplicationSettings
from mirror.formats.names import ROOM_IN_USE
from mirror.model.fields import Value
from mirror.peer.remote import ChannelRemote
from mirror.server.node import Node
from mirror.service.party import ADMIN
from mirror.service.rights import VISIT_GRANTED, VISIT_LOCKED_OUT
from mirror.store.base import Writer
from mirror.wire import bulk
from mirror.wire.answers import parse_room_list
from mirror.wire.batch import MAX_BATCH
from mirror.wire.bulk import is_rooms, parse_rooms
from mirror.wire.codec import Cursor
from mirror.wire.errors import Refused
from mirror.wire.values import ListedRoom, Page, RoomEvent, RoomsTold

NOTHING = 0
"""The token of who holds no list."""


@pytest.fixture
def log_in(node: Node) -> Iterator[Callable[..., ChannelRemote]]:
    with sessions_on(node) as start:
        yield lambda selector="all": ChannelRemote(logged_in(start(), "ann").channel, selector)


def listed(remote: ChannelRemote, selector: str = "all") -> tuple[int, Cursor, list[ListedRoom]]:
    reply = remote.channel.ask(f"SYNC {selector}|rooms", 1)
    token, cursor, _, rooms = parse_room_list(reply.text, remote.channel.read_listing())
    return token, cursor, rooms


def tailed(remote: ChannelRemote, selector: str = "all") -> Iterator[Page | RoomsTold]:
    token, cursor, _ = listed(remote, selector)
    news = remote.news(cursor, token, tail=True)
    assert seen(next(news)) == []  # now it is under way
    return news


def seen(item: Page | RoomsTold) -> list[tuple[str, str]]:
    """Return what a batch tells, in pairs of words."""
    if isinstance(item, RoomsTold):
        return [(event.what, event.key) for event in item.events]
    return [(record.collection.partition("/")[0], record.key) for record in item.records]


def edit(node: Node, collection: str, key: str, **values: Value) -> None:
    node.store.write(lambda writer: writer.set_fields(collection, key, values))


def test_who_holds_no_list_gets_all_of_it_before_the_first_page(log_in: Callable[..., ChannelRemote]) -> None:
    remote = log_in()
    token, cursor, rooms = listed(remote)
    told, page = remote.news(cursor, NOTHING)
    assert isinstance(told, RoomsTold)
    assert (told.whole, told.token, told.everything) == (True, token, False)
    assert [event.room for event in told.events] == rooms
    assert {event.what for event in told.events} == {"opened"}
    assert isinstance(page, Page) and page.cursor == cursor


def test_who_holds_the_list_hears_nothing_of_it(log_in: Callable[..., ChannelRemote]) -> None:
    remote = log_in()
    token, cursor, _ = listed(remote)
    assert [type(item) for item in remote.news(cursor, token)] == [Page]


def test_rooms_are_told_of_as_they_open_change_and_go(node: Node, log_in: Callable[..., ChannelRemote]) -> None:
    remote = log_in()
    news = tailed(remote)

    def next_told() -> list[tuple[str, str]]:
        told = next(news)
        page = next(news)
        assert isinstance(told, RoomsTold) and not told.whole
        assert isinstance(page, Page) and page.cursor is not None
        return seen(told)

    edit(node, f"visits/{HIDDEN}", USER, v_flags=VISIT_GRANTED, v_roomgen=1)
    assert next_told() == [("opened", HIDDEN)]
    edit(node, "rooms", HIDDEN, QRname="Secrets")
    assert next_told() == [("renamed", HIDDEN)]
    edit(node, "rooms", HIDDEN, QRdefaultview=4)
    assert next_told() == [("changed", HIDDEN)]
    edit(node, f"visits/{HIDDEN}", USER, v_flags=VISIT_LOCKED_OUT)
    assert next_told() == [("closed", HIDDEN)]
    node.store.write(lambda writer: writer.delete("rooms", TASKS))
    assert next_told() == [("removed", TASKS)]
    edit(node, "rooms", BOARD, QRflags=0)
    assert next_told() == [("removed", BOARD)]
    edit(node, "users", USER, u_axlevel=2)
    assert next_told() == [("changed", CALENDAR)]


def test_a_room_that_closes_is_told_of_before_the_page_that_lacks_it(
    node: Node, log_in: Callable[..., ChannelRemote]
) -> None:
    """So a cursor never passes what was hidden without the client having heard that it was."""
    news = tailed(log_in())

    def close(writer: Writer) -> None:
        post(writer, CALENDAR, "id:hidden")
        writer.set_fields(f"visits/{CALENDAR}", USER, {"v_flags": VISIT_LOCKED_OUT, "v_roomgen": 1})
        post(writer, MAIL, "id:seen")

    node.store.write(close)
    assert [seen(next(news)), seen(next(news))] == [[("closed", CALENDAR)], [("messages", "id:seen")]]


def test_a_room_that_opens_is_told_of_before_what_is_in_it(node: Node, log_in: Callable[..., ChannelRemote]) -> None:
    """What was there before is fetched on the same connection, so it is never older than what came before."""
    remote = log_in("calendars")
    node.store.write(lambda writer: post(writer, HIDDEN, "id:before"))
    news = tailed(remote, "calendars")

    def open_it(writer: Writer) -> None:
        writer.set_fields(f"visits/{HIDDEN}", USER, {"v_flags": VISIT_GRANTED, "v_roomgen": 1})
        post(writer, HIDDEN, "id:with")

    node.store.write(open_it)
    assert [seen(next(news)), seen(next(news))] == [
        [("opened", HIDDEN)],
        [("visits", USER), ("messages", "id:with")],
    ]
    remote.channel.send(f"SYNC messages/{HIDDEN}|getall\n".encode())
    assert list(news) == []
    assert remote.channel.read_reply().code == 100
    assert [batch.header["Count"] for batch in remote.channel.read_batches()] == ["2", "0"]


def test_a_list_changes_between_the_pages_of_a_long_answer(
    node: Node, log_in: Callable[..., ChannelRemote], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(writer: Writer) -> None:
        for number in range(1500):
            post(writer, MAIL, f"id:{number}")

    remote = log_in()
    token, cursor, _ = listed(remote)
    node.store.write(fill)
    inner, pages = node.store.read, 0

    def close_between(job: Callable[..., object]) -> object:
        nonlocal pages
        found = inner(job)
        if isinstance(found, tuple) and isinstance(found[0], Page):
            pages += 1
            if pages == 1:
                edit(node, f"visits/{CALENDAR}", USER, v_flags=VISIT_LOCKED_OUT, v_roomgen=1)
        return found

    monkeypatch.setattr(node.store, "read", close_between)
    told = [seen(item) if isinstance(item, RoomsTold) else len(item.records) for item in remote.news(cursor, token)]
    assert told == [1024, [("closed", CALENDAR)], 476]


def test_an_administrator_hears_of_reading_everything(node: Node, log_in: Callable[..., ChannelRemote]) -> None:
    news = tailed(log_in())
    for level, everything in ((6, True), (4, False)):
        edit(node, "users", USER, u_axlevel=level)
        told = next(news)
        assert isinstance(told, RoomsTold) and told.everything is everything
        next(news)


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_rooms_are_told_of_in_either_encoding(log_in: Callable[..., ChannelRemote], encoding: str) -> None:
    remote = log_in()
    rooms = listed(remote)[2]
    remote.channel.ask(f"SYNC encoding|{encoding}")
    remote.channel.ask("SYNC all|since|:0|0", 1)
    first, *_ = remote.channel.read_batches()
    assert is_rooms(first) and first.header["Encoding"] == encoding
    assert [event.room for event in parse_rooms(first).events] == rooms


@pytest.mark.parametrize("tail", [False, True])
def test_a_long_list_is_told_in_pages_of_which_the_last_has_the_token(
    node: Node, log_in: Callable[..., ChannelRemote], monkeypatch: pytest.MonkeyPatch, tail: bool
) -> None:
    monkeypatch.setattr(bulk, "ROOMS_A_BATCH", 2)
    remote = log_in()
    token, cursor, rooms = listed(remote)
    assert len(rooms) >= 4
    news = remote.news(cursor, NOTHING, tail)
    told = next(news)
    assert isinstance(told, RoomsTold) and (told.whole, told.token, told.more) == (True, token, False)
    assert [event.room for event in told.events] == rooms
    for item in news if not tail else ():
        assert isinstance(item, Page)


def test_who_knows_of_no_pages_has_the_same_list_in_the_end(
    log_in: Callable[..., ChannelRemote], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "ROOMS_A_BATCH", 2)
    remote = log_in()
    token, _, rooms = listed(remote)
    remote.channel.ask("SYNC all|since|:0|0", 1)
    held: dict[str, RoomEvent] = {"gone": RoomEvent("opened", "gone")}
    tokens = []
    for told in (parse_rooms(batch) for batch in remote.channel.read_batches() if is_rooms(batch)):
        held = {} if told.whole else held
        held |= {event.key: event for event in told.events}
        tokens.append(told.token)
    assert [event.room for event in held.values()] == rooms
    assert tokens == [NOTHING] * (len(tokens) - 1) + [token] and len(tokens) == -(-len(rooms) // 2)


def test_the_longest_names_of_a_page_of_rooms_have_room_in_a_batch() -> None:
    name = "\N{SMILING FACE WITH OPEN MOUTH}" * 32  # 128 bytes, as a server has room for
    rooms = [RoomEvent("opened", f"{number:0120d}", name, 1) for number in range(bulk.ROOMS_A_BATCH * 5)]
    for encoding in ("json", "msgpack"):
        sizes = [len(batch.payload) for batch in bulk.format_rooms(RoomsTold(rooms, 1, True), encoding)]
        assert len(sizes) == 5 and max(sizes) < MAX_BATCH


# -- one connection -----------------------------------------------------------------------------------


def test_the_line_that_ends_such_a_tail_is_the_next_command(node: Node, log_in: Callable[..., ChannelRemote]) -> None:
    remote = log_in()
    for number in range(3):
        news = tailed(remote)
        node.store.write(lambda writer: post(writer, MAIL, f"id:{number}"))  # noqa: B023
        while seen(next(news)) != [("messages", f"id:{number}")]:
            pass
        remote.channel.send(b"ECHO here\n")
        assert [seen(item) for item in news] == []
        assert remote.channel.read_reply().text == "here"


def test_commands_that_are_sent_at_once_are_answered_in_their_order(log_in: Callable[..., ChannelRemote]) -> None:
    remote = log_in()
    token, cursor, _ = listed(remote)
    remote.channel.send(f"SYNC all|tail|{cursor}|{token:x}\nQNOP\nECHO one\nECHO two\n".encode())
    assert remote.channel.read_reply().code == 100
    assert all(batch.header["Count"] == "0" for batch in remote.channel.read_batches())
    assert [remote.channel.read_reply().text for _ in range(2)] == ["one", "two"]


def test_a_tail_without_a_list_ends_by_any_line_as_ever(log_in: Callable[..., ChannelRemote]) -> None:
    remote = log_in()
    remote.channel.ask(f"SYNC all|tail|{remote.info().cursor}", 1)
    remote.channel.send(b"ECHO no command\nECHO here\n")
    assert not any(is_rooms(batch) for batch in remote.channel.read_batches())
    assert remote.channel.read_reply().text == "here"


def test_a_users_tail_is_kept_alive(tmp_path: Path, log_in: Callable[..., ChannelRemote], node: Node) -> None:
    node.configure(Config(tmp_path, "m", replication=ReplicationSettings(keepalive_s=1)), {})
    remote = log_in()
    _, cursor, _ = listed(remote)
    page = next(tailed(remote))
    assert isinstance(page, Page) and not page.records and page.cursor == cursor


# -- who may hear of rooms ----------------------------------------------------------------------------


def test_rooms_are_told_of_to_users_in_their_views(node: Node, log_in: Callable[..., ChannelRemote]) -> None:
    with sessions_on(node) as start:
        for action in ("since", "tail"):
            for channel, type_, code in (
                (start(ADMIN), "all", 542),
                (log_in().channel, "users", 512),
                (log_in().channel, f"messages/{MAIL}", 512),
            ):
                with pytest.raises(Refused) as refused:
                    channel.ask(f"SYNC {type_}|{action}|:0|0", 1)
                assert refused.value.code == code


def test_of_a_room_that_a_user_never_saw_nothing_is_told(node: Node, log_in: Callable[..., ChannelRemote]) -> None:
    news = tailed(log_in())
    edit(node, "rooms", HIDDEN, QRname="Other")
    node.store.write(lambda writer: writer.delete("rooms", HIDDEN))
    edit(node, "rooms", "m:99", QRname="New", QRflags=ROOM_IN_USE)
    told: list[tuple[str, str]] = []
    while ("opened", "m:99") not in told:
        told += seen(next(news))
    assert told == [("opened", "m:99")]
