"""A node without a daemon, and commands on it that run in this process."""

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from mirror.cli.app import cli
from mirror.cli.local import local_node
from mirror.peer.remote import ChannelRemote

EVENT = """BEGIN:VCALENDAR
BEGIN:VEVENT
UID:meeting
DTSTAMP:20260101T000000Z
DTSTART:20261201T100000Z
SUMMARY:Lunch
END:VEVENT
END:VCALENDAR
"""
"""A calendar with one item, as a file has it."""


class LocalNode:
    """A node's directory, and what its administrator does with it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def run(self, *arguments: str, code: int = 0) -> Result:
        """Run a command; it has to end with an exit code."""
        result = self.try_to(*arguments)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    def try_to(self, *arguments: str) -> Result:
        """Run a command, however it ends."""
        return CliRunner().invoke(cli, ["--dir", str(self.directory), *arguments])

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json").stdout)

    def ask(self) -> AbstractContextManager[ChannelRemote]:
        """Give a remote on the node."""
        return local_node(self.directory)
