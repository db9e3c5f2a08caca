"""Guessing is slow, from one place and at one account, and locks nobody out who was here before."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sessions import sessions_on

from mirror.config.settings import Config, Peer
from mirror.peer.channel import Channel
from mirror.peer.dial import NotAuthenticated, authenticate
from mirror.server import doors, guessing, login
from mirror.server.doors import MAX_OF_NETWORK, check_place, make_room, max_strangers
from mirror.server.guessing import FREE, MAX_WAIT_ACCOUNT_S, MAX_WAIT_ADDRESS_S, Guessing, network_of
from mirror.server.node import Node
from mirror.service.party import Party, PartyKind
from mirror.store.base import Writer
from mirror.store.green import open_green
from mirror.sync.scope import EVERYTHING
from mirror.wire.errors import Refused

SECRET = "a shared secret"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# -- how long -----------------------------------------------------------------------------------------


def test_the_wait_doubles_up_to_its_bound_and_is_over_after_an_hour_of_peace() -> None:
    clock = Clock()
    guess = Guessing(clock)
    waits = []
    for _ in range(20):
        guess.failed("192.0.2.1")
        waits.append(guess.wait_s("192.0.2.1"))
        clock.now += waits[-1]
        assert guess.wait_s("192.0.2.1") == 0
    assert waits[:FREE] == [0, 0, 0, 0, 1]
    assert waits[FREE : FREE + 3] == [2, 4, 8]
    assert waits[-1] == MAX_WAIT_ADDRESS_S
    assert guess.wait_s("192.0.2.2") == 0
    clock.now += 3601
    guess.failed("192.0.2.1")
    assert guess.wait_s("192.0.2.1") == 0


def test_an_account_is_closed_to_new_places_alone() -> None:
    clock = Clock()
    guess = Guessing(clock)
    guess.succeeded("192.0.2.1", "user ann")
    for number in range(20):
        guess.failed(f"198.51.100.{number}", "user ann")
    assert guess.wait_s("192.0.2.1", "user ann") == 0
    assert guess.wait_s("203.0.113.1", "user ann") == MAX_WAIT_ACCOUNT_S
    assert guess.wait_s("203.0.113.1", "user bob") == 0
    guess.succeeded("203.0.113.1", "user ann")
    assert guess.wait_s("203.0.113.2", "user ann") == 0


def test_this_machine_never_waits_as_a_whole() -> None:
    guess = Guessing(Clock())
    for _ in range(20):
        guess.failed("", "user ann")
    assert guess.wait_s("", "user bob") == 0
    assert guess.wait_s("", "user ann") > 0


def test_who_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guessing, "MAX_KNOWN", 3)
    guess = Guessing(Clock())
    for number in range(5):
        for _ in range(FREE):
            guess.failed(f"192.0.2.{number}")
    assert [guess.wait_s(f"192.0.2.{number}") > 0 for number in range(5)] == [False, False, True, True, True]


def test_a_host_of_ipv6_is_all_of_its_network() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") != network_of("192.0.2.2")


# -- how many -----------------------------------------------------------------------------------------


class Visitor:
    def __init__(self, network: str, since: float, party: Party | None = None) -> None:
        self.host, self.network, self.since, self.party = network, network, since, party
        self.leaving = False

    def hang_up(self) -> None:
        self.leaving = True


def peers(count: int, name: str = "beta") -> list[Visitor]:
    return [Visitor("10.0.0.1", 0.0, Party(PartyKind.PEER, name, EVERYTHING)) for _ in range(count)]


def test_the_longest_stranger_of_the_fullest_address_makes_room() -> None:
    many = [Visitor("192.0.2.1", float(number)) for number in range(10, 20)]
    few = [Visitor("198.51.100.1", float(number)) for number in range(6)]
    assert max_strangers(10) == 16
    assert make_room([*many[1:], *few], "203.0.113.1", 10) is None
    assert make_room([*many, *few, *peers(50)], "203.0.113.1", 10) is many[0]
    assert [one.leaving for one in (*many, *few)] == [True] + [False] * 15


def test_an_address_has_so_many_connections_without_a_log_in() -> None:
    same = [Visitor("192.0.2.1", float(number)) for number in range(MAX_OF_NETWORK)]
    others = [Visitor("198.51.100.1", 0.0)]
    assert make_room([*same, *others], "198.51.100.1", 1000) is None
    left = [make_room([*same, *others], "192.0.2.1", 1000)]
    left += [make_room([*same, *others, Visitor("192.0.2.1", 1000.0)], "192.0.2.1", 1000)]
    assert left == same[:2]  # though the first one has not ended by then
    here = [Visitor("", float(number)) for number in range(MAX_OF_NETWORK)]
    assert make_room(here, "", 1000) is None


def test_users_and_each_party_have_so_many_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "MAX_OF_PARTY", 3)
    check_place(peers(2), "peer beta", False, 0)
    with pytest.raises(Refused, match="551 peer beta has 3 connections"):
        check_place(peers(3), "peer beta", False, 0)
    users = [Visitor("", 0.0, Party(PartyKind.USER, f"user {number}", EVERYTHING)) for number in range(5)]
    check_place([*users, *peers(3)], "user ann", True, 6)
    check_place([*users, *peers(3)], "peer gamma", False, 5)
    with pytest.raises(Refused, match="551 5 users are logged in already"):
        check_place(users, "user ann", True, 5)


# -- at the door --------------------------------------------------------------------------------------


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(login, "FAILURE_PAUSE_S", 0.0)
    monkeypatch.setattr(login, "MAX_FAILURES", 100)
    store = open_green(tmp_path, "m")

    def fill(writer: Writer) -> None:
        for number, name in ((2, "Ann"), (3, "Bob")):
            values = {"u_fullname": name, "u_usernum": number, "u_axlevel": 4, "u_password": "x"}
            writer.set_fields("users", f"m:{number}", {**values})

    store.write(fill)
    yield Node(Config(tmp_path, "m", peers=[Peer("beta")]), {"beta": SECRET}, store)
    store.close()


@pytest.fixture
def talk(node: Node) -> Iterator[Callable[[str], Channel]]:
    with sessions_on(node) as start:
        yield lambda host: start(local=False, host=host, secure=True)


def log_in(channel: Channel, name: str, password: str) -> str:
    channel.ask(f"USER {name}", 3)
    channel.send(f"PASS {password}\n".encode())
    return channel.require_line().decode()


def test_who_guesses_passwords_has_to_wait_and_is_told_to_the_log_each_time(
    talk: Callable[[str], Channel], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    channel = talk("192.0.2.1")
    assert {log_in(channel, f"who{number}", "y")[:3] for number in range(FREE)} == {"540"}
    assert log_in(channel, "Bob", "x").startswith("552 too many log-ins have failed; try again in 1 seconds")
    assert log_in(talk("192.0.2.2"), "Bob", "x").startswith("200")
    assert [record.message for record in caplog.records] == [
        f"failed to log in as user 'who{number}' from 192.0.2.1" for number in range(FREE)
    ]


def test_an_account_that_is_guessed_at_waits_however_its_name_is_written(talk: Callable[[str], Channel]) -> None:
    known = talk("203.0.113.1")
    assert log_in(known, "Ann", "x").startswith("200")
    for number in range(FREE):
        assert log_in(talk(f"192.0.2.{number}"), "ANN" if number % 2 else "ann", "y").startswith("540")
    assert log_in(talk("198.51.100.1"), "Ann", "x").startswith("552")
    assert log_in(talk("203.0.113.1"), "Ann", "x").startswith("200")


def test_who_guesses_secrets_has_to_wait_and_the_peer_has_not(talk: Callable[[str], Channel]) -> None:
    for _ in range(FREE):
        with pytest.raises(NotAuthenticated):
            authenticate(talk("192.0.2.1"), "beta", "another secret")
    with pytest.raises(Refused, match="552"):
        authenticate(talk("192.0.2.1"), "beta", SECRET)
    assert authenticate(talk("192.0.2.2"), "beta", SECRET).node == "m"
