"""Who was let into a room elsewhere, or put out of it, is so on a made-up server, and nobody is told there."""

from collections.abc import Iterator

import pytest
from made_administered import AIDE, AdministeredServer
from made_follower import Follower, feed_end, write_visit
from made_writable import SERVICE, written_into

from mirror.model.fields import fields_at, values_of
from mirror.model.record import Record
from mirror.store.base import Store

VAULT, ANN, EVE = 6, 2, 3
VISITS = f"visits/alpha:{VAULT}"


@pytest.fixture
def server() -> Iterator[AdministeredServer]:
    server = AdministeredServer()
    server.user(ANN, "Ann", u_password="secret")
    server.user(EVE, "Eve", u_password="secret")
    server.room(1, "Lobby")
    server.room(VAULT, "Vault", QRflags="6")
    server.visit(VAULT, EVE, "0", v_flags="4")
    with written_into(server):
        yield server


def flags_there(server: AdministeredServer, user: int) -> str:
    return server.visits.get((VAULT, user), {}).get("v_flags", "0")


def flags_here(store: Store, user: str) -> object:
    return values_of(store.read(lambda reader: reader.get(VISITS, user))).get("v_flags")


def test_who_is_let_in_and_put_out_elsewhere_is_so_there_and_it_does_not_come_back(
    server: AdministeredServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        yield
        write_visit(store, VAULT, f"alpha:{ANN}", v_flags="4")
        write_visit(store, VAULT, f"alpha:{EVE}", v_flags="3")
        end = feed_end(store)
        yield
        assert (flags_there(server, ANN), flags_there(server, EVE)) == ("4", "3")
        assert (server.told(), follower.state.written_there) == ([], 2)
        server.now += 10
        for _ in range(3):
            yield
        assert (feed_end(store), flags_here(store, f"alpha:{ANN}"), follower.state.left_there) == (end, "4", [])
        write_visit(store, VAULT, f"alpha:{EVE}", v_flags="4")
        yield
        assert flags_there(server, EVE) == "4"

    follower.tell(story())


def test_what_is_so_already_is_not_written(server: AdministeredServer, follower: Follower) -> None:
    store = follower.store

    def story():
        yield
        asked = len(server.asked)
        write_visit(store, VAULT, f"alpha:{EVE}", v_flags="5")
        write_visit(store, VAULT, f"alpha:{ANN}", v_flags="1")
        yield
        assert not [one for one in server.asked[asked:] if one.startswith((b"INVT", b"KICK"))]

    follower.tell(story())


def test_into_a_room_that_everybody_may_enter_nobody_is_let_in(server: AdministeredServer, follower: Follower) -> None:
    store = follower.store

    def story():
        yield
        write_visit(store, 1, f"alpha:{ANN}", v_flags="4")
        yield
        assert not [one for one in server.asked if one.startswith(b"INVT")]

    follower.tell(story())


@pytest.mark.parametrize("name", ["Lobby", "Entrance"])
def test_nobody_is_put_out_of_the_first_room_and_that_is_told_once(
    server: AdministeredServer, follower: Follower, name: str
) -> None:
    store = follower.store
    server.rooms[1]["QRname"] = name
    if name != "Lobby":
        server.settings["c_baseroom"] = name.lower()

    def story():
        yield
        write_visit(store, 1, f"alpha:{ANN}", v_flags="3")
        write_visit(store, 1, f"alpha:{EVE}", v_flags="3")
        for _ in range(70):  # longer than it takes until all that was left is tried again
            yield
        assert not [one for one in server.asked if one.startswith(b"KICK")]
        told = "who may enter it: the server lets nobody into its first room or out of it"
        assert follower.state.left_there == [f"{name}: {told}"]

    follower.tell(story())


def test_a_room_whose_name_differs_from_the_firsts_in_case_beyond_ascii_is_another_one(
    server: AdministeredServer, follower: Follower
) -> None:
    store = follower.store
    server.rooms[1]["QRname"] = "Büro"
    server.settings["c_baseroom"] = "büro"
    server.rooms[VAULT]["QRname"] = "BÜRO"

    def story():
        yield
        write_visit(store, VAULT, f"alpha:{ANN}", v_flags="4")
        write_visit(store, 1, f"alpha:{EVE}", v_flags="3")
        yield
        assert flags_there(server, ANN) == "4"
        assert not [one for one in server.asked if one.startswith(b"KICK")]

    follower.tell(story())


def test_who_is_not_there_waits_and_the_service_itself_is_left_alone(
    server: AdministeredServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        yield
        write_visit(store, VAULT, "beta:7", v_flags="4")
        write_visit(store, VAULT, f"alpha:{SERVICE}", v_flags="3")
        yield
        assert (VAULT, SERVICE) not in server.visits
        assert [line.rpartition(": ")[2] for line in follower.state.left_there] == ["the user is not there"]

    follower.tell(story())


def test_of_a_room_that_is_made_there_all_who_may_enter_it_are_let_in(
    server: AdministeredServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        yield
        fields = {"QRname": "Club", "QRflags": "6", "QRnumber": "7", "QRfloor": "0", "QRdefaultview": "0"}
        store.write(lambda w: w.put(Record("rooms", "beta:60", 1, "m", 1, head=fields_at(fields, 1, "m"))))
        visit = fields_at({"v_flags": "4"}, 1, "m")
        store.write(lambda w: w.put(Record("visits/beta:60", f"alpha:{ANN}", 1, "m", 1, head=visit)))
        for _ in range(4):
            server.now += 10
            yield
        (club,) = [number for number, one in server.rooms.items() if one["QRname"] == "Club"]
        assert server.visits[club, ANN]["v_flags"] == "4" and server.lists[AIDE] == []

    follower.tell(story())
