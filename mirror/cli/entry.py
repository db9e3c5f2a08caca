"""The entry point: has the interpreter patched for green threads once, before a command's modules are imported.

Threads stay real: the store's locks are shared with the thread pool's workers.  Nothing that is imported before waits
for the network, so help and what else needs no node begins without gevent.  A daemon that is told to reload while it
imports all that must live, so this module itself imports next to nothing.
"""

import gc
import io
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@contextmanager
def never_collected() -> Iterator[None]:
    """Have what is made within never looked at by the garbage collector.

    Modules stay until the process ends, and there are many: looking at them again and again took a quarter of the time
    that importing them takes, and held a daemon up for 20 ms whenever all was looked at.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@cache
def patch() -> None:
    """Patch what waits, so that it waits for its own green thread only."""
    from gevent import monkey

    monkey.patch_all(thread=False, queue=False)


def _show_what_the_terminal_cannot() -> None:
    """Have a letter that the terminal's encoding has not be shown by its number, instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main() -> None:
    """Run ``ctdlmirror``; never returns."""
    if "daemon" in sys.argv:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the daemon listens to it; its default is to end
    with never_collected():
        from mirror.cli.app import cli

    _show_what_the_terminal_cannot()
    cli.prepare = patch
    cli.importing = never_collected
    cli(prog_name="ctdlmirror")
