"""A user's own rooms are made, renamed and deleted by their owner alone, and messages moved as one act."""

from collections.abc import Callable, Iterator

import pytest
import users_rooms
from sessions import logged_in, sessions_on
from users_rooms import BOARD, CALENDAR, HIDDEN, MAIL, OTHERS, TASKS, USER

from mirror.formats.names import ROOM_IN_USE, ROOM_MAILBOX
from mirror.model.draft import Draft, Written
from mirror.model.drafting import draft_over
from mirror.model.fields import values_of
from mirror.model.record import Record
from mirror.model.texts import MAX_COMPARED
from mirror.peer.remote import ChannelRemote
from mirror.server import folders
from mirror.server.node import Node
from mirror.service.rights import VISIT_GRANTED
from mirror.store.base import Writer
from mirror.store.sqlite.reader import SqliteReader
from mirror.wire.answers import parse_listed_room, parse_room_list
from mirror.wire.bulk import parse_written
from mirror.wire.codec import typed_batch
from mirror.wire.errors import Refused
from mirror.wire.values import ListedRoom

MESSAGE = b"\xffA\0I1@a\0AAnn\0Mhello\0"
EVENT = b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:e1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
ITEM = b"\xffA\x04Ee1\0MContent-Type: text/calendar\r\n\r\n" + EVENT + b"\0"


@pytest.fixture
def log_in(node: Node) -> Iterator[Callable[..., ChannelRemote]]:
    with sessions_on(node) as start:
        yield lambda name="ann": logged_in(start(), name)


@pytest.fixture
def ann(log_in: Callable[..., ChannelRemote]) -> ChannelRemote:
    return log_in()


def own_rooms(remote: ChannelRemote) -> dict[str, ListedRoom]:
    reply = remote.channel.ask("SYNC mailboxes|rooms", 1)
    return {room.name: room for room in parse_room_list(reply.text, remote.channel.read_listing())[3]}


def make(remote: ChannelRemote, name: str, view: int = 1) -> ListedRoom:
    return parse_listed_room(remote.channel.ask(f"SYNC mailboxes|create|{view}|{name}").text)


def put(node: Node, room: str, key: str, body: bytes = MESSAGE) -> Record:
    return node.store.write(
        lambda writer: writer.put(writer.store_body(Record(f"messages/{room}", key, 1, "x", 1), body))
    )


def held(node: Node, collection: str, key: str) -> Record | None:
    return node.store.read(lambda reader: reader.get(collection, key))


def alive(node: Node, room: str) -> list[str]:
    return [record.key for record in node.store.read(lambda reader: list(reader.scan_all(f"messages/{room}")))]


def move(remote: ChannelRemote, source: str, target: str, *keys: str) -> list[Written]:
    remote.channel.ask(f"SYNC mailboxes|move|{source}|{target}", 8)
    remote.channel.send_batches([typed_batch("keys", list(keys))])
    remote.channel.read_reply()
    return [one for batch in remote.channel.read_batches() for one in parse_written(batch)]


def refused(code: int, ask: Callable[[], object]) -> None:
    with pytest.raises(Refused) as error:
        ask()
    assert error.value.code == code, error.value


# -- rooms --------------------------------------------------------------------------------------------


def test_a_room_is_made_renamed_and_deleted_by_its_owner(ann: ChannelRemote, node: Node) -> None:
    made = make(ann, "Archive/2024")
    assert made == ListedRoom(made.key, "Archive/2024", 1, True, True, True, False)
    values = values_of(held(node, "rooms", made.key))
    assert (values["QRname"], values["QRflags"]) == ("0000000002.Archive/2024", ROOM_IN_USE | ROOM_MAILBOX | 4)
    assert own_rooms(ann)["Archive/2024"] == made
    renamed = parse_listed_room(ann.channel.ask(f"SYNC mailboxes|rename|{made.key}|Old").text)
    assert renamed == made._replace(name="Old")
    put(node, made.key, "id:1")
    assert ann.channel.ask(f"SYNC mailboxes|delete|{made.key}").text == made.key
    assert set(own_rooms(ann)) == {"Mail", "Tasks"}
    assert alive(node, made.key) == []


