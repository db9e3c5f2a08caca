"""Two machines' folders and a node, through edits, moves, deletions, kills and times without each other.

In the end nothing that somebody wrote is lost: it stands, or somebody who saw it replaced it, or it is a conflict; both
machines have the same, and a round then writes nothing.
"""

import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from fuses import kill, sync_until
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from persons import Machine, event, machines_on, node_at

FOLDERS = ("Calendar", "Team")
UIDS = ("a", "b")
SUMMARY, LOCATION = re.compile(rb"SUMMARY:(\S+)"), re.compile(rb"LOCATION:(\S+)")
WORD = re.compile(rb"\bw\d+\b")


class Person:
    """Writes on one machine as programs do, and knows what of it was seen when it was replaced."""

    def __init__(self, machine: Machine, superseded: set[bytes]) -> None:
        self.machine = machine
        self._superseded = superseded

    def files(self, folder: str) -> dict[str, Path]:
        """Return the files of a folder by their UIDs."""
        root = self.machine.root / folder
        found = {path: path.read_bytes() for path in root.glob("*.ics")}
        return {match[1].decode(): path for path, data in found.items() if (match := re.search(rb"UID:(\S+)", data))}

    def write(self, folder: str, uid: str, summary: str, location: str) -> None:
        path = self.files(folder).get(uid)
        if path is not None:
            self._superseded.update(WORD.findall(path.read_bytes()))
        self.machine.write(folder, path.name if path else f"{uid}-mine.ics", _text(uid, summary, location))

    def delete(self, path: Path) -> bytes:
        data = path.read_bytes()
        self._superseded.update(WORD.findall(data))
        path.unlink()
        return data

    def sync(self, accept: bool = False, at: int = -1, then: Callable[[], object] = kill) -> None:
        """Do a round; ``at`` which step something happens ``then``."""
        sync_until(self.machine, at, then, accept=accept)


def _text(uid: str, summary: str, location: str) -> str:
    return event(uid, summary=summary, extra=f"LOCATION:{location}")


def _part(pattern: re.Pattern[bytes], data: bytes) -> str:
    found = pattern.search(data)
    assert found is not None
    return found[1].decode()


class TwoMachines(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self._directory = Path(tempfile.mkdtemp())
        self._stack = ExitStack()
        self._stack.callback(shutil.rmtree, self._directory)
        node = self._stack.enter_context(node_at(self._directory / "node"))
        make = self._stack.enter_context(machines_on(node, self._directory))
        self.superseded: set[bytes] = set()
        self.written: set[bytes] = set()
        self.people = [Person(make(name), self.superseded) for name in ("one", "other")]
        self._count = 0
        for person in self.people:
            person.sync()

    def _word(self) -> str:
        self._count += 1
        self.written.add(f"w{self._count}".encode())
        return f"w{self._count}"

    @rule(who=st.integers(0, 1), folder=st.sampled_from(FOLDERS), uid=st.sampled_from(UIDS), what=st.integers(0, 2))
    def write(self, who: int, folder: str, uid: str, what: int) -> None:
        """An event is written, or of one that is there one of two parts, or all of it in other words."""
        person = self.people[who]
        path = person.files(folder).get(uid)
        if path is None:
            person.write(folder, uid, self._word(), self._word())
            return
        data = path.read_bytes()
        if what == 2:
            path.write_bytes(data.replace(b"\r\n", b"\n").replace(b"DTSTAMP:2026", b"DTSTAMP:2027"))
            return
        parts = [_part(SUMMARY, data), _part(LOCATION, data)]
        kept = parts[1 - what].encode()
        parts[what] = self._word()
        was_superseded = kept in self.superseded
        person.write(folder, uid, *parts)
        if not was_superseded:
            self.superseded.discard(kept)  # it still says that

    @rule(who=st.integers(0, 1), folder=st.sampled_from(FOLDERS), uid=st.sampled_from(UIDS))
    def delete(self, who: int, folder: str, uid: str) -> None:
        path = self.people[who].files(folder).get(uid)
        if path is not None:
            self.people[who].delete(path)

    @rule(who=st.integers(0, 1), folder=st.sampled_from(FOLDERS), uid=st.sampled_from(UIDS))
    def rename(self, who: int, folder: str, uid: str) -> None:
        path = self.people[who].files(folder).get(uid)
        if path is not None:
            self._count += 1
            path.rename(path.with_name(f"{uid}-{self._count}.ics"))

    @rule(who=st.integers(0, 1), uid=st.sampled_from(UIDS), where=st.integers(0, 1))
    def move(self, who: int, uid: str, where: int) -> None:
        """An event is moved to the other calendar, where that has none of its UID."""
        person = self.people[who]
        path = person.files(FOLDERS[where]).get(uid)
        if path is not None and uid not in person.files(FOLDERS[1 - where]):
            path.rename(person.machine.root / FOLDERS[1 - where] / path.name)

    @rule(who=st.integers(0, 1))
    def sync(self, who: int) -> None:
        self.people[who].sync()

    @rule(who=st.integers(0, 1), at=st.integers(0, 60))
    def sync_and_be_killed(self, who: int, at: int) -> None:
        self.people[who].sync(at=at)

    @rule(who=st.integers(0, 1), at=st.integers(0, 40), folder=st.sampled_from(FOLDERS), uid=st.sampled_from(UIDS))
    def sync_at_one_moment(self, who: int, at: int, folder: str, uid: str) -> None:
        """While one client is at it the other one writes something and does all of its round."""

        def meanwhile() -> None:
            self.write(1 - who, folder, uid, 0)
            self.people[1 - who].sync()

        self.people[who].sync(at=at, then=meanwhile)

    @rule()
    @precondition(lambda self: self._count > 3)
    def meet(self) -> None:
        self._settle()

    def _settle(self) -> None:
        for _ in range(3):
            for person in self.people:
                person.sync(accept=True)
        for folder in FOLDERS:
            one, other = (
                {uid: _said(path.read_bytes()) for uid, path in person.files(folder).items()} for person in self.people
            )
            assert one == other
        states = [person.machine.state_path.stat().st_mtime_ns for person in self.people]
        for person in self.people:
            report = person.machine.sync()
            assert report.done == 0 and not report.problems and not report.held, report
        assert [person.machine.state_path.stat().st_mtime_ns for person in self.people] == states
        self._nothing_is_lost()

    def _nothing_is_lost(self) -> None:
        there = {
            word for path in self.people[0].machine.root.glob("*/*.ics") for word in WORD.findall(path.read_bytes())
        }
        kept = {
            word
            for person in self.people
            for conflict in person.machine.state.conflicts()
            for text in (conflict.mine, conflict.theirs)
            for word in WORD.findall(text or b"")
        }
        assert self.written - self.superseded - there - kept == set()

    def teardown(self) -> None:
        try:
            self._settle()
        finally:
            self._stack.close()


def _said(data: bytes) -> tuple[str, str]:
    return _part(SUMMARY, data), _part(LOCATION, data)


TestTwoMachines = TwoMachines.TestCase
TestTwoMachines.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)
