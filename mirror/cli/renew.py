"""The way out where two nodes have one name: a new life for the store of the one that goes on."""

from datetime import UTC, datetime
from pathlib import Path

import click

from mirror.cli.app import cli
from mirror.cli.local import guard_clock
from mirror.cli.output import json_option, print_json, say
from mirror.cli.progress import Meters
from mirror.config.reading import load_config
from mirror.model.stamp import make_stamp
from mirror.store.open import Options, open_store
from mirror.store.renew import Renewed
from mirror.store.renew import renew as renew_store

MOMENTS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


@cli.command()
@click.option(
    "--since",
    type=click.DateTime(MOMENTS),
    help="Rename what was written here since then alone: a moment (UTC) before the copy was made.  [default: all]",
)
@json_option
@click.pass_obj
def renew(directory: Path, since: datetime | None, as_json: bool) -> None:
    """Begin a new life of this node's store, apart from any other node that has its name.

    No daemon may run.  The store gets a new epoch, so the peers compare all with it, and what was written here is said
    to be of that epoch: so nothing of it is taken for the other one's, and what the two changed alike is in the
    conflict log.  Stop the other one for good, or renew it too once this one is no more: of one name one is served.
    """
    config = load_config(directory)
    store = open_store(
        directory,
        config.node,
        config.store.url,
        Options("ctdlmirror renew", max_ahead_ms=config.max_ahead_ms, create=False),
    )
    after = make_stamp(int(since.replace(tzinfo=UTC).timestamp() * 1000)) if since is not None else 0
    try:
        guard_clock(store, config)
        with Meters(as_json) as meters:
            total = sum(store.read(lambda reader: reader.count_ahead(after)).values())
            meters.show("renew", 0, total, "records")
            renewed = renew_store(store, after, lambda done: meters.show("renew", done, total, "records"))
    finally:
        store.close()
    _show(renewed, as_json)


def _show(renewed: Renewed, as_json: bool) -> None:
    found = renewed.renamed
    if as_json:
        print_json({"epoch": renewed.epoch, "origin": renewed.origin, **found._asdict()})
        return
    say(
        f"{found.records} records and {found.conflicts} conflicts that were written here are of {renewed.origin} now; "
        f"epoch {renewed.epoch}."
    )
    say("Once the daemon runs, the peers compare all with it.")
