"""The client written from the protocol's page alone holds what getall tells, whatever becomes of rooms and rights.

Rights, rooms, messages and marks change, connections are lost at any step, in the middle of a tail too, and what was
known is taken up again; in the end each view is as a new session reads it.
"""

import base64
import copy
import importlib.machinery
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import subprocess
from gevent.server import StreamServer
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))

from sessions import sessions_on
from users_rooms import BOARD, CALENDAR, HIDDEN, MAIL, OTHERS, TASKS, USER, open_filled, post

from mirror.config.files import CERTIFICATE_FILE
from mirror.config.settings import Config
from mirror.model.nodes import Horizon
from mirror.peer.channel import Channel
from mirror.peer.tls import make_certificate, server_context
from mirror.server.commands import TABLE
from mirror.server.node import Node
from mirror.server.session import Session
from mirror.service.rights import VISIT_GRANTED, VISIT_LOCKED_OUT
from mirror.store.base import Writer

PROGRAM = Path(__file__).parents[2] / "contrib" / "minimal-client"
ROOMS = (MAIL, TASKS, BOARD, CALENDAR, HIDDEN, OTHERS)
IDS = ("id:1", "id:2", "id:3")
ELSEWHERE = "127.0.0.2"
"""An address of this machine that the program takes for another's."""


def load() -> Any:
    loader = importlib.machinery.SourceFileLoader("minimal_client", str(PROGRAM))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


minimal = load()


class Machine:
    """One user's machine: a client with what it knows, over connections that end."""

    def __init__(self, start: Any, view: str) -> None:
        self._start, self.view = start, view
        self._channels: list[Any] = []
        self.state: dict[str, Any] = {}
        self.connect()

    def connect(self) -> None:
        """Log in anew, with what was known last."""
        self.client = minimal.Client(self._logged_in(), self.view, copy.deepcopy(self.state))

    @property
    def channel(self) -> Any:
        """The connection of the client."""
        return self._channels[-1]

    def close(self) -> None:
        for channel in self._channels:
            channel.hang_up()  # a file that is made of a socket keeps it open

    def _logged_in(self) -> Any:
        self._channels.append(self._start(silence_s=5))
        wire = minimal.Wire(self.channel.socket)
        wire.ask("USER ann")
        wire.ask("PASS x")
        return wire

    def keep(self) -> None:
        self.state = copy.deepcopy(self.client.state)

    def update(self, steps: int | None = None) -> None:
        """Bring what is known up to date; the connection is lost after so many steps, if they are told."""
        for number, _ in enumerate(self.client.update()):
            self.keep()
            if number == steps:
                self.channel.hang_up()
                self.connect()
                return
        self.keep()

    def known(self) -> dict[tuple[str, str], str]:
        return told_of(one for kept in self.state["records"].values() for one in kept.values())

    def told(self) -> dict[tuple[str, str], str]:
        """Return all that a new session reads, in the same form."""
        wire = self._logged_in()
        wire.ask(f"SYNC {self.view}|getall")
        return told_of(json.loads(line) for _, payload in wire.batches() for line in payload.splitlines())


def told_of(records: Any) -> dict[tuple[str, str], str]:
    return {(one["collection"], one["key"]): json.dumps(one, sort_keys=True) for one in records}


