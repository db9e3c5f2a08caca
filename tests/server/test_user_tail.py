"""A user's tail: nothing is looked up where nothing of the user's has changed, and a right ends with its commit."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from sessions import logged_in, sessions_on

from mirror.config.settings import Config
from mirror.formats.names import ROOM_IN_USE, ROOM_MAILBOX
from mirror.model.record import Record
from mirror.peer.remote import ChannelRemote
from mirror.server.node import Node
from mirror.service.rights import VISIT_GRANTED, VISIT_LOCKED_OUT
from mirror.service.rooms import ROOM_PRIVATE
from mirror.store.base import Writer
from mirror.store.green import open_green
from mirror.wire.values import Page

USER = "m:2"
OPEN, CLOSED, OTHERS = "m:10", "m:11", "m:12"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    store = open_green(tmp_path, "m")

    def fill(writer: Writer) -> None:
        user = {"u_fullname": "Ann", "u_usernum": 2, "u_axlevel": 4, "u_password": "x"}
        writer.set_fields("users", USER, {**user})
        writer.set_fields("rooms", OPEN, {"QRname": "Open", "QRflags": ROOM_IN_USE})
        writer.set_fields("rooms", CLOSED, {"QRname": "Closed", "QRflags": ROOM_IN_USE | ROOM_PRIVATE})
        writer.set_fields("rooms", OTHERS, {"QRname": "0000000003.Mail", "QRflags": ROOM_IN_USE | ROOM_MAILBOX})

    store.write(fill)
    yield Node(Config(tmp_path, "m"), {}, store)
    store.close()


@pytest.fixture
def log_in(node: Node) -> Iterator[Callable[[], ChannelRemote]]:
    with sessions_on(node) as start:
        yield lambda: logged_in(start(), "ann")


def post(writer: Writer, room: str, key: str) -> None:
    writer.put(Record(f"messages/{room}", key, 1, "x", 1, body=b"x"))


def keys(page: Page) -> list[str]:
    return [record.key for record in page.records]


def read_up_to(tail: Iterator[Page], last: str) -> list[str]:
    """Return the keys that a tail brings up to and with one."""
    found: list[str] = []
    while last not in found:
        found += keys(next(tail))
    return found


def reads_of(node: Node) -> list[str]:
    """Have it noted by which function each later read of the store is asked for."""
    reads: list[str] = []
    inner = node.store.read

    def noted(job: Callable[..., Any]) -> Any:
        reads.append(job.__qualname__)
        return inner(job)

    node.store.read = noted  # type: ignore[method-assign]
    return reads


def test_a_commit_that_shows_a_user_nothing_costs_one_look_for_all_users(
    node: Node, log_in: Callable[[], ChannelRemote]
) -> None:
    remotes = [log_in() for _ in range(5)]
    tails = [remote.tail(remote.info().cursor) for remote in remotes]
    for number, tail in enumerate(tails):
        node.store.write(lambda writer: post(writer, OPEN, f"id:{number}"))  # noqa: B023
        read_up_to(tail, f"id:{number}")
    node.store.write(lambda writer: post(writer, OPEN, "id:all"))
    for tail in tails:
        read_up_to(tail, "id:all")
    reads = reads_of(node)
    for number in range(3):
        node.store.write(lambda writer: post(writer, OTHERS, f"id:hidden{number}"))  # noqa: B023
        gevent.idle()
    node.store.write(lambda writer: post(writer, OPEN, "id:last"))
    for tail in tails:
        assert read_up_to(tail, "id:last") == ["id:last"]
    looks = [name for name in reads if "changes_of" in name]
    assert len(looks) <= 4
    assert len(reads) - len(looks) == 5  # the page of the last commit, once for each


def test_a_right_ends_with_the_commit_that_withdraws_it_and_begins_with_the_one_that_grants_it(
    node: Node, log_in: Callable[[], ChannelRemote]
) -> None:
    remote = log_in()
    tail = remote.tail(remote.info().cursor)

    def grant(writer: Writer) -> None:
        writer.set_fields(f"visits/{CLOSED}", USER, {"v_flags": VISIT_GRANTED})
        post(writer, CLOSED, "id:granted")

    def withdraw(writer: Writer) -> None:
        post(writer, CLOSED, "id:secret")
        writer.set_fields(f"visits/{CLOSED}", USER, {"v_flags": VISIT_LOCKED_OUT})
        post(writer, OPEN, "id:seen")

    node.store.write(grant)
    assert keys(next(tail)) == [USER, "id:granted"]
    node.store.write(withdraw)
    assert keys(next(tail)) == ["id:seen"]
    node.store.write(lambda writer: post(writer, CLOSED, "id:later"))
    node.store.write(lambda writer: post(writer, OPEN, "id:end"))
    assert keys(next(tail)) == ["id:end"]


def test_an_administrator_who_is_none_any_more_may_not_go_single_user(
    node: Node, log_in: Callable[[], ChannelRemote]
) -> None:
    node.store.write(lambda writer: writer.set_fields("users", USER, {"u_axlevel": 6}))
    channel = log_in().channel
    channel.ask("SNGL 0|60")
    channel.ask("ESNG")
    node.store.write(lambda writer: writer.set_fields("users", USER, {"u_axlevel": 4}))
    channel.send(b"SNGL 0|60\n")
    assert channel.require_line().startswith(b"550")


def test_a_state_names_the_rooms_in_one_look_however_many_there_are(
    node: Node, log_in: Callable[[], ChannelRemote]
) -> None:
    remote = log_in()

    def fill(writer: Writer) -> None:
        for number in range(100, 150):
            writer.set_fields("rooms", f"m:{number}", {"QRname": f"Room {number}", "QRflags": ROOM_IN_USE})
            post(writer, f"m:{number}", "id:1")

    node.store.write(fill)
    reads = reads_of(node)
    remote.channel.send(b"SYNC all|info\n")
    lines = [remote.channel.require_line(), *remote.channel.read_listing()]
    assert sum(line.split("|")[-1].startswith("Room ") for line in map(_text, lines)) == 50
    assert len(reads) <= 2


def _text(line: bytes | str) -> str:
    return line if isinstance(line, str) else line.decode()
