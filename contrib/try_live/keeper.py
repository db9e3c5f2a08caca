"""Runs a program and ends it as soon as whoever started us is gone, however that one ended.

    python keeper.py PROGRAM ARGUMENT...

Standard input is a pipe that our parent holds: when it closes, the program is sent SIGTERM, and SIGKILL if it is still
there after ``PATIENCE_S``.  A parent that is killed with SIGKILL closes it too.  Knows nothing of Citadel.
"""

import os
import subprocess
import sys
import threading

PATIENCE_S = 30.0
"""Seconds that the program has to end by itself."""


def keep(arguments: list[str]) -> int:
    """Run a program to its end, or to the end of standard input; returns its exit code."""
    program = subprocess.Popen(arguments, stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_with_input, args=(program,), daemon=True).start()
    return program.wait()


def _end_with_input(program: "subprocess.Popen[bytes]") -> None:
    # Not by way of sys.stdin, whose lock this thread would hold while the interpreter ends.
    while os.read(0, 1):
        pass
    program.terminate()
    try:
        program.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        program.kill()


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
