"""What is done now and then: whatever fails is in the log, and what is due next is done."""

from pathlib import Path

import gevent
import msgspec
import pytest
from gevent.event import Event

from mirror.config.settings import Config, Peer
from mirror.server import upkeep as upkeep_module
from mirror.server.upkeep import Upkeep
from mirror.store.errors import StoreError
from mirror.store.green import open_green
from mirror.sync.bootstrap import mark_begun
from mirror.sync.copying import unfinished


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StoreError("the disk is gone"), "upkeep: the disk is gone; trying again in an hour"),
        (ZeroDivisionError("odd"), "upkeep: an unexpected error; trying again in an hour"),
    ],
)
def test_what_fails_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, said: str
) -> None:
    def fails(*_: object) -> int:
        raise error

    store = open_green(tmp_path, "m")
    upkeep = Upkeep(store, Config(tmp_path, "m"))
    with monkeypatch.context() as patch:
        patch.setattr(upkeep_module, "keep_up", fails)
        upkeep.keep_up()
    assert [record.message for record in caplog.records] == [said]
    upkeep.keep_up()
    assert store.read(lambda reader: reader.get("nodes", "m")) is not None
    store.close()


def test_the_rest_of_a_copy_is_waited_for_as_long_as_its_source_is_a_peer(tmp_path: Path) -> None:
    store = open_green(tmp_path, "m")
    for source in ("left", "stays", "citadel:alpha"):
        mark_begun(store, source)
    config = Config(tmp_path, "m", peers=(Peer("stays"),))
    upkeep = gevent.spawn(Upkeep(store, config).run)
    changed = Event()
    store.watch(changed.set)
    with gevent.Timeout(10):
        while set(store.read(unfinished)) != {"stays", "citadel:alpha"}:
            changed.wait()
            changed.clear()
    upkeep.kill()
    store.close()


def test_a_sign_of_life_that_was_not_written_here_is_told_each_hour(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_green(tmp_path, "m")
    upkeep = Upkeep(store, Config(tmp_path, "m"))
    upkeep.keep_up()
    assert caplog.records == []
    held = store.read(lambda reader: reader.own_sign())
    sign = msgspec.structs.replace(held, stamp=held.stamp + 1)
    store.write(lambda writer: writer.apply([sign]))
    upkeep.keep_up()
    assert "a sign of life of m came here which was not written here" in caplog.records[0].message
    store.close()
