"""A user's info is that which is worked out anew, and costs by what has changed, however many rooms there are."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sessions import logged_in, sessions_on
from users_rooms import BOARD, CALENDAR, HIDDEN, MAIL, OTHER, OTHERS, TASKS, USER, open_filled, post

from mirror.config.settings import Config
from mirror.formats.names import ROOM_IN_USE
from mirror.model.digest import Digest
from mirror.model.nodes import Horizon
from mirror.model.record import Record
from mirror.server.digest_lines import DigestLines
from mirror.server.node import Node
from mirror.service.rights import VISIT_GRANTED, VISIT_LOCKED_OUT, Rights, UserScope
from mirror.service.views import ViewRights
from mirror.store.base import Writer
from mirror.store.sqlite.reader import SqliteReader
from mirror.sync import responder as responding
from mirror.sync import told as told_digests
from mirror.sync.responder import FEW_NAMES, Responder
from mirror.sync.told import ToldDigests
from mirror.wire.answers import parse_state
from mirror.wire.values import State

ROOMS = (MAIL, TASKS, BOARD, CALENDAR, HIDDEN, OTHERS)
ROOM, ID = st.sampled_from(ROOMS), st.sampled_from(["id:1", "id:2"])
CHANGES = st.one_of(
    st.tuples(st.just("post"), ROOM, ID),
    st.tuples(st.just("delete"), ROOM, ID),
    st.tuples(st.just("mark"), ROOM, st.sampled_from([USER, OTHER, f"{USER}0"]), ID),
    st.tuples(st.just("visit"), ROOM, st.sampled_from([0, VISIT_GRANTED, VISIT_LOCKED_OUT])),
    st.tuples(st.just("file"), ROOM),
    st.tuples(st.just("view"), ROOM, st.sampled_from([0, 3])),
    st.tuples(st.just("level"), st.sampled_from([4, 6])),
    st.tuples(st.just("forget")),
)


def change(writer: Writer, made: tuple[Any, ...]) -> None:
    match made:
        case "post", room, key:
            post(writer, room, key)
        case "delete", room, key:
            writer.delete(f"messages/{room}", key)
        case "mark", room, user, key:
            writer.set_fields(f"visits/{room}", f"{user} {key}", {"seen": True})
        case "visit", room, flags:
            writer.set_fields(f"visits/{room}", USER, {"v_flags": flags, "v_roomgen": 1})
        case "file", room:
            writer.put(Record(f"files/{room}", "f", 1, "x", 1, body=b"f"))
        case "view", room, view:
            writer.set_fields("rooms", room, {"QRdefaultview": view})
        case "level", level:
            writer.set_fields("users", USER, {"u_axlevel": level})
        case ("forget",):
            writer.advance_horizon(Horizon(writer.clock.tick(), ("m",)))


@settings(max_examples=40, deadline=None)
@given(groups=st.lists(st.lists(CHANGES, max_size=3), max_size=8), few=st.sampled_from([0, FEW_NAMES]))
def test_what_is_told_is_what_is_worked_out_anew(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[tuple[Any, ...]]], few: int
) -> None:
    store = open_filled(tmp_path_factory.mktemp("info"))
    node = Node(Config(Path(), "m"), {}, store)
    often = {view: responder(node, view, node.told) for view in ("", "calendars", "mailboxes")}
    seldom = responder(node, "", node.told)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(responding, "FEW_NAMES", few)
        for number, group in enumerate(groups):
            for made in group:
                store.write(lambda writer: change(writer, made))  # noqa: B023
            for view, one in often.items():
                assert told(one.info()) == told(responder(node, view, None).info())
            if number % 3 == 2:
                assert told(seldom.info()) == told(responder(node, "", None).info())
    store.close()


def responder(node: Node, view: str, kept: ToldDigests | None) -> Responder:
    rights = Rights(USER, node.directory.rooms)
    changing = ViewRights(rights, view) if view else rights
    return Responder(node.store, UserScope(USER, {}), changing=changing, party="user ann", told=kept, view=view)


def told(state: State) -> tuple[Digest, list[tuple[str, Digest]]]:
    return state.digest, list((state.collections or {}).items())


def test_of_many_rooms_those_that_changed_are_looked_at(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(writer: Writer) -> None:
        for number in range(100, 400):
            writer.set_fields("rooms", f"m:{number}", {"QRname": f"Room {number}", "QRflags": ROOM_IN_USE})
            post(writer, f"m:{number}", "id:1")
            writer.set_fields(f"visits/m:{number}", f"{USER} id:1", {"seen": True})

    node.store.write(fill)
    looks = []
    for name in ("digest", "entries_by_key", "blocks"):
        inner = getattr(SqliteReader, name)
        monkeypatch.setattr(SqliteReader, name, lambda *given, inner=inner: (looks.append(given[1]), inner(*given))[1])
    with sessions_on(node) as start:
        asked = [logged_in(start(), "ann") for _ in range(2)]
        lines = [info(asked[0].channel)]
        looks.clear()
        lines.append(info(asked[1].channel))
        assert lines[0] == lines[1] and len(lines[0]) == 600
        assert info(asked[1].channel) == lines[1]
        node.store.write(lambda writer: post(writer, "m:100", "id:2"))
        now = info(asked[1].channel)
        assert len(set(now) - set(lines[1])) == 1
        assert info(asked[0].channel) == now  # another session of the same user finds what that one has looked up
    assert len([name for name in looks if name.startswith(("messages/", "visits/"))]) < 10


def test_the_store_is_looked_through_once_for_all_users(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    digests = SqliteReader.digests
    monkeypatch.setattr(SqliteReader, "digests", lambda *given: (looks.append("all"), digests(*given))[1])
    node.store.write(lambda writer: post(writer, BOARD, "id:1"))
    with sessions_on(node) as start:
        ann, bob = (logged_in(start(), name) for name in ("ann", "bob"))
        for count, one in enumerate((ann, bob), 1):
            assert any(line.startswith(f"messages/{BOARD}|{count}|") for line in info(one.channel))
            node.store.write(lambda writer: post(writer, BOARD, f"id:{count + 1}"))  # noqa: B023
        now = [line for line in info(ann.channel) if BOARD in line]
        assert now == [line for line in info(bob.channel) if BOARD in line]
    assert looks == ["all"]


@pytest.mark.parametrize("level", [4, 6])
def test_what_one_user_was_told_is_told_to_another_where_it_is_the_same(node: Node, level: int) -> None:
    """Rooms of their own and an administrator's among them, and after a room got another name."""
    changes = (
        lambda writer: writer.set_fields("users", OTHER, {"u_axlevel": level}),
        lambda writer: [post(writer, room, "id:1") for room in ROOMS],
        lambda writer: writer.set_fields("rooms", BOARD, {"QRname": "Another name"}),
    )
    rights = {user: Rights(user, node.directory.rooms) for user in (USER, OTHER)}
    kept, lines = ToldDigests(), DigestLines()
    for made in changes:
        node.store.write(made)
        for user, changing in rights.items():
            one = Responder(node.store, UserScope(user, {}), changing=changing, party=user, told=kept)
            digests = one.info().collections or {}
            assert isinstance(one.scope, UserScope)
            assert lines.of((user, ""), one.scope, digests) == DigestLines().of((user, ""), one.scope, digests)


