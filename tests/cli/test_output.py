"""Tables for people: readable where the terminal is narrow, a line a row where it is wide and in a pipe."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from local import LocalNode

from mirror.cli import output
from mirror.cli.app import cli
from mirror.cli.output import ANY_WIDTH, table_lines

TOP = Path(__file__).parents[2]
COLUMNS = ["peer", "address", "phase"]
ROWS = [["beta", "beta.example.org:2504", "following"], ["東京", "", "dialling"]]


def test_a_row_is_a_line_where_there_is_room() -> None:
    assert table_lines(COLUMNS, ROWS, 60) == [
        "peer  address                phase",
        "----  ---------------------  ---------",
        "beta  beta.example.org:2504  following",
        "東京                         dialling",
    ]


def test_a_cell_is_a_line_where_there_is_not() -> None:
    assert table_lines(COLUMNS, ROWS, 30) == [
        "beta",
        "  address  beta.example.org:2504",
        "  phase    following",
        "東京",
        "  phase    dialling",
    ]


def test_a_table_without_rows_is_its_head() -> None:
    assert table_lines(COLUMNS, [], ANY_WIDTH) == ["peer  address  phase", "----  -------  -----"]


@pytest.mark.parametrize("columns", [60, 80])
def test_tables_fit_a_terminal(node: LocalNode, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "_terminal_width", lambda: columns)
    for command in (("status",), ("room", "list"), ("user", "list"), ("peer", "list")):
        assert max(map(len, node.run(*command).stdout.splitlines())) <= 110  # one line of 'status' is a sentence
    assert "Team Calendar" in node.run("room", "list").stdout


def test_a_terminal_that_has_not_all_letters_is_shown_their_numbers(node: LocalNode) -> None:
    node.run("room", "rename", "Lobby", "Größe 東京")
    environment = {**os.environ, "PYTHONPATH": str(TOP), "PYTHONIOENCODING": "latin-1", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "mirror", "--dir", str(node.directory), "room", "list"]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="latin-1", check=True)
    assert "Größe \\u6771\\u4eac" in done.stdout


def test_nothing_prints_but_by_the_one_place_that_makes_it_safe() -> None:
    """``click.echo`` and ``print`` are for mirror/cli/output.py; help and completion scripts are click's own."""
    allowed = {"output.py": 2, "app.py": 4}
    for module in (TOP / "mirror" / "cli").glob("*.py"):
        text = module.read_text("utf-8")
        assert text.count("click.echo(") == allowed.get(module.name, 0), module
        assert " print(" not in text and "console.print(" not in text, module


def test_help_is_shown_in_a_narrow_terminal() -> None:
    assert "Commands:" in CliRunner().invoke(cli, ["--help"], env={"COLUMNS": "60"}).output
