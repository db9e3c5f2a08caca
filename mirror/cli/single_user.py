"""Ending single-user mode by hand."""

from pathlib import Path

import click

from mirror.cli.app import cli
from mirror.cli.local import local_node
from mirror.cli.output import json_option, report


@cli.command("multi-user")
@json_option
@click.pass_obj
def multi_user(directory: Path, as_json: bool) -> None:
    """End single-user mode, whoever holds it."""
    with local_node(directory) as remote:
        remote.channel.ask("ESNG")
    report(as_json, {"mode": "multi-user"}, "Users and peers are let in again.")
