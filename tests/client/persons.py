"""A node with calendars in its process, and persons' machines: folders that are kept equal with it over sessions."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sessions import sessions_on

from mirror.client.connection import Connection, log_in
from mirror.client.form import Items
from mirror.client.keeping import Keeper
from mirror.client.report import Report
from mirror.client.round import BOTH, Rules
from mirror.client.server import Room
from mirror.client.state import PairState
from mirror.client.vdir import VdirTree
from mirror.config.settings import Config
from mirror.formats.names import ROOM_IN_USE, ROOM_MAILBOX
from mirror.peer.channel import Channel
from mirror.server.node import Node
from mirror.store.base import Writer
from mirror.store.green import open_green

CALENDAR, CONTACTS, TEAM, NOTES = "m:10", "m:11", "m:12", "m:13"
ANN, BOB = "m:2", "m:3"
READ_ONLY = 8192


ROOMS = (
    (CALENDAR, "0000000002.Calendar", 3, ROOM_MAILBOX),
    (CONTACTS, "0000000002.Contacts", 2, ROOM_MAILBOX),
    (NOTES, "0000000002.Notes", 5, ROOM_MAILBOX),
    (TEAM, "Team", 3, 0),
)
"""Keys, names, views and flags."""


def fill(writer: Writer, rooms: Iterable[tuple[str, str, int, int]] = ROOMS) -> None:
    """Make Ann, Bob and their rooms."""
    for key, number, name in ((ANN, 2, "Ann"), (BOB, 3, "Bob")):
        writer.set_fields("users", key, {"u_fullname": name, "u_usernum": number, "u_axlevel": 4, "u_password": "x"})
    for key, name, view, flags in rooms:
        writer.set_fields("rooms", key, {"QRname": name, "QRflags": ROOM_IN_USE | flags, "QRdefaultview": view})


@contextmanager
def node_at(directory: Path, fill: Callable[[Writer], None] = fill) -> Iterator[Node]:
    """Give a node that knows Ann, Bob and their rooms."""
    directory.mkdir(exist_ok=True)
    with node_as_it_is(directory) as node:
        node.store.write(fill)
        yield node


@contextmanager
def node_as_it_is(directory: Path) -> Iterator[Node]:
    """Give the node whose store is in a directory."""
    store = open_green(directory, "m")
    try:
        yield Node(Config(directory, "m"), {}, store)
    finally:
        store.close()


class OneMachine:
    """A person's machine: a directory, and what its client remembers."""

    directory: str

    def __init__(self, home: Path, start: Callable[[], Channel], user: str) -> None:
        self.root = home / self.directory
        self.root.mkdir(parents=True)
        self.state_path = home / "state" / "pair.db"
        self._start = start
        self._user = user
        self.state = PairState(self.state_path)

    def connect(self) -> Connection:
        return log_in(self._start(), self._user, lambda: "x")

    def restart(self) -> None:
        """Have the client begin anew with what is on the disk."""
        self.state.close()
        self.state = PairState(self.state_path)


AnyMachine = TypeVar("AnyMachine", bound=OneMachine)


class Machine(OneMachine):
    """A machine with a vdir."""

    directory = "calendars"

    def sync(
        self, wants: Callable[[Room], bool] = lambda room: room.view in (2, 3, 5), direction: str = BOTH,
        accept: bool = False, dry: bool = False, around: Callable[[Any], Any] = lambda side: side,
        progress: Callable[[str, int, int | None], None] = lambda *_told: None,
    ) -> Report:  # fmt: skip
        """Do one round; what stands ``around`` each side may break it off."""
        connection = self.connect()
        try:
            rules = Rules(wants, direction, accept, dry)
            state, server, tree = around(self.state), around(connection), around(VdirTree(self.root))
            return Keeper(state, server, tree, Items, rules, progress).round()
        finally:
            connection.close()

    def write(self, folder: str, name: str, text: str | bytes) -> Path:
        path = self.root / folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def files(self, folder: str = "Calendar") -> dict[str, bytes]:
        return {
            path.name: path.read_bytes()
            for path in (self.root / folder).iterdir()
            if path.suffix in (".ics", ".vcf", ".vnt")
        }


@contextmanager
def made_on(node: Node, home: Path, kind: type[AnyMachine]) -> Iterator[Callable[..., AnyMachine]]:
    """Give what makes machines of persons that use a node."""
    made: list[AnyMachine] = []
    with sessions_on(node) as start:

        def make(name: str = "laptop", user: str = "ann") -> AnyMachine:
            made.append(kind(home / name, lambda: start(silence_s=60), user))
            return made[-1]

        yield make
        for machine in made:
            machine.state.close()


def machines_on(node: Node, home: Path) -> AbstractContextManager[Callable[..., Machine]]:
    """Give what makes machines with calendars."""
    return made_on(node, home, Machine)


def event(uid: str = "a", summary: str = "Lunch", start: str = "20261201T100000Z", extra: str = "") -> str:
    """Return a calendar with one event, as a program writes it."""
    inside = [f"UID:{uid}", "DTSTAMP:20260101T000000Z", f"DTSTART:{start}", f"SUMMARY:{summary}"]
    inside += filter(None, extra.split("\n"))
    head, tail = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN"], ["END:VCALENDAR", ""]
    lines = [*head, "BEGIN:VEVENT", *inside, "END:VEVENT", *tail]
    return "\r\n".join(lines)


def two_machines(make: Callable[..., Machine], *texts: str) -> tuple[Machine, Machine]:
    """Return two machines that hold some events."""
    one, other = make("one"), make("other")
    one.sync()
    for number, text in enumerate(texts):
        one.write("Calendar", f"{number}.ics", text)
    one.sync()
    other.sync()
    return one, other


def only(machine: Machine) -> str:
    """Return the text of the only file that a machine has."""
    (data,) = machine.files().values()
    return data.decode()