def test_a_room_that_was_made_is_the_users_like_any_other(ann: ChannelRemote, node: Node) -> None:
    made = make(ann, "Events", 3)
    put(node, made.key, "id:1")
    assert [record.key for page in ann.getall("calendars") for record in page.records] == ["id:1"]


@pytest.mark.parametrize("name", ["", " ", " a", "a ", "a|b", "x" * 117, "é" * 59])
def test_what_is_no_name_is_refused(ann: ChannelRemote, name: str) -> None:
    for command in (f"create|1|{name}", f"rename|{TASKS}|{name}"):
        if name.strip() != name and name.strip():
            continue  # blanks around a parameter are none of it
        refused(512, lambda: ann.channel.ask(f"SYNC mailboxes|{command}"))  # noqa: B023


def test_a_name_is_given_once_whatever_its_case(ann: ChannelRemote) -> None:
    make(ann, "Élan")
    refused(574, lambda: make(ann, "e\u0301LAN"))
    refused(574, lambda: ann.channel.ask(f"SYNC mailboxes|rename|{TASKS}|élan"))
    ann.channel.ask(f"SYNC mailboxes|rename|{TASKS}|TASKS")
    assert "TASKS" in own_rooms(ann)
    make(ann, "Lobby")  # that of a room of others is free


