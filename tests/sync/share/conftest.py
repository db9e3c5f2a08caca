"""Two stores to share rooms between."""

from collections.abc import Callable

import pytest

from mirror.store.sqlite.store import SqliteStore


@pytest.fixture
def pair(make_store: Callable[..., SqliteStore]) -> tuple[SqliteStore, SqliteStore]:
    return make_store("a"), make_store("b")
