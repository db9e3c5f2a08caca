"""What the service manager hears of a daemon: that it is up, that it lives, that it stops."""

from pathlib import Path

import gevent
import pytest
from click.testing import CliRunner
from gevent import socket

from mirror.cli.app import cli
from mirror.server.daemon import Daemon
from mirror.server.manager import READY, Manager


def heard(listening: socket.socket, wanted: str) -> list[str]:
    """Return what is told, up to a state that is waited for."""
    told: list[str] = []
    while wanted not in told:
        told.append(listening.recv(100).decode())
    return told


@pytest.mark.parametrize("abstract", [False, True])
def test_a_daemon_tells_that_it_is_up_lives_and_stops(
    tmp_path: Path, abstract: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"@mirror-test-{tmp_path}"[:100] if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(30)
        listening.bind("\0" + name[1:] if abstract else name)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        monkeypatch.setenv("WATCHDOG_USEC", "100000")
        set_up = ["--dir", str(tmp_path / "a"), "init", "--node", "a", "--listen", "127.0.0.1:0"]
        assert CliRunner().invoke(cli, set_up).exit_code == 0
        daemon = Daemon(tmp_path / "a")
        greenlet = gevent.spawn(daemon.run)
        assert "READY=1" in heard(listening, "READY=1")
        heard(listening, "WATCHDOG=1")
        daemon._stop.set()
        heard(listening, "STOPPING=1")
        greenlet.join()


def test_without_a_manager_or_with_one_that_is_gone_nothing_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Manager({}).tell(READY)
    Manager({}).keep_alive()
    assert caplog.messages == []
    Manager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell(READY)
    assert "cannot be told of READY=1" in caplog.text
