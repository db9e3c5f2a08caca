"""What is remembered of a pair: on a disk that has no room, and before it was ever kept equal."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from mirror.cli.app import cli
from mirror.client.config import PairSettings, ServerSettings, written
from mirror.client.resolving import NoSuchConflict
from mirror.client.state import BadState, PairState, Row


def test_a_full_disk_is_called_so_and_what_was_remembered_stays(tmp_path: Path) -> None:
    state = PairState(tmp_path / "pair.db")
    with state.writing():
        state.put("room", [Row("a", "1", "", "id:a", 1, b"")])
    pages = state._db.execute("PRAGMA page_count").fetchone()[0]
    state._db.execute(f"PRAGMA max_page_count={pages}")
    for _ in range(2):
        with pytest.raises(BadState, match="full"), state.writing():
            state.put("room", [Row(str(number), "1", "", f"id:{number}", 1, bytes(4000)) for number in range(50)])
    state._db.execute("PRAGMA max_page_count=100000")
    with state.writing():
        state.put("room", [Row("b", "1", "", "id:b", 1, b"")])
    assert sorted(state.listing("room")) == ["a", "b"]
    state.close()


def test_who_asks_for_a_conflict_makes_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a pair's first round would take its directory, which it makes, for one that is gone."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    settings = tmp_path / "client.toml"
    server, pair = ServerSettings("node.example", "Ann"), PairSettings(str(tmp_path / "calendars"), ["calendar"])
    settings.write_text(written(server, {"calendars": pair}))
    done = CliRunner().invoke(cli, ["client", "--config", str(settings), "conflicts", "show", "calendars", "1"])
    assert done.exit_code == NoSuchConflict.exit_code, done.output
    assert not (tmp_path / "state").exists()
