"""attach failover: lists, feeds, collected mailboxes and inbox rules are moved to be in force on a server."""

from collections.abc import Sequence
from pathlib import Path

import click

from mirror.cli.attached import status_named, statuses_of
from mirror.cli.killed import yes_option
from mirror.cli.local import ask_values, local_node, read_values
from mirror.cli.output import ask, json_option, print_json, print_table, say
from mirror.peer.remote import ChannelRemote
from mirror.wire.status import ActingStatus
from netconf.selection import matches

LOST_WORD = "|lost"


@click.command("failover")
@click.argument("name")
@click.option("--rooms", multiple=True, metavar="PATTERN", help="Just what acts of rooms like this; may be repeated.")
@click.option("--users", multiple=True, metavar="PATTERN", help="Just inbox rules of users like this; may be repeated.")
@click.option(
    "--lost", is_flag=True, help="Do not wait until the server where it is in force gives it up: that one is lost."
)
@click.option("--dry-run", is_flag=True, help="Tell what would be moved; nothing is.")
@yes_option
@json_option
@click.pass_obj
def failover(
    directory: Path,
    name: str,
    rooms: Sequence[str],
    users: Sequence[str],
    lost: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Have mailing lists, feeds, collected mailboxes and inbox rules be in force on the server NAME, and on no other.

    Said at the node beside that server.  A list mails nothing there that was posted before.  The way back is the same
    command at the node of the other server.
    """
    with local_node(directory) as node:
        status_named(statuses_of(node), name)
        told = [one for one in _told(node, name) if _is_meant(one, rooms, users)]
        moving = [one for one in told if not one.waits or lost]
        if dry_run:
            _show(name, told, as_json)
            return
        if moving and not yes:
            _print(told)
            ask(f"Have what acts of {_counted(moving)} be in force on {name}?")
        moved = _move(node, name, moving, lost)
    if as_json:
        print_json({"name": name, "lost": lost, "moved": moved})
    elif moved:
        when = "with the next looks" if lost else "once the server where it is in force has given it up"
        say(f"What acts of {_counted(moved)} will be in force on {name} {when}; {_where_told(name)}")
    else:
        _tell_nothing_moved(name, told)


def _tell_nothing_moved(name: str, told: Sequence[ActingStatus]) -> None:
    waiting = [one for one in told if one.waits]
    if waiting:
        say(f"What acts of {_counted(waiting)} is to be in force on {name} already, and waits: {_where_told(name)}")
    elif told:
        say(f"All that was named is in force on {name} already.")
    else:
        say("Nothing that acts was named.")


def _where_told(name: str) -> str:
    return f"'ctdlmirror attach show {name}' tells what waits."


def _told(node: ChannelRemote, name: str) -> list[ActingStatus]:
    return ask_values(node, f"SYNC attachments|acting|{name}", ActingStatus)


def _is_meant(one: ActingStatus, rooms: Sequence[str], users: Sequence[str]) -> bool:
    patterns = rooms if one.kind == "rooms" else users
    return not (rooms or users) or any(matches(one.name, pattern) for pattern in patterns)


def _move(node: ChannelRemote, name: str, moving: Sequence[ActingStatus], lost: bool) -> list[ActingStatus]:
    node.channel.ask(f"SYNC attachments|failover|{name}{LOST_WORD * lost}", 8)
    node.channel.send("".join(f"{one.kind} {one.mark} {one.key}\n" for one in moving).encode())
    node.channel.end_listing()
    return read_values(node.channel, ActingStatus)


def _show(name: str, told: Sequence[ActingStatus], as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "acting": told})
        return
    _print(told)
    say("Nothing is moved.")


def _print(told: Sequence[ActingStatus]) -> None:
    print_table("What acts", ["of", "name", "in force on", "line"], [
        [one.kind[:-1], one.name, one.home or "nobody says where", line + " (waits)" * one.waits]
        for one in told
        for line in one.lines
    ])  # fmt: skip


def _counted(some: Sequence[ActingStatus]) -> str:
    rooms = sum(one.kind == "rooms" for one in some)
    return f"{rooms} rooms and {len(some) - rooms} users"
