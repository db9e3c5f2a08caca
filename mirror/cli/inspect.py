"""Looking at a node: status, verify, conflicts, check."""

import sys
import time
from pathlib import Path
from typing import Any

import click

from mirror.cli.app import EXIT_DIFFERENT, cli
from mirror.cli.local import ask_json, local_node
from mirror.cli.output import json_option, print_json, print_table
from mirror.config import ConfigError, load_config, load_secrets
from mirror.model.stamp import format_stamp
from mirror.peer.dial import dial_peer
from mirror.peer.remote import ChannelRemote
from mirror.sync.index import RangeIndex
from mirror.sync.listing import find_difference, list_entries
from mirror.sync.reconcile import differing

TIMEOUT_S = 90.0
SHOWN_DIFFERENCES = 10


@cli.command()
@json_option
@click.pass_obj
def status(directory: Path, as_json: bool) -> None:
    """Show this node, its links and who is connected."""
    with local_node(directory) as remote:
        state = ask_json(remote, "SYNC all|status")[0]
    running = bool(state["addresses"]) or (directory / "daemon.json").exists()
    if as_json:
        print_json({**state, "running": running})
        return
    up = f"daemon up {_duration(state['uptime_s'])}" if running else "no daemon runs"
    newest = format_stamp(state["newest"]) if state["newest"] else "never"
    holder = f" for {state['holder']}" if state["holder"] else ""
    click.echo(f"Node {state['node']}, epoch {state['epoch']}: {up}")
    click.echo(f"  {state['records']} records, newest {newest}, digest {state['digest']}")
    click.echo(f"  {state['mode']}{holder}, {state['conflicts']} conflicts not restored")
    if state["addresses"]:
        click.echo(f"  listening on {', '.join(state['addresses'])}")
    if state["links"]:
        now = time.time()
        print_table("Links", ["peer", "address", "phase", "for", "pulled", "pushed", "last change", "error"], [
            [link["peer"], link["address"], link["phase"], _duration(now - link["since"]) if link["since"] else "",
             str(link["pulled"]), str(link["pushed"]),
             _duration(now - link["last_change"]) + " ago" if link["last_change"] else "", link["error"]]
            for link in state["links"]
        ])  # fmt: skip
    for session in state["sessions"]:
        click.echo(f"  connected: {session['kind']} {session['name']}")


def _duration(seconds: float) -> str:
    seconds = int(seconds)
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    return f"{days}d{hours}h" if days else f"{hours}h{minutes}m" if hours else f"{minutes}m{seconds % 60}s"


@cli.command()
@click.argument("peer_name", metavar="PEER")
@json_option
@click.pass_obj
def verify(directory: Path, peer_name: str, as_json: bool) -> None:
    """Compare digests with a peer, side by side, and name the first records that differ."""
    config = load_config(directory)
    peer = config.peer(peer_name)
    secret = load_secrets(directory).get(peer_name)
    if peer is None or peer.address is None or secret is None:
        raise ConfigError(f"{peer_name} is no peer with an address and a secret; 'ctdlmirror peer list' shows them")
    channel, _ = dial_peer(peer, config.node, secret, TIMEOUT_S)
    theirs = ChannelRemote(channel)
    with local_node(directory) as ours:
        mine, other = ours.info(), theirs.info()
        left, right = mine.collections or {}, other.collections or {}
        names = differing(left, right)
        differences = {name: _differences(ours, theirs, name) for name in names[:SHOWN_DIFFERENCES]}
    channel.close()
    if as_json:
        print_json(
            {
                "equal": not names,
                "digests": {mine.node: str(mine.digest), other.node: str(other.digest)},
                "differing": names,
                "records": differences,
            }
        )
    else:
        _show_comparison(config.node, peer_name, left, right, names, differences)
    sys.exit(EXIT_DIFFERENT if names else 0)


def _differences(ours: ChannelRemote, theirs: ChannelRemote, collection: str) -> dict[str, list[str]]:
    index = RangeIndex.of((entry.stamp, entry.key, entry.crc) for entry in list_entries(ours, collection))
    found = find_difference(index, lambda ranges: theirs.ranges(collection, ranges))
    both = set(found.wanted) & set(found.surplus)
    return {
        "only_here": sorted(set(found.surplus) - both)[:SHOWN_DIFFERENCES],
        "only_there": sorted(set(found.wanted) - both)[:SHOWN_DIFFERENCES],
        "versions_differ": sorted(both)[:SHOWN_DIFFERENCES],
    }


