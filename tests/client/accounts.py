"""Persons with an account at a daemon, and the commands that they type; each has a home directory of their own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from daemons import run, running

from mirror.cli.app import cli

USER = "Bob Stone"
_PLACES = {"XDG_CONFIG_HOME": "config", "XDG_STATE_HOME": "state", "XDG_DATA_HOME": "data", "HOME": "home"}


class Person:
    """A person with a home directory and an account at a daemon."""

    def __init__(self, home: Path, address: str) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.address = address
        self.calendars = home / "data" / "calendars"
        self.contacts = home / "data" / "contacts"
        self.password = home / "pw"
        self.password.write_text(f"pw-{USER}\n")
        self.password.chmod(0o600)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that say where this person's files are."""
        return {name: str(self.home / place) for name, place in _PLACES.items()}

    @property
    def config(self) -> Path:
        return self.home / "config" / "citadel-mirror" / "client.toml"

    def run(self, *arguments: str, code: int = 0, given: str = "") -> Result:
        """Run a command; it has to end with an exit code."""
        result = self.try_to(*arguments, given=given)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    def try_to(self, *arguments: str, given: str = "") -> Result:
        """Run a command, however it ends."""
        return CliRunner().invoke(cli, ["client", *arguments], input=given, env=self.environment)

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    def init(self, *more: str, code: int = 0) -> Result:
        """Set the client up, from options alone."""
        file = ["--password-file", str(self.password)] if "--password-command" not in more else []
        return self.run("init", "--server", self.address, "--user", USER, *file, "--yes", *more, code=code)


@contextmanager
def server_address(directory: Path, export: Path) -> Iterator[str]:
    """Give the address of a daemon in this process that holds what a server exported."""
    run(directory, "init", "--node", "alpha", "--listen", "127.0.0.1:0")
    run(directory, "import", str(export))
    with running(directory) as daemon:
        yield daemon.node.addresses[0]
