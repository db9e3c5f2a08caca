"""A store for green threads: what fails in its threads comes to who asked, and nothing of it is printed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from mirror.model.record import Record
from mirror.store.errors import StoreError
from mirror.store.green import GreenStore, open_green


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GreenStore]:
    opened = open_green(tmp_path, "m")
    yield opened
    opened.close()


def fails(error: Exception) -> Callable[..., Any]:
    def job(*_: object) -> Any:
        raise error

    return job


@pytest.mark.parametrize("error", [StoreError("the disk is gone"), ZeroDivisionError("odd")])
def test_what_fails_in_a_thread_is_raised_where_it_was_asked_for(
    store: GreenStore, capfd: pytest.CaptureFixture[str], error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ask in (store.read, store.write, store.run):
        with pytest.raises(type(error)):
            ask(fails(error))
    pinned = store.pin()
    with pytest.raises(type(error)):
        pinned.read(fails(error))
    pinned.close()
    monkeypatch.setattr(store._store, "pin", fails(error))
    with pytest.raises(type(error)):
        store.pin()
    assert capfd.readouterr().err == ""


def test_whatever_ends_a_group_of_writes_ends_all_of_them_and_the_next_one_is_written(
    store: GreenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = Record("pictures", "k", 1, "x", 1)
    with monkeypatch.context() as patch:
        patch.setattr(store._store, "write_group", fails(ZeroDivisionError("odd")))
        writing = [gevent.spawn(_outcome, store, draft) for _ in range(3)]
        gevent.joinall(writing, timeout=10)
        assert [type(one.value) for one in writing] == [ZeroDivisionError] * 3
    assert isinstance(_outcome(store, draft), Record)


def _outcome(store: GreenStore, draft: Record) -> object:
    try:
        return store.write(lambda writer: writer.put(draft))
    except ZeroDivisionError as error:
        return error
