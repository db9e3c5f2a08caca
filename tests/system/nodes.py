"""Real nodes as real processes, on loopback ports that the kernel chose."""

import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from command_server import CommandServer
from exports import IMPORTED as IMPORTED

from mirror.cli import processes
from mirror.cli.processes import PROGRAM, ProcessFailed, checked, wait_until

TIMEOUT_S = 180.0
"""Whatever takes longer has failed; long enough for a machine that does other things beside the tests."""


@cache
def command_server() -> CommandServer:
    return CommandServer()


def ctdlmirror(directory: Path, *arguments: str, check: bool = True, input: str = "") -> CompletedProcess[str]:
    """Run one command to its end, with a text as its standard input.  Raises ProcessFailed."""
    done = command_server().run(directory, arguments, TIMEOUT_S, input)
    return checked(done, *arguments) if check else done


class NodeProcess(processes.NodeProcess):
    """One node's directory and its daemon, which dials soon again and says all it does."""

    def __init__(self, directory: Path, name: str, **options: Any) -> None:
        super().__init__(directory / name, name, **options)
        self.set_up()
        self.configure("retry_max_s = 300.0", "retry_max_s = 0.5")
        self.configure("retry_min_s = 1.0", "retry_min_s = 0.1")
        self.configure('level = "info"', 'level = "debug"')

    def run(self, *arguments: str, check: bool = True, **options: Any) -> CompletedProcess[str]:
        if self.program != PROGRAM:
            return super().run(*arguments, check=check, **options)
        return ctdlmirror(self.directory, *arguments, check=check, **options)

    def configure(self, old: str, new: str) -> None:
        """Replace something in the configuration."""
        config = self.directory / "mirror.toml"
        text = config.read_text()
        assert old in text, f"{old} is not in {text}"
        config.write_text(text.replace(old, new))

    def start(self, before: Callable[[], None] | None = None, *, own_session: bool = False) -> str:
        """Start the daemon and wait until it says that it is up.  ``before`` runs in its process first."""
        super().start(before, own_session=own_session)
        config = self.directory / "mirror.toml"  # the same port after a restart
        config.write_text(
            re.sub(r'addresses = \["[^"]*"\]', f'addresses = ["{self.address}"]', config.read_text(), count=1)
        )
        return self.address


def wait_equal(*nodes: processes.NodeProcess) -> None:
    """Wait until all nodes have the same digest."""
    processes.wait_equal(*nodes, timeout=TIMEOUT_S)


def wait_for(what: Callable[[], Any], wanted: Any, *nodes: processes.NodeProcess) -> None:
    """Wait until something is as wanted; it is looked at again after each change of these nodes' stores."""
    if not wait_until(nodes, lambda: what() == wanted, TIMEOUT_S):
        raise ProcessFailed(f"{what()} is not {wanted}")


def make_secret(directory: Path) -> Path:
    """Write a secret that two nodes share."""
    path = directory / "secret"
    path.write_text("correct horse battery staple\n")
    os.chmod(path, 0o600)
    return path
