"""The entry point: patches for green threads once, before anything else is imported, then runs the command.

Threads stay real: the store's locks are shared with the thread pool's workers.
"""

from gevent import monkey

monkey.patch_all(thread=False, queue=False)


def main() -> None:
    """Run ``ctdlmirror``; never returns."""
    from mirror.cli import app, data, demo, inspect, names, netconf, setup, share, transfer

    for module in (data, demo, inspect, names, netconf, setup, share, transfer):
        assert module  # imported because its commands register themselves with the group
    app.cli(prog_name="ctdlmirror")
