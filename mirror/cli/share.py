"""Sharing single rooms: room share, unshare, show."""

import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click

from mirror.cli.killed import list_killed
from mirror.cli.local import body_of, local_node, read_values, record_at, sharing_status
from mirror.cli.names import find_named, list_named, room, tell_alike
from mirror.cli.output import json_option, print_json, print_table, say
from mirror.config.errors import ConfigError
from mirror.config.reading import load_config
from mirror.config.settings import SHARE
from mirror.model.drafting import draft_over, only_over
from mirror.model.errors import MirrorError
from mirror.model.fields import values_of
from mirror.model.kinds import Collection
from mirror.model.stamp import format_stamp
from mirror.peer.remote import ChannelRemote
from mirror.sync.share.rules import NETCONF_KEY, is_proposed, lines_to_confirm, may_share
from mirror.wire.answers import parse_changed
from mirror.wire.errors import ChangedThere
from mirror.wire.status import PreviewCount, RoomStatus, RuleStatus, SharingStatus
from mirror.wire.values import Held
from netconf.lines import IGNET_SHARE, MIRROR_SHARE, Line, replace_lines
from netconf.rules import DIRECTIONS, WHAT, Rule, read_rules, write_rule

dry_run_option = click.option("--dry-run", is_flag=True, help="Only tell how many records this would send or stop.")


class EditedMeanwhile(MirrorError):
    """A room's lines were changed by somebody else while new ones were being made from them."""

    exit_code = 8

    def __init__(self, room: str, there: Held | None) -> None:
        by = "" if there is None else f" at {there.origin}, {format_stamp(there.stamp)}"
        super().__init__(
            f"the lines of {room} were changed meanwhile{by}, so nothing was written; look, and do it again"
        )


class Lines:
    """One room's network configuration, as the node has it."""

    def __init__(self, remote: ChannelRemote, name: str) -> None:
        """Raises ConfigError for a room that cannot be shared."""
        self._remote = remote
        self.key, self.name = find_named(remote, "rooms", name)
        records = {one.key: one for page in remote.get("rooms", [self.key]) for one in page.records}
        if not may_share(values_of(records[self.key])):
            raise ConfigError(f"{self.name} is somebody's mailbox, or not in use: it is not shared")
        self._held = record_at(remote, self._collection, NETCONF_KEY)
        self.record = self._held if self._held is not None and not self._held.dead else None
        self.body = lines_to_confirm(self.record, body_of(remote, self.record)) if self.record is not None else b""

    @property
    def _collection(self) -> str:
        return str(Collection("netconf", self.key))

    @property
    def proposed(self) -> bool:
        """Whether the lines were imported and nobody has confirmed them."""
        return self.record is not None and is_proposed(self.record)

    def preview(self, body: bytes) -> list[PreviewCount]:
        """Return, by peer, how many records other lines would send, stop and keep sending.  Raises Refused."""
        channel = self._remote.channel
        channel.ask(f"SYNC {self._collection}|preview", 8)
        channel.send(body if body.endswith(b"\n") or not body else body + b"\n")
        channel.end_listing()
        return read_values(channel, PreviewCount)

    def write(self, body: bytes) -> None:
        """Have the node obey other lines from now on.

        Raises Refused naming what is wrong with them; EditedMeanwhile when they are not those that were read any more.
        """
        draft = draft_over(self._held, self._collection, NETCONF_KEY, body=body)
        try:
            self._remote.draft([only_over(self._held, draft)])
        except ChangedThere as error:
            raise EditedMeanwhile(self.name, parse_changed(error.text)) from None


def names_peer(peer: str) -> Callable[[Line], bool]:
    """Return what tells whether a line shares the room with a peer."""

    def names(line: Line) -> bool:
        return line.kind in (IGNET_SHARE, MIRROR_SHARE) and line.field(1).lower() == peer

    return names


