"""A node without a daemon, for commands that run in this process."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "server"))
sys.path.insert(0, str(Path(__file__).parent.parent / "client"))
sys.path.insert(0, str(Path(__file__).parent))

from local import LocalNode

from mirror.citadel.migr.importing import import_file
from mirror.config.files import CONFIG_FILE
from mirror.config.reading import template
from mirror.config.settings import Config
from mirror.store.open import open_store


@pytest.fixture
def node(tmp_path: Path, export: Path) -> LocalNode:
    """A node that holds what the sample export does."""
    directory = tmp_path / "alpha"
    directory.mkdir()
    (directory / CONFIG_FILE).write_text(template(Config(directory, "alpha")))
    store = open_store(directory, "alpha")
    import_file(store, export)
    store.close()
    return LocalNode(directory)
