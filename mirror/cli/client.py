"""A person's folders: kept equal with the rooms of an account.  Parses, calls mirror.client and prints."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mirror.cli.app import EXIT_DIFFERENT, cli
from mirror.cli.lazy import LazyGroup, placed
from mirror.cli.output import json_option, print_json, print_table, say
from mirror.client.config import ClientConfig, default_path, load
from mirror.client.place import PlaceError

if TYPE_CHECKING:
    from mirror.client.connection import Connection
    from mirror.client.pairs import Progress
    from mirror.client.report import Report

EXIT_HELD_BACK = 11
"""Deletions wait to be accepted."""
SHOWN_AFTER_S = 1.0

CLIENT_COMMANDS = {
    **placed(
        "mirror.cli.client_init", {"init": "Set up: ask for the account and folders, check them, write client.toml."}
    ),
    **placed(
        "mirror.cli.client_watch",
        {"watch": "Keep folders equal with rooms until Ctrl-C or SIGTERM, both ways and at once."},
    ),
    **placed("mirror.cli.client_conflicts", {"conflicts": "Versions that lost to another one: shown, and resolved."}),
}


class ClientGroup(LazyGroup):
    """What is not needed most of the time is imported when it is run."""

    lazy = CLIENT_COMMANDS


@cli.group("client", cls=ClientGroup)
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path, dir_okay=False), default=default_path,
    help="Your client.toml.  [default: $XDG_CONFIG_HOME/citadel-mirror/client.toml]",
)  # fmt: skip
@click.pass_context
def client(context: click.Context, config_path: Path) -> None:
    """Keep your own folders equal with your rooms on a node: mail, calendars, contacts.  See docs/clients.md."""
    context.obj = config_path


def connected(config: ClientConfig) -> "Connection":
    """Return a connection to the node, logged in.  Raises ConnectionLost, NotTrusted, NotLoggedIn, BadConfig."""
    from mirror.client.connection import open_connection
    from mirror.client.passwords import password_of

    server = config.server
    return open_connection(config.address, server.trust, server.user, lambda: password_of(server, config.account))


# -- sync ---------------------------------------------------------------------------------------------


@client.command("sync")
@click.argument("pairs", metavar="[PAIR]...", nargs=-1)
@click.option("--dry-run", "dry", is_flag=True, help="Count what would be done, and write nothing on either side.")
@click.option("--accept-deletions", is_flag=True, help="Carry out deletions that are held back.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but what is wrong.")
@json_option
@click.pass_obj
def sync(
    config_path: Path, pairs: tuple[str, ...], dry: bool, accept_deletions: bool, quiet: bool, as_json: bool
) -> None:
    """Keep folders equal with rooms: all pairs of client.toml, or those named."""
    from mirror.client.pairs import chosen, opened
    from mirror.client.state import BadState

    config = load(config_path)
    reports: dict[str, Report] = {}
    failed: list[PlaceError | BadState | OSError] = []
    names = chosen(config, pairs)
    connection = connected(config)
    try:
        for name in names:
            try:
                with opened(config, name) as pair, shown_progress(quiet or as_json) as progress:
                    reports[name] = pair.round(connection, progress, accept_deletions=accept_deletions, dry=dry)
            except (PlaceError, BadState, OSError) as error:  # of this pair alone: the others are kept equal
                failed.append(error)
                continue
            if not as_json:
                _tell(name, reports[name], dry, quiet)
    finally:
        connection.close()
    for one in failed[:-1]:
        say(f"ctdlmirror: {one}", err=True)
    if failed:
        raise failed[-1]
    if as_json:
        print_json({name: as_values(report) for name, report in reports.items()})
    sys.exit(_exit_code(reports))


class shown_progress:
    """Show how far a round has come, once it has taken a while: what is quick imports nothing for it."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._meters: Any = None
        self._begun = time.monotonic()

    def __enter__(self) -> "Progress":
        return self._show

    def _show(self, what: str, done: int, of: int | None) -> None:
        if self._quiet or time.monotonic() - self._begun < SHOWN_AFTER_S:
            return
        if self._meters is None:
            from mirror.cli.progress import Meters

            self._meters = Meters(False).__enter__()
        self._meters.show(what, done, of, "items")

    def __exit__(self, *error: Any) -> None:
        if self._meters is not None:
            self._meters.__exit__(*error)


def _tell(name: str, report: "Report", dry: bool, quiet: bool) -> None:
    for line in problem_lines(name, report):
        say(line, err=True)
    if quiet:
        return
    for note in report.notes:
        say(f"{name}: {note}")
    say(f"{name}: {summary(report, dry)}")


