"""Following Citadel servers: attach one, look how it goes, pause, decide on deletions that wait, detach."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from mirror.addresses import Address
from mirror.citadel.bootstrap import require_private_line
from mirror.citadel.door import ask_name, blind_spots, try_service
from mirror.citadel.propose import require_socket
from mirror.cli.app import cli
from mirror.cli.attached import as_of, print_attachments, print_pairing, status_named, statuses_of, troubles
from mirror.cli.doors import ask_password, is_password_given
from mirror.cli.failover import failover
from mirror.cli.local import ask_values, daemon_channel, local_node, read_values
from mirror.cli.output import duration, json_option, print_json, print_table, report, say
from mirror.config.changing import remove_attachment, save_attachment
from mirror.config.checking import check_node_name, parse_server_place, why_not_both
from mirror.config.errors import ConfigError
from mirror.config.files import CONFIG_FILE
from mirror.config.reading import load_config
from mirror.config.secrets import load_passwords, save_password
from mirror.config.settings import DIRECTIONS, EXPIRIES, SHARINGS, Attachment, Config, Expiry
from mirror.model.stamp import format_stamp
from mirror.peer.remote import ChannelRemote
from mirror.wire.status import AttachmentStatus, ClaimStatus, RehearsalStatus

SHOWN = 20
"""Lines of a sort that are printed."""


class PlaceGroup(click.Group):
    """Takes what is none of its commands for the place that is to be attached."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *context.help_option_names}:
            args = ["add", *args]
        return super().parse_args(context, args)


@cli.group(cls=PlaceGroup)
def attach() -> None:
    """Follow a Citadel server, so that what happens there is here at once.

    'ctdlmirror attach citadel:///run/citadel' attaches the server of this machine by its administrator's socket, with
    no log-in and no trace; 'ctdlmirror attach citadel://ADMIN@HOST:504' one by its port, which shows less.  Nothing is
    written into the server without --direction both.
    """


attach.add_command(failover)


