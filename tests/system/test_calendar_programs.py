"""Other people's programs work in the folders of one machine, and the other machine has what they did.

Debian's packages; where they cannot be installed the tests are skipped, and say so.
"""

import os
import subprocess
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from accounts import Person, server_address
from other_programs import VDIRSYNCER, free_port
from persons import event
from programs import need

SECONDS = 60
KHAL = """[calendars]
[[all]]
path = {calendars}/*
type = discover
[locale]
local_timezone = Europe/Berlin
default_timezone = Europe/Berlin
timeformat = %H:%M
dateformat = %Y-%m-%d
longdateformat = %Y-%m-%d
datetimeformat = %Y-%m-%d %H:%M
longdatetimeformat = %Y-%m-%d %H:%M
[default]
default_calendar = Calendar
[sqlite]
path = {home}/khal.db
"""
KHARD = """[addressbooks]
[[book]]
path = {contacts}/Contacts
[general]
default_action = list
[vcard]
preferred_version = 3.0
"""
TODOMAN = """path = "{calendars}/*"
date_format = "%Y-%m-%d"
default_list = "Tasks"
cache_path = "{home}/todo.db"
"""
RADICALE = """[server]
hosts = 127.0.0.1:{port}
[auth]
type = none
[storage]
filesystem_folder = {home}/radicale
[logging]
level = info
"""


class Machine(Person):
    """A person's machine with other programs on it."""

    def has(self, template: str, name: str, **values: object) -> str:
        """Write a program's settings; returns their path."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.format(calendars=self.calendars, contacts=self.contacts, home=self.home, **values))
        return str(path)

    def does(self, program: str, *arguments: str, given: str = "") -> str:
        """Run a program; it has to end well."""
        done = subprocess.run(
            [program, *arguments],
            input=given, env={**os.environ, **self.environment, "LANG": "C.UTF-8"}, cwd=self.home,
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def sync(self) -> None:
        self.run("sync", "--quiet")

    def quiet(self) -> bool:
        """Tell whether there is nothing to do, on either side."""
        return all(
            not sum(report[side].values()) for report in self.json("sync").values() for side in ("sent", "received")
        )


@pytest.fixture
def machines(tmp_path: Path, export: Path) -> Iterator[tuple[Machine, Machine]]:
    """Two machines of one person."""
    with server_address(tmp_path / "alpha", export) as address:
        both = Machine(tmp_path / "laptop", address), Machine(tmp_path / "phone", address)
        for machine in both:
            machine.init()
            machine.sync()
        yield both


def exchange(one: Machine, other: Machine) -> None:
    """Have both machines have what the first one did, and the second; in the end nothing is left to do."""
    one.sync()
    other.sync()
    one.sync()
    assert one.quiet() and other.quiet()


def test_khal_adds_and_edits_an_event(machines: tuple[Machine, Machine]) -> None:
    khal = need("khal", "khal")
    laptop, phone = machines
    for machine in machines:
        machine.has(KHAL, "khal.conf")
    laptop.does(khal, "-c", "khal.conf", "new", "-a", "Calendar", "2026-12-01", "10:00", "11:00", "Lunch")
    exchange(laptop, phone)
    listed = [khal, "-c", "khal.conf", "list", "2026-12-01", "1d"]
    assert "10:00-11:00 Lunch" in phone.does(*listed)
    phone.does(khal, "-c", "khal.conf", "edit", "Lunch", given="s\nDinner\nl\nAt home\nn\n")
    exchange(phone, laptop)
    assert "10:00-11:00 Dinner" in laptop.does(*listed)
    laptop.does(khal, "-c", "khal.conf", "edit", "Dinner", given="D\ny\n")
    exchange(laptop, phone)
    assert "Dinner" not in phone.does(*listed)


def test_khard_adds_and_edits_a_contact(machines: tuple[Machine, Machine]) -> None:
    khard = need("khard", "khard")
    laptop, phone = machines
    for machine in machines:
        machine.has(KHARD, "khard.conf")
    card = "First name : Zoe\nLast name : Zimmer\nPhone :\n    cell : {}\n"
    laptop.does(khard, "-c", "khard.conf", "new", "-a", "book", "-i", laptop.has(card.format("+49 1"), "new.yaml"))
    exchange(laptop, phone)
    assert "Zoe Zimmer" in phone.does(khard, "-c", "khard.conf", "list", "--parsable")
    changed = phone.has(card.format("+49 2"), "edit.yaml")
    phone.does(khard, "-c", "khard.conf", "edit", "-i", changed, "Zimmer", given="y\n")
    exchange(phone, laptop)
    assert "+49 2" in laptop.does(khard, "-c", "khard.conf", "show", "Zimmer")


def test_todoman_adds_and_finishes_a_task(machines: tuple[Machine, Machine]) -> None:
    todoman = need("todoman", "todoman")
    laptop, phone = machines
    for machine in machines:
        machine.has(TODOMAN, "config/todoman/config.py")
    laptop.does(todoman, "new", "-l", "Tasks", "Buy milk")
    exchange(laptop, phone)
    number = next(line.split()[2] for line in phone.does(todoman, "list").splitlines() if "Buy milk" in line)
    phone.does(todoman, "done", number)
    exchange(phone, laptop)
    (task,) = (path for path in (laptop.calendars / "Tasks").glob("*.ics") if "Buy milk" in path.read_text())
    assert "STATUS:COMPLETED" in task.read_text()
    assert "Buy milk" not in laptop.does(todoman, "list")


@pytest.fixture
def radicale(machines: tuple[Machine, Machine]) -> Iterator[int]:
    """A CalDAV server beside us, on a port of this machine."""
    program = need("radicale", "radicale")
    port = free_port()
    settings = machines[0].has(RADICALE, "radicale.conf", port=port)
    process = subprocess.Popen([program, "--config", settings], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        ready = any("Radicale server ready" in line for line in iter(process.stderr.readline, ""))
        assert ready
        yield port
    finally:
        process.terminate()
        process.communicate()


def asked(port: int, method: str, path: str, body: str = "") -> str:
    """Ask the CalDAV server."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/bob/{path}", body.encode() or None, method=method)
    request.add_header("Authorization", "Basic " + b64encode(b"bob:bob").decode())
    request.add_header("Content-Type", "text/calendar")
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return str(answer.read().decode())


