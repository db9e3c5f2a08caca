"""The table of commands is that of the commands themselves, and help costs none of their imports."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from imports import TOP, at_the_end, imported

from mirror.cli.app import cli
from mirror.cli.commands import COMMANDS

HEAVY = ("gevent", "rich", "msgspec", "cryptography", "icalendar", "tomlkit", "scramp", "sqlite3", "ssl")


SIGHUP_AT_FIRST_IMPORT = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path, target=None):
        if name == "click":
            os.kill(os.getpid(), signal.SIGHUP)

sys.meta_path.insert(0, Finder())
sys.argv = ["ctdlmirror", "daemon", "--help"]
from mirror.cli.entry import main
main()
"""
"""Runs a daemon's command that is sent SIGHUP when it begins to import what it needs."""


def test_a_daemon_that_is_told_to_reload_before_it_can_lives() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SIGHUP_AT_FIRST_IMPORT],
        env={**os.environ, "PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Run the node" in done.stdout) == (0, True), done.stderr


def test_every_command_is_in_the_table_with_its_own_words() -> None:
    context = click.Context(cli)
    for name, lazy in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None, f"{name} is in mirror/cli/commands.py and in none of {lazy.modules}"
        assert command.get_short_help_str(1000) == click.Command(name, help=lazy.help).get_short_help_str(1000)
    assert set(cli.commands) == set(cli.list_commands(context)) == {*COMMANDS, "version", "help", "completion"}, (
        "mirror/cli/commands.py lists the commands"
    )


def test_a_command_of_several_modules_has_all_its_parts() -> None:
    room = cli.get_command(click.Context(cli), "room")
    assert isinstance(room, click.Group)
    assert {"rename", "share", "unshare", "show", "list"} <= set(room.commands)


def test_what_a_command_imports_is_looked_at_by_no_collection() -> None:
    frozen, left, enabled = at_the_end(
        "gc.get_freeze_count(), len(gc.get_objects()), gc.isenabled()", "post", "-h"
    ).split()
    assert int(frozen) > 10 * int(left) and enabled == "True"


@pytest.mark.parametrize("arguments", [["--help"], ["version"], ["completion", "bash"], []])
def test_help_imports_nothing_that_only_commands_need(arguments: list[str]) -> None:
    assert imported(*arguments).isdisjoint(HEAVY)


@pytest.mark.parametrize("name", ["status", "post", "read", "room", "user"])
def test_a_command_that_asks_the_node_imports_no_store_and_nothing_to_draw_or_to_make_files(name: str) -> None:
    heavy = {"rich", "cryptography", "icalendar", "tomlkit", "sqlite3", "mirror.server.node"}
    assert imported(name, "--help").isdisjoint(heavy)


def test_commands_complete_with_their_words() -> None:
    completions = ShellComplete(cli, {}, "ctdlmirror", "_CTDLMIRROR_COMPLETE").get_completions([], "ver")
    assert [(item.value, item.help) for item in completions] == [
        ("verify", "Compare with a peer or a Citadel server,..."),
        ("version", "Print the version."),
    ]


def test_completing_a_command_imports_nothing_that_only_commands_need() -> None:
    asked = {"_CTDLMIRROR_COMPLETE": "bash_complete", "COMP_WORDS": "ctdlmirror ba", "COMP_CWORD": "1"}
    assert imported(**asked).isdisjoint(HEAVY)


def test_a_command_that_is_not_there_is_told_so() -> None:
    assert cli.get_command(click.Context(cli), "nothing") is None


def test_a_persons_client_waits_for_the_node_without_green_threads(tmp_path: Path) -> None:
    config = tmp_path / "client.toml"
    server = '[server]\naddress = "127.0.0.1:1"\nuser = "ann"\ntrust = "plain"\npassword_file = "x"\n'
    config.write_text(server + f'[pair.a]\npath = "{tmp_path}/a"\nviews = ["calendar"]\n')
    wanted = imported("client", "--config", str(config), "sync")
    assert "mirror.peer.channel" in wanted and wanted.isdisjoint({"gevent", "rich", "ssl", "mirror.model.merge"})
