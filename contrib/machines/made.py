"""Making a machine and typing on it: its other end, within, is machines.within.

A machine is a process in namespaces of its own (unshare of util-linux).  Of this machine it sees programs and their
settings, and keeps in memory what it changes in these; it sees no homes, temporary files, networks, and not this tree.
"""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import PIPE
from typing import Any, NamedTuple

TOP = Path(__file__).resolve().parents[2]
WITHIN = TOP / "contrib" / "machines" / "within.py"
NAMESPACES = ("--mount", "--net", "--uts", "--pid", "--fork", "--kill-child")


class NoMachine(Exception):
    """None can be made here."""


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    output: str


def clone(directory: Path) -> Path:
    """Make a fresh clone of this tree, as somebody fetches it: what is not known to git is not in it."""
    made = directory / "clone"
    listed = subprocess.run(["git", "-C", str(TOP), "ls-files", "-z"], capture_output=True, text=True, check=False)
    if listed.returncode:
        raise NoMachine(f"{TOP} is no clone: {listed.stderr.strip()}")
    for name in filter(None, listed.stdout.split("\0")):
        if (TOP / name).is_file():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_bytes((TOP / name).read_bytes())
            (made / name).chmod((TOP / name).stat().st_mode)
    return made


class Machine:
    """One machine, and a terminal on it."""

    def __init__(
        self, directory: Path, name: str, source: Path, hosts: Mapping[str, str], bound: Mapping[str, Path]
    ) -> None:
        """Make it in a directory, with a clone of this tree from ``source``.

        ``hosts`` are names of machines, and the addresses by which it reaches them; ``bound`` are directories of this
        machine that it has, by where.  Raises NoMachine.
        """
        (directory / name).mkdir()
        asked = {
            "root": str(directory / name),
            "name": name,
            "hosts": dict(hosts),
            "bound": {
                "/usr/src/citadel-mirror": str(source),
                "/usr/lib/citadel-mirror": sysconfig.get_paths()["purelib"],
                "/run/wires": str(directory),
                **{place: str(source) for place, source in bound.items()},
            },
        }
        unshare = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), *NAMESPACES]
        command = [*unshare, sys.executable, str(WITHIN), json.dumps(asked)]
        try:
            self._process = subprocess.Popen(command, text=True, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        except OSError as error:
            raise NoMachine(f"no machine can be made here: {error}") from None
        if self._read() is None:
            _, said = self._process.communicate()
            why = (said.strip().splitlines() or ["unshare said nothing"])[-1]
            raise NoMachine(f"no machine can be made here: {why}")

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line else None

    def _ask(self, **asked: object) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        told = self._read()
        if told is None:
            raise NoMachine(f"a machine is gone: {self._process.communicate()[1]}")
        return told

    def type(self, line: str, given: str = "") -> Done:
        """Type a line, and what the command then asks for; returns how it ended."""
        return Done(**self._ask(line=line, given=given))

    def start(self, line: str, until: str) -> Done:
        """Type a line of which the command goes on; returns once it has said something, or has ended."""
        return Done(**self._ask(line=line, until=until))

    def stop(self) -> Done:
        """End what goes on as Ctrl-C does; returns how it ended."""
        return Done(**self._ask(stop=True))

    def serve(self, wire: str, port: int) -> None:
        """Let others reach a port of it by a wire."""
        self._ask(wire=wire, port=port)

    def reach(self, wire: str, address: str, port: int) -> None:
        """Have an address on it lead to what is served by a wire."""
        self._ask(wire=wire, address=address, port=port)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Make a file on it, in its home if the path is not absolute, and the directory of that."""
        self._ask(path=path, text=text, mode=mode)

    def close(self) -> None:
        """Be done with it: all that runs on it ends."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def close_all(machines: Sequence[Machine]) -> None:
    for machine in machines:
        machine.close()