def test_a_line_that_another_user_was_told_is_not_made_again(node: Node) -> None:
    node.store.write(lambda writer: post(writer, BOARD, "id:1"))
    kept, lines = ToldDigests(), DigestLines()
    for user in (USER, OTHER):
        rights = Rights(user, node.directory.rooms)
        one = Responder(node.store, UserScope(user, {}), changing=rights, party=user, told=kept)
        digests = one.info().collections or {}
        assert isinstance(one.scope, UserScope)
        lines.of((user, ""), one.scope, digests)
    ann, bob = (held.lines[f"messages/{BOARD}"] for held in lines._kept.values())
    assert ann is bob


def test_what_was_looked_up_as_the_node_began_is_not_read_again_for_the_first_who_asks(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.store.write(lambda writer: post(writer, BOARD, "id:1"))
    node.store.read(node.told.look_up)
    node.told.forget("somebody who asked for nothing")
    node.store.write(lambda writer: post(writer, MAIL, "id:1"))
    asked, digests = list[str](), SqliteReader.digests
    monkeypatch.setattr(SqliteReader, "digests", lambda *given: (asked.append("all"), digests(*given))[1])
    with sessions_on(node) as start:
        told = info(logged_in(start(), "ann").channel)
    assert {line.partition("|")[0] for line in told} >= {f"messages/{BOARD}", f"messages/{MAIL}"}
    assert not asked


def test_nothing_is_looked_up_ahead_of_very_many_rooms(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told_digests, "LOOKED_UP_AHEAD", 2)
    node.store.read(node.told.look_up)
    assert node.told._whole is None


def info(channel: Any) -> list[str]:
    reply = channel.ask("SYNC all|info", 1)
    lines = list(channel.read_listing())
    assert parse_state(reply.text, lines).digest.count > 0
    return lines


def test_lines_are_kept_of_so_many(node: Node) -> None:
    lines = DigestLines(limit=2)
    scope, digests = UserScope(USER, {}), {"messages/a": Digest(1, 2, 3), "messages/b": Digest(4, 5, 6)}
    told = lines.of(("ann", ""), scope, digests)
    assert told == b"messages/a|1|2|0000000000000003\nmessages/b|4|5|0000000000000006\n"
    lines.of(("bob", ""), scope, digests)
    assert list(lines._kept) == [("bob", "")]


def test_digests_are_kept_of_so_many(node: Node) -> None:
    kept = ToldDigests(limit=1)
    for view in ("calendars", "mailboxes", ""):
        for key in ("id:1", "id:2"):
            node.store.write(lambda writer: post(writer, MAIL, key))  # noqa: B023
            node.store.write(lambda writer: post(writer, TASKS, key))  # noqa: B023
            responder(node, view, kept).info()
    assert list(kept._kept) == [("user ann", "")]


def test_nothing_is_kept_of_a_user_who_is_gone(node: Node) -> None:
    node.store.write(lambda writer: post(writer, MAIL, "id:1"))
    with sessions_on(node) as start:
        one, two = (logged_in(start(), "ann") for _ in range(2))
        for selector in ("all", "mailboxes"):
            one.channel.ask(f"SYNC {selector}|info", 1)
            list(one.channel.read_listing())
        one.channel.ask("LOUT")
        assert [view for _, view in node.told._kept] == [view for _, view in node.lines._kept] == ["", "mailboxes"]
        two.channel.ask("LOUT")
        assert not node.told._kept and not node.lines._kept
