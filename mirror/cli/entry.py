"""The entry point: has the interpreter patched for green threads once, before a command's modules are imported.

Threads stay real: the store's locks are shared with the thread pool's workers.  Nothing that is imported before waits
for the network, so help and what else needs no node begins without gevent.
"""

from functools import cache

from mirror.cli.app import cli


@cache
def patch() -> None:
    """Patch what waits, so that it waits for its own green thread only."""
    from gevent import monkey

    monkey.patch_all(thread=False, queue=False)


def main() -> None:
    """Run ``ctdlmirror``; never returns."""
    cli.prepare = patch
    cli(prog_name="ctdlmirror")
