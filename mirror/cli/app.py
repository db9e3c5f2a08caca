"""The command group: common options, exit codes, and how errors are shown."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

import click

from mirror import __version__
from mirror.cli.commands import COMMANDS
from mirror.cli.lazy import LazyGroup
from mirror.model.errors import MirrorError

EXIT_DIFFERENT = 1
"""What was compared or checked is not as it should be."""

_EPILOG = """\b
Exit codes: 0 done, 1 something differs or is damaged, 2 wrong usage, 3 configuration,
4 store in use, 5 store, 6 no connection, 7 not authenticated or not trusted,
8 refused by the other side, 9 unusable Citadel data, 10 other, 11 deletions held back."""

_FIRST_STEPS = """
First steps:
  ctdlmirror demo                                  see two nodes kept equal on this machine
  ctdlmirror init --node NAME                      set up a node in {directory}
  ctdlmirror import FILE                           take over a Citadel server's MIGR export
  ctdlmirror attach citadel:///run/citadel         or follow the running server
  ctdlmirror daemon                                serve it and keep it equal
"""


def default_directory() -> Path:
    """Return where a node lives unless told otherwise."""
    if "CTDLMIRROR_DIR" in os.environ:
        return Path(os.environ["CTDLMIRROR_DIR"])
    if os.geteuid() == 0:
        return Path("/var/lib/citadel-mirror")
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "citadel-mirror"


class Group(LazyGroup):
    """Shows every error that is ours as one line, with its exit code."""

    lazy = COMMANDS

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except MirrorError as error:
            click.echo(f"ctdlmirror: {error}", err=True)
            sys.exit(error.exit_code)
        except UnicodeEncodeError as error:  # an argument's bytes, or a file's name
            click.echo(f"ctdlmirror: {error.object[:100]!a} is not UTF-8", err=True)
            sys.exit(click.UsageError.exit_code)
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(MirrorError.exit_code)


@click.group(
    cls=Group, invoke_without_command=True, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--dir", "directory", type=click.Path(path_type=Path, file_okay=False), default=default_directory,
    help="The node's directory.  [default: $CTDLMIRROR_DIR, else a place of the system or user]",
)  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
@click.pass_context
def cli(context: click.Context, directory: Path, verbose: bool) -> None:
    """Keeps Citadel servers equal: a mirror node's daemon and its tools."""
    context.obj = directory
    set_up_logging("debug" if verbose else "warning")
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        click.echo(_FIRST_STEPS.format(directory=directory))


def set_up_logging(level: str) -> None:
    """Log to standard error, one line an event."""
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr, force=True
    )


@cli.command()
def version() -> None:
    """Print the version."""
    click.echo(f"citadel-mirror {__version__}")


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script: eval "$(ctdlmirror completion bash)"."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(cli, {}, "ctdlmirror", "_CTDLMIRROR_COMPLETE").source())
