"""README's first five minutes, word for word: whoever changes a command changes them with it."""

import os
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).parents[2]


def test_a_newcomer_gets_two_equal_nodes_by_what_readme_says(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(TOP / "contrib" / "newcomer"), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    steps = ("main$ ctdlmirror init", "main$ ctdlmirror peer invite standby", "standby$ ctdlmirror join", "verify main")
    for step in steps:
        assert step in done.stdout
    assert "All of it went as README says." in done.stdout
