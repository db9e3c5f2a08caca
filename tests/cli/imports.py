"""What a command imports, run in a process of its own."""

import os
import sys
from pathlib import Path

from gevent import subprocess  # a daemon in the test's process answers meanwhile

TOP = Path(__file__).parents[2]


def imported(*arguments: str, **environment: str) -> set[str]:
    """Run the command in a process of its own, and return which modules it had imported in the end."""
    return set(at_the_end("*sys.modules", *arguments, **environment).split())


def at_the_end(told: str, *arguments: str, **environment: str) -> str:
    """Run the command in a process of its own, and return what expressions are worth at its end."""
    program = (
        "import atexit, gc, sys\n"
        f"atexit.register(lambda: print({told}, file=sys.stderr))\n"
        "sys.argv[0] = 'ctdlmirror'\n"
        "from mirror.cli.entry import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": str(TOP), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.splitlines()[-1]
