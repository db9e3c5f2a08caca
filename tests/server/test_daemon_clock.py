"""Whole nodes whose clocks are wrong at a start or jump while they run: they write nothing until that is settled."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import gevent
import pytest
from click.testing import CliRunner
from gevent.event import Event

from mirror.cli.app import cli
from mirror.cli.local import ask_values, greeted
from mirror.model.kinds import NODES
from mirror.model.record import Record
from mirror.model.stamp import stamp_ms
from mirror.peer.channel import connect_unix
from mirror.peer.clocks import Clocks
from mirror.server.daemon import Daemon
from mirror.sync.clock import ClockDoubted
from mirror.wire.status import ClockStatus, NodeStatus

DAY_MS = 86_400_000
NOW_MS = 1_764_000_000_000
PATIENCE_S = 30.0
ROOM = "messages/r"
T = TypeVar("T")


class Machine:
    """A machine's two clocks: both go on by themselves, and can be set."""

    def __init__(self) -> None:
        self.offset_ms = 0

    def elapsed_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    def now_ms(self) -> int:
        return NOW_MS + self.elapsed_ms() + self.offset_ms


class Running:
    """A daemon in this process."""

    def __init__(self, directory: Path, machine: Machine) -> None:
        self.directory = directory
        self.daemon = Daemon(directory, Clocks(machine.now_ms, machine.elapsed_ms))
        self.store = self.daemon.node.store
        self._greenlet = gevent.spawn(self.daemon.run)

    def stop(self) -> None:
        self.daemon._stop.set()
        self._greenlet.join()

    def post(self, key: str) -> Record:
        return self.store.write(lambda writer: writer.put(Record(ROOM, key, 1, "x", 1, body=key.encode())))

    def holds(self, key: str) -> bool:
        return self.store.read(lambda reader: reader.get(ROOM, key)) is not None

    def wait_for(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition holds, asked after each commit and now and then."""
        changed, deadline = Event(), time.monotonic() + PATIENCE_S
        stop_watching = self.store.watch(changed.set)
        while not holds():
            assert time.monotonic() < deadline, self.notes()
            changed.clear()
            changed.wait(0.1)
        stop_watching()

    def notes(self) -> list[str]:
        return self.ask("status", NodeStatus).clock

    def ask(self, action: str, kind: type[T]) -> T:
        channel = connect_unix(str(self.directory / "admin.socket"), 20)
        try:
            return ask_values(greeted(channel), f"SYNC all|{action}", kind)[0]
        finally:
            channel.close()


Start = Callable[[str], Running]


@pytest.fixture
def machines() -> dict[str, Machine]:
    return {"alpha": Machine(), "beta": Machine()}


@pytest.fixture
def start(tmp_path: Path, machines: dict[str, Machine]) -> Iterator[Start]:
    """Starts alpha, and beta which dials it."""
    running: list[Running] = []
    secret = tmp_path / "secret"

    def command(name: str, *arguments: str) -> None:
        done = CliRunner().invoke(cli, ["--dir", str(tmp_path / name), *arguments])
        assert done.exit_code == 0, done.output

    def begin(name: str) -> Running:
        running.append(Running(tmp_path / name, machines[name]))
        gevent.sleep(0)
        return running[-1]

    command("alpha", "init", "--node", "alpha", "--listen", "127.0.0.1:0")
    command("alpha", "peer", "add", "beta", "--new-secret", str(secret))
    command("beta", "init", "--node", "beta", "--listen", "127.0.0.1:0")
    yield begin
    for one in running:
        one.stop()


def pair_up(tmp_path: Path, alpha: Running) -> None:
    """Have beta know where alpha listens."""
    fingerprint = CliRunner().invoke(
        cli, ["--dir", str(tmp_path / "alpha"), "peer", "add", "beta", "--secret-file", str(tmp_path / "secret")]
    )
    trust = fingerprint.stdout.partition("--trust ")[2].split()[0]
    address = alpha.daemon.node.addresses[0]
    command = [
        "peer",
        "add",
        "alpha",
        "--address",
        address,
        "--trust",
        trust,
        "--secret-file",
        str(tmp_path / "secret"),
    ]
    done = CliRunner().invoke(cli, ["--dir", str(tmp_path / "beta"), *command])
    assert done.exit_code == 0, done.output


def test_a_clock_wrong_by_400_days_at_one_start_writes_nothing_and_stops_nothing(
    tmp_path: Path, start: Start, machines: dict[str, Machine]
) -> None:
    alpha = start("alpha")
    pair_up(tmp_path, alpha)
    beta = start("beta")
    beta.post("id:1")
    alpha.wait_for(lambda: alpha.holds("id:1"))
    beta.stop()
    machines["beta"].offset_ms += 400 * DAY_MS
    beta = start("beta")
    before = beta.store.read(lambda reader: reader.root())
    beta.wait_for(lambda: len(beta.notes()) == 2)
    doubt, peer = beta.notes()
    assert "going by the last commit it should be" in doubt and "ctdlmirror clock accept" in doubt
    assert peer.startswith("the clock of alpha said 2025-") and "when ours said 2026-12-" in peer
    with pytest.raises(ClockDoubted):
        beta.post("id:2")
    (link,) = beta.ask("status", NodeStatus).links
    assert "nothing is written until" in link.error
    assert alpha.notes()[0].startswith("the clock of beta said 2026-12-")
    assert beta.store.read(lambda reader: reader.root()) == before
    beta.stop()
    machines["beta"].offset_ms = 0
    beta = start("beta")
    beta.post("id:3")
    alpha.wait_for(lambda: alpha.holds("id:3"))
    assert alpha.store.read(lambda reader: reader.digest("")).newest <= alpha.store.clock.limit()
    assert not alpha.holds("id:2")


def test_nodes_that_were_off_for_days_confirm_each_other(
    tmp_path: Path, start: Start, machines: dict[str, Machine]
) -> None:
    alpha = start("alpha")
    pair_up(tmp_path, alpha)
    address = alpha.daemon.node.addresses[0]
    beta = start("beta")
    beta.post("id:1")
    alpha.wait_for(lambda: alpha.holds("id:1"))
    for one in (alpha, beta):
        one.stop()
    for machine in machines.values():
        machine.offset_ms += 3 * DAY_MS
    config = tmp_path / "alpha" / "mirror.toml"
    config.write_text(config.read_text().replace("127.0.0.1:0", address))
    alpha = start("alpha")
    with pytest.raises(ClockDoubted):
        alpha.post("id:2")
    assert alpha.store.read(lambda reader: reader.own_sign()).stamp < alpha.store.clock.limit() - (2 * DAY_MS << 16)
    beta = start("beta")
    beta.wait_for(lambda: not beta.daemon.node.clock.doubt())
    alpha.wait_for(lambda: not alpha.daemon.node.clock.doubt())
    alpha.post("id:2")
    beta.post("id:3")
    beta.wait_for(lambda: beta.holds("id:2"))
    alpha.wait_for(lambda: alpha.holds("id:3"))
    due = alpha.store.clock.now_ms() - DAY_MS
    alpha.wait_for(lambda: stamp_ms(alpha.store.read(lambda reader: reader.own_sign()).stamp) > due)


def test_a_jump_while_running_stops_writing_until_an_administrator_accepts_it(
    tmp_path: Path, start: Start, machines: dict[str, Machine]
) -> None:
    alpha = start("alpha")
    alpha.post("id:1")
    alpha.wait_for(lambda: alpha.store.read(lambda reader: reader.digest(NODES)).count == 1)
    machines["alpha"].offset_ms -= 40 * DAY_MS
    with pytest.raises(ClockDoubted):
        alpha.post("id:2")
    assert alpha.ask("clock", ClockStatus).doubt
    channel = connect_unix(str(alpha.directory / "admin.socket"), 20)
    greeted(channel).channel.ask("SYNC all|accept-clock")
    channel.close()
    alpha.post("id:2")
    found = alpha.ask("clock", ClockStatus)
    assert (found.doubt, found.ahead) == ("", {ROOM: 2, "nodes": 1})
    assert alpha.notes()[0].startswith("the newest stamp here, ")