def test_vdirsyncer_keeps_the_same_folder_equal_with_radicale(machines: tuple[Machine, Machine], radicale: int) -> None:
    vdirsyncer = need("vdirsyncer", "vdirsyncer")
    laptop, phone = machines
    settings = laptop.has(VDIRSYNCER, "vdirsyncer.conf", port=radicale, user="bob", collection="calendar")
    asked(radicale, "MKCALENDAR", "calendar/")
    (phone.calendars / "Calendar" / "ours.ics").write_text(event("ours", summary="From-the-phone"))
    exchange(phone, laptop)
    for command in ("discover", "sync"):
        laptop.does(vdirsyncer, "-c", settings, command, given="y\n" * 5)
    assert "From-the-phone" in asked(radicale, "GET", "calendar/")
    asked(radicale, "PUT", "calendar/theirs.ics", event("theirs", summary="From-Radicale"))
    asked(radicale, "PUT", "calendar/ours.ics", event("ours", summary="Edited-there"))
    laptop.does(vdirsyncer, "-c", settings, "sync")
    exchange(laptop, phone)
    texts = [path.read_text() for path in (phone.calendars / "Calendar").glob("*.ics")]
    assert sorted(line for text in texts for line in text.splitlines() if line.startswith("SUMMARY")) == [
        "SUMMARY:Edited-there", "SUMMARY:From-Radicale",
    ]  # fmt: skip
    laptop.does(vdirsyncer, "-c", settings, "sync")
    assert laptop.quiet() and phone.quiet()
