"""This machine's clock: who says the same, believing it, and mending what it stamped while it was wrong."""

import sys
from pathlib import Path

import click

from mirror.cli.app import EXIT_DIFFERENT, cli
from mirror.cli.local import ask_peers, ask_values, local_node
from mirror.cli.output import json_option, print_json, report, say
from mirror.cli.progress import Meters
from mirror.config.reading import load_config
from mirror.config.settings import Config
from mirror.model.errors import MirrorError
from mirror.model.stamp import format_stamp
from mirror.store.base import Store
from mirror.store.open import Options, open_store
from mirror.store.repair import ClockRepaired, repair_clock
from mirror.sync.clock import format_ms
from mirror.wire.status import ClockStatus


class NotConfirmed(MirrorError):
    """No peer says that this machine's clock is right."""


@cli.group()
def clock() -> None:
    """This machine's clock, who confirms it, and what to do once it was wrong."""


@clock.command("show")
@json_option
@click.pass_obj
def clock_show(directory: Path, as_json: bool) -> None:
    """Show what the clock says, what the last commit and the peers say, and how many records are ahead of it.

    Exits with 1 where it is doubted or anything is ahead.
    """
    with local_node(directory) as remote:
        found = ask_values(remote, "SYNC all|clock", ClockStatus)[0]
    if as_json:
        print_json(found)
    else:
        _show(found)
    sys.exit(EXIT_DIFFERENT if found.doubt or found.newest > found.limit else 0)


def _show(found: ClockStatus) -> None:
    say(f"This machine's clock says {format_ms(found.now_ms)}.")
    if found.committed_ms:
        say(f"  The last commit was at {format_ms(found.committed_ms)}.")
    for peer in found.peers:
        say(f"  The clock of {peer.peer} said {format_ms(peer.theirs_ms)} when it was {format_ms(peer.ours_ms)}.")
    if found.doubt:
        say(f"Doubted: {found.doubt}.")
    if found.newest <= found.limit:
        say("Nothing is ahead of it.")
        return
    say(f"The newest stamp here, {format_stamp(found.newest)}, is ahead of it, and these records:")
    for collection, count in found.ahead.items():
        say(f"  {collection}: {count}")
    say("If the clock is right, stop the daemon and run 'ctdlmirror clock repair'.")


@clock.command("accept")
@json_option
@click.pass_obj
def clock_accept(directory: Path, as_json: bool) -> None:
    """Believe this machine's clock as it is now, though it is far off what the last commit or the peers say."""
    with local_node(directory) as remote:
        reply = remote.channel.ask("SYNC all|accept-clock")
    report(as_json, {"now": reply.text}, f"{reply.text}: from now on this is believed.")


@clock.command("repair")
@click.option("--yes", is_flag=True, help="The clock is right, though no peer says so.")
@json_option
@click.pass_obj
def clock_repair(directory: Path, yes: bool, as_json: bool) -> None:
    """Write all versions anew that are ahead of the clock, now that it is right; no daemon may run.

    The store gets a new epoch, so the peers compare all with it.  A peer whose clock was wrong as well needs the same.
    """
    config = load_config(directory)
    options = Options("ctdlmirror clock repair", max_ahead_ms=config.max_ahead_ms, create=False)
    store = open_store(directory, config.node, config.store.url, options)
    try:
        done = _repair(store, config, yes, as_json)
    finally:
        store.close()
    if as_json:
        print_json({"epoch": done.epoch if done else "", **(done.repaired._asdict() if done else {})})
    elif done is None:
        say("Nothing is ahead of this machine's clock.")
    else:
        found = done.repaired
        say(
            f"{found.records} records, {found.losers} versions that had lost and {found.signs} signs of life were ahead"
            f" and are no more; epoch {done.epoch}."
        )
        say("A peer whose clock was wrong as well needs the same: 'ctdlmirror aside list' shows what it still has.")


def _repair(store: Store, config: Config, yes: bool, quiet: bool) -> ClockRepaired | None:
    limit = store.clock.limit()
    if store.clock.last <= limit:
        return None
    if not yes:
        _require_witness(config, store)
    total = sum(store.read(lambda reader: reader.count_ahead(limit)).values())
    with Meters(quiet) as meters:
        meters.show("clock repair", 0, total, "records")
        return repair_clock(store, lambda done: meters.show("clock repair", done, total, "records"))


def _require_witness(config: Config, store: Store) -> None:
    """Raise NotConfirmed unless a mirror's clock says what ours says: a wrong one would stamp all of it wrong."""
    heard = ask_peers(config)
    if any(one.apart_ms <= config.max_ahead_ms for one in heard.values()):
        return
    told = "".join(f"; the clock of {peer} says {format_ms(one.theirs_ms)}" for peer, one in heard.items())
    raise NotConfirmed(
        f"this machine's clock says {format_ms(store.clock.now_ms())}, the newest stamp here is "
        f"{format_stamp(store.clock.last)}, and no mirror that answers says the same as the clock{told}; "
        "set the clock, or if it is right repeat with --yes"
    )
