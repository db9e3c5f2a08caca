"""The page on security: what it says to hold is shown by tests that there are."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "security.md"


WHO = {
    "anybody on the network": "Anybody on the network",
    "a user": "A user",
    "an aide (a user of level 6)": "An aide",
    "a peer that rooms are shared with": "A peer",
    "a mirror": "A peer",
    "a local user of the machine": "The machine, its disk and a backup",
    "who runs the node (its account, root)": "The machine, its disk and a backup",
    "who reads a backup, or the disk": "The machine, its disk and a backup",
    "a Citadel server that is followed": "A Citadel server, and all whose text is shown",
}
"""Who can do something, and under which heading it stands what holds of them."""


def test_all_who_can_do_something_have_rows_of_what_holds() -> None:
    page = PAGE.read_text("utf-8")
    table = page.partition("| who | can |")[2].partition("\n\n")[0].splitlines()[2:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in table] == list(WHO)
    for heading in WHO.values():
        section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        assert "| what holds | test |" in section, heading
    assert "\n## After a compromise\n" in page


def test_every_row_names_tests_that_there_are() -> None:
    _, *tables = PAGE.read_text("utf-8").split("| what holds | test |\n| --- | --- |\n")
    shown = [row for table in tables for row in table.partition("\n\n")[0].splitlines()]
    assert len(shown) > 4
    for row in shown:
        named = re.findall(r"`([a-z_/]+\.py)::(\w+)`", row)
        assert named, row
        for file, function in named:
            assert f"def {function}(" in (TESTS / file).read_text("utf-8"), f"there is no {file}::{function}"
