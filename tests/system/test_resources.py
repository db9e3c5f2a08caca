"""A full disk, a store that may not be written, and a client that never reads."""

import ctypes
import hashlib
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from nodes import IMPORTED, NodeProcess, wait_equal

Make = Callable[[str], NodeProcess]
PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


def limit_file_size(size: int) -> Callable[[], None]:
    """Return what limits the files of the calling process: the quota of a disk that is nearly full."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk_stops_writing_and_nothing_else(node: Make, secret: Path, export: Path, tmp_path: Path) -> None:
    alpha, beta = node("alpha"), node("beta")
    alpha.run("import", str(export))
    alpha.knows(beta, secret, dial=False)
    alpha.start()
    beta.knows(alpha, secret)
    beta.run("bootstrap", f"mirror://{alpha.address}")
    size = max(path.stat().st_size for path in beta.directory.iterdir())
    beta.start(limit_file_size(size + 512 * 1024))
    wait_equal(alpha, beta)
    (tmp_path / "large.bin").write_bytes(os.urandom(8 << 20))
    alpha.run("file", "put", "Drop Box", str(tmp_path / "large.bin"))
    line = beta.wait_log(r"WARNING .*link to alpha")
    assert re.search(r"store .* cannot be written: (disk I/O error|database or disk is full)", line), line
    refused = beta.run("file", "put", "Drop Box", str(tmp_path / "large.bin"), check=False)
    assert refused.returncode != 0
    assert "cannot be written" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert beta.json("status")["records"] >= IMPORTED  # it still answers
    assert "no problems" in beta.run("check").stdout
    resource.prlimit(beta.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_equal(alpha, beta)
    assert "no problems" in beta.run("check").stdout
    assert sum("WARNING mirror.session: admin local: the store" in line for line in beta.log) == 1
    assert not any(" ERROR " in line for line in beta.log)


def without_privileges() -> None:
    """Have root's programs obey file modes, as everybody else's do."""
    if os.geteuid() == 0:
        library = ctypes.CDLL(None)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if library.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                os._exit(99)


@pytest.mark.parametrize("command", ["daemon", "check"])
def test_a_store_that_may_not_be_written_is_one_clear_line(command: str, node: Make, export: Path) -> None:
    alpha = node("alpha")
    alpha.run("import", str(export))
    try:
        for path in alpha.directory.iterdir():
            path.chmod(path.stat().st_mode & ~0o222)
        alpha.directory.chmod(0o500)
        result = subprocess.run(
            [sys.executable, "-m", "mirror", "--dir", str(alpha.directory), command],
            capture_output=True,
            text=True,
            preexec_fn=without_privileges,
            timeout=60,
        )
    finally:
        alpha.directory.chmod(0o700)
        for path in alpha.directory.iterdir():
            path.chmod(path.stat().st_mode | 0o600)
    assert result.returncode == 5, result.stderr
    assert str(alpha.directory) in result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert "no problems" in alpha.run("check").stdout


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_client_that_never_reads_costs_no_memory(node: Make, export: Path, tmp_path: Path) -> None:
    alpha = node("alpha")
    alpha.run("import", str(export))
    alpha.start()
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(1 << 20) * 96)
    alpha.run("file", "put", "Drop Box", str(large))
    content = hashlib.sha256(large.read_bytes()).hexdigest()
    before = resident_bytes(alpha.pid)
    host, port = alpha.address.split(":")
    silent = []
    for _ in range(8):
        connection = socket.create_connection((host, int(port)))
        lines = connection.makefile("rwb", buffering=0)
        lines.readline()
        for command, code in (("USER admin", b"300"), ("PASS citadel", b"200")):
            lines.write(command.encode() + b"\n")
            assert lines.readline().startswith(code)
        lines.write(f"SYNC all|body|{content}|0\n".encode())
        silent.append((connection, lines))
    for number in range(3):
        alpha.run("post", "Lobby", f"text {number}")  # everybody else is served
    grown = resident_bytes(alpha.pid) - before
    assert grown < 64 << 20, f"{grown >> 20} MB more for eight clients that each asked for 96 MB and read none"
    for connection, _ in silent:
        connection.close()
    assert "no problems" in alpha.run("check").stdout
    alpha.signal(signal.SIGTERM)
    assert alpha.wait(10) == 0


def test_idle_connections_are_few_and_cheap(node: Make, export: Path) -> None:
    alpha = node("alpha")
    alpha.run("import", str(export))
    alpha.configure("max_sessions = 1000", "max_sessions = 300")
    alpha.start()
    before = resident_bytes(alpha.pid)
    host, port = alpha.address.split(":")
    idle: list[socket.socket] = []
    greetings: list[bytes] = []
    for _ in range(400):
        connection = socket.create_connection((host, int(port)), timeout=20)
        idle.append(connection)
        greetings.append(connection.recv(200)[:3])
    assert greetings == [b"200"] * 400  # who comes last is let in, who was here longest leaves
    for connection in idle[:325]:
        while connection.recv(200):
            pass
    grown = resident_bytes(alpha.pid) - before
    assert grown < 75 * 200_000, f"{grown} bytes more for 75 idle connections"
    for connection in idle[325:]:
        connection.sendall(b"NOOP\n")
        assert connection.recv(200)
    assert alpha.json("status")["records"] > IMPORTED  # the administrator still gets in
    for connection in idle:
        connection.close()


@pytest.mark.parametrize(
    "announced",
    [
        b"Type=records\nSize=1099511627776\nDATA CHUNK 65535\n",
        b"Type=drafts\nSize=99999999999999999999\nDATA CHUNK 1\n",
    ],
    ids=["1-TB", "more-than-64-bits"],
)
def test_a_terabyte_that_is_announced_is_refused_at_once(announced: bytes, node: Make, export: Path) -> None:
    alpha = node("alpha")
    alpha.run("import", str(export))
    alpha.start()
    host, port = alpha.address.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        lines = connection.makefile("rwb", buffering=0)
        lines.readline()
        for command, code in ((b"USER admin", b"300"), (b"PASS citadel", b"200"), (b"SYNC all|offer", b"400")):
            lines.write(command + b"\n")
            assert lines.readline().startswith(code)
        before = resident_bytes(alpha.pid)
        lines.write(announced)
        answer = lines.readline()
        assert answer.startswith(b"512"), answer
        assert lines.readline() == b""  # and the connection is closed
        assert resident_bytes(alpha.pid) - before < 32 << 20
    assert "no problems" in alpha.run("check").stdout
