"""What is remembered of a pair, on a disk that has no room."""

from pathlib import Path

import pytest

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