@attach.command("add")
@click.argument("place")
@click.option("--name", help="What commands call it.  [default: the server's node name]")
@click.option("--rooms", multiple=True, metavar="PATTERN", help="Follow just rooms like this; may be repeated.")
@click.option(
    "--expiry",
    type=click.Choice(EXPIRIES),
    help="Whether what the server throws away by age or number goes here, too.  [default: follow]",
)
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="File with the administrator's password (else $CITADEL_PASSWORD or a prompt).",
)
@click.option(
    "--direction",
    type=click.Choice(DIRECTIONS),
    help="'both' writes what comes from elsewhere into the server, too, as --service.  [default: from]",
)
@click.option("--service", metavar="USER", help="The administrator there as whom that is written.")
@click.option(
    "--settings",
    type=click.Choice(SHARINGS),
    help="'shared' writes the site's settings and system messages there, too.  [default: own]",
)
@click.option("--pair", is_flag=True, help="Take what each server has, as its Lobby, for one with what is here.")
@click.option("--pair-users", multiple=True, metavar="PATTERN", help="The same of users like this, by their names.")
@click.option("--pair-rooms", multiple=True, metavar="PATTERN", help="The same of rooms like this, by their names.")
@click.option("--take-over", is_flag=True, help="Take the server from another node that is gone for good.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be written here at first.")
@json_option
@click.pass_obj
def attach_add(
    directory: Path,
    place: str,
    name: str | None,
    rooms: tuple[str, ...],
    expiry: Expiry | None,
    direction: str | None,
    service: str | None,
    settings: str | None,
    pair: bool,
    pair_users: tuple[str, ...],
    pair_rooms: tuple[str, ...],
    password_file: Path | None,
    take_over: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Attach PLACE, or change how it is followed; 'attach PLACE' says the same.  What is not given stays as it was.

    A running daemon follows it at once, and goes on whenever the server or the daemon was away.
    """
    config = load_config(directory)
    server = parse_server_place(place)
    pair = pair or bool(pair_users or pair_rooms)
    if pair:
        require_socket(server.where, server.user)
    if isinstance(server.where, Address):
        require_private_line(config, server.where)
    held = next((one for one in config.attachments if one.place == server), None)
    one = _changed(
        held or Attachment("new", server), rooms=rooms, expiry=expiry, direction=direction, service=service,
        settings=settings, pair=pair, pair_users=pair_users, pair_rooms=pair_rooms,
    )  # fmt: skip
    password = _password(directory, one.service if one.direction == "both" else server.user, held, password_file)
    known = ask_name(server, server.user, password)
    if one.direction == "both":
        try_service(server, one.service, password)
    if held is None:
        one = msgspec.structs.replace(one, name=name or _name_of(known))
    _require_free(config, one, name or one.name)
    with local_node(directory) as node:
        if dry_run:
            _show_rehearsal(_rehearse(node, one, password), one.direction, as_json)
            return
        node.channel.ask(f"SYNC attachments|claim|{known}|{one.name}|{one.place}" + "|take-over" * take_over)
        save_password(directory, one.name, password or None)
        save_attachment(directory, one)
        told = status_named(ask_values(node, "SYNC attachments|reload", AttachmentStatus), one.name)
    if as_json:
        print_json({**msgspec.to_builtins(told), "notes": list(blind_spots(server, one.export_s, one.marks_s))})
        return
    _tell_attached(directory, one)


def _tell_attached(directory: Path, one: Attachment) -> None:
    say(f"{one.place} is attached as {one.name}: it is in {directory / CONFIG_FILE}.")
    for line in blind_spots(one.place, one.export_s, one.marks_s):
        say(f"NOT SEEN BY THIS DOOR: {line}")
    if one.pair:
        say(
            f"Unless it is paired already nothing comes before 'ctdlmirror attach approve {one.name}' confirmed how: "
            f"'ctdlmirror attach show {one.name}' tells that."
        )
    if daemon_channel(directory) is None:
        say("'ctdlmirror daemon' follows it.")
    else:
        say(f"The daemon follows it; 'ctdlmirror attach show {one.name}' tells how it goes.")


def _changed(one: Attachment, **given: Any) -> Attachment:
    """Return an attachment with what was given changed.  Raises ConfigError."""
    changed = msgspec.structs.replace(one, **{name: value for name, value in given.items() if value})
    if wrong := why_not_both(changed):
        raise ConfigError(f"{one.place}: {wrong}")
    return changed


def _password(directory: Path, login: str, held: Attachment | None, file: Path | None) -> str:
    """Return the password for who logs in at a place; the one that is kept of the same, where no other is given."""
    if not login:
        return ""
    kept = ""
    if held is not None and login in (held.service, held.place.user) and not is_password_given(file):
        kept = load_passwords(directory).get(held.name, "")
    return kept or ask_password(login, file)


def _name_of(known: str) -> str:
    """Return what a server is called here unless somebody says otherwise."""
    name = re.sub(r"[^a-z0-9._-]+", "-", known.removeprefix("citadel:").lower())[:63]
    return name.strip(".-_") or "citadel"


def _require_free(config: Config, one: Attachment, name: str) -> None:
    """Raise ConfigError unless an attachment can have a name: it is no other's, and it has no other one."""
    check_node_name(name)
    other = config.attachment(name)
    if one.name != name:
        raise ConfigError(f"{one.place} is attached as {one.name} already: 'ctdlmirror attach remove' comes first")
    if other is not None and other.place != one.place:
        raise ConfigError(f"{name} is {other.place}: give another --name, or remove that first")


def _rehearse(node: ChannelRemote, one: Attachment, password: str) -> RehearsalStatus:
    channel = node.channel
    channel.ask(f"SYNC attachments|rehearse|{one.place}" + "|pair" * one.pair, 8)
    consent = ("", *one.pair_users, "", *one.pair_rooms) if one.pair else ()
    channel.send("".join(f"{line}\n" for line in (password, *one.rooms, *consent)).encode())
    channel.end_listing()
    return read_values(channel, RehearsalStatus)[0]


def _show_rehearsal(told: RehearsalStatus, direction: str, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    counts = ", ".join(f"{told.elements.get(name, 0)} {name}s" for name in ("message", "user", "room", "floor"))
    say(f"Server {told.server}: {counts}.")
    say(f"Would write {told.written} records here, delete {told.deleted}; {told.already_held} are here already.")
    if told.pairing is not None:
        print_pairing(told.pairing, direction)
    for held in told.held:
        say(f"Would hold back: {held.gone} of {held.told} of {held.collection} are gone there.")
    _show_lines("gone there", told.gone)
    if told.incomplete:
        say(f"INCOMPLETE: {told.incomplete}")
    say("Nothing was written, and nothing is attached.")


def _show_lines(title: str, lines: Sequence[str]) -> None:
    for line in lines[:SHOWN]:
        say(f"    {title}: {line}")
    if len(lines) > SHOWN:
        say("    ... and more; --json lists the first hundred")


# -- looking ------------------------------------------------------------------------------------------


@attach.command("list")
@json_option
@click.pass_obj
def attach_list(directory: Path, as_json: bool) -> None:
    """List the servers that this node follows, and those that other nodes do."""
    with local_node(directory) as node:
        own = statuses_of(node)
        claims = ask_values(node, "SYNC attachments|claims", ClaimStatus)
        name = node.info().node
    others = [one for one in claims if one.node != name]
    if as_json:
        print_json({"attachments": msgspec.to_builtins(own), "elsewhere": msgspec.to_builtins(others)})
        return
    if own:
        print_attachments(own)
    else:
        say("Nothing is attached here; 'ctdlmirror attach --help' tells how to attach a server.")
    if others:
        print_table("Followed by other nodes", ["server", "node", "name", "by", "since", "node last heard of"], [
            [one.place, one.node, one.name, one.door, format_stamp(one.since),
             format_stamp(one.heard) if one.heard else "never"]
            for one in others
        ])  # fmt: skip


@attach.command("show")
@click.argument("name")
@json_option
@click.pass_obj
def attach_show(directory: Path, name: str, as_json: bool) -> None:
    """Show how it goes with a server that is followed, and what cannot be seen of it."""
    with local_node(directory) as node:
        one = status_named(statuses_of(node), name)
    if as_json:
        print_json(one)
        return
    say(f"{one.name}: {one.place}" + (f", server {one.server}" if one.server else ""))
    since = f" for {duration(time.time() - one.since)}" if one.since else ""
    say(f"  {one.phase}{since}" + (f": {one.error}" if one.error else ""))
    if one.looked:
        say(f"  what happens there is here as of {as_of(one)}")
    if one.exported:
        ago = duration(time.time() - one.exported)
        say(f"  what its export alone tells, such as answered marks, as of {ago} ago")
    if one.marks:
        say(f"  read marks as of {duration(time.time() - one.marks)} ago")
    kept = "; what the server throws away stays here" if one.expiry == "keep" else ""
    if one.direction == "both":
        behind = ", and more with the next looks" if one.behind_there else ""
        say(f"  {one.written_there} things made, changed, moved or deleted there{behind}")
    say(f"  rooms {', '.join(one.rooms)}{kept}; {one.written} records written here, {one.deleted} of them deletions")
    say(f"  {one.looks} looks with {one.commands} commands, {one.exports} exports since it is connected")
    for line in troubles(one):
        say(f"  {line}")
    _show_lines("waits", one.waiting)
    _show_lines("noticed", one.noticed)
    if one.pairing is not None:
        print_pairing(one.pairing, one.direction)
    if one.another:
        say(f"  paired anew when it was met last as another server than before: {one.another}")
    for line in one.notes:
        say(f"  not seen by this door: {line}")
    for line in one.not_written:
        say(f"  never written there: {line}")


# -- doing --------------------------------------------------------------------------------------------


def _act(directory: Path, action: str, name: str, done: str, as_json: bool) -> None:
    """Have an attachment do something.  Raises ConfigError, Refused."""
    with local_node(directory) as node:
        status_named(statuses_of(node), name)
        node.channel.ask(f"SYNC attachments|{action}|{name}")
        told = status_named(statuses_of(node), name)
    report(as_json, told, done.format(name=name))


@attach.command("pause")
@click.argument("name")
@json_option
@click.pass_obj
def attach_pause(directory: Path, name: str, as_json: bool) -> None:
    """Stop following a server until 'attach resume', also after a restart."""
    _act(directory, "pause", name, "{name} is paused until 'ctdlmirror attach resume {name}'.", as_json)


@attach.command("resume")
@click.argument("name")
@json_option
@click.pass_obj
def attach_resume(directory: Path, name: str, as_json: bool) -> None:
    """Follow a server again that was paused; what happened meanwhile is caught up with."""
    _act(directory, "resume", name, "{name} is followed again.", as_json)


@attach.command("approve")
@click.argument("name")
@json_option
@click.pass_obj
def attach_approve(directory: Path, name: str, as_json: bool) -> None:
    """Confirm how a server is paired, or delete here, too, what is gone there and was held back for being so much."""
    with local_node(directory) as node:
        pairing = status_named(statuses_of(node), name).pairing
    done = "What is held back of {name} is deleted at the next look." if pairing is None else "{name} is paired so."
    _act(directory, "approve", name, done, as_json)


@attach.command("pair")
@click.argument("name")
@click.argument("kind", type=click.Choice(("users", "rooms")))
@click.argument("number", type=click.IntRange(1))
@click.argument("key")
@json_option
@click.pass_obj
def attach_pair(directory: Path, name: str, kind: str, number: int, key: str, as_json: bool) -> None:
    """Have a user or room of a server, by its NUMBER there, be one with what is here under KEY.

    For what could not be written since its name is taken there; 'attach show' names both.  Where the two differ, what
    is here stands.
    """
    with local_node(directory) as node:
        status_named(statuses_of(node), name)
        node.channel.ask(f"SYNC attachments|pair|{name}|{kind}|{number}|{key}")
    values = {"name": name, "kind": kind, "number": number, "key": key}
    report(as_json, values, f"Number {number} in {kind} of {name} is {key} from the next look on.")


@attach.command("refuse")
@click.argument("name")
@json_option
@click.pass_obj
def attach_refuse(directory: Path, name: str, as_json: bool) -> None:
    """Keep what is gone on the server and was held back, as this node's own."""
    _act(directory, "refuse", name, "What is held back of {name} stays, as this node's own.", as_json)


@attach.command("remove")
@click.argument("name")
@json_option
@click.pass_obj
def attach_remove(directory: Path, name: str, as_json: bool) -> None:
    """Follow a server no more, and free it for other nodes; what came from it stays."""
    load_config(directory)
    removed = remove_attachment(directory, name)
    with local_node(directory) as node:
        ask_values(node, "SYNC attachments|reload", AttachmentStatus)
        freed = node.channel.ask(f"SYNC attachments|release|{name}").text != "0"
    if not (removed or freed):
        raise ConfigError(f"there is no attachment {name}; 'ctdlmirror attach list' shows those there are")
    told = f"{name} is attached no more and free for other nodes; what came from it stays."
    report(as_json, {"name": name, "freed": freed}, told)
