"""How a room is shown to a user who chose that elsewhere is so on a made-up server, and stays what was chosen there."""

from collections.abc import Iterator

import pytest
from made_administered import AdministeredServer
from made_follower import Follower, feed_end, write_visit
from made_writable import written_into

from mirror.model.fields import values_of

LOBBY, MAIL, ANN, CALLED = 1, 3, 2, 1690000100
ANNS = "alpha:2"


@pytest.fixture
def server() -> Iterator[AdministeredServer]:
    server = AdministeredServer()
    server.user(ANN, "Ann", CALLED, u_password="secret")
    server.room(LOBBY, "Lobby")
    server.room(MAIL, "0000000002.Mail", QRflags="16390", QRdefaultview="1")
    with written_into(server):
        yield server


def view_there(server: AdministeredServer, room: int) -> str:
    return server.visits.get((room, ANN), {}).get("v_view", "")


def test_a_room_is_shown_as_it_was_chosen_elsewhere_and_that_does_not_come_back(
    server: AdministeredServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        yield
        write_visit(store, LOBBY, ANNS, v_view="1")
        write_visit(store, MAIL, ANNS, v_view="0")
        end = feed_end(store)
        yield
        assert (view_there(server, LOBBY), view_there(server, MAIL)) == ("1", "0")
        assert (server.logged_in.count("Ann"), server.users[ANN]["u_lastcall"]) == (1, str(CALLED))
        server.now += 10
        for _ in range(3):
            yield
        assert (feed_end(store), follower.state.written_there, follower.state.left_there) == (end, 2, [])

    follower.tell(story())


def test_for_what_is_shown_as_rooms_of_its_sort_are_nobody_is_logged_in(
    server: AdministeredServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        yield
        write_visit(store, LOBBY, ANNS, v_view="0")
        write_visit(store, MAIL, ANNS, v_view="1")
        yield
        assert (server.logged_in.count("Ann"), follower.state.written_there) == (0, 0)

    follower.tell(story())


def test_what_a_user_chose_there_just_before_stands(server: AdministeredServer, follower: Follower) -> None:
    store = follower.store
    server.visit(LOBBY, ANN, "0", v_view="1")

    def story():
        yield
        write_visit(store, LOBBY, ANNS, v_view="6")
        server.visits[LOBBY, ANN]["v_view"] = "3"
        yield
        assert view_there(server, LOBBY) == "3"

    follower.tell(story())


def test_of_a_user_without_a_password_nothing_is_chosen(server: AdministeredServer, follower: Follower) -> None:
    store = follower.store
    server.users[ANN]["u_password"] = ""

    def story():
        yield
        write_visit(store, LOBBY, ANNS, v_view="1")
        yield
        assert view_there(server, LOBBY) == ""
        assert follower.state.left_there == [
            "views of Ann: alpha:2: its user is not there, or has no password of its own"
        ]
        assert values_of(store.read(lambda reader: reader.get("visits/alpha:1", ANNS)))["v_view"] == "1"

    follower.tell(story())
