"""The page on security: what it says to hold is shown by tests that there are."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "security.md"


def test_every_row_names_tests_that_there_are() -> None:
    _, *tables = PAGE.read_text("utf-8").split("| what holds | test |\n| --- | --- |\n")
    shown = [row for table in tables for row in table.partition("\n\n")[0].splitlines()]
    assert len(shown) > 4
    for row in shown:
        named = re.findall(r"`([a-z_/]+\.py)::(\w+)`", row)
        assert named, row
        for file, function in named:
            assert f"def {function}(" in (TESTS / file).read_text("utf-8"), f"there is no {file}::{function}"
