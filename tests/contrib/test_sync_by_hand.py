"""The small client for typing by hand: TLS 1.3's tickets, which come without anything to read, do not stop it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from click.testing import CliRunner

from mirror.cli.app import cli
from mirror.server.daemon import Daemon

PROGRAM = Path(__file__).parents[2] / "contrib" / "sync-by-hand"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    set_up = ["--dir", str(tmp_path / "a"), "init", "--node", "a", "--listen", "127.0.0.1:0"]
    assert CliRunner().invoke(cli, set_up).exit_code == 0
    daemon = Daemon(tmp_path / "a")
    greenlet = gevent.spawn(daemon.run)
    yield daemon
    daemon._stop.set()
    greenlet.join()


def test_what_is_typed_is_sent_and_what_comes_is_shown(daemon: Daemon) -> None:
    def talk() -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, str(PROGRAM), daemon.node.addresses[0]]
        return subprocess.run(command, input="NOOP\n", capture_output=True, text=True, timeout=60, check=False)

    done = gevent.get_hub().threadpool.spawn(talk).get()
    assert done.returncode == 0, done.stderr
    assert "(certificate pin:" in done.stdout and "200 ok" in done.stdout
