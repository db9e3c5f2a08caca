"""A person's calendar kept as a vdir, beside vdirsyncer with Radicale: the same events, in one run, on loopback.

Both write durably: vdirsyncer syncs each file and its directory, and Radicale each event, to the disk (their defaults),
the client all that it wrote before it notes that, and the node each batch.  Neither uses TLS.  Both are compiled ahead,
as installed programs are.

Each event that is sent costs Radicale a look at all that it has, so vdirsyncer may be stopped after a time, and what it
sent until then gives its rate, which is more than it would be for all.  The rest is put into Radicale's folder then.
"""

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import click
from other_programs import VDIRSYNCER, free_port, wait_for_port

from ctdlmirror_bench.measuring import cpu_seconds
from ctdlmirror_bench.nodes import scratch
from ctdlmirror_bench.person import client_command, compiled, put_account, ran, timed_command
from mirror.cli.processes import NodeProcess
from mirror.client.config import PairSettings
from mirror.formats.room_views import VIEW_CALENDAR
from mirror.store.open import open_store

OURS, THEIRS = "client", "vdirsyncer"
ROUNDS = 5
TAKERS = 3
"""Machines that have nothing yet."""
CHANGES = 30
SETTLE_S, REST_S = 2, 20
"""Seconds after a change until watching is at rest, and for how long that is measured."""
EVENT = """BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//bench//EN\r
BEGIN:VEVENT\r
UID:event-{number}@bench\r
DTSTAMP:20260101T000000Z\r
DTSTART:202612{day:02}T{hour:02}0000Z\r
DTEND:202612{day:02}T{hour:02}3000Z\r
SUMMARY:{summary} {number}\r
LOCATION:Room {day}\r
DESCRIPTION:An event as calendars have them\\, with a line of text that says what it is about.\r
ATTENDEE;CN=Ann;PARTSTAT=ACCEPTED:mailto:ann@example.org\r
BEGIN:VALARM\r
ACTION:DISPLAY\r
TRIGGER:-PT15M\r
DESCRIPTION:Soon\r
END:VALARM\r
END:VEVENT\r
END:VCALENDAR\r
"""


class Machine(NamedTuple):
    """A machine of a person's: the command that keeps it equal, and its calendar."""

    command: list[str]
    folder: Path


class Side:
    """One of the two programs: how a machine is set up with it, the machine that has all events, and another one."""

    def __init__(self, machine: Callable[[str], Machine], stored: Path | None = None) -> None:
        """``stored`` is where the server has the events as files, if it does."""
        self.machine, self.stored = machine, stored
        self.near = machine("near")
        self.far = self.near

    def send(self, limit: float) -> "Sent":
        """Send all events, or those that can be sent until the limit (seconds); in the end all of them are there."""
        timed = timed_command(self.near.command, limit if self.stored is not None else 0)
        count = len(list(self.near.folder.glob("*.ics")))
        if timed is not None:
            return Sent(timed[0], count, timed[1])
        assert self.stored is not None
        sent = numbers_in(self.stored)
        fill(self.stored, sorted(set(range(count)) - sent))
        self.near = self.machine("again")  # the one that was stopped may not know what it sent last
        return Sent(limit, len(sent), ran(self.near.command)[1])  # the server has read all by now

    def take(self) -> tuple[float, float]:
        """Return the seconds in which a machine takes all events that has none, the median of some, and its memory."""
        timed = []
        for number in range(TAKERS):
            self.far = self.machine(f"far-{number}")
            timed.append(ran(self.far.command))
            assert len(list(self.far.folder.glob("*.ics"))) == len(list(self.near.folder.glob("*.ics")))
        return statistics.median(seconds for seconds, _ in timed), max(megabytes for _, megabytes in timed)

    def change(self, number: int) -> None:
        """Have an event be changed on the other machine, and be at the server."""
        path = min(self.far.folder.glob("*.ics"))
        text = path.read_text().replace("SUMMARY:", f"SUMMARY:Changed {number} ", 1)
        path.write_bytes(text.replace("\r\n", "\n").replace("\n", "\r\n").encode())
        ran(self.far.command)


class Sent(NamedTuple):
    """In which time (seconds) how many events were sent, and the most memory that it took (MB)."""

    seconds: float
    count: int
    megabytes: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.count / self.seconds


def measure_calendar(count: int, limit: float) -> dict[str, Any]:
    """Time the client and vdirsyncer with the same events: sent, taken, with nothing to do, and one change.

    vdirsyncer is stopped once it has been sending for so many seconds.
    """
    for program in ("vdirsyncer", "radicale"):
        if shutil.which(program) is None:
            raise click.ClickException(f"{program} is not installed (Debian: vdirsyncer, radicale)")
    with ExitStack() as stack:
        place = stack.enter_context(scratch())
        sides = {
            OURS: stack.enter_context(_ours(place / "ours", count)),
            THEIRS: stack.enter_context(_theirs(place / "theirs", count)),
        }
        sent = {name: side.send(limit) for name, side in sides.items()}
        taken = {name: side.take() for name, side in sides.items()}
        nothing: dict[str, list[float]] = {name: [] for name in sides}
        one: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(ROUNDS):
            for name, side in sides.items():
                nothing[name].append(ran(side.near.command)[0])
                side.change(number)
                one[name].append(ran(side.near.command)[0])
        watched = _watched(sides[OURS])
    return _told(count, sent, taken, nothing, one) | watched


