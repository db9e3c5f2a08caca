"""How progress is shown: rich on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from mirror.cli.output import say
from mirror.printable import one_line

PLAIN_SECONDS = 2.0
"""Seconds between lines of progress where there is no terminal."""


class CountColumn(ProgressColumn):
    """How many of how many, and how fast, as far as that is known."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        total = f"/{task.total:,.0f}" if task.total is not None else ""
        rate = f" {task.speed:,.0f}/s" if task.speed is not None else ""
        return Text(f"{task.completed:,.0f}{total} {self._unit}{rate}")


class Meter:
    """Shows how far something got: call ``update(done)``, in bytes or records."""

    def __init__(self, title: str, total: int | None, unit: str, progress: Progress | None) -> None:
        self._title = title
        self._total = total
        self._unit = unit
        self._progress = progress
        self._task = progress.add_task(one_line(title), total=total) if progress is not None else None
        self._started = self._shown = time.monotonic()
        self.done = 0

    def update(self, done: int) -> None:
        self.done = done
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done)
        elif time.monotonic() - self._shown >= PLAIN_SECONDS:
            self._shown = time.monotonic()
            self._print()

    def _print(self) -> None:
        elapsed = max(1e-6, time.monotonic() - self._started)
        rate = self.done / elapsed
        share = f" of {self._total:,}" if self._total else ""
        left = f", {max(0, self._total - self.done) / rate:.0f} s left" if self._total and rate else ""
        say(f"{self._title}: {self.done:,}{share} {self._unit}, {rate:,.0f}/s{left}", err=True)

    def finish(self) -> None:
        if self._progress is None:
            self._print()


@contextmanager
def meter(title: str, total: int | None, unit: str = "bytes", quiet: bool = False) -> Iterator[Meter]:
    """Show progress while the block runs."""
    if quiet or not sys.stderr.isatty():
        shown = Meter(title, total, unit, None)
        if quiet:
            shown._shown = float("inf")
        yield shown
        if not quiet:
            shown.finish()
        return
    columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn()]
    if unit == "bytes":
        columns += [DownloadColumn(), TransferSpeedColumn()]
    else:
        columns += [CountColumn(unit)]
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        yield Meter(title, total, unit, progress)


class Meters:
    """One meter after another: each begins when there is something to show of its part of the work."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._stack = ExitStack()
        self._title = ""
        self._meter: Meter | None = None

    def __enter__(self) -> "Meters":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def show(self, title: str, done: int, total: int | None = None, unit: str = "bytes") -> None:
        """Show how much is done, of how much; another title ends the meter shown so far."""
        if self._meter is None or title != self._title:
            self._stack.close()
            self._title, self._meter = title, self._stack.enter_context(meter(title, total, unit, self._quiet))
        self._meter.update(done)
