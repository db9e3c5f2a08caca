"""The store's lock: a command that asks something is waited for, who keeps the store is not."""

import threading
import time
from pathlib import Path

import pytest

from mirror.store.errors import StoreInUse
from mirror.store.sqlite.lock import StoreLock


def test_a_command_that_is_done_soon_is_waited_for(tmp_path: Path) -> None:
    held = StoreLock(tmp_path / "lock", "ctdlmirror")
    threading.Timer(0.2, held.release).start()
    StoreLock(tmp_path / "lock", "ctdlmirror daemon", 30).release()


def test_one_that_is_not_done_in_time_is_named(tmp_path: Path) -> None:
    with StoreLock(tmp_path / "lock", "ctdlmirror"), pytest.raises(StoreInUse, match="in use by ctdlmirror, process"):
        StoreLock(tmp_path / "lock", "ctdlmirror daemon", 0.1)


@pytest.mark.parametrize("holder", ["ctdlmirror daemon", "ctdlmirror import"])
def test_who_has_it_for_long_is_named_at_once(tmp_path: Path, holder: str) -> None:
    started = time.monotonic()
    with StoreLock(tmp_path / "lock", holder), pytest.raises(StoreInUse, match=f"in use by {holder}, process"):
        StoreLock(tmp_path / "lock", "ctdlmirror daemon", 60)
    assert time.monotonic() - started < 30
