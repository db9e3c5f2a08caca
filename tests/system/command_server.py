"""Runs commands in processes forked from one that has imported everything, so Python's start is paid once.

What runs is the command itself, in a process of its own, with files of its own for input and output.  Daemons, and what
is killed, limited or watched on a terminal, start as they do in production.
"""

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

MAX_REQUEST = 1 << 20
"""Bytes in the arguments of one command at most."""


class CommandServer:
    """The asking side: one command at a time."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._server = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
        )
        theirs.close()
        self._connection = ours

    def run(
        self, directory: Path, arguments: Sequence[str], timeout: float, given: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command with a text as its standard input.  Raises subprocess.TimeoutExpired."""
        command = ["--dir", str(directory), *arguments]
        with tempfile.TemporaryFile() as fed, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            fed.write(given.encode())
            fed.seek(0)
            files = [fed.fileno(), out.fileno(), err.fileno()]
            socket.send_fds(self._connection, [json.dumps(command).encode()], files)
            pid = int(self._answer(timeout, command))
            try:
                code = int(self._answer(timeout, command))
            except subprocess.TimeoutExpired:
                os.kill(pid, signal.SIGKILL)
                self._answer(None, command)
                raise
            return subprocess.CompletedProcess(command, code, _text(out), _text(err))

    def _answer(self, timeout: float | None, command: list[str]) -> bytes:
        self._connection.settimeout(timeout)
        try:
            answer = self._connection.recv(100)
        except TimeoutError:
            raise subprocess.TimeoutExpired(command, timeout or 0) from None
        assert answer, f"the command server ended with {self._server.wait()}"
        return answer


def _text(file: "tempfile._TemporaryFileWrapper[bytes]") -> str:
    file.seek(0)
    return file.read().decode()


def serve(connection: socket.socket) -> None:
    """Fork for each request until the asking side is gone; a child becomes the command, and ends with it."""
    from gevent.monkey import get_original

    from mirror.cli.entry import main, patch

    patch()  # as it stands before a command's modules are imported
    _import_everything()
    gc.freeze()  # or each child would, at its end, go through all that was imported
    fork, wait = get_original("os", ("fork", "waitpid"))  # gevent's begin a hub, which a fork should not inherit
    while True:
        request, files, _, _ = socket.recv_fds(connection, MAX_REQUEST, 3)
        if not request:
            return
        pid = fork()
        if pid == 0:
            connection.close()
            for number, file in enumerate(files):
                os.dup2(file, number)
                os.close(file)
            sys.argv = ["ctdlmirror", *json.loads(request)]
            main()  # never returns
        for file in files:
            os.close(file)
        connection.send(b"%d" % pid)
        connection.send(b"%d" % os.waitstatus_to_exitcode(wait(pid, 0)[1]))


def _import_everything() -> None:
    import importlib
    import pkgutil

    import mirror

    for module in pkgutil.walk_packages(mirror.__path__, "mirror."):
        if module.name not in ("mirror.__main__", "mirror.cli.entry"):
            importlib.import_module(module.name)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    serve(socket.socket(fileno=int(sys.argv[1])))
