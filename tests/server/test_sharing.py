"""Keeping up with rooms' rules: a change at which they cannot be read is told of, and the next one is looked at."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

from mirror.model.record import Record
from mirror.server.sharing import Sharing
from mirror.store.base import Reader
from mirror.store.errors import StoreError
from mirror.store.green import open_green


def test_a_node_that_shares_with_nobody_looks_at_no_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_green(tmp_path, "m")
    looked = 0
    read = store.read

    def counted(job: Callable[[Reader], Any]) -> Any:
        nonlocal looked
        looked += 1
        return read(job)

    monkeypatch.setattr(store, "read", counted)
    sharing = Sharing(store)
    for peers, looks in (([], 0), (["partner"], 1), ([], 0)):
        sharing.configure(peers)
        store.write(lambda writer: writer.put(Record("pictures", "k", 1, "x", 1)))
        before = looked
        sharing._look(lambda _peers: None)
        assert looked - before == looks
    store.close()


@pytest.mark.parametrize("error", [StoreError("the disk is gone"), ZeroDivisionError("odd")])
def test_what_fails_at_one_change_is_told_once_and_the_next_change_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    store = open_green(tmp_path, "m")
    sharing, looked = Sharing(store), Event()

    def fails(_changed: object) -> None:
        looked.set()
        raise error

    monkeypatch.setattr(sharing, "_look", fails)
    running = gevent.spawn(sharing.run, lambda _peers: None)
    gevent.idle()
    for number in range(3):
        draft = Record("pictures", f"k{number}", 1, "x", 1)
        store.write(lambda writer, draft=draft: writer.put(draft))  # type: ignore[misc]
        assert looked.wait(10)
        looked.clear()
    running.kill()
    store.close()
    (told,) = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert told.startswith("the rules of shared rooms: cannot be read: ") and str(error) in told
