"""A group whose commands are imported when they are run, so that none waits for what the others need.

A table says for each command in which modules it stands and how help describes it; a test holds the table against
the commands themselves.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem


class Lazy(NamedTuple):
    """A command that may not be imported yet: its line in the group's help, and the modules that define it."""

    help: str
    modules: tuple[str, ...]
    prepared: bool = True
    """Whether the interpreter is prepared before they are imported."""


class LazyGroup(click.Group):
    """Knows its commands from a table, and imports one when it is asked for."""

    lazy: Mapping[str, Lazy] = {}
    prepare: Callable[[], None] | None = None
    """Called before a command's modules are imported."""
    importing: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered while a command's modules are imported."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of all commands, imported or not."""
        return sorted({*super().list_commands(context), *self.lazy})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return a command, imported by now, or None."""
        if name in self.lazy:
            with self.importing():
                self._import(name)
        return super().get_command(context, name)

    def _import(self, name: str) -> None:
        if self.prepare is not None and self.lazy[name].prepared:
            self.prepare()
        for module in self.lazy[name].modules:
            import_module(module)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        names = self.list_commands(context)
        width = formatter.width - 6 - max(map(len, names))
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._stand_in(name).get_short_help_str(width)) for name in names])

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command's name without importing any."""
        names = [name for name in self.list_commands(context) if name.startswith(incomplete)]
        commands = [CompletionItem(name, help=self._stand_in(name).get_short_help_str()) for name in names]
        return [*commands, *click.Command.shell_complete(self, context, incomplete)]

    def _stand_in(self, name: str) -> click.Command:
        if name in self.lazy:
            return click.Command(name, help=self.lazy[name].help)
        return self.commands[name]


def placed(module: str, commands: Mapping[str, str], *more: str, prepared: bool = True) -> dict[str, Lazy]:
    """Return the table of commands that stand in one module, or there and in ``more``; each with its line of help."""
    return {name: Lazy(text, (module, *more), prepared) for name, text in commands.items()}
