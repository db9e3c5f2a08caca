"""The command group: common options, exit codes, and how errors are shown."""

import logging
import os
import sys
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import click

from mirror import __version__
from mirror.cli.commands import COMMANDS
from mirror.cli.lazy import LazyGroup
from mirror.cli.output import print_json, say
from mirror.model.errors import MirrorError
from mirror.printable import LineFormatter
from mirror.wire.errors import Refused

log = logging.getLogger("mirror.cli")

EXIT_DIFFERENT = 1
"""What was compared or checked is not as it should be."""

JSON_WANTED = "mirror.json"
"""Where a context says whether a script reads the answer."""
EXIT_FAULT = 14
"""This program did what it should not."""
EXIT_ABORTED = 130
"""Somebody typed Ctrl-C, or did not say yes."""

_EPILOG = """\b
Exit codes: 0 done, 1 something differs or is damaged, 2 wrong usage, 3 configuration,
4 store in use, 5 store, 6 no connection, 7 not authenticated or not trusted,
8 refused by the other side, 9 unusable Citadel data, 10 other, 11 deletions held back,
12 no room or user of that name, 13 an address cannot be listened on, 14 a fault of this
program, 130 ended by Ctrl-C or a question."""

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

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        context.meta[JSON_WANTED] = _wants_json(arguments)
        return super().parse_args(context, _directory_first(arguments))

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except click.exceptions.Exit:
            raise
        except BrokenPipeError:  # whoever read the answer has enough of it
            sys.stderr.close()
            sys.exit(MirrorError.exit_code)
        except (Exception, KeyboardInterrupt) as error:
            self._end(error, bool(context.meta.get(JSON_WANTED)))

    def _end(self, error: BaseException, as_json: bool) -> NoReturn:
        """End the command with one line and the code of what ended it."""
        if isinstance(error, click.ClickException) and not as_json:
            raise error  # shown with how the command is used
        if not isinstance(error, _EXPECTED):
            log.error("a fault of this program, please report it with these lines", exc_info=error)
        text, code = _told(error)
        say(f"ctdlmirror: {text}", err=True)
        if as_json:
            print_json({"error": text, "exit_code": code})
        sys.exit(code)


_EXPECTED = (MirrorError, click.ClickException, click.Abort, KeyboardInterrupt, EOFError, OSError, UnicodeEncodeError)


def _told(error: BaseException) -> tuple[str, int]:
    """Return the line for an error, and the exit code."""
    if isinstance(error, Refused):
        return error.text, error.exit_code
    if isinstance(error, MirrorError):
        return str(error), error.exit_code
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    if isinstance(error, UnicodeEncodeError):  # an argument's bytes, or a file's name
        return f"{error.object[:100]!a} is not UTF-8", click.UsageError.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt | EOFError):
        return "ended by Ctrl-C, or by a question that was not answered with yes", EXIT_ABORTED
    if isinstance(error, OSError):  # of a file that the command was given, or a full disk
        return f"{error.filename or 'this machine'}: {error.strerror or error}", MirrorError.exit_code
    return f"a fault of this program: {type(error).__name__}: {error}", EXIT_FAULT


def _directory_first(arguments: list[str]) -> list[str]:
    """Return the arguments with ``--dir DIRECTORY`` before the command, wherever it was typed."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    named: list[str] = []
    others: list[str] = []
    left = iter(arguments[:end])
    for argument in left:
        if argument == "--dir":
            named += [argument, *islice(left, 1)]
        elif argument.startswith("--dir="):
            named.append(argument)
        else:
            others.append(argument)
    return [*named, *others, *arguments[end:]]


def _wants_json(arguments: list[str]) -> bool:
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


@click.group(
    cls=Group, invoke_without_command=True, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--dir", "directory", type=click.Path(path_type=Path, file_okay=False), default=default_directory,
    help="The node's directory.  [default: $CTDLMIRROR_DIR, else a place of the system or user]",
)  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
@click.version_option(__version__, message="citadel-mirror %(version)s")
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
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


@cli.command("help")
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
@click.pass_context
def show_help(context: click.Context, words: tuple[str, ...]) -> None:
    """Show help: of all commands, or of one."""
    assert context.parent is not None
    within, command = context.parent, context.parent.command
    for word in words:
        found = command.get_command(within, word) if isinstance(command, click.Group) else None
        if found is None:
            raise click.UsageError(f"there is no command {' '.join(words)!r}")
        within, command = click.Context(found, parent=within, info_name=word), found
    click.echo(command.get_help(within))


@cli.command()
def version() -> None:
    """Print the version."""
    say(f"citadel-mirror {__version__}")


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script: eval "$(ctdlmirror completion bash)"."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(cli, {}, "ctdlmirror", "_CTDLMIRROR_COMPLETE").source())
