"""What the table declares is what happens: who may use a handler, what it takes, what it is called with."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sessions import sessions_on

from mirror.config.settings import Config
from mirror.peer.channel import Channel
from mirror.server.commands import ACTIONS, COMMANDS, SHARE_ACTIONS, TABLE
from mirror.server.node import Node
from mirror.server.session import Session
from mirror.server.sync import run_sync
from mirror.server.table import Asked, Handler, Permission, Table
from mirror.service.party import ADMIN, Party
from mirror.service.rights import UserScope
from mirror.store.green import open_green
from mirror.sync.scope import EVERYTHING
from mirror.wire.arguments import number, words
from mirror.wire.errors import Refused

PARTIES: dict[str, Party | None] = {
    "stranger": None,
    "user": Party("user", "Ann", UserScope("m:1", {}), "m:1"),
    "aide": Party("user", "Bob", UserScope("m:2", {}, aide=True), "m:2"),
    "peer": Party("peer", "beta", EVERYTHING),
    "share": Party("share", "gamma", EVERYTHING),
    "admin": ADMIN,
}
ALLOWED = {
    Permission.ANYBODY: {"stranger", "user", "aide", "peer", "share", "admin"},
    Permission.LOGGED_OUT: {"stranger"},
    Permission.LOGGED_IN: {"user", "aide", "peer", "share", "admin"},
    Permission.USER: {"user", "aide"},
    Permission.PEER_OR_ADMIN: {"aide", "peer", "admin"},
    Permission.ADMIN: {"admin"},
}
HANDLERS = {**COMMANDS, **ACTIONS, **{f"shares {name}": handler for name, handler in SHARE_ACTIONS.items()}}


def answer(session: Session, *_values: object) -> None:
    session.reply(200, "done")


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[..., Channel]]:
    """Opens a session with a table of the test's own."""
    store = open_green(tmp_path, "m")
    node = Node(Config(tmp_path, "m"), {}, store)
    with sessions_on(node) as start:
        yield lambda table, party, local=True: start(party, table=table, local=local)
    store.close()


def code_of(channel: Channel, line: str) -> int:
    try:
        return channel.ask(line).code
    except Refused as error:
        return error.code


@pytest.mark.parametrize("name", sorted(PARTIES))
def test_who_declares_nothing_serves_the_administrator_alone(name: str, connect: Callable[..., Channel]) -> None:
    handler = Handler(answer, "forgot to say who may use it")
    sync = Handler(run_sync, "", (words("type|action"),), Permission.ANYBODY)
    table = Table({"TEST": handler, "SYNC": sync}, {}, {"test": handler}, {"else": {"test": handler}})
    channel = connect(table, PARTIES[name])
    for line in ("TEST", "SYNC all|test", "SYNC else|test"):
        assert (code_of(channel, line) == 200) == (name == "admin"), line


@pytest.mark.parametrize("permission", Permission)
@pytest.mark.parametrize("name", sorted(PARTIES))
def test_each_permission_is_for_whom_it_says(
    name: str, permission: Permission, connect: Callable[..., Channel]
) -> None:
    channel = connect(Table({"TEST": Handler(answer, "", (), permission)}), PARTIES[name])
    code = code_of(channel, "TEST")
    refused = 520 if name == "stranger" else {Permission.LOGGED_OUT: 541, Permission.USER: 542}.get(permission, 550)
    assert code == (200 if name in ALLOWED[permission] else refused)


def test_who_may_not_use_an_entry_is_not_told_what_it_takes(connect: Callable[..., Channel]) -> None:
    table = Table({"TEST": Handler(answer, "", (number("count"),))})
    assert code_of(connect(table, PARTIES["user"]), "TEST x") == 550
    assert code_of(connect(table, ADMIN), "TEST x") == 512


def test_a_secret_needs_a_private_line(connect: Callable[..., Channel]) -> None:
    table = Table({"TEST": Handler(answer, "", (), Permission.LOGGED_OUT)})
    assert code_of(connect(table, None, local=False), "TEST") == 550


@pytest.mark.parametrize("name", sorted(HANDLERS))
def test_functions_take_what_is_declared(name: str) -> None:
    handler = HANDLERS[name]
    given = 1 + len(handler.arguments) + (name not in COMMANDS)
    assert len(inspect.signature(handler.run).parameters) == given
    assert handler.help


def test_nothing_of_the_administrators_is_open_to_others() -> None:
    """Said twice on purpose: who opens one of these has to say so here as well."""
    closed = {name for name, handler in HANDLERS.items() if handler.permission is Permission.ADMIN}
    assert closed == {
        "status",
        "conflicts",
        "restore",
        "dismiss",
        "keep-both",
        "aside",
        "retry-aside",
        "forget-aside",
        "preview",
        "check",
        "reload",
        "verify",
        "clock",
        "accept-clock",
        "shares status",
    }
    peers = {name for name, handler in HANDLERS.items() if handler.permission is Permission.PEER_OR_ADMIN}
    assert peers == {"SNGL", "pin"}


def test_types_that_hold_no_collections_have_actions_of_their_own() -> None:
    assert TABLE.actions_of("shares") is SHARE_ACTIONS
    assert TABLE.actions_of("users") is ACTIONS
    assert Asked("users", lambda name: name == "users").allows("users")
