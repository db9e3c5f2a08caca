"""What is done now and then: whatever fails is in the log, and what is due next is done."""

from pathlib import Path

import pytest

from mirror.config import Config
from mirror.server import upkeep as upkeep_module
from mirror.server.upkeep import Upkeep
from mirror.store.base import StoreError
from mirror.store.green import open_green


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
