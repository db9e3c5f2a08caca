"""The comparison of two commits: ratios pair by pair, and what it says and does where one is under the floor."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[2] / "contrib" / "bench"))

from ctdlmirror_bench import compare
from ctdlmirror_bench.commands import cli


def test_ratios_are_taken_pair_by_pair() -> None:
    told = compare.ratios([(2.0, 1.0), (1.0, 2.0), (3.0, 2.0)])
    assert told == {"median": 1.5, "least": 0.5, "greatest": 2.0, "other": 2.0, "tree": 2.0}


def test_nothing_against_nothing_is_equal() -> None:
    assert compare.ratios([(0.0, 0.0)])["median"] == 1.0


@pytest.mark.parametrize(("ours", "code"), [(1.05, 0), (1.06, 1)])
def test_a_row_under_the_floor_ends_with_1_in_pairs_of_other_and_tree(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ours: float, code: int
) -> None:
    ran: list[Path] = []

    def measured(tree: Path, row: compare.Row, environment: Mapping[str, str]) -> dict[str, float]:
        assert environment == {"of": str(tree)}
        ran.append(tree)
        return dict.fromkeys(row.keys, ours if tree == compare.TOP else 1.0)

    class Checked:
        def __init__(self, ref: str) -> None:
            assert ref == "abc"

        def __enter__(self) -> Path:
            return tmp_path

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(compare, "measured", measured)
    monkeypatch.setattr(compare, "environment_of", lambda tree, _bytecode: {"of": str(tree)})
    monkeypatch.setattr(compare, "checked_out", Checked)
    result = CliRunner().invoke(cli, ["compare", "abc", "--row", "latency", "--pairs", "2"])
    assert result.exit_code == code, result.output
    assert ("under 0.95" in result.output) == (code == 1)
    assert ran == [tmp_path, compare.TOP] * 2


def test_each_side_runs_compiled_as_an_installed_program_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    tree, bytecode = tmp_path / "tree", tmp_path / "bytecode"
    for name in ("mirror", "netconf"):
        (tree / name).mkdir(parents=True)
        (tree / name / "part.py").write_text("VALUE = 1\n")
    environment = compare.environment_of(tree, bytecode)
    compiled = Path(f"{bytecode}{tree}")
    assert sorted(found.parent.name for found in compiled.rglob("part.*.pyc")) == ["mirror", "netconf"]
    told = "import mirror.part, sys; print(mirror.part.__cached__, sys.dont_write_bytecode)"
    done = subprocess.run(
        [sys.executable, "-c", told], cwd=tree, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0].startswith(str(bytecode)) and done.stdout.split()[1] == "False"


def test_every_row_is_a_command_with_these_options() -> None:
    for row in compare.ROWS.values():
        result = CliRunner().invoke(cli, [row.command[0], "--help"])
        assert result.exit_code == 0
        for option in row.command[1:]:
            if option.startswith("--no-"):
                assert f"--{option[5:]}" in result.output
            elif option.startswith("--"):
                assert option in result.output


def test_a_commit_that_is_not_here_is_told() -> None:
    result = CliRunner().invoke(cli, ["compare", "0" * 40])
    assert result.exit_code == 1
    assert "comparing needs the whole history" in result.output
