"""What with-venv says and makes, with Pythons that are made up: no environment is installed here."""

import os
import subprocess
from pathlib import Path

import pytest

WITH_VENV = Path(__file__).parents[2] / "contrib" / "with-venv"
PYTHON = """#!/bin/sh
case "$*" in
*version_info*) exit {too_old} ;;
--version) echo Python {version} ;;
-m\\ venv*) mkdir -p "$4/bin" && echo '#!/bin/sh' > "$4/bin/python" && chmod +x "$4/bin/python" ;;
*pip*) exit {pip} ;;
esac
"""


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    return tmp_path / "venv"


def with_venv(venv: Path, version: str, *, too_old: bool = False, pip: int = 0) -> "subprocess.CompletedProcess[str]":
    """Run a command with an interpreter of some version, whose pip ends with a code."""
    python = venv.with_name("python")
    python.write_text(PYTHON.format(version=version, too_old=int(too_old), pip=pip))
    python.chmod(0o755)
    return subprocess.run(
        [str(WITH_VENV), "echo", "it runs"],
        env={**os.environ, "PYTHON": str(python), "CTDLMIRROR_VENV": str(venv)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_python_that_is_too_old_is_one_line_at_once(venv: Path) -> None:
    done = with_venv(venv, "3.10.12", too_old=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("with-venv: Python 3.10.12 is too old or not there; PYTHON=python3.11 ")
    assert not venv.exists()


def test_it_says_what_it_does_once(venv: Path) -> None:
    first = with_venv(venv, "3.11.2")
    assert (first.returncode, first.stdout) == (0, "it runs\n")
    assert first.stderr == f"with-venv: making {venv} and installing the project and its tests' needs, some minutes\n"
    assert with_venv(venv, "3.11.2").stderr == ""


def test_an_installation_that_fails_says_what_it_needs_and_is_tried_again(venv: Path) -> None:
    for _ in range(2):
        done = with_venv(venv, "3.11.2", pip=1)
        assert done.returncode == 1 and done.stderr.endswith("pip 22.3 or newer, and the network\n")
    assert with_venv(venv, "3.11.2").stdout == "it runs\n"
