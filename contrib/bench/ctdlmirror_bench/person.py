"""A person with one room at a node, and machines on which the client keeps that: commands, and what they take."""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

from ctdlmirror_bench.compare import TOP, environment_of
from mirror.cli.processes import PROGRAM, NodeProcess
from mirror.client.config import PairSettings, ServerSettings, written
from mirror.formats.names import ROOM_IN_USE, ROOM_MAILBOX
from mirror.store.base import Writer

USER, ROOM = "big:2", "big:20"


def put_account(writer: Writer, room: str, view: int) -> None:
    """Make a person, and a room of a view that is theirs."""
    user = {"u_fullname": "Big", "u_usernum": 2, "u_axlevel": 4, "u_password": "big"}
    writer.set_fields("users", USER, user)
    fields = {"QRname": f"0000000002.{room}", "QRflags": ROOM_IN_USE | ROOM_MAILBOX, "QRdefaultview": view}
    writer.set_fields("rooms", ROOM, fields)


def client_command(node: NodeProcess, home: Path, name: str, pair: PairSettings) -> list[str]:
    """Set up a client with a home of its own; return the command that keeps its pair equal."""
    home.mkdir(exist_ok=True)
    (home / "password").write_text("big\n")
    (home / "password").chmod(0o600)
    server = ServerSettings(node.address, "Big", "plain", password_file=str(home / "password"))
    (home / "client.toml").write_text(written(server, {name: pair}))
    state = f"XDG_STATE_HOME={home / 'state'}"
    return ["env", state, *PROGRAM, "client", "--config", str(home / "client.toml"), "sync"]


@cache
def compiled() -> dict[str, str]:
    """Return an environment of commands whose modules are compiled ahead, as those of an installed program are."""
    bytecode = tempfile.mkdtemp(prefix="ctdlmirror-bench-")
    atexit.register(shutil.rmtree, bytecode)
    return environment_of(TOP, Path(bytecode))


def timed_command(command: list[str], limit: float = 0) -> tuple[float, float] | None:
    """Return the seconds that a command takes, compiled ahead, and the most memory that it had (MB).

    None of one that was killed since it took more than a limit (seconds; 0 for none).
    """
    environment = compiled()
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    killer = threading.Timer(limit, process.kill)
    if limit:
        killer.start()
    _, status, usage = os.wait4(process.pid, 0)
    killer.cancel()
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if limit and process.returncode == -signal.SIGKILL:
        return None
    assert process.returncode == 0, (command, process.returncode)
    return seconds, usage.ru_maxrss / 1024


def ran(command: list[str]) -> tuple[float, float]:
    """Return the seconds that a command takes that comes to its end, and the most memory that it had (MB)."""
    timed = timed_command(command)
    assert timed is not None
    return timed