def _watched(side: Side) -> dict[str, Any]:
    """Time a change from one machine's folder to the other's while both watch, and what watching costs at rest."""
    with ExitStack() as stack:
        near, far = (stack.enter_context(_watching(command)) for command in (side.near.command, side.far.command))
        times = []
        for number in range(CHANGES):
            new = side.near.folder / f"watched-{number}.ics"
            text = EVENT.format(number=f"watched-{number}", day=1, hour=10, summary="New")
            (side.near.folder / "new.tmp").write_bytes(text.encode())
            began = time.perf_counter()
            os.replace(side.near.folder / "new.tmp", new)
            while not any(side.far.folder.glob(f"event-watched-{number}@*")):
                time.sleep(0.001)
            times.append((time.perf_counter() - began) * 1000)
        time.sleep(SETTLE_S)  # what follows is at rest
        before = [cpu_seconds(pid) for pid in (near, far)]
        time.sleep(REST_S)
        rest = max(cpu_seconds(pid) - one for pid, one in zip((near, far), before, strict=True))
    times.sort()
    return {
        "watch_p50_ms": round(statistics.median(times)),
        "watch_p90_ms": round(times[len(times) * 9 // 10]),
        "watch_rest_cpu_s": round(rest, 3),
        "watch_rest_s": REST_S,
    }


@contextmanager
def _watching(command: list[str]) -> Iterator[int]:
    """Have a client watch; gives its process."""
    name, _, value = command[1].partition("=")  # of env, which runs the command
    environment = {**compiled(), name: value}
    process = subprocess.Popen([*command[2:-1], "watch"], env=environment, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        any(b"watched" in line for line in process.stdout)
        yield process.pid
    finally:
        process.terminate()
        process.communicate()


def _told(count: int, sent: Any, taken: Any, nothing: Any, one: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"what": f"{count} events as a vdir, beside vdirsyncer with Radicale"}
    for name in (OURS, THEIRS):
        told[f"{name}_sent_s"] = round(sent[name].seconds, 2)
        told[f"{name}_sent"] = sent[name].count
        told[f"{name}_taken_s"] = round(taken[name][0], 2)
        told[f"{name}_nothing_s"] = round(statistics.median(nothing[name]), 3)
        told[f"{name}_one_change_s"] = round(statistics.median(one[name]), 3)
        told[f"{name}_peak_mb"] = round(max(sent[name].megabytes, taken[name][1]))
    told["sent_ratio"] = round(sent[OURS].rate / sent[THEIRS].rate, 1)
    told["taken_ratio"] = round(taken[THEIRS][0] / taken[OURS][0], 1)
    told["nothing_ratio"] = round(told[f"{OURS}_nothing_s"] / told[f"{THEIRS}_nothing_s"], 2)
    return told


def fill(folder: Path, numbers: Iterable[int]) -> None:
    """Write events of these numbers into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        text = EVENT.format(number=number, day=number % 28 + 1, hour=number % 24, summary="Meeting")
        (folder / f"event-{number}.ics").write_bytes(text.encode())


def numbers_in(folder: Path) -> set[int]:
    """Return the numbers of the events in a folder, whatever their files are called."""
    texts = (path.read_text() for path in folder.glob("*.ics"))
    return {int(text.partition("UID:event-")[2].partition("@")[0]) for text in texts}


# -- the client ---------------------------------------------------------------------------------------


@contextmanager
def _ours(place: Path, count: int) -> Iterator[Side]:
    place.mkdir()
    node = NodeProcess(place / "node", "big")
    node.set_up()
    store = open_store(place / "node", "big")
    store.write(lambda writer: put_account(writer, "Calendar", VIEW_CALENDAR))
    store.close()
    node.start()
    try:
        fill(place / "near" / "calendars" / "Calendar", range(count))
        yield Side(lambda name: _client(node, place / name))
    finally:
        node.stop()


def _client(node: NodeProcess, home: Path) -> Machine:
    settings = PairSettings(str(home / "calendars"), ["calendar"])
    return Machine(client_command(node, home, "calendars", settings), home / "calendars" / "Calendar")


# -- vdirsyncer ---------------------------------------------------------------------------------------


@contextmanager
def _theirs(place: Path, count: int) -> Iterator[Side]:
    place.mkdir()
    port = free_port()
    settings = place / "radicale.conf"
    settings.write_text(
        f"[server]\nhosts = 127.0.0.1:{port}\n[auth]\ntype = none\n[storage]\nfilesystem_folder = {place}/radicale\n"
    )
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(["radicale", "--config", str(settings)], **quiet)
    try:
        wait_for_port(port, "radicale")
        # Without a password who asks is the user that the header names.
        made = Request(f"http://127.0.0.1:{port}/big/Calendar/", method="MKCALENDAR")
        made.add_header("Authorization", "Basic YmlnOmJpZw==")
        urlopen(made).close()
        fill(place / "near" / "Calendar", range(count))
        stored = place / "radicale" / "collection-root" / "big" / "Calendar"
        yield Side(lambda name: _vdirsyncer(place / name, port), stored)
    finally:
        server.terminate()
        server.wait(30)


def _vdirsyncer(home: Path, port: int) -> Machine:
    (home / "Calendar").mkdir(parents=True, exist_ok=True)
    settings = home / "vdirsyncer.conf"
    settings.write_text(VDIRSYNCER.format(home=home, calendars=home, port=port, user="big", collection="Calendar"))
    command = ["vdirsyncer", "-v", "ERROR", "-c", str(settings)]
    subprocess.run([*command, "discover"], input="y\n" * 5, text=True, capture_output=True, check=True, env=os.environ)
    return Machine([*command, "sync"], home / "Calendar")
