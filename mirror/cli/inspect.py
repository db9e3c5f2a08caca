"""Looking at a node: status, verify, conflicts, check."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn

import click
import gevent
import msgspec

from mirror.cli.app import EXIT_DIFFERENT, cli
from mirror.cli.attached import print_attachments, troubles
from mirror.cli.health import UNKNOWN, judge
from mirror.cli.local import ask_values, local_node
from mirror.cli.names import NoSuchName
from mirror.cli.output import as_seconds, duration, json_option, print_json, print_table, report, say
from mirror.config.files import CERTIFICATE_FILE
from mirror.model.errors import MirrorError
from mirror.model.stamp import format_stamp
from mirror.peer.channel import ConnectionLost
from mirror.store.errors import StoreInUse
from mirror.wire.answers import parse_check
from mirror.wire.errors import Refused
from mirror.wire.lines import Code
from mirror.wire.status import ConflictStatus, KnownNode, NodeStatus, WinnerStatus

WATCH_S = 2.0
"""Seconds between two looks of ``status --watch``."""


class Certificate(NamedTuple):
    """What peers may pin of this node, and what to know of its end; nothing where there is none."""

    pin: str
    ends: str


@cli.command()
@click.option("--watch", is_flag=True, help="Show it again and again, until Ctrl-C.")
@click.option("--check", "judged", is_flag=True, help="One line for a monitor, and Nagios' exit codes 0 to 3.")
@click.option(
    "--max-lag", metavar="TIME", callback=as_seconds, default="60s", help="--check: the most.  [default: 60s]"
)
@json_option
@click.pass_obj
def status(directory: Path, watch: bool, judged: bool, max_lag: float, as_json: bool) -> None:
    """Show this node, its links and who is connected."""
    if judged:
        _check_status(directory, max_lag, as_json)
    if not watch:
        _print_status(directory, as_json)
        return
    while True:
        try:
            _print_status(directory, as_json, clear=sys.stdout.isatty())
        except (ConnectionLost, StoreInUse) as error:  # the daemon stops, or starts
            say(str(error), err=True)
        gevent.sleep(WATCH_S)


def _print_status(directory: Path, as_json: bool, clear: bool = False) -> None:
    state, certificate = _ask_status(directory), _own_certificate(directory)
    if clear:
        click.clear()
    if as_json:
        print_json({**msgspec.to_builtins(state), **certificate._asdict()})
    else:
        _show_status(state, certificate)


def _ask_status(directory: Path) -> NodeStatus:
    with local_node(directory) as remote:
        return ask_values(remote, "SYNC all|status", NodeStatus)[0]


def _check_status(directory: Path, max_lag_s: float, as_json: bool) -> NoReturn:
    try:
        code, line = judge(_ask_status(directory), max_lag_s, _own_certificate(directory).ends)
    except MirrorError as error:
        code, line = UNKNOWN, f"UNKNOWN: {error}"
    report(as_json, {"code": code, "line": line}, line)
    sys.exit(code)


def _show_status(state: NodeStatus, certificate: Certificate) -> None:
    up = f"daemon up {duration(state.uptime_s)}" if state.running else "no daemon runs"
    newest = format_stamp(state.newest) if state.newest else "never"
    holder = f" for {state.holder}" if state.holder else ""
    say(f"Node {state.node}, epoch {state.epoch}: {up}")
    say(f"  {state.records} records, newest {newest}, digest {state.digest}")
    say(f"  {state.mode}{holder}, {state.conflicts} conflicts not resolved")
    if certificate.pin:
        say(f"  certificate {certificate.pin}")
    if certificate.ends:
        say(f"  {certificate.ends}")
    if state.addresses:
        say(f"  listening on {', '.join(state.addresses)}")
    if state.links:
        now = time.time()
        print_table("Links", ["peer", "address", "phase", "for", "pulled", "pushed", "last change", "error"], [
            [link.peer, link.address, link.phase, duration(now - link.since) if link.since else "",
             str(link.pulled), str(link.pushed),
             duration(now - link.last_change) + " ago" if link.last_change else "", link.error]
            for link in state.links
        ])  # fmt: skip
    if state.nodes:
        _show_nodes(state.nodes)
    if state.attachments:
        print_attachments(state.attachments)
    for source in state.copying:
        say(f"  copying from {source} is not at its end: only a part of what it holds is here")
    for peer, count in sorted(state.aside.items()):
        say(f"  {count} records of {peer} cannot be taken and are set aside: 'ctdlmirror aside list {peer}'")
    for link in state.links:
        for note in link.notes:
            say(f"  share with {link.peer}: {note}")
    for one in state.attachments:
        for line in troubles(one):
            say(f"  attached {one.name}: {line}")
    for note in state.twins:
        say(f"  {note}")
    for note in state.clock:
        say(f"  clock: {note}")
    for session in state.sessions:
        say(f"  connected: {session.kind} {session.name}")


def _show_nodes(nodes: list[KnownNode]) -> None:
    now = time.time()
    print_table("Nodes", ["node", "kind", "how", "now", "behind", "lag", "last seen", "error"], [
        [one.name, one.kind, one.how, one.now, str(one.behind) if one.behind >= 0 else "",
         duration(one.lag_s) if one.lag_s >= 0 else "?", duration(now - one.seen) + " ago" if one.seen else "never",
         one.error]
        for one in nodes
    ])  # fmt: skip


def _own_certificate(directory: Path) -> Certificate:
    from mirror.peer.tls import ending, own_fingerprint

    if not (directory / CERTIFICATE_FILE).exists():
        return Certificate("", "")
    return Certificate(f"pin:{own_fingerprint(directory)}", ending(directory))


@cli.group()
def conflicts() -> None:
    """Versions that lost to a concurrent one: nothing is thrown away."""


@conflicts.command("list")
@click.option("--all", "every", is_flag=True, help="Also those resolved already.")
@json_option
@click.pass_obj
def conflicts_list(directory: Path, every: bool, as_json: bool) -> None:
    """List conflicts, newest first."""
    with local_node(directory) as remote:
        found = ask_values(remote, "SYNC all|conflicts" + ("|all" if every else ""), ConflictStatus)
    if as_json:
        print_json(found)
    elif not found:
        say("No conflicts.")
    else:
        print_table("", ["no.", "what", "lost version", "written at", "won", "resolved"], [
            [str(one.number), one.what, one.loser["time"], one.loser["origin"], _version(one.winner),
             "yes" if one.restored_ms else ""]
            for one in found
        ])  # fmt: skip


@conflicts.command("show")
@click.argument("number", type=int)
@json_option
@click.pass_obj
def conflicts_show(directory: Path, number: int, as_json: bool) -> None:
    """Show the version that lost, and what won."""
    with local_node(directory) as remote, _of_that_number():
        found = ask_values(remote, f"SYNC all|conflicts|{number}", ConflictStatus)[0]
    if as_json:
        print_json(found)
        return
    for line in _told(found):
        say(line)


@contextmanager
def _of_that_number() -> Iterator[None]:
    """Have what is not there be something that is not there, and no refusal.  Raises NoSuchName."""
    try:
        yield
    except Refused as error:
        if error.code != Code.NOT_FOUND:
            raise
        raise NoSuchName(error.text) from None


def _version(winner: WinnerStatus) -> str:
    return f"{format_stamp(winner.stamp)} at {winner.origin}"


def _told(found: ConflictStatus) -> Iterator[str]:
    """Yield what happened, in words."""
    loser, now = found.loser, found.now or {"dead": True}
    winner = _version(found.winner)
    yield f"Conflict {found.number}: {found.what} ({loser['collection']} {loser['key']})"
    yield f"  Lost: the version written {loser['time']} at {loser['origin']}."
    yield f"  Won:  {'the deletion' if now.get('dead') else 'the version written'} of {winner}, which had not seen it."
    fields = {name: field for name, field in loser.get("head", {}).items() if isinstance(field, list)}
    for name, field in fields.items():
        kept = now.get("head", {}).get(name)
        yield f"  {name}: lost {field[0]!r}" + (f", kept {kept[0]!r}" if isinstance(kept, list) else "")
    text = found.text or loser.get("text")
    if text:
        yield "  What was lost:"
        yield from (f"    {line}" for line in text.splitlines())
    elif "base64" in loser:
        yield f"  What was lost: {len(loser['base64']) * 3 // 4:,} bytes, not text; --json shows them"
    elif "content" in loser:
        yield f"  What was lost: a body of {loser['size']:,} bytes"
    if found.restored_ms:
        yield "It is resolved already."
    yield f"'ctdlmirror conflicts restore {found.number}' makes it the newest version everywhere,"
    yield "'dismiss' leaves things as they are, 'keep-both' writes it as a thing of its own."


_numbers = click.argument("numbers", type=int, nargs=-1)


@conflicts.command("restore")
@_numbers
@click.option("--all", "every", is_flag=True, help="All that nobody has resolved yet, oldest first.")
@json_option
@click.pass_obj
def conflicts_restore(directory: Path, numbers: tuple[int, ...], every: bool, as_json: bool) -> None:
    """Make the versions that lost the newest ones, everywhere.

    Of fields and of calendar and contact items just what lost comes back.
    """
    _resolve(directory, "restore", "Restored", numbers, every, as_json)


@conflicts.command("dismiss")
@_numbers
@click.option("--all", "every", is_flag=True, help="All that nobody has resolved yet, oldest first.")
@json_option
@click.pass_obj
def conflicts_dismiss(directory: Path, numbers: tuple[int, ...], every: bool, as_json: bool) -> None:
    """Leave things as they are, and list these conflicts no more, on any node."""
    _resolve(directory, "dismiss", "Dismissed", numbers, every, as_json)


@conflicts.command("keep-both")
@_numbers
@json_option
@click.pass_obj
def conflicts_keep_both(directory: Path, numbers: tuple[int, ...], as_json: bool) -> None:
    """Write the versions that lost as things of their own: files, messages, calendar and contact items."""
    _resolve(directory, "keep-both", "Kept both of", numbers, False, as_json)


class Resolved(msgspec.Struct):
    """A conflict that was resolved, and where what was written for that stands."""

    number: int
    where: str


def _resolve(directory: Path, action: str, done: str, numbers: tuple[int, ...], every: bool, as_json: bool) -> None:
    if bool(numbers) == every:
        raise click.UsageError("name the NUMBERS of conflicts" + (", or --all" if action != "keep-both" else ""))
    resolved: list[Resolved] = []
    with local_node(directory) as remote:
        if every:
            numbers = tuple(sorted(found.number for found in ask_values(remote, "SYNC all|conflicts", ConflictStatus)))
        for number in numbers:
            with _of_that_number():
                reply = remote.channel.ask(f"SYNC all|{action}|{number}")
            resolved.append(Resolved(number, "" if action == "dismiss" else reply.text.replace("|", " ")))
            if not as_json:
                say(f"{done} {number}" + (f": {resolved[-1].where}" if resolved[-1].where else ""))
    if as_json:
        print_json(resolved)
    elif not numbers:
        say("No conflicts.")


@cli.command()
@click.option("--mend", is_flag=True, help="First write records anew that an older version let in and no node takes.")
@json_option
@click.pass_obj
def check(directory: Path, mend: bool, as_json: bool) -> None:
    """Recompute every CRC, digest and content of the store and name what is wrong.

    What --mend replaces is kept in the conflict log.  Each node has to mend its own.
    """
    with local_node(directory) as remote:
        reply = remote.channel.ask("SYNC all|check" + "|mend" * mend, 1)
        found = parse_check(reply.text, remote.channel.read_listing())
    problems = found.problems
    if as_json:
        print_json({
            "records": found.records, "contents": found.contents,
            "problems": list(problems), "mended": list(found.mended),
        })  # fmt: skip
    else:
        for line in (*found.mended, *problems):
            say(line)
        say(f"{found.records} records and {found.contents} large bodies checked: {len(problems) or 'no'} problems.")
    sys.exit(EXIT_DIFFERENT if problems else 0)