def problem_lines(name: str, report: "Report") -> list[str]:
    """Return what could not be done, and what waits, a line each."""
    lines = []
    for problem in report.problems:
        where = f"{problem.folder}/{problem.name}" if problem.name else problem.folder
        lines.append(f"{name}: {where}: {problem.why}")
    for folder, count in report.held.items():
        lines.append(
            f"{name}: {folder}: {count} deletions are held back: 'ctdlmirror client sync --accept-deletions {name}' "
            "carries them out; put the files back, and nothing is deleted"
        )
    return lines


def summary(report: "Report", dry: bool = False) -> str:
    """Return what a round did, in a line."""
    sent = ", ".join(f"{count} {what}" for what, count in report.sent.items() if count)
    received = ", ".join(f"{count} {what}" for what, count in report.received.items() if count)
    told = [f"{'would send' if dry else 'sent'} {sent}"] if sent else []
    told += [f"{'would take' if dry else 'took'} {received}"] if received else []
    told += [f"{report.conflicts} conflicts ('ctdlmirror client conflicts')"] if report.conflicts else []
    told += [f"{sum(report.held.values())} deletions held back"] if report.held else []
    told += [f"{len(report.problems)} could not be kept equal"] if report.problems else []
    return "; ".join(told) or "nothing to do"


def as_values(report: "Report") -> dict[str, Any]:
    """Return what a round did, as plain values."""
    problems = [problem._asdict() for problem in report.problems]
    return {
        "sent": report.sent, "received": report.received, "conflicts": report.conflicts, "held": report.held,
        "problems": problems, "notes": report.notes,
    }  # fmt: skip


def _exit_code(reports: "dict[str, Report]") -> int:
    if any(report.held for report in reports.values()):
        return EXIT_HELD_BACK
    return EXIT_DIFFERENT if any(report.problems for report in reports.values()) else 0


# -- what there is ------------------------------------------------------------------------------------


@client.command("discover")
@json_option
@click.pass_obj
def discover(config_path: Path, as_json: bool) -> None:
    """List the rooms that are open to you, what is in them, and which pair each is in."""
    config = load(config_path)
    connection = connected(config)
    try:
        rows = [
            {**row, "pair": _pair_of(config, str(row["name"]), int(row["view"]))}
            for row in rooms_with_counts(connection)
        ]
    finally:
        connection.close()
    if as_json:
        print_json(rows)
    elif rows:
        print_rooms(rows)
    else:
        say("No rooms are open to you.")


def print_rooms(rows: list[dict[str, Any]]) -> None:
    """Print a table of rooms."""
    columns = [name for name in ("name", "for", "items", "bytes", "rights", "pair") if name in rows[0]]
    print_table("", columns, [[_cell(row[column]) for column in columns] for row in rows])


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def rooms_with_counts(connection: "Connection") -> list[dict[str, Any]]:
    """Return the rooms that are open to a user, each with how many items are in it, and their bytes."""
    from mirror.client.config import VIEWS

    words = {view: word for word, views in VIEWS.items() for view in views}
    sizes = connection.sizes()
    rooms = connection.rooms().rooms
    held = {room.key: sizes.get(f"messages/{room.key}", (0, 0)) for room in rooms}
    return [
        {
            "key": room.key,
            "name": room.name,
            "view": room.view,
            "for": words.get(room.view, "other"),
            "items": held[room.key][0],
            "bytes": held[room.key][1],
            "rights": "own" if room.own else "write" if room.writable else "read",
        }
        for room in rooms
    ]


def _pair_of(config: ClientConfig, name: str, view: int) -> str:
    return ", ".join(pair for pair, settings in config.pairs.items() if settings.wants(name, view))


@client.command("status")
@json_option
@click.pass_obj
def status(config_path: Path, as_json: bool) -> None:
    """Show the pairs, their folders and what waits, without asking the node."""
    from mirror.client.pairs import remembered

    config = load(config_path)
    rows = [row for name in config.pairs for row in remembered(config, name)]
    if as_json:
        print_json({"account": config.account, "config": str(config.path), "folders": rows})
        return
    say(f"{config.account}, by {config.path}")
    if rows:
        columns = ["pair", "folder", "room", "items", "held", "conflicts", "state"]
        print_table("", columns, [[str(row[column]) for column in columns] for row in rows])
    else:
        say("Nothing was kept equal yet: 'ctdlmirror client sync' does.")


@client.command("reset")
@click.argument("pair")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def reset(config_path: Path, pair: str, yes: bool, as_json: bool) -> None:
    """Forget what both sides of PAIR agreed on: the next sync compares them anew, and deletes nothing."""
    from mirror.cli.output import ask, report
    from mirror.client.pairs import chosen, forget

    config = load(config_path)
    chosen(config, (pair,))
    if not yes:
        ask(f"Forget what was agreed on in {pair}, its conflicts included?  Files and rooms stay as they are.")
    path = forget(config, pair)
    report(as_json, {"pair": pair, "removed": str(path)}, f"{pair}: forgotten; the next sync compares both sides.")