def alive(told: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    return {name: one for name, one in told.items() if not json.loads(one).get("dead")}


def change(node: Node, made: tuple[Any, ...]) -> None:
    """Make a change that another user, or an administrator, makes."""

    def job(writer: Writer) -> None:
        match made:
            case "post", room, key:
                post(writer, room, key)
            case "delete", room, key:
                writer.delete(f"messages/{room}", key)
            case "mark", room, key, value:
                writer.set_fields(f"visits/{room}", f"{USER} {key}", {"seen": value})
            case "visit", room, flags:
                writer.set_fields(f"visits/{room}", USER, {"v_flags": flags, "v_roomgen": 1})
            case "room", room, values:
                writer.set_fields("rooms", room, {**values})
            case "kill", room:
                writer.delete("rooms", room)
            case "level", level:
                writer.set_fields("users", USER, {"u_axlevel": level})
            case "number", number:
                writer.set_fields("users", USER, {"u_usernum": number})
            case ("forget",):
                writer.advance_horizon(Horizon(writer.clock.tick(), ("m",)))

    node.store.write(job)


ROOM, ID = st.sampled_from(ROOMS), st.sampled_from(IDS)
VALUES = st.sampled_from(
    [{"QRname": "Other"}, {"QRflags": 2}, {"QRflags": 2 | 4}, {"QRflags": 2 | 8192}, {"QRflags": 0}]
    + [{"QRdefaultview": view} for view in (0, 3, 4)]
    + [{"QRname": f"000000000{number}.Mail", "QRflags": 2 | 16384} for number in (2, 3)]
)
MADE = st.one_of(
    st.tuples(st.just("post"), ROOM, ID),
    st.tuples(st.just("delete"), ROOM, ID),
    st.tuples(st.just("mark"), ROOM, ID, st.booleans()),
    st.tuples(st.just("visit"), ROOM, st.sampled_from([0, VISIT_GRANTED, VISIT_LOCKED_OUT])),
    st.tuples(st.just("room"), ROOM, VALUES),
    st.tuples(st.just("kill"), ROOM),
    st.tuples(st.just("level"), st.sampled_from([1, 4, 5, 6])),
    st.tuples(st.just("number"), st.sampled_from([2, 3])),
    st.tuples(st.just("forget")),
)
STEPS = st.one_of(
    MADE,
    MADE,
    MADE,
    st.tuples(st.just("update")),
    st.tuples(st.just("interrupted"), st.integers(0, 6)),
    st.tuples(st.just("tailed"), st.lists(MADE, max_size=4), st.booleans()),
    st.tuples(st.just("put"), ROOM, ID),
    st.tuples(st.just("taken out"), ROOM, ID),
)


def tailed(node: Node, machine: Machine, changes: list[tuple[Any, ...]], lost: bool) -> None:
    """Have changes made while a machine tails; that ends by a command, or with the connection."""
    machine.update()

    def others() -> None:
        for one in changes:
            change(node, one)
            gevent.sleep(0)
        if lost:
            machine.channel.hang_up()
        else:
            machine.channel.send(b"NOOP\n")

    made = gevent.spawn(others)
    try:
        for _ in machine.client.feed("tail"):
            machine.keep()
        machine.client.wire.reply()
        assert not lost
    except OSError:
        assert lost
        machine.connect()
    made.get()


def do(node: Node, machine: Machine, step: tuple[Any, ...]) -> None:
    match step:
        case ("update",):
            machine.update()
        case "interrupted", steps:
            machine.update(steps)
        case "tailed", changes, lost:
            tailed(node, machine, changes, lost)
        case "put" | "taken out", room, key:
            drafted(machine, step[0], room, key)
        case _:
            change(node, step)


def drafted(machine: Machine, what: str, room: str, key: str) -> None:
    """Have the client write or delete something, made from what it knows; where it may not, it is told so."""
    if not machine.state:
        return
    try:
        if what == "put":
            machine.client.put(f"messages/{room}", key, b"\xffA\0I" + key[3:].encode() + b"\0Mhello\0")
        else:
            machine.client.delete(f"messages/{room}", key)
    except minimal.Refused as error:
        assert error.args[0] in ("550", "571"), error.args


def check(directory: Path, view: str, steps: list[tuple[Any, ...]]) -> None:
    """Have steps done in a node where each room holds something, and compare what is known in the end."""
    store = open_filled(directory)
    node = Node(Config(directory, "m"), {}, store)
    for room in ROOMS:
        change(node, ("post", room, IDS[0]))
    with sessions_on(node) as start:
        machine = Machine(start, view)
        try:
            machine.update()
            for step in steps:
                do(node, machine, step)
            machine.update()
            known, told = machine.known(), machine.told()
            assert alive(known) == alive(told)
            # Of what was deleted a node forgets at some time that it was.
            assert known == told or "forget" in repr(steps)
        finally:
            machine.close()
    store.close()


@settings(max_examples=40, deadline=None)
@given(view=st.sampled_from(["all", "mailboxes", "calendars"]), steps=st.lists(STEPS, max_size=25))
def test_a_client_holds_what_getall_tells(
    tmp_path_factory: pytest.TempPathFactory, view: str, steps: list[tuple[Any, ...]]
) -> None:
    check(tmp_path_factory.mktemp("node"), view, steps)


@pytest.mark.parametrize(
    "steps",
    [
        [("level", 6)],
        [("level", 6), ("update",), ("kill", HIDDEN), ("level", 4)],
        [("tailed", [("level", 6), ("post", OTHERS, "id:2")], False), ("interrupted", 0)],
    ],
)
def test_who_becomes_an_administrator_or_is_none_any_more_begins_anew(
    tmp_path: Path, steps: list[tuple[Any, ...]]
) -> None:
    check(tmp_path, "all", steps)


def test_what_was_written_meanwhile_is_a_conflict_and_not_lost(tmp_path: Path) -> None:
    """An edit names the version that its author knew; which parts it changes this client does not tell."""
    store = open_filled(tmp_path)
    node = Node(Config(tmp_path, "m"), {}, store)
    event = b"\xffA\x04Ee1\0MContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:e1\r\n"
    end = b"END:VEVENT\r\nEND:VCALENDAR\r\n\0"
    with sessions_on(node) as start:
        one, two = Machine(start, "calendars"), Machine(start, "calendars")
        one.update()
        made = one.client.put(f"messages/{CALENDAR}", "euid:e1", event + end)
        assert not made["dead"]
        one.update()
        two.update()
        one.client.put(f"messages/{CALENDAR}", "euid:e1", event + b"SUMMARY:one\r\n" + end)
        late = two.client.put(f"messages/{CALENDAR}", "euid:e1", event + b"LOCATION:two\r\n" + end)
        assert not late["as_sent"]
        for machine in (one, two):
            machine.update()
            (record,) = machine.state["records"][f"messages/{CALENDAR}"].values()
            assert b"LOCATION:two" in body_of(record)
        (lost,) = store.read(lambda reader: reader.conflicts())
        assert b"SUMMARY:one" in lost.loser.body
        one.client.delete(f"messages/{CALENDAR}", "euid:e1")
        one.update()
        assert all(record.get("dead") for record in one.state["records"][f"messages/{CALENDAR}"].values())
        one.close()
        two.close()
    store.close()


def body_of(record: dict[str, str]) -> bytes:
    return record["text"].encode() if "text" in record else base64.b64decode(record["base64"])


@pytest.mark.parametrize("host", ["127.0.0.1", ELSEWHERE])
def test_the_program_lists_writes_and_deletes(tmp_path: Path, host: str) -> None:
    """Elsewhere it speaks TLS, for without it nobody is let in there."""
    store = open_filled(tmp_path)
    node = Node(Config(tmp_path, "m"), {}, store)
    make_certificate(tmp_path, "m", [ELSEWHERE])
    node.tls = server_context(tmp_path)
    local = host != ELSEWHERE
    server = StreamServer((host, 0), lambda one, _: Session(node, Channel(one, "ann"), TABLE, local=local).run())
    server.start()

    def run(*arguments: str, given: bytes = b"") -> str:
        line = [sys.executable, str(PROGRAM), f"{host}:{server.server_port}", "ann", "mailboxes", "known.json"]
        environment = {**os.environ, "SYNC_PASSWORD": "x", "CA": str(tmp_path / CERTIFICATE_FILE)}
        done = subprocess.run([*line, *arguments], cwd=tmp_path, env=environment, input=given, stdout=subprocess.PIPE)
        assert done.returncode == 0
        return str(done.stdout.decode())

    collection = f"messages/{MAIL}"
    assert run("list") == ""
    told = json.loads(run("put", collection, "id:1", given=b"\xffA\0Mhello\0"))
    assert (told["key"], told["as_sent"]) == ("id:1", True)
    assert run("list") == f"{collection} id:1\n"
    assert json.loads(run("delete", collection, "id:1"))["dead"]
    assert run("list") == ""
    server.stop()
    store.close()
