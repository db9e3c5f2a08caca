"""The demo: two real daemons on this machine, one imported, one bootstrapped from it, kept equal while you watch."""

import contextlib
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import click
import gevent
from gevent.event import Event
from rich.console import Console
from rich.live import Live
from rich.table import Table

from mirror.cli.app import EXIT_DIFFERENT, cli
from mirror.cli.data import write
from mirror.cli.local import ask_json
from mirror.cli.names import find_named
from mirror.cli.output import say
from mirror.cli.processes import NodeProcess, stop_all, wait_until
from mirror.cli.watch import Watch, watching
from mirror.formats.calendar_file import parse_calendar_file
from mirror.formats.compose import compose_item, compose_post
from mirror.model.digest import Digest
from mirror.model.errors import MirrorError
from mirror.model.kinds import Collection
from mirror.model.record import Record, Version
from mirror.peer.remote import ChannelRemote

NODES = ("alpha", "beta")
CALENDAR = "Team Calendar"
ARRIVAL_TIMEOUT_S = 5.0
EQUAL_TIMEOUT_S = 30.0
EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//citadel-mirror//demo//EN
BEGIN:VEVENT
UID:demo-meeting
DTSTAMP:20260101T000000Z
DTSTART:20261201T100000Z
SUMMARY:{summary}
SEQUENCE:{sequence}
END:VEVENT
END:VCALENDAR
"""


class DemoFailed(MirrorError):
    """A step of the demo did not work."""


@cli.command()
@click.option("--seconds", type=click.IntRange(1), help="Stop after this many seconds; else at Ctrl-C.")
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Set the two nodes up here and leave them."
)
def demo(seconds: int | None, keep: Path | None) -> None:
    """Run two nodes on this machine and keep them equal before your eyes."""
    directory = keep or Path(tempfile.mkdtemp(prefix="ctdlmirror-demo-"))
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise DemoFailed(f"{keep} is not empty; give --keep a new directory")
    try:
        equal = Demo(directory).run(seconds)
    finally:
        if keep is None:
            shutil.rmtree(directory, ignore_errors=True)
    if keep is not None:
        say(f"The nodes are in {keep}; go on with: ctdlmirror --dir {keep / NODES[0]} daemon")
    if not equal:
        sys.exit(EXIT_DIFFERENT)


class End(NamedTuple):
    """A running node, a connection to it, and a watch on what changes there."""

    name: str
    remote: ChannelRemote
    watch: Watch


@contextlib.contextmanager
def _end(node: NodeProcess) -> Iterator[End]:
    with node.ask() as remote, watching([node.directory]) as watch:
        yield End(node.name, remote, watch)


def _is_since(version: Version, record: Record) -> bool:
    return record.version >= version


class Demo:
    """Two nodes' directories and daemons."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._nodes = {name: NodeProcess(directory / name, name, log=directory / f"{name}.log") for name in NODES}
        self._log: deque[str] = deque(maxlen=8)
        self._lags: deque[float] = deque(maxlen=50)
        self._posted: list[tuple[str, str, str]] = []

    def run(self, seconds: int | None) -> bool:
        """Set up, watch, stop; returns whether the nodes ended equal."""
        try:
            self._set_up()
            return self._watch(seconds)
        finally:
            stop_all(list(self._nodes.values()))

    # -- setting up -------------------------------------------------------------------------------

    def _ctdlmirror(self, node: str, *arguments: str) -> None:
        say(f"$ ctdlmirror --dir {self._nodes[node].directory} {' '.join(arguments)}")
        done = self._nodes[node].run(*arguments, check=False, stderr=None)
        for line in done.stdout.splitlines():
            say(f"  {line}")
        if done.returncode:
            raise DemoFailed(f"'ctdlmirror {' '.join(arguments)}' ended with exit code {done.returncode}")

    def _set_up(self) -> None:
        alpha, beta = NODES
        self._directory.mkdir(parents=True, exist_ok=True)
        for node in self._nodes.values():
            node.set_up()
        pins = {name: node.pin for name, node in self._nodes.items()}
        say(f"Two nodes are set up in {self._directory}: {alpha} and {beta}, each with its own certificate.")
        export = self._directory / "export.xml"
        export.write_bytes(resources.files("mirror").joinpath("data/alpha-980.xml").read_bytes())
        self._ctdlmirror(alpha, "import", str(export))
        secret = self._directory / "secret"
        self._ctdlmirror(alpha, "peer", "add", beta, "--new-secret", str(secret), "--trust", pins[beta])
        address = self._start(alpha)
        self._ctdlmirror(
            beta, "peer", "add", alpha, "--address", address, "--secret-file", str(secret), "--trust", pins[alpha]
        )
        secret.unlink()
        self._ctdlmirror(beta, "bootstrap", f"mirror://{address}")
        self._start(beta)

    def _start(self, node: str) -> str:
        # A session of its own: Ctrl-C ends the watching, and the daemons only after the last comparison.
        address = self._nodes[node].start(own_session=True)
        say(f"The daemon of {node} listens on {address}.")
        return address

    # -- watching ---------------------------------------------------------------------------------

    def _watch(self, seconds: int | None) -> bool:
        for line in ("", "Now both sides change.  Ctrl-C ends the demo.", ""):
            say(line)
        with contextlib.ExitStack() as stack:
            ends = {name: stack.enter_context(_end(node)) for name, node in self._nodes.items()}
            rooms = {name: find_named(ends[NODES[0]].remote, "rooms", name)[0] for name in ("Lobby", CALENDAR)}
            deadline = time.monotonic() + seconds if seconds else float("inf")
            # Between two steps only: an interrupt inside an exchange would leave half of an answer on its connection.
            interrupted = Event()
            handler = gevent.signal_handler(signal.SIGINT, interrupted.set)
            try:
                self._loop(ends, rooms, deadline, interrupted)
            finally:
                handler.cancel()
                signal.signal(signal.SIGINT, signal.default_int_handler)
            return self._finish(ends)

    def _loop(self, ends: dict[str, End], rooms: dict[str, str], deadline: float, interrupted: Event) -> None:
        steps = self._steps(ends, rooms)
        terminal = sys.stdout.isatty()
        with Live(console=Console(), refresh_per_second=8) if terminal else contextlib.nullcontext() as live:
            while time.monotonic() < deadline and not interrupted.is_set():
                text = next(steps)
                self._log.append(f"{time.strftime('%H:%M:%S')}  {text}")
                states = {node: ask_json(end.remote, "SYNC all|status")[0] for node, end in ends.items()}
                if live is not None:
                    live.update(self._view(states))
                else:
                    say(f"{self._log[-1]}  [{self._summary(states)}]")
                interrupted.wait(0.5)

    def _summary(self, states: dict[str, Any]) -> str:
        digests = {state["digest"] for state in states.values()}
        lag = f", lag {sorted(self._lags)[len(self._lags) // 2] * 1000:.0f} ms (median)" if self._lags else ""
        return f"{' and '.join(NODES)} {'EQUAL' if len(digests) == 1 else 'differ just now'}{lag}"

    def _view(self, states: dict[str, Any]) -> Table:
        table = Table(title=self._summary(states), caption="\n".join(self._log), caption_justify="left")
        for column in ("node", "records", "digest", "conflicts", "links"):
            table.add_column(column)
        for node, state in states.items():
            links = ", ".join(f"{link['peer']}: {link['phase']}" for link in state["links"])
            table.add_row(node, str(state["records"]), state["digest"], str(state["conflicts"]), links or "is dialled")
        return table

    def _steps(self, ends: dict[str, End], rooms: dict[str, str]) -> Iterator[str]:
        """Yield what was done, for ever: posts, edits, deletions, conflicts."""
        chance = random.Random(980)
        number = 0
        while True:
            number += 1
            here, there = chance.sample(NODES, 2)
            kind = chance.choices(("post", "edit", "delete", "conflict"), (5, 2, 2, 1))[0]
            if kind == "post" or (kind == "delete" and not self._posted):
                yield self._post(ends, here, there, rooms["Lobby"], number)
            elif kind == "delete":
                collection, key, _ = self._posted.pop(0)
                write(ends[here].remote, collection, key, dead=True)
                yield f"{here}: deleted {key} {self._arrival(ends[there], collection, key, lambda r: r.dead)}"
            elif kind == "edit":
                key = self._put_event(ends[here].remote, here, rooms[CALENDAR], f"Meeting no. {number}", number)
                collection = str(Collection("messages", rooms[CALENDAR]))
                (page,) = ends[here].remote.get(collection, [key])
                version = page.records[0].version
                arrived = self._arrival(ends[there], collection, key, partial(_is_since, version))
                yield f"{here}: moved the meeting (SEQUENCE {number}) {arrived}"
            else:
                for node in NODES:
                    self._put_event(ends[node].remote, node, rooms[CALENDAR], f"Meeting as {node} wants it", number)
                yield "both: changed the same meeting at once; the version that lost is in 'conflicts list'"

    def _post(self, ends: dict[str, End], here: str, there: str, room: str, number: int) -> str:
        made = compose_post(here, "Demo", "Lobby", f"Post {number}", f"Written at {here}.", int(time.time()))
        collection = str(Collection("messages", room))
        write(ends[here].remote, collection, made.key, made.body)
        self._posted.append((collection, made.key, here))
        return f"{here}: posted 'Post {number}' {self._arrival(ends[there], collection, made.key)}"

    def _put_event(self, remote: ChannelRemote, node: str, room: str, summary: str, sequence: int) -> str:
        text = EVENT.format(summary=summary, sequence=sequence).encode()
        item = compose_item(node, "Demo", CALENDAR, parse_calendar_file(text).items[0], int(time.time()))
        write(remote, str(Collection("messages", room)), item.key, item.body)
        return item.key

    def _arrival(
        self, there: End, collection: str, key: str, arrived: Callable[[Record], bool] = lambda _record: True
    ) -> str:
        """Wait until the other node has the change; returns how long that took."""
        started = time.monotonic()

        def is_there() -> bool:
            records = [record for page in there.remote.get(collection, [key]) for record in page.records]
            return any(map(arrived, records))

        if not there.watch.until(is_there, ARRIVAL_TIMEOUT_S):
            return f"(not there within {ARRIVAL_TIMEOUT_S:g} s)"
        self._lags.append(time.monotonic() - started)
        return f"(on {there.name} {self._lags[-1] * 1000:.0f} ms later)"

    def _finish(self, ends: dict[str, End]) -> bool:
        def digests() -> dict[str, Digest]:
            return {node: end.remote.info().digest for node, end in ends.items()}

        equal = wait_until(list(self._nodes.values()), lambda: len(set(digests().values())) == 1, EQUAL_TIMEOUT_S)
        for node, digest in digests().items():
            say(f"{node:6} {digest}")
        say("EQUAL: both nodes hold the same records." if equal else "NOT EQUAL: see the daemons' logs.")
        return equal
