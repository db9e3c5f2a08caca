"""A list of rooms that follows from the one before is the list made anew, whatever was changed."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.formats.names import ROOM_IN_USE, ROOM_MAILBOX
from mirror.service.kept import Kept
from mirror.service.rights import VISIT_GRANTED, VISIT_LOCKED_OUT, Rights, UserScope
from mirror.service.rooms import ROOM_PRIVATE, Rooms
from mirror.service.views import VIEWS, RoomList, ViewRights
from mirror.store.base import Writer
from mirror.store.open import Options, open_store

USER = "a:2"
KEYS = st.sampled_from(["a:10", "a:11", "b:10", "b:11", "c (x):1"])
NAMES = st.sampled_from(["Lobby", "lobby", "Lobby (b)", "Lobby (b:10)", "Other", "0000000002.Mail", "0000000003.Mail"])
FLAGS = st.sampled_from([0, ROOM_IN_USE, ROOM_IN_USE | ROOM_PRIVATE, ROOM_IN_USE | ROOM_MAILBOX])
CHANGES = st.one_of(
    st.tuples(st.just("room"), KEYS, NAMES, FLAGS, st.sampled_from([0, 3])),
    st.tuples(st.just("room"), KEYS, NAMES, st.just(ROOM_IN_USE), st.sampled_from([0, 3])),
    st.tuples(st.just("drop"), KEYS),
    st.tuples(st.just("visit"), KEYS, st.sampled_from([0, VISIT_GRANTED, VISIT_LOCKED_OUT])),
    st.tuples(st.just("level"), st.sampled_from([1, 4, 6])),
)


def change(writer: Writer, made: tuple[Any, ...]) -> None:
    match made:
        case "room", key, name, flags, view:
            writer.set_fields("rooms", key, {"QRname": name, "QRflags": flags, "QRdefaultview": view})
        case "drop", key:
            writer.delete("rooms", key)
        case "visit", key, flags:
            writer.set_fields(f"visits/{key}", USER, {"v_flags": flags})
        case "level", level:
            writer.set_fields("users", USER, {"u_axlevel": level})


@settings(max_examples=80, deadline=None)
@given(groups=st.lists(st.lists(CHANGES, min_size=1, max_size=3), max_size=12), view=st.sampled_from(["", *VIEWS]))
def test_a_list_that_follows_is_the_one_made_anew(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[tuple[Any, ...]]], view: str
) -> None:
    store = open_store(tmp_path_factory.mktemp("views"), "a", options=Options(durable=False))
    user = {"u_fullname": "Ann", "u_usernum": 2, "u_axlevel": 4}
    store.write(lambda writer: writer.set_fields("users", USER, {**user}))
    rights = Rights(USER, Kept("rooms", Rooms))
    scopes = ViewRights(rights, view) if view else rights
    before: UserScope = store.read(scopes.at)
    listed = RoomList.of(before)
    for group in groups:
        for made in group:
            store.write(lambda writer: change(writer, made))  # noqa: B023
        scope: UserScope = store.read(scopes.at)
        held, listed, anew = listed, listed.following(before, scope), RoomList.of(scope)
        assert (listed.rooms, listed.token, listed.everything) == (anew.rooms, anew.token, anew.everything)
        events = listed.told_to(held, scope.exists).events
        assert {event.key for event in events} == {
            key for key in held.rooms.keys() | anew.rooms.keys() if held.rooms.get(key) != anew.rooms.get(key)
        }
        before = scope
    store.close()
