"""Makes what these tests share importable, and a node with calendars and what makes machines."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "server"))

from persons import Machine, machines_on, node_at

from mirror.server.node import Node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with node_at(tmp_path / "node") as node:
        yield node


@pytest.fixture
def make(node: Node, tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    with machines_on(node, tmp_path) as make:
        yield make
