"""Programs of other people that tests use: Debian's packages, installed where that can be done, else a skipped test."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

INSTALL_S = 120
"""Seconds after which installing has failed."""


def need(program: str, package: str) -> str:
    """Return where a program is, installed from a Debian package if need be; skips the test where it cannot be had."""
    found = shutil.which(program) or _installed(program, package)
    if found is None:
        pytest.skip(f"{program} is not here, and could not be installed: apt-get install {package}")
    return found


@cache
def _installed(program: str, package: str) -> str | None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    with (Path(tempfile.gettempdir()) / "ctdlmirror-tests-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several workers one installs
        if shutil.which(program) is None:
            install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            for command in (install, ["apt-get", "update", "-qq"], install):
                try:
                    done = subprocess.run(command, capture_output=True, timeout=INSTALL_S, env=environment, check=False)
                except subprocess.TimeoutExpired:
                    return None
                if done.returncode == 0 and command is install:
                    break
    return shutil.which(program)
