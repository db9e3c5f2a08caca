"""Versions of a person's items that lost to another one: listed, shown, resolved."""

from pathlib import Path
from typing import Any

import click

from mirror.cli.client import client
from mirror.cli.output import json_option, print_json, print_table, report, say
from mirror.client.config import ClientConfig, load
from mirror.client.pairs import chosen, opened, remembering
from mirror.client.resolving import BOTH, MINE, THEIRS, difference, numbered, resolve
from mirror.client.state import Conflict


@client.group("conflicts", invoke_without_command=True)
@json_option
@click.pass_context
def conflicts(context: click.Context, as_json: bool) -> None:
    """Versions that lost to another one: without a command, a list of them."""
    if context.invoked_subcommand is None:
        _list(load(context.obj), as_json)


def _list(config: ClientConfig, as_json: bool) -> None:
    rows = [_row(name, conflict) for name in config.pairs for conflict in _conflicts(config, name)]
    if as_json:
        print_json(rows)
    elif rows:
        columns = ["pair", "number", "when", "folder", "file", "kept"]
        print_table("", columns, [[str(row[column]) for column in columns] for row in rows])
        say("'ctdlmirror client conflicts show PAIR NUMBER' shows one, 'take ... mine', 'theirs' or 'both' ends it.")
    else:
        say("No conflicts.")


def _conflicts(config: ClientConfig, name: str) -> list[Conflict]:
    with remembering(config, name) as state:
        return state.conflicts() if state is not None else []


def _row(name: str, conflict: Conflict) -> dict[str, Any]:
    from datetime import datetime

    return {
        "pair": name,
        "number": conflict.number,
        "when": datetime.fromtimestamp(conflict.seconds).isoformat(" ", "minutes"),
        "folder": conflict.folder,
        "file": conflict.name,
        "key": conflict.key,
        "kept": conflict.kept,
    }


@conflicts.command("show")
@click.argument("pair")
@click.argument("number", type=int)
@json_option
@click.pass_obj
def show(config_path: Path, pair: str, number: int, as_json: bool) -> None:
    """Show how the two versions of a conflict differ: lines of theirs with -, of mine with +."""
    config = load(config_path)
    chosen(config, (pair,))
    conflict = numbered(_conflicts(config, pair), number)
    texts = {
        side: text.decode("utf-8", "replace") if text is not None else None
        for side, text in ((MINE, conflict.mine), (THEIRS, conflict.theirs))
    }
    lines = difference(conflict)
    for side, text in texts.items():
        lines += [f"{side}: deleted"] if text is None else []
    report(as_json, {**_row(pair, conflict), **texts}, *lines)


@conflicts.command("take")
@click.argument("pair")
@click.argument("number", type=int)
@click.argument("choice", type=click.Choice([MINE, THEIRS, BOTH]))
@json_option
@click.pass_obj
def take(config_path: Path, pair: str, number: int, choice: str, as_json: bool) -> None:
    """Resolve a conflict: have mine (this machine's), theirs or both stand.  The next sync sends it."""
    config = load(config_path)
    chosen(config, (pair,))
    with opened(config, pair) as one:
        done = resolve(one.state, one.tree, numbered(one.state.conflicts(), number), choice)
    report(as_json, {"pair": pair, "number": number, "taken": choice, "done": done}, f"{pair}: {done}.")
