"""Taking data over: import a MIGR export, bootstrap from a Citadel server or another node."""

import os
import sys
from pathlib import Path
from secrets import token_hex

import click

from mirror.addresses import PLACES, Address
from mirror.citadel.bootstrap import ServerStage, Taken, copy_server
from mirror.citadel.looks.decided import DeletionsHeldBack
from mirror.citadel.migr.importing import import_blocks, import_file, read_blocks
from mirror.citadel.migr.report import Accepted, Report
from mirror.citadel.rehearsal import Rehearsal
from mirror.cli.app import EXIT_DIFFERENT, cli
from mirror.cli.doors import Door, open_door, password_file_option, server_dir_option
from mirror.cli.local import guard_clock
from mirror.cli.output import json_option, print_json, say, say_first
from mirror.cli.progress import Meters
from mirror.config.checking import parse_address, parse_server_place
from mirror.config.errors import ConfigError
from mirror.config.reading import load_config
from mirror.config.secrets import load_secrets
from mirror.config.settings import SHARE, Config, Peer
from mirror.formats.errors import CitadelError
from mirror.peer.bootstrap import SINGLE_USER_WAIT_S, Bootstrapped, NodeStage, copy_node
from mirror.peer.dial import dial_peer
from mirror.peer.remote import ChannelRemote
from mirror.store.base import Store
from mirror.store.green import open_green
from mirror.store.open import Options, open_store
from mirror.sync.twins import read_identity
from mirror.wire.values import Identity

TIMEOUT_S = 90.0