def show_preview(name: str, counts: list[PreviewCount]) -> None:
    """Tell what a change of lines would do."""
    if not counts:
        say(f"{name}: nothing is shared, before or after.")
    for one in counts:
        say(
            f"{name} with {one.peer}: {one.sends} more records would be sent, {one.stops} no longer, "
            f"{one.keeps} as before."
        )


@room.command("share")
@click.argument("name", metavar="ROOM")
@click.argument("peer")
@click.option("--as", "remote", default="", help="The room's name there.  [default: the same]")
@click.option("--direction", type=click.Choice(list(DIRECTIONS)), default="both", show_default=True)
@click.option("--what", default="messages,deletions", show_default=True, help=f"Some of {','.join(WHAT)}.")
@click.option("--history", type=click.Choice(["all", "new"]), default="all", show_default=True,
              help="Whether what is in the room already goes too.")  # fmt: skip
@click.option("--max-age", help="Only messages younger than this: 90d, 12h.")
@click.option("--max-size", help="Only messages up to this size: 10M, 500k.")
@click.option("--author", help="Only those whose author's name or address matches a pattern.")
@click.option("--subject", help="Only those whose subject matches a pattern.")
@click.option("--header", multiple=True, help="Only those with a header that matches: 'List-Id:*announce*'.")
@dry_run_option
@json_option
@click.pass_obj
def room_share(
    directory: Path, name: str, peer: str, remote: str, direction: str, what: str, history: str,
    max_age: str | None, max_size: str | None, author: str | None, subject: str | None, header: tuple[str, ...],
    dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Share ROOM with PEER, or change how.  The other side shares its room with this node in the same way.

    PEER is a node added with 'peer add --kind share'.
    """
    peer = peer.lower()
    _require_share_peer(directory, peer)
    since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if history == "new" else None
    options = {"direction": direction, "what": what, "since": since, "max_age": max_age, "max_size": max_size,
               "author": author, "subject": subject}  # fmt: skip
    rule = read_options(peer, remote, [*options.items(), *(("header", one) for one in header)])
    with local_node(directory) as node:
        lines = Lines(node, name)
        _refuse_proposed(lines)
        body = replace_lines(lines.body, names_peer(peer), [write_rule(rule)])
        counts = lines.preview(body)
        if not dry_run:
            lines.write(body)
    if as_json:
        print_json({"room": lines.key, "line": write_rule(rule), "dry_run": dry_run, "peers": counts})
        return
    show_preview(lines.name, counts)
    say(f"{'Would write' if dry_run else 'In force'}: {write_rule(rule)}")
    if not dry_run:
        say(f"'ctdlmirror room show {shlex.quote(lines.name)}' tells whether {peer} shares it too.")


def read_options(peer: str, remote: str, options: list[tuple[str, str | None]]) -> Rule:
    """Return the rule that command line options make.  Raises NetconfError."""
    line = write_rule(Rule(peer, remote))
    given = "".join(f"|{name}={value.replace('%', '%25').replace('|', '%7C')}" for name, value in options if value)
    return read_rules((line + ("|" if not remote else "") + given + "\n").encode())[0]


def _require_share_peer(directory: Path, name: str) -> None:
    peer = load_config(directory).peer(name)
    if peer is None:
        raise ConfigError(f"there is no peer {name}: run 'ctdlmirror peer add {name} --kind share' first")
    if peer.kind != SHARE:
        raise ConfigError(f"{name} is a mirror and gets everything; rooms are shared with peers of kind share")


def _refuse_proposed(lines: Lines) -> None:
    if lines.proposed:
        raise ConfigError(
            f"{lines.name} has lines from an import that nobody confirmed: run 'ctdlmirror netconf import' first"
        )


@room.command("unshare")
@click.argument("name", metavar="ROOM")
@click.argument("peer")
@dry_run_option
@json_option
@click.pass_obj
def room_unshare(directory: Path, name: str, peer: str, dry_run: bool, as_json: bool) -> None:
    """Stop sharing ROOM with PEER, both ways.  What has travelled stays on both sides."""
    peer = peer.lower()
    with local_node(directory) as node:
        lines = Lines(node, name)
        body = replace_lines(lines.body, names_peer(peer))
        if body == lines.body:
            raise ConfigError(
                f"{lines.name} is not shared with {peer}; 'ctdlmirror room show {name!r}' tells with whom"
            )
        _refuse_proposed(lines)
        counts = lines.preview(body)
        if not dry_run:
            lines.write(body)
    found = [one for one in counts if one.peer == peer]
    if as_json:
        print_json({"room": lines.name, "peer": peer, "counts": found, "done": not dry_run})
        return
    show_preview(lines.name, found)
    if not dry_run:
        say(f"Nothing of {lines.name} goes to {peer} or comes from there any more.")
        say(f"What came from {peer} stays here and what went there stays there; deletions no longer follow.")


@room.command("show")
@click.argument("name", metavar="ROOM")
@json_option
@click.pass_obj
def room_show(directory: Path, name: str, as_json: bool) -> None:
    """Show with whom ROOM is shared, by which rules, and what stands in the way."""
    with local_node(directory) as node:
        lines = Lines(node, name)
        told = sharing_status(node)
    known = next((one for one in told.rooms if one.key == lines.key), None)
    if as_json:
        print_json({"key": lines.key, "name": lines.name, "sharing": known})
        return
    say(f"Room {lines.name} ({lines.key})")
    if known is None or not (known.rules or known.problems):
        say("  is not shared.")
        return
    for problem in known.problems:
        say(f"  NOT OBEYED: {problem}")
    if known.proposed:
        say("  PROPOSED by an import, not in force: 'ctdlmirror netconf import --confirm' puts it in force")
    for rule in known.rules:
        say(f"  {rule.direction} with {rule.node}: {_state(rule, lines, told)}")
        say(f"      {', '.join(rule.what)}; {rule.line}")


def _state(rule: RuleStatus, lines: Lines, told: SharingStatus) -> str:
    node = rule.node
    if node not in told.peers:
        return "no peer of kind share is called so here"
    notes = [note.partition(": ")[2] for note in told.peers[node] if note.startswith(f"{lines.name}: ")]
    there = told.paired.get(node, {}).get(lines.key)
    paired = [f"with its room {there.name}"] if there else []
    return "; ".join(paired + notes) or "not known here whether it is shared there"


@room.command("list")
@click.option("--deleted", is_flag=True, help="List deleted rooms, and how much came into them meanwhile.")
@json_option
@click.pass_obj
def room_list(directory: Path, deleted: bool, as_json: bool) -> None:
    """List public and private rooms, and with whom each is shared."""
    if deleted:
        _show_killed(directory, as_json)
        return
    with local_node(directory) as node:
        rows = list_named(node, "rooms")
        told = sharing_status(node)
    shared = {one.key: _shared(one) for one in told.rooms}
    if as_json:
        print_json(
            [
                {"key": one.key, "name": one.name, "shared": shared.get(one.key, ""), "alike": list(one.alike)}
                for one in rows
            ]
        )
    elif not rows:
        say("No rooms.")
    else:
        print_table("", ["name", "key", "shared with"], [[one.name, one.key, shared.get(one.key, "")] for one in rows])
        tell_alike("room", rows)


def _show_killed(directory: Path, as_json: bool) -> None:
    with local_node(directory) as node:
        rows = list_killed(node)
    if as_json:
        print_json([row._asdict() for row in rows])
    elif not rows:
        say("No deleted rooms.")
    else:
        columns = ["name", "key", "deleted", "by", "alive in it"]
        print_table("", columns, [[row.name, row.key, row.deleted, row.by, str(row.alive)] for row in rows])


def _shared(one: RoomStatus) -> str:
    if one.problems:
        return "NOT OBEYED, see 'netconf check'"
    text = ", ".join(f"{rule.node} ({rule.direction})" for rule in one.rules)
    return f"proposed: {text}" if text and one.proposed else text
