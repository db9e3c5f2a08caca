"""How a node is in one line and an exit code, as monitors have it."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from local import LocalNode

from mirror.cli.health import judge
from mirror.peer import tls
from mirror.peer.tls import make_certificate
from mirror.wire.status import AttachmentStatus, KnownNode, NodeStatus

TOP = Path(__file__).parents[2]
PIPES: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


def state(**given: object) -> NodeStatus:
    values = {"running": True, "nodes": [KnownNode("beta", "we dial it", "mirror", "live")], **given}
    return NodeStatus("a", "e", 1, 7, 3, "0f", "multi-user", "", 4, ["h:1"], 0, [], [], **values)  # type: ignore[arg-type]


def lagging(seconds: float, how: str = "it dials us") -> list[KnownNode]:
    return [KnownNode("beta", how, "mirror", "away", lag_s=seconds)]


def server(phase: str, paused: bool = False) -> AttachmentStatus:
    return AttachmentStatus("s", "p", [], "from", "follow", phase, paused=paused, lag_s=90.0)


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        ({}, 0, "OK: 7 records, 1 peers, 0 servers followed | lag=0s;30;60"),
        ({"running": False}, 2, "CRITICAL: no daemon runs"),
        ({"nodes": lagging(29.0)}, 0, "OK: "),
        ({"nodes": lagging(31.0)}, 1, "WARNING: beta is away, 0m31s behind"),
        ({"nodes": lagging(61.0)}, 2, "CRITICAL: beta is away, 1m1s behind"),
        ({"nodes": lagging(-1.0)}, 2, "CRITICAL: beta is away and was never heard of"),
        ({"nodes": lagging(9999.0, "through others")}, 0, "OK: "),
        ({"aside": {"beta": 3}}, 1, "WARNING: 3 records of beta are set aside"),
        ({"copying": ["beta"]}, 1, "WARNING: the copy from beta"),
        ({"clock": ["the clock is doubted"], "aside": {"b": 1}}, 2, "CRITICAL: the clock is doubted; 1 records of b"),
        ({"attachments": [server("waiting")]}, 2, "CRITICAL: server s is waiting, 1m30s behind"),
        ({"attachments": [server("paused", paused=True)]}, 0, "OK: "),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_worst_says_how_it_ends(given: dict[str, object], code: int, told: str) -> None:
    found, line = judge(state(**given), 60.0)
    assert (found, line.startswith(told)) == (code, True), line


def test_without_a_daemon_it_is_critical_and_without_a_store_unknown(node: LocalNode) -> None:
    assert node.run("status", "--check", code=2).stdout.startswith("CRITICAL: no daemon runs")
    (node.directory / "store.sqlite").unlink()
    assert node.run("status", "--check", code=3).stdout.startswith("UNKNOWN: there is no store")
    assert "is no time such as 60s" in node.run("status", "--check", "--max-lag", "soon", code=2).stderr


ENDING = "the certificate c ends on 2026-01-01: 'ctdlmirror cert renew' makes another one"


def test_a_certificate_that_ends_soon_is_a_warning() -> None:
    assert judge(state(), 60.0, ENDING)[:2] == (1, f"WARNING: {ENDING} | lag=0s;30;60")
    assert judge(state(running=False), 60.0, ENDING)[1].startswith(f"CRITICAL: no daemon runs; {ENDING}")


def test_status_says_when_the_certificate_ends(node: LocalNode, monkeypatch: pytest.MonkeyPatch) -> None:
    make_certificate(node.directory, "alpha", [])
    assert "ends on" not in node.run("status").stdout
    monkeypatch.setattr(tls, "WARN_DAYS", 7301)
    assert f"  the certificate {node.directory}/tls.crt ends on 20" in node.run("status").stdout
    told = node.json("status")
    assert told["pin"].startswith("pin:") and "cert renew" in told["ends"]
    assert "cert renew" in node.run("status", "--check", code=2).stdout


SHORT_WATCH = "import mirror.cli.inspect as shown; shown.WATCH_S = 0.05; from mirror.cli.entry import main; main()"


def test_watch_goes_on_showing_while_the_daemon_stops_until_it_is_ended(node: LocalNode) -> None:
    command = [sys.executable, "-c", SHORT_WATCH, "--dir", str(node.directory), "status", "--watch"]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(TOP)}, **PIPES) as watching:
        assert watching.stdout is not None and watching.stderr is not None
        shown = iter(watching.stdout)
        for _ in range(2):
            assert any(line.startswith("Node alpha, epoch ") for line in shown)
        with socket.socket(socket.AF_UNIX) as stopping:
            stopping.bind(str(node.directory / "admin.socket"))
            stopping.listen()
            stopping.accept()[0].close()
        assert "closed the connection" in watching.stderr.readline()
        assert any(line.startswith("Node alpha, epoch ") for line in shown)
        watching.send_signal(signal.SIGINT)
        assert watching.wait() == 130
