"""Floors that were made elsewhere are made, changed and killed on a made-up server, with the rooms on them."""

import pytest
from made_administered import AdministeredServer
from made_elsewhere import CHAT, field, put, room, room_named
from made_follower import Follower, feed_end, settled

from mirror.store.base import Store


def test_floors_are_made_renamed_and_killed(store: Store, server: AdministeredServer, follower: Follower) -> None:
    server.floor(2, "Empty")

    def story():
        yield
        put(store, "floors", "beta:4", f_num="4", f_name="Attic", f_flags="1")
        put(store, "floors", "0", f_name="Ground")
        put(store, "floors", "2", f_flags="0")
        room(store, CHAT, "High", QRfloor="beta:4")
        yield from settled(follower)
        floors = {number: one["f_name"] for number, one in server.floors.items() if int(one["f_flags"]) & 1}
        assert sorted(floors.values()) == ["Attic", "Ground"]
        assert floors[int(room_named(server, "High")["QRfloor"])] == "Attic"
        end = feed_end(store)
        yield from settled(follower)
        assert feed_end(store) == end

    follower.tell(story())


def test_what_expires_on_a_floor_is_so_there_once_a_room_is_on_it(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    expires = {"f_ep_expire_mode": "3", "f_ep_expire_value": "30"}

    def told(number: int) -> dict[str, str]:
        return {name: server.floors[number][name] for name in expires}

    def story():
        yield
        put(store, "floors", "0", **expires)
        put(store, "floors", "beta:4", f_num="4", f_name="Attic", f_flags="1", **expires)
        yield
        (attic,) = [number for number, one in server.floors.items() if one["f_name"] == "Attic"]
        assert (told(0), told(attic)["f_ep_expire_mode"]) == (expires, "0")
        room(store, CHAT, "High", QRfloor="beta:4")
        for _ in range(4):
            server.now += 10
            yield
        assert told(attic) == expires
        end, written = feed_end(store), follower.state.written_there
        for _ in range(3):
            server.now += 10
            yield
        assert (feed_end(store), follower.state.written_there, follower.state.left_there) == (end, written, [])

    follower.tell(story())


def test_a_floor_made_there_is_in_use_whatever_numbers_others_have(
    store: Store, server: AdministeredServer, follower: Follower
) -> None:
    def story():
        yield
        put(store, "floors", "beta:2", f_num="2", f_name="Attic", f_flags="1")
        yield from settled(follower)
        server.floor(2, "Upstairs")
        yield from settled(follower)
        assert (field(store, "floors", "2", "f_name"), field(store, "floors", "2", "f_flags")) == ("Upstairs", "1")
        assert server.floors[2]["f_name"] == "Upstairs"

    follower.tell(story())


@pytest.mark.parametrize("floor", ["0", "3"])
def test_a_floor_is_killed_once_its_rooms_are_elsewhere(
    store: Store, server: AdministeredServer, follower: Follower, floor: str
) -> None:
    server.floor(2, "Upstairs")
    server.floor(3, "Attic")
    server.rooms[2]["QRfloor"] = "2"

    def story():
        yield
        put(store, "floors", "2", f_flags="0")
        put(store, "rooms", "alpha:2", QRfloor=floor)
        yield from settled(follower)
        assert (server.rooms[2]["QRfloor"], server.floors[2]["f_name"]) == (floor, "")
        assert field(store, "rooms", "alpha:2", "QRfloor") == floor

    follower.tell(story())