accept_incomplete_option = click.option(
    "--accept-incomplete", is_flag=True, help="End with 0 even where elements were refused, or the export was cut."
)
accept_older_option = click.option(
    "--accept-older", is_flag=True, help="Take what is older than what was taken last for what the server holds now."
)
accept_deletions_option = click.option(
    "--accept-deletions", is_flag=True, help="Delete what the server has no more, however much that is."
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Only tell what this would write, delete and hold back.")


@cli.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--node", default="", help="The server's node name, where the export doesn't tell it.")
@accept_incomplete_option
@accept_older_option
@accept_deletions_option
@dry_run_option
@json_option
@click.pass_obj
def import_command(
    directory: Path,
    file: Path,
    node: str,
    accept_incomplete: bool,
    accept_older: bool,
    accept_deletions: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take over a MIGR export (FILE, or - for standard input), plain or as the server sent it.

    Stop and repeat it as you like: it goes on where it was.  A later export of the same server brings what was changed
    there since, and deletes what the server has no more; what was changed here stands.
    """
    config = load_config(directory)
    store = open_store(directory, config.node, config.store.url, Options("ctdlmirror import", create=False))
    try:
        guard_clock(store, config)
        accepted = Accepted(accept_older, accept_deletions, accept_incomplete)
        report = _import(Rehearsal(store) if dry_run else store, file, node.lower(), accepted, as_json)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    finally:
        store.close()
    taken = Taken(report)
    _show_taken(taken, dry_run, as_json)
    _end(taken, accept_incomplete)


def _import(store: Store, file: Path, node: str, accepted: Accepted, quiet: bool) -> Report:
    piped = str(file) == "-"
    total = None if piped else file.stat().st_size
    with Meters(quiet) as meters:
        title = f"import {file.name}"
        meters.show(title, 0, total)

        def progress(done: int) -> None:
            meters.show(title, done, total)

        if piped:
            blocks = read_blocks(sys.stdin.buffer)
            report = import_blocks(store, f"-{os.getpid()}", blocks, node, progress, accepted)
        else:
            report = import_file(store, file, node, progress, accepted)
            progress(file.stat().st_size)
    return report


def _show_taken(taken: Taken, dry_run: bool, as_json: bool) -> None:
    report, fetched = taken.report, taken.fetched
    if as_json:
        told = {"import": report, "incomplete": taken.why_incomplete, "held_back": taken.why_held_back}
        told |= {"dry_run": dry_run}
        print_json(told if fetched is None else {**told, "fetched": fetched})
        return
    counts = report.elements
    say(
        f"Server {report.node}: "
        + ", ".join(f"{counts.get(name, 0)} {name}s" for name in ("message", "user", "room", "floor", "visit"))
        + f", {counts.get('config', 0)} settings."
    )
    would = "would be " if dry_run else ""
    say(f"{report.applied.written} records {would}written, {report.applied.already_held} were there already.")
    deleted = report.deleted + (fetched.deleted if fetched is not None else 0)
    if deleted:
        say(f"{deleted} records {would}deleted, which the server has no more.")
    if fetched is not None:
        say(
            f"{fetched.files} room files ({fetched.bytes:,} bytes) and {fetched.banners} system messages fetched, "
            f"{fetched.unchanged} files unchanged."
        )
    refused = report.refused + (fetched.refused if fetched is not None else [])
    notices = report.notices + (fetched.notices if fetched is not None else [])
    held = [one.what for one in taken.gone if one.held]
    goes = [one.what for one in taken.gone if dry_run and not one.held]
    for title, lines in (
        ("Refused", refused), ("Noticed", notices), ("Would be deleted", goes), ("Held back", held)
    ):  # fmt: skip
        say_first(title, lines)
    if dry_run:
        say("Nothing was written.")


def _end(taken: Taken, accepted: bool) -> None:
    """Say as the last lines in what the store is not as the server is, and end so unless that is accepted."""
    if taken.why_held_back:
        say(f"HELD BACK: {taken.why_held_back}: all of it stays until --accept-deletions deletes it", err=True)
    if taken.why_incomplete:
        say(f"INCOMPLETE: {taken.why_incomplete}", err=True)
        if not accepted:
            sys.exit(CitadelError.exit_code)
    if taken.why_held_back:
        sys.exit(DeletionsHeldBack.exit_code)


@cli.command()
@click.argument("url")
@password_file_option
@server_dir_option
@click.option("--online", is_flag=True, help="mirror://: don't ask for single-user mode.")
@click.option("--merge", is_flag=True, help="Merge into a store that holds something already.")
@accept_incomplete_option
@accept_older_option
@accept_deletions_option
@dry_run_option
@click.option("--wait", default=SINGLE_USER_WAIT_S, show_default=True, help="Seconds that users get to finish.")
@json_option
@click.pass_obj
def bootstrap(
    directory: Path,
    url: str,
    password_file: Path | None,
    server_dir: Path | None,
    online: bool,
    merge: bool,
    accept_incomplete: bool,
    accept_older: bool,
    accept_deletions: bool,
    dry_run: bool,
    wait: int,
    as_json: bool,
) -> None:
    """Make the first copy: from a live server (citadel://ADMIN@HOST:504) or a node (mirror://HOST:PORT).

    citadel:///run/citadel, with the directory of a server on this machine, asks its administrator's socket: there is
    no password, and nothing changes on the server.  citadel://ADMIN@/run/citadel logs in there.

    The same command resumes after an interruption.  mirror:// needs the node in 'ctdlmirror peer add'.
    """
    config = load_config(directory)
    scheme, _, rest = url.partition("://")
    if scheme == "citadel":
        door = open_door(config, parse_server_place(url), password_file, server_dir)
        accepted = Accepted(accept_older, accept_deletions, accept_incomplete)
        taken = _from_citadel(config, door, merge, accepted, dry_run, as_json)
        _show_taken(taken, dry_run, as_json)
        _end(taken, accept_incomplete)
    elif dry_run:
        raise click.UsageError("--dry-run is for citadel://; 'ctdlmirror verify PEER' compares with another node")
    elif scheme == "mirror":
        peer = _find_peer(config, parse_address(rest.rstrip("/"), url))
        _from_mirror(config, peer, online, merge, wait, as_json)
    else:
        raise ConfigError(f"{url!r} is no {PLACES}, nor mirror://HOST:PORT")


# -- from a real Citadel server -----------------------------------------------------------------------


def _from_citadel(config: Config, door: Door, merge: bool, accepted: Accepted, dry_run: bool, as_json: bool) -> Taken:
    titles = {ServerStage.EXPORT: f"export of {door.place}", ServerStage.FILES: "room files"}
    store = open_store(config.directory, config.node, config.store.url, Options("ctdlmirror bootstrap", create=False))
    try:
        guard_clock(store, config)
        with Meters(as_json) as meters:
            return copy_server(
                Rehearsal(store) if dry_run else store,
                door.place,
                door.user,
                door.password,
                merge=merge,
                directory=door.directory,
                accepted=accepted,
                progress=lambda stage, done: meters.show(titles[stage], done),
            )
    finally:
        store.close()


# -- from another node --------------------------------------------------------------------------------


def _find_peer(config: Config, address: Address) -> Peer:
    for peer in config.peers:
        if peer.address == address:
            if peer.kind == SHARE:
                raise ConfigError(f"peer {peer.name} just shares rooms: 'ctdlmirror room share' copies their history")
            return peer
    raise ConfigError(f"no peer has the address {address}: run 'ctdlmirror peer add NAME --address {address}' first")


def copy_from(config: Config, peer: Peer, merge: bool, as_json: bool) -> None:
    """Make the first copy from a peer while its users work; ends the command where it is not whole."""
    _from_mirror(config, peer, True, merge, 0, as_json)


def _from_mirror(config: Config, peer: Peer, online: bool, merge: bool, wait: int, as_json: bool) -> None:
    secret = load_secrets(config.directory).get(peer.name)
    if secret is None:
        raise ConfigError(f"peer {peer.name} has no secret: run 'ctdlmirror peer add' again")

    store = open_green(
        config.directory,
        config.node,
        config.store.url,
        Options("ctdlmirror bootstrap", max_ahead_ms=config.max_ahead_ms, create=False),
    )
    instance = token_hex(8)  # no daemon runs beside this, whose it could be

    def dial() -> ChannelRemote:
        channel, _ = dial_peer(peer, config.node, secret, TIMEOUT_S, identify=identify)
        return ChannelRemote(channel)

    def identify() -> Identity:
        return store.read(lambda reader: read_identity(reader, instance))

    try:
        guard_clock(store, config)
        with Meters(as_json) as meters:

            def progress(stage: NodeStage, done: int, total: int | None) -> None:
                if stage is NodeStage.SINGLE_USER:
                    say(f"asking {peer.name} for single-user mode (up to {total} s)", err=True)
                else:
                    meters.show(f"bootstrap from {peer.name}", done, total, "records")

            result = copy_node(store, dial, peer.name, wait_s=None if online else wait, merge=merge, progress=progress)
    finally:
        store.close()
    _show_copied(result, merge, as_json)
    if result.unequal:
        say(f"NOT EQUAL: {', '.join(result.unequal)}; run 'ctdlmirror verify {peer.name}'", err=True)
    if result.partial:
        say(
            f"INCOMPLETE: {peer.name} itself holds only a part of the data of {', '.join(result.partial)}, since its "
            "own copy is not at its end: let it come to that ('ctdlmirror status' there), then repeat this",
            err=True,
        )
    if result.unequal or result.partial:
        sys.exit(EXIT_DIFFERENT)


def _show_copied(result: Bootstrapped, merge: bool, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    say(
        f"{'Resumed; ' if result.resumed else ''}{result.written} records written, "
        f"{result.already_held} were there already, {result.conflicts} conflicts."
    )
    if result.unequal:
        return
    if merge:
        say(f"Verified: all {result.records} records of {result.peer} are here.")
    else:
        say(f"Verified: {result.collections} collections, {result.records} records, all digests equal.")
