"""A node's commands and its daemon as processes of their own: for the demo, the benchmarks and the tests.

Nothing is polled: a daemon is up when it says so, and whoever waits is woken by the line.  Works with and without
green threads: what a daemon says is read by a real thread, from a pipe that gevent does not know.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mirror.cli.local import local_node
from mirror.cli.watch import watching
from mirror.model.errors import MirrorError
from mirror.peer.remote import ChannelRemote

PROGRAM = (sys.executable, "-m", "mirror")
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
COMMAND_TIMEOUT_S = 3600.0
KEPT_LINES = 20_000
"""Lines of a daemon's log that are kept in memory."""
_UP = re.compile(r"is up on (\S+)")


class ProcessFailed(MirrorError):
    """A command or daemon ended otherwise than it should, or did not do in time what was waited for."""


def run_command(
    directory: Path,
    *arguments: str,
    check: bool = True,
    program: Sequence[str] = PROGRAM,
    timeout: float = COMMAND_TIMEOUT_S,
    **options: Any,
) -> "subprocess.CompletedProcess[str]":
    """Run one command of the node in ``directory`` to its end, within ``timeout`` seconds.

    ``options`` are those of subprocess.run; both outputs are captured unless they say otherwise.  Raises ProcessFailed
    where ``check`` is set and the exit code is not 0.
    """
    captured = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    result: subprocess.CompletedProcess[str] = subprocess.run(
        [*program, "--dir", str(directory), *arguments], timeout=timeout, check=False, **captured
    )
    return checked(result, *arguments) if check else result


