"""What all tests share."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

from mirror.store.sqlite.store import SqliteStore

settings.register_profile("mirror", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.load_profile("mirror")

EXPORT = Path(__file__).parent.parent / "mirror" / "data" / "alpha-980.xml"


@pytest.fixture
def export() -> Path:
    """The recorded export of a server of version 980, still in its protocol listing."""
    return EXPORT


@pytest.fixture
def make_store(tmp_path: Path) -> Iterator[Callable[..., SqliteStore]]:
    """Makes stores in directories of their own, and closes them."""
    stores: list[SqliteStore] = []

    def make(node: str, **options: object) -> SqliteStore:
        directory = tmp_path / f"{node}-{len(stores)}"
        directory.mkdir()
        stores.append(SqliteStore(directory, node, **options))  # type: ignore[arg-type]
        return stores[-1]

    yield make
    for store in stores:
        store.close()
