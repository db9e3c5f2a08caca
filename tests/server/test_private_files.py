"""A node's files are its own, whatever the umask: its directory, and all that a daemon and commands make in it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import run, running


@pytest.fixture
def loose_umask() -> Iterator[None]:
    """Have files be made open to all, unless whoever makes them says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("loose_umask")
def test_all_that_is_made_is_the_nodes_alone(tmp_path: Path) -> None:
    directory = tmp_path / "main"
    run(directory, "init", "--node", "main", "--listen", "127.0.0.1:0")
    with running(directory):
        run(directory, "room", "create", "Lobby")
        run(directory, "post", "Lobby", "x" * 100_000)
        run(directory, "peer", "invite", "standby")
        made = {path.name: path.stat().st_mode & 0o077 for path in (directory, *directory.rglob("*"))}
    assert {"admin.socket", "store.sqlite", "store.sqlite-wal", "lock", "secrets.toml", "tls.key"} <= made.keys()
    assert {name: mode for name, mode in made.items() if mode} == {}
