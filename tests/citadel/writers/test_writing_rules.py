"""Inbox rules are in force on one made-up server, and where an administrator said so."""

from collections.abc import Iterator

import pytest
from made_follower import LOBBY, MAIL, Follower, at_rest, delete, here, post, say_so, there
from made_writable import WritableServer, written_into

from mirror.citadel.failover import CannotMove, move, what_acts
from mirror.citadel.meaning.homes import Home, give_up, read_home, settle
from mirror.formats.inbox_rules import rule_lines
from mirror.formats.message import serialize_message
from mirror.model.record import Record
from mirror.store.base import Store

ANN, CALLED, ANNS = 2, 1690000100, "alpha:2"
PLACE, ELSEWHERE = "citadel:alpha", "citadel:beta"
RULE, OTHER = "rule|0|all|||||redirect||x@example.net||stop", "rule|0|all|||||vacation||away||continue"
PLAIN = "Content-type: text/plain\n\nhello\n"


@pytest.fixture
def server() -> Iterator[WritableServer]:
    server = WritableServer()
    server.user(ANN, "Ann", CALLED, u_password="secret")
    server.room(1, "Lobby")
    server.room(3, "0000000002.Mail", QRflags="16390")
    server.room(5, "0000000002.My Citadel Config", QRflags="16390")
    with written_into(server):
        yield server


def hold(store: Store, *rules: str) -> None:
    """Have Ann's rules be here as another server said them."""
    text = "".join(f"{rule}\n" for rule in rules)
    body = serialize_message([("I", b"r@beta"), ("M", f"Content-type: x/y\n\n{text}".encode())], 4)
    store.write(lambda writer: writer.put(Record("inbox-rules", ANNS, 1, "b", 1, body=body)))


def held(store: Store) -> list[str]:
    return store.read(lambda reader: rule_lines(reader.body(reader.get("inbox-rules", ANNS))))


def home(store: Store) -> Home | None:
    return store.read(lambda reader: read_home(reader, "users", ANNS))


def in_force(server: WritableServer) -> list[str]:
    return server.shown(server.users[ANN], "u_msgnum_inboxrules").split()


def have_rules(server: WritableServer, *rules: str) -> None:
    text = "Content-type: x/y\n\n" + "".join(f"{rule}\n" for rule in rules)
    home = "0000000002.My Citadel Config"
    server.show(server.users[ANN], "u_msgnum_inboxrules", home, "inbox rules configuration", text)


def test_rules_of_elsewhere_are_put_in_force_by_nothing_but_an_administrators_word(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        yield
        hold(store, RULE)
        store.write(lambda writer: settle(writer, "users", ANNS, PLACE))
        for _ in range(3):
            yield
        assert in_force(server) == []
        store.write(lambda writer: settle(writer, "users", ANNS, ELSEWHERE))
        yield
        say_so(store, PLACE, lost=False)
        yield
        assert (in_force(server), home(store).place) == ([], PLACE)
        hold(store, OTHER)
        store.write(lambda writer: give_up(writer, "users", ANNS, ELSEWHERE))
        yield
        assert (in_force(server), server.users[ANN]["u_lastcall"]) == ([RULE], str(CALLED))
        hold(store, RULE)
        yield
        yield from at_rest(server, store)
        assert (held(store), follower.state.left_there) == ([RULE], [])

    follower.tell(story())


def test_a_server_with_rules_becomes_their_home_and_gives_them_up_where_they_are_moved(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    have_rules(server, RULE)

    def story():
        yield
        yield
        assert home(store).place == PLACE
        store.write(lambda writer: settle(writer, "users", ANNS, ELSEWHERE, PLACE))
        yield
        assert (in_force(server), home(store).given_up) == ([], True)
        server.now += 10
        post(store, MAIL, "a@beta", PLAIN)
        for _ in range(3):
            yield
        assert held(store) == [RULE]
        assert [name for name, _ in there(server, 3)] == ["a@beta"]

    follower.tell(story())


def test_what_came_in_elsewhere_is_put_into_the_inbox_and_the_rules_act_on_nothing_but_what_came_in_there(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    have_rules(server, RULE)

    def story():
        yield
        yield
        server.post(3, "came in there")
        post(store, MAIL, "a@beta", PLAIN)
        for _ in range(5):
            server.now += 5
            yield
        assert len(server.lists[3]) == 1
        assert server.deal_with(ANN) == ["came in there"]
        for _ in range(5):
            server.now += 5
            yield
        assert [name for name, _ in there(server, 3)][1:] == ["a@beta"]
        assert (server.deal_with(ANN), in_force(server), server.users[ANN]["u_lastcall"]) == ([], [RULE], str(CALLED))
        post(store, MAIL, "b@beta", PLAIN)
        server.now += 5
        yield
        assert len(server.lists[3]) == 3 and server.deal_with(ANN) == []
        yield from at_rest(server, store)
        assert (held(store), follower.state.left_there) == ([RULE], [])

    follower.tell(story())


def test_what_is_moved_into_the_inbox_elsewhere_is_so_and_the_rules_do_not_act_on_it(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    have_rules(server, RULE)
    moved = server.post(1, "to be moved")

    def story():
        yield
        yield
        for _ in range(8):
            server.now += 5
            yield
        key = here(store)[0]
        body = store.read(lambda reader: reader.body(reader.get(LOBBY, key)))
        delete(store, LOBBY, key)
        store.write(lambda writer: writer.put(Record(MAIL, key, 1, "m", 1, body=body)))
        for _ in range(8):
            server.now += 5
            yield
        assert (server.lists[1], server.lists[3], server.deal_with(ANN)) == ([], [moved], [])

    follower.tell(story())


def test_other_rules_than_those_at_home_stay_and_are_told(server: WritableServer, follower: Follower) -> None:
    store = follower.store
    have_rules(server, OTHER)

    def story():
        hold(store, RULE)
        store.write(lambda writer: settle(writer, "users", ANNS, ELSEWHERE))
        yield
        yield
        assert (in_force(server), held(store)) == ([OTHER], [RULE])
        assert follower.state.left_there == ["inbox rules of Ann: alpha:2: others than at home are in force there, too"]

    follower.tell(story())


def test_rules_of_a_user_without_a_password_are_not_put_in_force(server: WritableServer, follower: Follower) -> None:
    store = follower.store
    server.users[ANN]["u_password"] = ""

    def story():
        hold(store, RULE)
        store.write(lambda writer: settle(writer, "users", ANNS, ELSEWHERE))
        yield
        say_so(store, PLACE, lost=True)
        yield
        assert in_force(server) == []
        assert follower.state.left_there == [
            "inbox rules of Ann: alpha:2: its user is not there, or has no password of its own"
        ]

    follower.tell(story())


def test_nothing_is_moved_that_is_another_than_was_told(server: WritableServer, follower: Follower) -> None:
    store = follower.store

    def story():
        hold(store, RULE)
        yield
        (told,) = store.read(lambda reader: list(what_acts(reader, PLACE)))
        assert (told.name, told.home, told.lines, told.waits) == ("Ann", "", (RULE,), False)
        wanted = {("users", ANNS): told.mark}
        with pytest.raises(CannotMove, match="no server says that it is where Ann acts"):
            store.write(lambda writer: move(writer, PLACE, wanted, lost=False))
        hold(store, OTHER)
        with pytest.raises(CannotMove, match="what acts of Ann is another than was told"):
            store.write(lambda writer: move(writer, PLACE, wanted, lost=True))
        assert home(store) is None
        yield

    follower.tell(story())