def _show_comparison(
    node: str, peer: str, left: dict[str, Any], right: dict[str, Any], names: list[str], differences: dict[str, Any]
) -> None:
    rows = [
        [name, str(left.get(name, "-")), str(right.get(name, "-")), "DIFFERS" if name in names else "equal"]
        for name in sorted(left.keys() | right.keys())
    ]
    print_table("count : newest stamp : sum of CRCs", ["collection", node, peer, ""], rows)
    for name, found in differences.items():
        for what, keys in found.items():
            for key in keys:
                click.echo(f"{name}: {what.replace('_', ' ')}: {key}")
    click.echo(
        f"{len(names)} of {len(rows)} collections differ." if names else f"All {len(rows)} collections are equal."
    )


@cli.group()
def conflicts() -> None:
    """Versions that lost to a concurrent one: nothing is thrown away."""


@conflicts.command("list")
@click.option("--all", "every", is_flag=True, help="Also those restored already.")
@json_option
@click.pass_obj
def conflicts_list(directory: Path, every: bool, as_json: bool) -> None:
    """List conflicts, newest first."""
    with local_node(directory) as remote:
        found = ask_json(remote, "SYNC all|conflicts" + ("|all" if every else ""))
    if as_json:
        print_json(found)
    elif not found:
        click.echo("No conflicts.")
    else:
        print_table("", ["no.", "what", "lost version", "written at", "won", "restored"], [
            [str(c["number"]), f"{c['loser']['collection']} {c['loser']['key']}", c["loser"]["time"],
             c["loser"]["origin"], f"{format_stamp(c['winner']['stamp'])} at {c['winner']['origin']}",
             "yes" if c["restored_ms"] else ""]
            for c in found
        ])  # fmt: skip


@conflicts.command("show")
@click.argument("number", type=int)
@json_option
@click.pass_obj
def conflicts_show(directory: Path, number: int, as_json: bool) -> None:
    """Show the version that lost, and what won."""
    with local_node(directory) as remote:
        found = ask_json(remote, f"SYNC all|conflicts|{number}")[0]
    if as_json:
        print_json(found)
        return
    loser = found["loser"]
    click.echo(f"Conflict {number}: {loser['collection']} {loser['key']}")
    click.echo(f"  lost: written {loser['time']} at {loser['origin']}")
    click.echo(f"  won:  written {format_stamp(found['winner']['stamp'])} at {found['winner']['origin']}")
    for name, field in loser.get("head", {}).items():
        value = field[0] if isinstance(field, list) else field
        click.echo(f"  lost value of {name}: {value}")
    if "text" in loser or "base64" in loser:
        click.echo(loser.get("text") or f"  (body of {len(loser['base64']) * 3 // 4} bytes; --json shows it)")
    click.echo(f"'ctdlmirror conflicts restore {number}' makes it the newest version everywhere.")


@conflicts.command("restore")
@click.argument("number", type=int)
@click.pass_obj
def conflicts_restore(directory: Path, number: int) -> None:
    """Make the version that lost the newest one, everywhere."""
    with local_node(directory) as remote:
        reply = remote.channel.ask(f"SYNC all|restore|{number}")
    click.echo(f"Restored: {reply.text.replace('|', ' ')}")


@cli.command()
@json_option
@click.pass_obj
def check(directory: Path, as_json: bool) -> None:
    """Recompute every CRC, digest and content of the store and name what is wrong."""
    with local_node(directory) as remote:
        reply = remote.channel.ask("SYNC all|check", 1)
        problems = list(remote.channel.read_listing())
    records, contents = reply.parameters[:2]
    if as_json:
        print_json({"records": int(records), "contents": int(contents), "problems": problems})
    else:
        for problem in problems:
            click.echo(problem)
        click.echo(f"{records} records and {contents} large bodies checked: {len(problems) or 'no'} problems.")
    sys.exit(EXIT_DIFFERENT if problems else 0)
