"""Rooms' network configurations as text: netconf check, show, edit, import, export."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from mirror.addresses import DEFAULT_PORT, Address
from mirror.cli.app import EXIT_DIFFERENT, cli
from mirror.cli.local import local_node, sharing_status
from mirror.cli.names import list_named
from mirror.cli.output import json_option, print_json, report, say
from mirror.cli.share import EditedMeanwhile, Lines, dry_run_option, show_preview
from mirror.config.changing import admit_peer
from mirror.config.errors import ConfigError
from mirror.config.reading import load_config
from mirror.config.secrets import MIN_SECRET
from mirror.config.settings import Peer
from mirror.model.fields import values_of
from mirror.peer.remote import ChannelRemote
from netconf.lines import IGNET_SHARE, MIRROR_SHARE, parse_lines
from netconf.neighbors import Neighbor, read_neighbors
from netconf.rules import check

IGNET_SETTING = "application/x-citadel-ignet-config"
TAKEN_OVER = "taken over"


@cli.group()
def netconf() -> None:
    """Rooms' network configurations: what is shared with whom.  See docs/netconf.md."""


def _read_file(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None


@netconf.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@json_option
@click.pass_obj
def netconf_check(directory: Path, file: Path | None, as_json: bool) -> None:
    """Name everything that is wrong with FILE, or with the lines of all rooms."""
    if file is not None:
        problems = [f"{file}: {problem}" for problem in check(_read_file(file))]
    else:
        with local_node(directory) as node:
            names = {one.key: one.name for one in list_named(node, "rooms")}
            rooms = sharing_status(node).rooms
        problems = [f"room {names.get(one.key, one.key)!r}, {text}" for one in rooms for text in one.problems]
    report(as_json, problems, *problems, f"{len(problems) or 'No'} problems.")
    sys.exit(EXIT_DIFFERENT if problems else 0)


@netconf.command("show")
@click.argument("room")
@click.pass_obj
def netconf_show(directory: Path, room: str) -> None:
    """Show the lines of ROOM as they stand."""
    with local_node(directory) as node:
        lines = Lines(node, room)
    if lines.proposed:
        say(f"{lines.name}: from an import, not in force; 'ctdlmirror netconf import' tells more", err=True)
    if not lines.body:
        say(f"{lines.name} has no network configuration.", err=True)
    for line in lines.body.decode("utf-8", "surrogateescape").splitlines():
        say(line)


@netconf.command("export")
@click.argument("room")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.pass_obj
def netconf_export(directory: Path, room: str, file: Path) -> None:
    """Write the lines of ROOM to FILE (- for standard output), byte for byte."""
    with local_node(directory) as node:
        lines = Lines(node, room)
    if str(file) == "-":
        sys.stdout.buffer.write(lines.body)
        return
    if file.exists():
        raise ConfigError(f"{file} exists already; an export never replaces a file")
    file.write_bytes(lines.body)
    say(f"{file}: {len(lines.body)} bytes.")


@netconf.command("edit")
@click.argument("room")
@dry_run_option
@click.pass_obj
def netconf_edit(directory: Path, room: str, dry_run: bool) -> None:
    """Edit the lines of ROOM with $EDITOR; they are checked before they are in force."""
    with local_node(directory) as node:
        lines = Lines(node, room)
        text = click.edit(lines.body.decode("utf-8", "surrogateescape"), extension=".netconf", require_save=True)
        if text is None:
            say("Nothing was changed.")
            return
        body = text.encode("utf-8", "surrogateescape")
        try:
            _set(lines, body, dry_run)
        except EditedMeanwhile:
            kept = _keep(body)
            say(f"Your lines are in {kept}; 'ctdlmirror netconf import ROOM {kept}' puts them in force.", err=True)
            raise


def _keep(body: bytes) -> str:
    """Write lines that somebody has edited to a file of their own, so that they are not lost; returns its name."""
    with tempfile.NamedTemporaryFile(prefix="ctdlmirror-", suffix=".netconf", delete=False) as file:
        file.write(body)
    return file.name


def _set(lines: Lines, body: bytes, dry_run: bool) -> None:
    problems = check(body)
    if problems:
        raise ConfigError("; ".join(str(problem.in_room(lines.name)) for problem in problems))
    show_preview(lines.name, lines.preview(body))
    if not dry_run:
        lines.write(body)
        say(f"The lines of {lines.name} are in force.")


@netconf.command("import")
@click.argument("room", required=False)
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--confirm", is_flag=True, help="Put what was imported from Citadel servers in force, and add the peers.")
@dry_run_option
@json_option
@click.pass_obj
def netconf_import(
    directory: Path, room: str | None, file: Path | None, confirm: bool, dry_run: bool, as_json: bool
) -> None:
    """List what a Citadel server's export says of sharing, and with --confirm put it in force.

    With ROOM and FILE: give ROOM the lines in FILE (- for standard input).
    """
    if room is not None and file is None:
        raise click.UsageError("name a FILE with the lines for the room, or neither room nor file")
    with local_node(directory) as node:
        if room is not None and file is not None:
            _set(Lines(node, room), _read_file(file), dry_run)
            return
        proposals, neighbors = _proposals(node), _neighbors(node)
        peers = [_peer_of(directory, neighbor) for neighbor in neighbors]
        if as_json:
            print_json({"rooms": [_as_json(lines) for lines in proposals], "peers": peers})
        else:
            _show_proposals(proposals, peers)
        if not confirm or dry_run:
            if (proposals or any(peer.new for peer in peers)) and not as_json:
                say("Nothing of it is in force.  'ctdlmirror netconf import --confirm' puts it in force.")
            return
        for lines in proposals:
            if check(lines.body):
                say(f"{lines.name}: left out until its lines are mended with 'ctdlmirror netconf edit'", err=True)
            else:
                lines.write(lines.body)
    for neighbor, peer in zip(neighbors, peers, strict=True):
        if peer.new:
            _add_peer(directory, neighbor)
    if not as_json:
        say("In force.  'ctdlmirror peer list' shows the peers; 'ctdlmirror reload' tells a running daemon of them.")


def _proposals(node: ChannelRemote) -> list[Lines]:
    """Return the rooms whose lines were imported and share something."""
    rooms = sharing_status(node).rooms
    names = {one.key: one.name for one in list_named(node, "rooms")}
    found = [Lines(node, one.key) for one in rooms if one.proposed and one.key in names]
    return [lines for lines in found if any(True for _ in _sharing(lines))]


def _sharing(lines: Lines) -> Iterator[str]:
    """Yield the lines that share a room."""
    for line in parse_lines(lines.body):
        if line.kind in (IGNET_SHARE, MIRROR_SHARE):
            yield line.text.strip()


def _neighbors(node: ChannelRemote) -> list[Neighbor]:
    records = [one for page in node.get("config", [IGNET_SETTING]) for one in page.records if not one.dead]
    return read_neighbors(str(values_of(records[0]).get("text", ""))) if records else []


class NewPeer(msgspec.Struct):
    """A node that an export names as a neighbor, as the peer that it would become; ``new`` if there is none so far."""

    name: str
    address: str
    citadel_port: int
    secret: str
    new: bool

    @property
    def has_secret(self) -> bool:
        return self.secret == TAKEN_OVER


def _peer_of(directory: Path, neighbor: Neighbor) -> NewPeer:
    known = load_config(directory).peer(neighbor.node)
    return NewPeer(
        name=neighbor.node,
        address=f"{neighbor.host}:{DEFAULT_PORT}",
        citadel_port=neighbor.port,
        secret=TAKEN_OVER if len(neighbor.secret) >= MIN_SECRET else "too short: a new one is needed",
        new=known is None,
    )


def _add_peer(directory: Path, neighbor: Neighbor) -> None:
    peer = Peer(neighbor.node, Address(neighbor.host, DEFAULT_PORT), kind="share")
    admit_peer(directory, peer, neighbor.secret if len(neighbor.secret) >= MIN_SECRET else None)


def _as_json(lines: Lines) -> dict[str, object]:
    return {
        "key": lines.key,
        "name": lines.name,
        "lines": lines.body.decode("utf-8", "replace").splitlines(),
        "problems": [str(problem) for problem in check(lines.body)],
    }


def _show_proposals(proposals: list[Lines], peers: list[NewPeer]) -> None:
    if not proposals and not peers:
        say("No import has left anything to confirm.")
    for lines in proposals:
        say(f"Room {lines.name}:")
        for text in _sharing(lines):
            say(f"  {text}")
        for problem in check(lines.body):
            say(f"  WRONG: {problem}")
    for peer in peers:
        state = f"at {peer.address} (port {peer.citadel_port} is Citadel's own), secret {peer.secret}"
        say(f"Peer {peer.name}: {state if peer.new else 'is a peer already'}")
    if any(peer.new and not peer.has_secret for peer in peers):
        say(
            f"A secret has at least {MIN_SECRET} characters; "
            "'ctdlmirror peer add NAME --kind share --new-secret FILE' makes one."
        )
