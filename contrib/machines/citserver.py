#!/usr/bin/env python3
"""What stands for a Citadel server on a machine: the tests' made-up one, at its administrator's socket in a directory.

citserver.py DIRECTORY UP: a line is written to UP once it answers; SIGTERM ends it.
"""

import signal
import sys
from pathlib import Path

from made_live import LiveServer, listening

CALENDAR_VIEW = "3"


def a_server() -> LiveServer:
    """Return a server with the rooms that README speaks of."""
    server = LiveServer()
    for number, name in enumerate(("admin", "Ann", "Bob"), 1):
        server.user(number, name, u_password=name.lower())
    for number, name in enumerate(("Lobby", "Old plans", "Board"), 1):
        server.room(number, name)
        server.post(number, f"A message in {name}")
    server.room(4, "Team Calendar", QRdefaultview=CALENDAR_VIEW)
    return server


def main() -> None:
    directory, up = map(Path, sys.argv[1:])
    directory.mkdir(exist_ok=True)
    for left in directory.iterdir():  # of the one before it
        left.unlink()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with listening(a_server(), directory):
        up.write_text("up\n")
        signal.pause()


if __name__ == "__main__":
    main()
