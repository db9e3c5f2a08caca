"""A person's calendar kept as a vdir, beside vdirsyncer with Radicale: the same events, in one run, on loopback.

Both write durably: vdirsyncer syncs each file and Radicale each event to the disk (their defaults), the client all that
it wrote before it notes that, and the node each batch.  Neither uses TLS.  Both are compiled ahead, as installed
programs are.
"""

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import click
from other_programs import VDIRSYNCER, free_port, wait_for_port

from ctdlmirror_bench.measuring import cpu_seconds
from ctdlmirror_bench.nodes import scratch
from ctdlmirror_bench.person import client_command, compiled, put_account, timed_command
from mirror.cli.processes import NodeProcess
from mirror.client.config import PairSettings
from mirror.formats.room_views import VIEW_CALENDAR
from mirror.store.open import open_store

OURS, THEIRS = "client", "vdirsyncer"
ROUNDS = 5
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


class Side:
    """One of the two programs, on two machines: the commands, and the folder of each."""

    def __init__(self, near: list[str], far: list[str], near_folder: Path, far_folder: Path) -> None:
        self.near, self.far = near, far
        self.near_folder, self.far_folder = near_folder, far_folder

    def change(self, number: int) -> None:
        """Have an event be changed on the other machine, and be at the server."""
        path = next(iter(sorted(self.far_folder.glob("*.ics"))))
        text = path.read_text().replace("SUMMARY:", f"SUMMARY:Changed {number} ", 1)
        path.write_bytes(text.replace("\r\n", "\n").replace("\n", "\r\n").encode())
        timed_command(self.far)


def measure_calendar(count: int) -> dict[str, Any]:
    """Time the client and vdirsyncer with the same events: sent, taken, with nothing to do, and one change."""
    for program in ("vdirsyncer", "radicale"):
        if shutil.which(program) is None:
            raise click.ClickException(f"{program} is not installed (Debian: vdirsyncer, radicale)")
    with ExitStack() as stack:
        place = stack.enter_context(scratch())
        sides = {
            OURS: stack.enter_context(_ours(place / "ours", count)),
            THEIRS: stack.enter_context(_theirs(place / "theirs", count)),
        }
        sent = {name: timed_command(side.near) for name, side in sides.items()}
        taken = {name: timed_command(side.far) for name, side in sides.items()}
        nothing: dict[str, list[float]] = {name: [] for name in sides}
        one: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(ROUNDS):
            for name, side in sides.items():
                nothing[name].append(timed_command(side.near)[0])
                side.change(number)
                one[name].append(timed_command(side.near)[0])
        watched = _watched(sides[OURS])
    return _told(count, sent, taken, nothing, one) | watched


def _watched(side: Side) -> dict[str, Any]:
    """Time a change from one machine's folder to the other's while both watch, and what watching costs at rest."""
    with ExitStack() as stack:
        near, far = (stack.enter_context(_watching(command)) for command in (side.near, side.far))
        times = []
        for number in range(CHANGES):
            new = side.near_folder / f"watched-{number}.ics"
            text = EVENT.format(number=f"watched-{number}", day=1, hour=10, summary="New")
            (side.near_folder / "new.tmp").write_bytes(text.encode())
            began = time.perf_counter()
            os.replace(side.near_folder / "new.tmp", new)
            while not any(side.far_folder.glob(f"event-watched-{number}@*")):
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
        told[f"{name}_sent_s"] = round(sent[name][0], 2)
        told[f"{name}_taken_s"] = round(taken[name][0], 2)
        told[f"{name}_nothing_s"] = round(statistics.median(nothing[name]), 3)
        told[f"{name}_one_change_s"] = round(statistics.median(one[name]), 3)
        told[f"{name}_peak_mb"] = round(max(sent[name][1], taken[name][1]))
    told["sent_ratio"] = round(sent[THEIRS][0] / sent[OURS][0], 1)
    told["taken_ratio"] = round(taken[THEIRS][0] / taken[OURS][0], 1)
    told["nothing_ratio"] = round(told[f"{OURS}_nothing_s"] / told[f"{THEIRS}_nothing_s"], 2)
    return told


def _fill(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        text = EVENT.format(number=number, day=number % 28 + 1, hour=number % 24, summary="Meeting")
        (folder / f"event-{number}.ics").write_bytes(text.encode())


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
        _fill(place / "near" / "calendars" / "Calendar", count)
        near, far = (_client(node, place / name) for name in ("near", "far"))
        yield Side(near, far, *(place / name / "calendars" / "Calendar" for name in ("near", "far")))
    finally:
        node.stop()


def _client(node: NodeProcess, home: Path) -> list[str]:
    """Return the command that keeps a machine's calendars equal."""
    return client_command(node, home, "calendars", PairSettings(str(home / "calendars"), ["calendar"]))


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
        _fill(place / "near" / "Calendar", count)
        (place / "far" / "Calendar").mkdir(parents=True)
        near, far = (_vdirsyncer(place / name, port) for name in ("near", "far"))
        yield Side(near, far, *(place / name / "Calendar" for name in ("near", "far")))
    finally:
        server.terminate()
        server.wait(30)


def _vdirsyncer(home: Path, port: int) -> list[str]:
    settings = home / "vdirsyncer.conf"
    settings.write_text(VDIRSYNCER.format(home=home, calendars=home, port=port, user="big", collection="Calendar"))
    command = ["vdirsyncer", "-v", "ERROR", "-c", str(settings)]
    subprocess.run([*command, "discover"], input="y\n" * 5, text=True, capture_output=True, check=True, env=os.environ)
    return [*command, "sync"]
