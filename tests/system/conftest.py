"""Fixtures for tests with real processes."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "server"))
sys.path.insert(0, str(Path(__file__).parent.parent / "client"))
sys.path.insert(0, str(Path(__file__).parent))

from nodes import NodeProcess, make_secret


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    return make_secret(tmp_path)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Callable[[str], NodeProcess]]:
    """Sets nodes up, and ends their daemons."""
    made: list[NodeProcess] = []

    def make(name: str) -> NodeProcess:
        made.append(NodeProcess(tmp_path, name))
        return made[-1]

    yield make
    for one in made:
        if one.process is not None:
            one.kill()