def test_two_who_make_the_same_room_at_once_make_one(
    log_in: Callable[..., ChannelRemote], node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = log_in(), log_in()
    inner, first = folders._owner, True

    def late(session: object) -> object:
        nonlocal first
        owner = inner(session)  # type: ignore[arg-type]
        if first:
            first = False
            make(two, "New")
        return owner

    monkeypatch.setattr(folders, "_owner", late)
    refused(574, lambda: make(one, "New"))


def test_while_rooms_change_all_the_time_it_is_to_be_tried_again(
    ann: ChannelRemote, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = folders._owner

    def late(session: object) -> object:
        owner = inner(session)  # type: ignore[arg-type]
        node.store.write(lambda writer: writer.set_fields("rooms", BOARD, {"QRmtime": owner.sequence}))
        return owner

    monkeypatch.setattr(folders, "_owner", late)
    refused(552, lambda: make(ann, "New"))


@pytest.mark.parametrize("command", ["rename|{}|Other", "delete|{}"])
def test_what_is_not_ones_own_stays(
    ann: ChannelRemote, log_in: Callable[..., ChannelRemote], node: Node, command: str
) -> None:
    for level in (4, 6):
        node.store.write(lambda writer: writer.set_fields("users", USER, {"u_axlevel": level}))  # noqa: B023
        for room, code in ((MAIL, 550), (BOARD, 571), (HIDDEN, 571), (OTHERS, 571), ("m:99", 571)):
            refused(code, lambda: ann.channel.ask(f"SYNC mailboxes|{command.format(room)}"))  # noqa: B023
    assert own_rooms(log_in("bob"))["Mail"].key == OTHERS


def test_rooms_are_changed_within_the_view_of_own_ones(ann: ChannelRemote) -> None:
    for command in ("create|1|New", f"rename|{TASKS}|Other", f"delete|{TASKS}", f"move|{MAIL}|{TASKS}"):
        refused(512, lambda: ann.channel.ask(f"SYNC all|{command}", 8))  # noqa: B023
        refused(512, lambda: ann.channel.ask(f"SYNC calendars|{command}", 8))  # noqa: B023


def test_a_room_is_deleted_only_as_it_is_known(ann: ChannelRemote, node: Node) -> None:
    put(node, TASKS, "id:1")
    digest = node.store.read(lambda reader: reader.digest(f"messages/{TASKS}"))
    put(node, TASKS, "id:2")
    refused(575, lambda: ann.channel.ask(f"SYNC mailboxes|delete|{TASKS}|{digest.count}|{digest.total:x}"))
    assert alive(node, TASKS) == ["id:1", "id:2"]
    digest = node.store.read(lambda reader: reader.digest(f"messages/{TASKS}"))
    ann.channel.ask(f"SYNC mailboxes|delete|{TASKS}|{digest.count}|{digest.total:x}")
    assert alive(node, TASKS) == []


def test_a_mailbox_has_so_many_rooms(ann: ChannelRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirror.service.folders.MAX_FOLDERS", 3)
    make(ann, "Third")
    refused(551, lambda: make(ann, "Fourth"))


# -- moving -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [5, 40_000])
def test_a_message_is_moved_with_its_marks_and_nothing_of_it_is_sent(ann: ChannelRemote, node: Node, size: int) -> None:
    body = MESSAGE.replace(b"hello", b"x" * size)
    old = put(node, MAIL, "id:1@a", body)
    marks = {"seen": True, "flagged": False, "keyword later": True}
    node.store.write(lambda writer: writer.set_fields(f"visits/{MAIL}", f"{USER} id:1@a", {**marks}))
    (written,) = move(ann, MAIL, TASKS, "id:1@a")
    new = held(node, f"messages/{TASKS}", "id:1@a")
    assert new is not None and (new.body, new.content, new.head) == (old.body, old.content, old.head)
    assert (written.collection, written.key, written.as_sent) == (new.collection, new.key, True)
    assert (alive(node, MAIL), alive(node, TASKS)) == ([], ["id:1@a"])
    there = values_of(held(node, f"visits/{TASKS}", f"{USER} id:1@a"))
    assert there == {"seen": True, "keyword later": True}
    gone = held(node, f"visits/{MAIL}", f"{USER} id:1@a")
    assert gone is not None and gone.dead


def test_marks_go_with_a_message_to_where_it_is_filed_beside_others_of_its_id(ann: ChannelRemote, node: Node) -> None:
    put(node, TASKS, "id:1@a")
    for text in (b"two", b"three"):
        ann.draft([Draft(f"messages/{MAIL}", "id:1@a", body=MESSAGE.replace(b"hello", text))])
    keys = alive(node, MAIL)
    for room, key, mark in ((TASKS, "id:1@a", "answered"), (MAIL, keys[0], "flagged"), (MAIL, keys[1], "keyword x")):
        node.store.write(lambda writer: writer.set_fields(f"visits/{room}", f"{USER} {key}", {mark: True}))  # noqa: B023
    written = [one.key for one in move(ann, MAIL, TASKS, *keys)]
    assert sorted(["id:1@a", *written]) == alive(node, TASKS) and len(set(written)) == 2
    marks = [values_of(held(node, f"visits/{TASKS}", f"{USER} {key}")) for key in ("id:1@a", *written)]
    assert marks == [{"answered": True}, {"flagged": True}, {"keyword x": True}]
    assert all(one is not None and one.dead for key in keys for one in [held(node, f"visits/{MAIL}", f"{USER} {key}")])


def test_an_item_is_moved_with_what_two_have_edited(ann: ChannelRemote, node: Node) -> None:
    collection = f"messages/{MAIL}"
    ann.draft([Draft(collection, "euid:e1", body=ITEM)])
    first = held(node, collection, "euid:e1")
    assert first is not None
    for line in (b"SUMMARY:a", b"LOCATION:b"):
        body = ITEM.replace(b"END:VEVENT", line + b"\r\nEND:VEVENT")
        ann.draft([draft_over(first, collection, "euid:e1", body=body, held_body=first.body)])
    merged = held(node, collection, "euid:e1")
    assert merged is not None and b"SUMMARY:a" in merged.body and b"LOCATION:b" in merged.body
    (written,) = move(ann, MAIL, TASKS, "euid:e1")
    there = held(node, f"messages/{TASKS}", "euid:e1")
    assert written.as_sent and there is not None and there.body == merged.body
    assert node.store.read(lambda reader: reader.conflict_count()) == 0


def test_a_large_message_is_moved_without_being_read(
    ann: ChannelRemote, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(node, MAIL, "id:1@a", MESSAGE.replace(b"hello", b"x" * (MAX_COMPARED + 1)))
    monkeypatch.setattr(SqliteReader, "body", lambda *_: pytest.fail("it was read"))
    move(ann, MAIL, TASKS, "id:1@a")
    monkeypatch.undo()
    assert (alive(node, MAIL), alive(node, TASKS)) == ([], ["id:1@a"])


def test_a_message_is_moved_back(ann: ChannelRemote, node: Node) -> None:
    put(node, MAIL, "id:1@a")
    for source, target in ((MAIL, TASKS), (TASKS, MAIL), (MAIL, TASKS)):
        move(ann, source, target, "id:1@a")
        assert (alive(node, source), alive(node, target)) == ([], ["id:1@a"])
    assert node.store.read(lambda reader: reader.conflict_count()) == 0


def test_all_are_moved_or_none(ann: ChannelRemote, node: Node) -> None:
    for number in range(3):
        put(node, MAIL, f"id:{number}@a", MESSAGE.replace(b"1@a", b"%d@a" % number))
    refused(571, lambda: move(ann, MAIL, TASKS, "id:0@a", "id:9@a", "id:1@a"))
    assert len(alive(node, MAIL)) == 3
    assert [one.key for one in move(ann, MAIL, TASKS, "id:2@a", "id:0@a", "id:1@a")] == ["id:2@a", "id:0@a", "id:1@a"]
    assert (len(alive(node, MAIL)), len(alive(node, TASKS))) == (0, 3)
    assert move(ann, TASKS, MAIL) == []


def test_what_was_changed_while_it_was_moved_stays(
    ann: ChannelRemote, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(node, MAIL, "euid:e1", ITEM)
    inner = folders.write_drafts

    def late(*arguments: object) -> object:
        put(node, MAIL, "euid:e1", ITEM.replace(b"END:VEVENT", b"SUMMARY:new\r\nEND:VEVENT"))
        return inner(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(folders, "write_drafts", late)
    refused(575, lambda: move(ann, MAIL, TASKS, "euid:e1"))
    assert (alive(node, MAIL), alive(node, TASKS)) == (["euid:e1"], [])


def test_moving_needs_both_rights(ann: ChannelRemote, node: Node) -> None:
    own = put(node, CALENDAR, "id:1@a")
    put(node, CALENDAR, "id:2@a", MESSAGE.replace(b"1@a", b"2@a").replace(b"AAnn", b"ABob"))
    for room in (HIDDEN, OTHERS, MAIL):
        put(node, room, "id:1@a")
    assert [one.as_sent for one in move(ann, CALENDAR, MAIL, own.key)] == [True]
    refused(550, lambda: move(ann, CALENDAR, MAIL, "id:2@a"))  # who wrote it takes it out
    refused(571, lambda: move(ann, MAIL, BOARD, "id:1@a"))  # where just reading is allowed
    for hidden in (HIDDEN, OTHERS, "m:99"):
        refused(571, lambda: move(ann, hidden, MAIL, "id:1@a"))  # noqa: B023
        refused(571, lambda: move(ann, MAIL, hidden, "id:1@a"))  # noqa: B023
    assert alive(node, MAIL) == ["id:1@a"] and alive(node, CALENDAR) == ["id:2@a"]


def test_that_a_message_is_in_a_hidden_room_cannot_be_told(ann: ChannelRemote, node: Node) -> None:
    put(node, HIDDEN, "id:1@a")
    told = []
    for key in ("id:1@a", "id:nothing"):
        with pytest.raises(Refused) as error:
            move(ann, HIDDEN, MAIL, key)
        told.append(error.value.text)
    assert told[0] == told[1]


def test_so_many_are_moved_at_once(ann: ChannelRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MAX_MOVED", 2)
    refused(512, lambda: move(ann, MAIL, TASKS, "id:1", "id:2", "id:3"))
    refused(512, lambda: move(ann, MAIL, MAIL, "id:1"))


def test_a_right_that_comes_lets_a_message_be_moved_there(ann: ChannelRemote, node: Node) -> None:
    put(node, MAIL, "id:1@a")

    def grant(writer: Writer) -> None:
        writer.set_fields(f"visits/{HIDDEN}", USER, {"v_flags": VISIT_GRANTED, "v_roomgen": 1})
        users_rooms.post(writer, MAIL, "id:other")

    node.store.write(grant)
    move(ann, MAIL, HIDDEN, "id:1@a")
    assert alive(node, HIDDEN) == ["id:1@a"]
