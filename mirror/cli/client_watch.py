"""Keeping a person's folders equal all the time."""

import signal
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import gevent

from mirror.cli.client import as_values, client, connected, problem_lines, summary
from mirror.cli.output import json_option, print_json, say
from mirror.client.config import load
from mirror.client.pairs import chosen, opened
from mirror.client.place import reason_of
from mirror.client.watching import Watcher

if TYPE_CHECKING:
    from mirror.client.report import Report
    from mirror.model.errors import MirrorError


@client.command("watch")
@click.argument("pairs", metavar="[PAIR]...", nargs=-1)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but what is wrong.")
@json_option
@click.pass_obj
def watch(config_path: Path, pairs: tuple[str, ...], quiet: bool, as_json: bool) -> None:
    """Keep folders equal with rooms until Ctrl-C or SIGTERM, both ways and at once."""
    config = load(config_path)
    names = chosen(config, pairs)
    teller = Teller(names, quiet, as_json)
    with ExitStack() as stack:
        held = [stack.enter_context(opened(config, name)) for name in names]
        watcher = Watcher(held, lambda: connected(config), teller.round, teller.lost, teller.failed)
        for number in (signal.SIGTERM, signal.SIGINT):
            stack.callback(gevent.signal_handler(number, watcher.stop).cancel)
        watcher.run()


class Teller:
    """Tells of rounds in which something happened, and of what is wrong once."""

    def __init__(self, names: list[str], quiet: bool, as_json: bool) -> None:
        self._names = names
        self._quiet = quiet
        self._as_json = as_json
        self._wrong: dict[str, list[str]] = {}
        self._failed: dict[str, str] = {}

    def round(self, name: str, report: "Report") -> None:
        """Tell of a round of a pair."""
        self._failed.pop(name, None)
        wrong = problem_lines(name, report)
        news, first = wrong != self._wrong.get(name, []), name not in self._wrong
        self._wrong[name] = wrong
        if self._as_json:
            if report.done or news:
                self._print({"pair": name, **as_values(report)})
            return
        for line in wrong if news else ():
            say(line, err=True)
        if report.done and not self._quiet:
            say(f"{_now()} {name}: {summary(report)}")
        if first and len(self._wrong) == len(self._names) and not self._quiet:
            say(f"{_now()} {', '.join(self._names)}: both sides are watched")

    def failed(self, name: str, error: Exception, seconds: float) -> None:
        """Tell why a pair cannot be kept equal, once until it can or that is for another reason."""
        text = reason_of(error)
        if self._failed.get(name) == text:
            return
        self._failed[name] = text
        if self._as_json:
            self._print({"pair": name, "failed": text, "again_s": seconds})
        else:
            say(f"{_now()} {name}: {text}; again in {seconds:.0f} s, and then less often", err=True)

    def lost(self, error: "MirrorError", seconds: float) -> None:
        """Tell that the connection was lost, and when it is dialled again."""
        if self._as_json:
            self._print({"lost": str(error), "again_s": seconds})
        else:
            say(f"{_now()} {error}; again in {seconds:.0f} s", err=True)

    def _print(self, values: dict[str, object]) -> None:
        print_json({"time": _now(), **values}, indent=None)


def _now() -> str:
    return datetime.now().isoformat(" ", "seconds")
