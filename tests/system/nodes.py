"""Real nodes as real processes, on loopback ports that the kernel chose."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TIMEOUT_S = 60.0


def ctdlmirror(
    directory: Path, *arguments: str, check: bool = True, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    result = subprocess.run(
        [sys.executable, "-m", "mirror", "--dir", str(directory), *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S * 3,
        check=False,
        **options,
    )
    if check and result.returncode:
        raise AssertionError(f"{arguments} ended with {result.returncode}: {result.stdout}{result.stderr}")
    return result


IMPORTED = 334
"""Records in the sample export."""


class NodeProcess:
    """One node's directory and its daemon."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory / name
        self.name = name
        self.address = ""
        self.process: subprocess.Popen[str] | None = None
        self.lines: queue.Queue[str] = queue.Queue()
        self.log: list[str] = []
        out = ctdlmirror(self.directory, "init", "--node", name, "--listen", "127.0.0.1:0", "--json").stdout
        self.pin = "pin:" + json.loads(out)["fingerprint"]
        config = self.directory / "mirror.toml"
        text = config.read_text().replace("retry_max_s = 300.0", "retry_max_s = 0.5")
        config.write_text(
            text.replace("retry_min_s = 1.0", "retry_min_s = 0.1").replace('level = "info"', 'level = "debug"')
        )

    def run(self, *arguments: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        return ctdlmirror(self.directory, *arguments, check=check, **options)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json").stdout)

    def knows(self, other: "NodeProcess", secret: Path, dial: bool = True) -> None:
        """Make ``other`` a peer; with ``dial`` this node connects to it."""
        address = ["--address", other.address] if dial else []
        self.run("peer", "add", other.name, *address, "--trust", other.pin, "--secret-file", str(secret))

    def configure(self, old: str, new: str) -> None:
        """Replace something in the configuration."""
        config = self.directory / "mirror.toml"
        text = config.read_text()
        assert old in text, f"{old} is not in {text}"
        config.write_text(text.replace(old, new))

    def start(self, before: Callable[[], None] | None = None) -> None:
        """Start the daemon and wait until it says that it is up.  ``before`` runs in its process first."""
        assert self.process is None
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mirror", "--dir", str(self.directory), "daemon"],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, args=(self.process, self.lines), daemon=True).start()
        line = self.wait_log(r"is up on")
        found = re.search(r"up on (\S+)", line)
        assert found is not None
        self.address = found[1]
        config = self.directory / "mirror.toml"  # the same port after a restart
        config.write_text(re.sub(r'addresses = \["[^"]*"\]', f'addresses = ["{self.address}"]', config.read_text()))

    def _read(self, process: subprocess.Popen[str], lines: "queue.Queue[str]") -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self.log.append(line)
            lines.put(line)
        lines.put("")

    def wait_log(self, pattern: str) -> str:
        """Wait until the daemon logs a line; returns it."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            line = self.lines.get(timeout=max(0.01, deadline - time.monotonic()))
            if re.search(pattern, line):
                return line
            assert line, f"the daemon of {self.name} ended: {''.join(self.log[-10:])}"

    def kill(self) -> None:
        """End the daemon as a power failure would."""
        self.signal(signal.SIGKILL)
        self.wait()

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, timeout: float = TIMEOUT_S) -> int:
        assert self.process is not None
        code = self.process.wait(timeout)
        self.process = None
        return code

    def stop(self) -> None:
        if self.process is not None:
            self.signal(signal.SIGTERM)
            self.wait()

    def digest(self) -> str:
        return str(self.json("status")["digest"])


def wait_equal(*nodes: NodeProcess) -> None:
    """Wait until all nodes have the same digest."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        digests = {node.name: node.digest() for node in nodes}
        if len(set(digests.values())) == 1:
            return
        assert time.monotonic() < deadline, f"not equal: {digests}: {[node.log[-3:] for node in nodes]}"


def make_secret(directory: Path) -> Path:
    """Write a secret that two nodes share."""
    path = directory / "secret"
    path.write_text("correct horse battery staple\n")
    os.chmod(path, 0o600)
    return path
