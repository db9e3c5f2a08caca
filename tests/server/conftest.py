"""Makes what these tests share importable, and the nodes that most tests of sessions are on."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.citadel.migr.importer import Importer
from mirror.config.settings import Config
from mirror.server.node import Node
from mirror.store.green import open_green

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node with two users and rooms of every kind, in which nothing is yet; who needs another one has its own."""
    from users_rooms import open_filled

    store = open_filled(tmp_path)
    yield Node(Config(tmp_path, "m"), {}, store)
    store.close()


@pytest.fixture
def exported(tmp_path: Path, export: Path) -> Iterator[Node]:
    """A node that holds what the sample export does."""
    store = open_green(tmp_path, "m")
    store.run(lambda inner: Importer(inner, "x").run([export.read_bytes()]))
    yield Node(Config(tmp_path, "m"), {}, store)
    store.close()
