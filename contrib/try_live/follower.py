"""Follows a server into the store of a node whose daemon does not run, in a process of its own that may be killed.

    python follower.py DIRECTORY PLACE SETTINGS

``PLACE`` is a directory with the administrator's socket; ``SETTINGS`` are JSON.  Tells its state in a line of JSON
whenever it changed, and follows anew where the server is lost.
What is held back is approved at SIGUSR1.
"""

import gevent.monkey

gevent.monkey.patch_all()

import signal  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import gevent  # noqa: E402
import msgspec  # noqa: E402

from mirror.citadel.follow import Following, Settings  # noqa: E402
from mirror.model.errors import MirrorError  # noqa: E402
from mirror.store.green import open_green  # noqa: E402

AGAIN_S = 0.2
TOLD_S = 0.05


def follow(directory: Path, place: Path, settings: Settings) -> None:
    """Follow for ever."""
    following = Following(
        open_green(directory), place, settings=settings, sleep=gevent.sleep, clock=time.monotonic, now=time.time
    )
    gevent.signal_handler(signal.SIGUSR1, following.approve)
    gevent.spawn(_tell, following)
    while True:
        try:
            following.run()
        except MirrorError as error:
            print(msgspec.json.encode({"lost": f"{type(error).__name__}: {error}"}).decode(), flush=True)
            gevent.sleep(AGAIN_S)


def _tell(following: Following) -> None:
    last = b""
    while True:
        state = msgspec.json.encode(following.state)
        if state != last:
            print(state.decode(), flush=True)
        last = state
        gevent.sleep(TOLD_S)


if __name__ == "__main__":
    follow(Path(sys.argv[1]), Path(sys.argv[2]), msgspec.json.decode(sys.argv[3], type=Settings))
