"""Two machines' Maildirs and a node, through mail that comes, flags, moves, deletions, kills and times apart.

In the end no message is lost that nobody deleted, both machines have the same mail with the same flags, and a round
then writes nothing.
"""

import random
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from fuses import kill, sync_until
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from mail_persons import INBOX, MailMachine, mail, mail_machines_on, node_at

from mirror.formats.compose import compose_post
from mirror.model.record import Record

FOLDERS = (".", ".Archive.2024", ".Board")
OWN = FOLDERS[:2]
FLAGS = ("", "S", "FS", "R", "DPT", "a")


class Person:
    """Reads mail on one machine, as programs do."""

    def __init__(self, machine: MailMachine) -> None:
        self.machine = machine
        self.sync()
        for folder in FOLDERS:
            (machine.root / folder / "dovecot-keywords").write_text("0 Work\n")

    def files(self) -> list[Path]:
        return sorted(path for folder in FOLDERS for path in (self.machine.root / folder).glob("[cn][ue][rw]/*"))

    def pick(self, number: int) -> Path | None:
        files = self.files()
        return files[number % len(files)] if files else None

    def sync(self, at: int = -1, then: Callable[[], object] = kill) -> None:
        """Do a round; ``at`` which step something happens ``then``."""
        sync_until(self.machine, at, then, accept_deletions=True)


def flags(machine: MailMachine) -> dict[tuple[str, bytes], list[str]]:
    """Return the flags of the files of each message, by folder and bytes."""
    told: dict[tuple[str, bytes], list[str]] = {}
    for folder, messages in machine.mail().items():
        for one, data in messages:
            told.setdefault((folder, data), []).append(one)
    return told


class TwoMaildirs(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 3))
    def begin(self, seed: int) -> None:
        self._directory = Path(tempfile.mkdtemp())
        self._stack = ExitStack()
        self._stack.callback(shutil.rmtree, self._directory)
        self._node = self._stack.enter_context(node_at(self._directory / "node"))
        make = self._stack.enter_context(mail_machines_on(self._node, self._directory))
        self._chance = random.Random(seed)
        self.written: set[bytes] = set()
        self.deleted: set[bytes] = set()
        self.people = [Person(make(name)) for name in ("one", "other")]
        self._count = 0

    def _text(self) -> bytes:
        self._count += 1
        text = f"w{self._count}w".encode()
        self.written.add(text)
        return text

    @rule(
        who=st.integers(0, 1), folder=st.sampled_from(FOLDERS), number=st.integers(0, 2), flags=st.sampled_from(FLAGS)
    )
    def deliver(self, who: int, folder: str, number: int, flags: str) -> None:
        """A message comes, now and then of an id that another one has."""
        data = mail(number, self._text().decode())
        name = f"cur/{self._count}.made:2,{flags}" if flags else f"new/{self._count}.made"
        self.people[who].machine.put(f"{folder}/{name}", data)

    @rule()
    def post(self) -> None:
        """The server has a message come."""
        made = compose_post("m", "Bob", "Mail", "of a server", self._text().decode(), 1_700_000_000 + self._count)
        record = Record(f"messages/{INBOX}", made.key, 1, "", 1, body=made.body)
        self._node.store.write(lambda writer: writer.put(record))

    @rule(who=st.integers(0, 1), number=st.integers(0, 9), flags=st.sampled_from(FLAGS))
    def flag(self, who: int, number: int, flags: str) -> None:
        path = self.people[who].pick(number)
        if path is not None:
            name = path.name.partition(":2,")[0]
            path.rename(path.parent.parent / "cur" / f"{name}:2,{flags}")

    @rule(who=st.integers(0, 1), number=st.integers(0, 9))
    def delete(self, who: int, number: int) -> None:
        path = self.people[who].pick(number)
        if path is not None:
            self.deleted.update(text for text in self.written if text in path.read_bytes())
            path.unlink()

    @rule(who=st.integers(0, 1), number=st.integers(0, 9), folder=st.sampled_from(OWN), again=st.booleans())
    def move(self, who: int, number: int, folder: str, again: bool) -> None:
        """A message is moved to another folder, under its name or a new one as some programs do."""
        path = self.people[who].pick(number)
        if path is not None:
            unique, _, flags = path.name.partition(":2,")
            self._count += 1
            name = f"{self._count}.moved" if again else unique
            path.rename(self.people[who].machine.root / folder / "cur" / f"{name}:2,{flags}")

    @rule(who=st.integers(0, 1))
    def sync(self, who: int) -> None:
        self.people[who].sync()

    @rule(who=st.integers(0, 1), at=st.integers(0, 80))
    def sync_and_be_killed(self, who: int, at: int) -> None:
        self.people[who].sync(at=at)

    @rule(who=st.integers(0, 1), at=st.integers(0, 60), number=st.integers(0, 9), flags=st.sampled_from(FLAGS))
    def sync_at_one_moment(self, who: int, at: int, number: int, flags: str) -> None:
        """While one client is at it, a program flags a message, and the other machine does all of its round."""

        def meanwhile() -> None:
            self.flag(who, number, flags)
            self.flag(1 - who, number, flags)
            self.people[1 - who].sync()

        self.people[who].sync(at=at, then=meanwhile)

    @rule(who=st.integers(0, 1))
    def forget(self, who: int) -> None:
        """What is remembered is lost, once all was sent: a deletion that was not would be lost with it."""
        self.people[who].sync()
        self.people[who].machine.forget()

    def teardown(self) -> None:
        try:
            self._settle()
        finally:
            self._stack.close()

    def _settle(self) -> None:
        one, other = (person.machine for person in self.people)
        for _ in range(3):
            for person in self.people:
                person.sync()
        ours, theirs = flags(one), flags(other)
        assert ours.keys() == theirs.keys()
        # A copy beside a message is on its machine alone, with flags of its own.
        assert [key for key in ours if len(ours[key]) == len(theirs[key]) == 1 and ours[key] != theirs[key]] == []
        there = b"".join(data for messages in one.mail().values() for _, data in messages)
        lost = {text for text in self.written - self.deleted if text not in there}
        assert not lost
        for machine in (one, other):
            before = machine.files(), machine.remembered()
            assert machine.sync(accept_deletions=True).done == 0
            assert (machine.files(), machine.remembered()) == before


TwoMaildirs.TestCase.settings = settings(max_examples=25, stateful_step_count=14, deadline=None)
test_two_maildirs = TwoMaildirs.TestCase
