"""What SQLite says is told with what it means."""

import os
import sqlite3
from pathlib import Path

import pytest

from mirror.store.sqlite.wrong import told


def test_a_full_disk_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error, place = sqlite3.OperationalError("disk I/O error"), tmp_path / "store.sqlite"
    assert told(error, place) == "disk I/O error"
    here = os.statvfs(tmp_path)
    full = os.statvfs_result([*here[:4], 0, *here[5:]])
    assert (full.f_bavail, full.f_blocks) == (0, here.f_blocks)
    monkeypatch.setattr(os, "statvfs", lambda _path: full)
    assert told(error, place) == "no space is left on its disk (disk I/O error)"


def test_where_nothing_is_known_of_the_disk_the_error_stands(tmp_path: Path) -> None:
    assert told(OSError("odd"), tmp_path / "none" / "store.sqlite") == "odd"
