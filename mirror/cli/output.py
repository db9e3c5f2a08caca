"""How results are shown: JSON for scripts, lines and tables for people.  All that a command prints comes through here.

Nothing that is shown is trusted; what is not printed is shown by its number.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from mirror.printable import in_json, one_line

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")

MAX_DIGITS = 9
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def as_seconds(_context: click.Context, _parameter: click.Parameter, value: str) -> float:
    """Return the seconds of a time as ``60s``, ``5m``, ``2h`` or ``1d``; a number alone is in seconds."""
    number, unit = (value[:-1], value[-1]) if value[-1:] in SECONDS else (value, "s")
    if not number.isdecimal() or not number.isascii() or len(number) > MAX_DIGITS:
        raise click.BadParameter(f"{value!r} is no time such as 60s, 5m, 2h or 1d")
    return float(int(number) * SECONDS[unit])


GAP = "  "
"""Between two columns."""
SHOWN = 20
"""Lines that are printed of those that may be many."""
ANY_WIDTH = 1 << 20
"""Columns where there is no terminal."""


def say(line: str = "", err: bool = False, end: bool = True) -> None:
    """Print one line, to standard error where that is asked for; ``end`` tells whether nothing follows on it."""
    click.echo(one_line(line), err=err, nl=end)


def ask(question: str, yes: str = "--yes") -> None:
    """Have somebody say yes, else end the command; what is asked is no part of what it prints.

    ``yes`` is the option that says so beforehand: it is named where nobody is there to be asked.
    """
    say(f"{question} [y/N]: ", err=True, end=False)
    said, at_terminal = sys.stdin.readline(), sys.stdin.isatty()
    if not (at_terminal and said.endswith("\n")):  # else the answer's own line end is seen
        say(err=True)
    if not said and not at_terminal:
        raise click.UsageError(f"nobody is there to be asked: {yes} says yes")
    if said.strip().lower() not in ("y", "yes"):
        raise click.Abort


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print a value, or structs of values, as JSON; without ``indent`` on one line."""
    import json

    import msgspec

    click.echo(in_json(json.dumps(msgspec.to_builtins(value), indent=indent, ensure_ascii=False)))


def report(as_json: bool, values: Any, *lines: str) -> None:
    """Print what was done: its values for a script, or its lines for people."""
    if as_json:
        print_json(values)
        return
    for line in lines:
        say(line)


def say_first(title: str, lines: Sequence[str]) -> None:
    """Print the first of some lines, if there are any, below a title and how many there are."""
    if not lines:
        return
    say(f"{title} ({len(lines)}):")
    for line in lines[:SHOWN]:
        say(f"  {line}")
    if len(lines) > SHOWN:
        say(f"  ... and {len(lines) - SHOWN} more; --json lists them all")


def duration(seconds: float) -> str:
    """Return a number of seconds as people read it."""
    seconds = int(seconds)
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    return f"{days}d{hours}h" if days else f"{hours}h{minutes}m" if hours else f"{minutes}m{seconds % 60}s"


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: a line a row where the terminal is wide enough, else a line a cell.  In a pipe it always is."""
    lines = table_lines(list(columns), [[one_line(cell) for cell in row] for row in rows], _terminal_width())
    for line in ([title] if title else []) + lines:
        say(line)


def _terminal_width() -> int:
    if not sys.stdout.isatty():
        return ANY_WIDTH
    import shutil

    return shutil.get_terminal_size().columns


def table_lines(columns: list[str], rows: list[list[str]], width: int) -> list[str]:
    """Return the lines of a table that is at most ``width`` columns wide, unless a single cell is wider."""
    cells = [columns, *rows]
    widths = [max(_width(row[at]) for row in cells) for at in range(len(columns))]
    if sum(widths) + len(GAP) * (len(widths) - 1) > width:
        return list(_as_lists(columns, rows))
    rule = ["-" * one for one in widths]
    return [GAP.join(map(_padded, row, widths)).rstrip() for row in (columns, rule, *rows)]


def _as_lists(columns: list[str], rows: list[list[str]]) -> Iterator[str]:
    """Yield each row as a list of its cells that are not empty, the first one at the margin."""
    widest = max(map(_width, columns))
    for row in rows:
        yield row[0] or "-"
        for column, cell in zip(columns[1:], row[1:], strict=True):
            if cell:
                yield f"{GAP}{_padded(column, widest)}{GAP}{cell}"


def _width(text: str) -> int:
    """Return how many columns of a terminal text takes."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    import unicodedata

    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
