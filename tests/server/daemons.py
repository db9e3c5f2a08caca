"""A daemon in the process of the test, and commands on a node's directory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
from click.testing import CliRunner, Result

from mirror.cli.app import cli
from mirror.server.daemon import Daemon


def run(directory: Path, *arguments: str, given: str = "", code: int = 0) -> Result:
    """Run a command, which reads what is given; it has to end with an exit code."""
    result = CliRunner().invoke(cli, ["--dir", str(directory), *arguments], input=given)
    assert result.exit_code == code, result.output
    return result


@contextmanager
def running(directory: Path) -> Iterator[Daemon]:
    """Give a node's daemon until the end; its greenlet runs when the test waits for something."""
    daemon = Daemon(directory)
    greenlet = gevent.spawn(daemon.run)
    try:
        yield daemon
    finally:
        daemon._stop.set()
        greenlet.join()
