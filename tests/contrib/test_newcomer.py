"""README's first five minutes, word for word: whoever changes a command changes them with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
STEPS = (
    "main$ ctdlmirror init",
    "main$ ctdlmirror peer invite standby",
    "standby$ ctdlmirror join",
    "standby$ ctdlmirror verify main",
    "main$ ctdlmirror verify standby",
    "main$ ctdlmirror netconf import",
    "laptop$ ctdlmirror client init",
    "laptop$ ctdlmirror client sync",
    "calendars: took",
    "both sides are watched",
)
ON_MACHINES = (
    "main$ ctdlmirror attach citadel:///run/citadel",
    "main$ systemctl restart citadel",
    "--address main.example.org:2504",
    'standby$ ctdlmirror room delete "Old plans"',
    "standby$ ctdlmirror backup /backup/mirror",
    "standby$ ctdlmirror renew",
    "it finds us at main.example.org:2504",
)


def newcomer(*options: str) -> str:
    """Do what README says; returns what was shown."""
    done = subprocess.run(
        [sys.executable, str(TOP / "contrib" / "newcomer"), *options],
        env={**os.environ, "PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All of it went as README says." in done.stdout
    return done.stdout


def test_a_newcomer_gets_two_equal_nodes_by_what_readme_says() -> None:
    shown = newcomer("--directories")
    assert [step for step in STEPS if step not in shown] == []


def test_so_does_one_with_two_machines_by_each_word_of_it() -> None:
    shown = newcomer()
    if "two directories have to do" in shown:
        pytest.skip(shown.partition(";")[0])
    assert [step for step in (*STEPS, *ON_MACHINES) if step not in shown] == []
    assert "left out" not in shown