def checked(result: "subprocess.CompletedProcess[str]", *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Return what came of a command with these arguments.  Raises ProcessFailed unless its exit code is 0."""
    if result.returncode:
        said = (result.stdout or "") + (result.stderr or "")
        raise ProcessFailed(f"'ctdlmirror {' '.join(arguments)}' ended with exit code {result.returncode}: {said}")
    return result


class DaemonLog:
    """What a daemon says on standard error, as it comes."""

    def __init__(self, copy: Path | None = None) -> None:
        """With ``copy``, the lines are also appended to that file."""
        self._copy = copy
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._count = 0
        self._seen = 0
        self._reader: threading.Thread | None = None
        self._changed = threading.Condition()

    def __iter__(self) -> Iterator[str]:
        with self._changed:
            return iter(list(self._lines))

    def follow(self, descriptor: int) -> None:
        """Read lines from a descriptor in a thread of its own until it ends; owns the descriptor."""
        self._seen = self._count
        self._reader = threading.Thread(target=self._read, args=(descriptor,), daemon=True)
        self._reader.start()

    def _read(self, descriptor: int) -> None:
        rest = b""
        while block := os.read(descriptor, 65_536):
            self._keep(block)
            *lines, rest = (rest + block).split(b"\n")
            self._add([line.decode("utf-8", "replace") + "\n" for line in lines])
        os.close(descriptor)
        self._add([rest.decode("utf-8", "replace")] if rest else [])
        with self._changed:
            if self._reader is threading.current_thread():  # else another daemon was started meanwhile
                self._reader = None
                self._changed.notify_all()

    def _keep(self, block: bytes) -> None:
        if self._copy is not None:
            with self._copy.open("ab") as file:
                file.write(block)

    def _add(self, lines: list[str]) -> None:
        with self._changed:
            self._lines.extend(lines)
            self._count += len(lines)
            self._changed.notify_all()

    def wait(self, pattern: "str | re.Pattern[str]", timeout: float) -> str:
        """Return the next line that holds a pattern, and begin after it the next time.  Raises ProcessFailed."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for line in self._unseen():
                    if re.search(pattern, line):
                        return line
                if self._reader is None:
                    raise ProcessFailed(f"the daemon ended: {self.last(10)}")
                if not self._changed.wait(deadline - time.monotonic()):
                    raise ProcessFailed(f"no line {pattern!r} within {timeout:g} s: {self.last(10)}")

    def _unseen(self) -> Iterator[str]:
        while self._seen < self._count:
            at = len(self._lines) - (self._count - self._seen)
            self._seen += 1
            if at >= 0:
                yield self._lines[at]

    def last(self, count: int) -> str:
        """Return the last lines as one text."""
        with self._changed:
            return "".join(list(self._lines)[-count:])


class NodeProcess:
    """One node's directory, the commands that are run on it, and its daemon."""

    def __init__(
        self,
        directory: Path,
        name: str,
        *,
        program: Sequence[str] = PROGRAM,
        environment: Mapping[str, str] | None = None,
        workplace: Path | None = None,
        log: Path | None = None,
    ) -> None:
        """``program`` is what runs, with ``environment`` in place of our own, in the directory ``workplace``.

        ``log`` is a file that the daemon's lines are also written to.
        """
        self.directory = directory
        self.name = name
        self.address = ""
        self.pin = ""
        self.process: subprocess.Popen[bytes] | None = None
        self.log = DaemonLog(log)
        self.program = program
        self._options: dict[str, Any] = {"env": environment, "cwd": workplace}

    # -- commands ---------------------------------------------------------------------------------

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of one of the node's commands."""
        return [*self.program, "--dir", str(self.directory), *arguments]

    def run(self, *arguments: str, check: bool = True, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end.  Raises ProcessFailed."""
        return run_command(self.directory, *arguments, check=check, program=self.program, **(self._options | options))

    def json(self, *arguments: str) -> Any:
        """Return what a command prints with ``--json``.  Raises ProcessFailed."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def set_up(self, listen: str = "127.0.0.1:0") -> None:
        """Make the node's directory, store and certificate.  Raises ProcessFailed."""
        self.pin = "pin:" + self.json("init", "--node", self.name, "--listen", listen)["fingerprint"]

    def knows(self, other: "NodeProcess", secret: Path, *, dial: bool = True, kind: str = "mirror") -> None:
        """Make ``other`` a peer with a secret from a file; with ``dial`` this node connects to it."""
        address = ["--address", other.address] if dial else []
        self.run(
            *("peer", "add", other.name, "--kind", kind, *address, "--trust", other.pin, "--secret-file", str(secret))
        )

    # -- the daemon -------------------------------------------------------------------------------

    def start(self, before: Callable[[], None] | None = None, *, own_session: bool = False) -> str:
        """Start the daemon, wait until it says that it is up, and return its address.  Raises ProcessFailed.

        ``before`` runs in its process first.  With ``own_session`` a Ctrl-C typed at our terminal does not reach it.
        """
        if self.process is not None:
            raise ProcessFailed(f"the daemon of {self.name} runs already")
        reading, writing = os.pipe()
        try:
            self.process = subprocess.Popen(
                self.command("daemon"),
                stdin=subprocess.DEVNULL,
                stderr=writing,
                preexec_fn=before,
                start_new_session=own_session,
                **self._options,
            )
        finally:
            os.close(writing)
            self.log.follow(reading)
        found = _UP.search(self.wait_log(_UP, START_TIMEOUT_S))
        assert found is not None
        self.address = found[1].rstrip(",")
        return self.address

    def wait_log(self, pattern: "str | re.Pattern[str]", timeout: float = START_TIMEOUT_S) -> str:
        """Wait until the daemon logs a line that was not waited for before; returns it.  Raises ProcessFailed."""
        try:
            return self.log.wait(pattern, timeout)
        except ProcessFailed as error:
            raise ProcessFailed(f"{self.name}: {error}") from None

    @property
    def pid(self) -> int:
        """Return the number of the daemon's process.  Raises ProcessFailed."""
        return self._running().pid

    def _running(self) -> "subprocess.Popen[bytes]":
        if self.process is None:
            raise ProcessFailed(f"the daemon of {self.name} does not run")
        return self.process

    def signal(self, number: int) -> None:
        """Send the daemon a signal.  Raises ProcessFailed."""
        self._running().send_signal(number)

    def wait(self, timeout: float = STOP_TIMEOUT_S) -> int:
        """Wait for the daemon's end; returns its exit code.  Raises ProcessFailed."""
        try:
            code = self._running().wait(timeout)
        except subprocess.TimeoutExpired:
            raise ProcessFailed(f"the daemon of {self.name} did not end within {timeout:g} s") from None
        self.process = None
        return code

    def kill(self) -> None:
        """End the daemon as a power failure would.  Raises ProcessFailed."""
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> None:
        """End the daemon as an administrator would, if it runs.  Raises ProcessFailed."""
        if self.process is not None:
            self.signal(signal.SIGTERM)
            self.wait()

    @contextmanager
    def ask(self) -> Iterator[ChannelRemote]:
        """Give a connection to the daemon, or where none runs to the store itself."""
        with local_node(self.directory) as remote:
            yield remote

    def digest(self) -> str:
        """Return the digest of all that the node holds."""
        with self.ask() as remote:
            return str(remote.info().digest)


def stop_all(nodes: Sequence[NodeProcess]) -> None:
    """End several daemons, all at once; one that does not end in time is killed."""
    running = [node for node in nodes if node.process is not None]
    for node in running:
        node.signal(signal.SIGTERM)
    for node in running:
        try:
            node.wait()
        except ProcessFailed:
            node.kill()


def wait_until(nodes: Sequence[NodeProcess], holds: Callable[[], bool], timeout: float = START_TIMEOUT_S) -> bool:
    """Return whether a condition comes to hold within seconds; it is asked again after each change of the nodes."""
    with watching([node.directory for node in nodes]) as watch:
        return watch.until(holds, timeout)


def wait_equal(*nodes: NodeProcess, timeout: float = START_TIMEOUT_S) -> None:
    """Wait until all nodes have the same digest.  Raises ProcessFailed."""
    if not wait_until(nodes, lambda: len({node.digest() for node in nodes}) == 1, timeout):
        told = "; ".join(f"{node.name}: {node.digest()}: {node.log.last(3)}" for node in nodes)
        raise ProcessFailed(f"not equal within {timeout:g} s: {told}")
