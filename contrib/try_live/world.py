"""What a running server holds just now, asked of it again each time, and the ways in: all that operations are given.

Everything is drawn from one generator of random numbers and from listings in the server's own order, so a seed and a
copy of the same data give the same operations.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from try_live import imap
from try_live.errors import NotNow, Refused
from try_live.server import LiveServer
from try_live.session import Session

ADMINISTRATOR = "Try Live"
"""The administrator that is made for the trial, so that no account of the server's own needs to be known."""
PASSWORD = "try-live"
AIDE_LEVEL = 6

PRIVATE, PASSWORDED, GUESS_NAME, DIRECTORY, UPLOAD, DOWNLOAD, VISIBLE = 4, 8, 16, 32, 64, 128, 256
ANONYMOUS_ONLY, ANONYMOUS_OPTION, NETWORK, READ_ONLY, MAILBOX = 512, 1024, 2048, 8192, 16384
"""Flags of rooms."""
SYSTEM_ROOM, COLLABORATIVE, SILENT_UPLOADS = 1, 4, 64
"""More flags of rooms."""
BOARD, MAIL, CONTACTS, CALENDAR, TASKS, NOTES, WIKI, BLOG = 0, 1, 2, 3, 4, 5, 6, 10
ITEM_VIEWS = (CONTACTS, CALENDAR, TASKS, NOTES, WIKI, BLOG)

SPECIAL_ROOMS = ("Lobby", "Aide", "Trashcan", "Global Address Book", "Local System Configuration")
KILLED = "9999999999."
IN_TRANSIT = "Citadel Mirror in transit"
"""The folder of a user of the mirror's in which messages are on their way into a server."""
FIRST_FOLDERS = (
    "Calendar", "Contacts", "Drafts", "Mail", "My Citadel Config", "Notes", "Sent Items", "Tasks", "Trash",
)  # fmt: skip
"""The rooms that a user has from the first log-in on."""
WORDS = (
    "time", "stamp", "room", "floor", "night", "signal", "paper", "harbor", "willow", "copper", "engine", "garden",
    "letter", "number", "silver", "bridge", "morning", "winter", "Grüße", "señor", "naïve", "花", "Петров",
)  # fmt: skip

Thing = TypeVar("Thing")


class User(NamedTuple):
    """A user, as LIST tells of one."""

    name: str
    level: int
    number: int


class Account(NamedTuple):
    """A user, as AGUP tells of one."""

    name: str
    password: str
    flags: int
    level: int
    number: int
    lastcall: int
    purge: int


class Room(NamedTuple):
    """A room, as LKRA tells of one on the admin socket: by its full name."""

    name: str
    flags: int
    floor: int
    order: int
    flags2: int
    view: int
    mtime: int

    @property
    def mailbox(self) -> bool:
        return bool(self.flags & MAILBOX)

    @property
    def ordinary(self) -> bool:
        """Whether the room was made by somebody, and can be killed."""
        special = self.name in SPECIAL_ROOMS or self.name.startswith("__Citadel")
        return not (self.mailbox or special or self.flags2 & SYSTEM_ROOM)

    @property
    def public(self) -> bool:
        """Whether everybody may post there."""
        return not (self.mailbox or self.flags & (PRIVATE | READ_ONLY) or self.flags2 & SYSTEM_ROOM)

    @property
    def owner(self) -> int:
        """The number of the user whose room it is, 0 where it is nobody's."""
        return int(self.name[:10]) if self.mailbox and self.name[:10].isdigit() else 0


class World:
    """A running server, and the chance that decides what is done with it."""

    def __init__(self, server: LiveServer, seed: int, told: Callable[[str], None], begin: int = 0) -> None:
        """``told`` is told of each command that is sent; words that were not used before are counted from ``begin``."""
        self.server = server
        self.told = told
        self.chance = random.Random(seed)
        self._unique = begin
        self.witness, self.admin = self._connect()

    def _connect(self) -> tuple[Session, Session]:
        """Return a session in which nobody is logged in, so that nothing leaves a trace; and the administrator's."""
        witness = Session(self.server.admin_socket)
        make_administrator(witness)
        admin = Session(self.server.admin_socket, self.told)
        admin.log_in(ADMINISTRATOR, PASSWORD)
        return witness, admin

    def close(self) -> None:
        self.admin.close()
        self.witness.close()

    def settle(self) -> None:
        """Restart the server, so that it has nothing left to do of its own.

        Once a minute it puts the addresses that users wrote to into their address books; it forgets them when it stops.
        """
        self._while_stopped(lambda: None)

    def crash(self) -> None:
        """Kill the server and start it again."""
        self.server.kill()
        self.close()
        self.server.start()
        self.witness, self.admin = self._connect()

    def back_up(self, directory: Path) -> None:
        """Copy the server's data."""
        self._while_stopped(lambda: self.server.back_up(directory))

    def restore(self, directory: Path) -> None:
        """Have the server go on from a copy of its data."""
        self._while_stopped(lambda: self.server.restore(directory))

    def _while_stopped(self, job: Callable[[], object]) -> None:
        self.close()
        self.server.stop()
        job()
        self.server.start()
        self.witness, self.admin = self._connect()

    # -- what there is ----------------------------------------------------------------------------

    def users(self) -> list[User]:
        """Return the users that operations may use: all but administrators."""
        users = [User(line.split("|")[0], *map(int, line.split("|")[1:3])) for line in self.witness.lines("LIST")]
        return [user for user in users if 0 < user.level < AIDE_LEVEL]

    def account(self, user: User) -> Account:
        name, password, flags, _, _, level, number, lastcall, purge = self.witness.ask(f"AGUP {user.name}").fields
        return Account(name, password, int(flags), int(level), int(number), int(lastcall), int(purge))

    def rooms(self) -> list[Room]:
        """Return all rooms but those that were killed."""
        found = []
        for line in self.witness.lines("LKRA"):
            name, flags, floor, order, flags2, _, _, view, mtime = line.split("|")[:9]
            found.append(Room(name, int(flags), int(floor), int(order), int(flags2), int(view), int(mtime)))
        return [room for room in found if not room.name.startswith(KILLED)]

    def ordinary(self) -> list[Room]:
        return [room for room in self.rooms() if room.ordinary]

    def directories(self) -> list[Room]:
        return [room for room in self.rooms() if room.flags & DIRECTORY and not room.mailbox]

    def floors(self) -> list[tuple[int, str, int]]:
        """Return number, name, and how many rooms are there, of every floor."""
        rows = [line.split("|") for line in self.witness.lines("LFLR")]
        return [(int(number), name, int(count)) for number, name, count in rows]

    def numbers(self, room: Room) -> list[int]:
        """Return the numbers of a room's messages."""
        self.witness.go(room.name)
        return [int(line) for line in self.witness.lines("MSGS ALL")]

    def ids(self, room: Room) -> dict[int, str]:
        """Return the message ids of a room's messages, by their numbers."""
        self.witness.go(room.name)
        told = self.witness.ask("MSGS ALL|0|0|8", ["msgn"]).lines
        return {int(number): name for number, _, name in (line.partition("|") for line in told) if number.isdigit()}

    def items(self, room: Room) -> list[str]:
        """Return the exclusive ids of a room's items."""
        self.witness.go(room.name)
        return [line.split("|")[1] for line in self.witness.lines("MSGS ALL|0|0|4") if line.split("|")[1]]

    def files(self, room: Room) -> list[tuple[str, int]]:
        """Return name and size in bytes of a room's files."""
        self.admin.go(room.name)
        rows = [line.split("|") for line in self.admin.lines("RDIR")]
        return [(row[0], int(row[1])) for row in rows]

    # -- chance -----------------------------------------------------------------------------------

    def one(self, things: Sequence[Thing]) -> Thing:
        """Return one of some things.  Raises NotNow where there is none."""
        if not things:
            raise NotNow
        return self.chance.choice(things)

    def some(self, things: Sequence[Thing], most: int) -> list[Thing]:
        """Return one to ``most`` of some things.  Raises NotNow where there is none."""
        if not things:
            raise NotNow
        return self.chance.sample(things, self.chance.randint(1, min(most, len(things))))

    def filled_room(self, rooms: Sequence[Room], least: int = 1) -> tuple[Room, list[int]]:
        """Return one of some rooms that has messages, and their numbers.  Raises NotNow."""
        for room in self.chance.sample(rooms, min(8, len(rooms))):
            if len(numbers := self.numbers(room)) >= least:
                return room, numbers
        raise NotNow

    def words(self, least: int, most: int) -> str:
        return " ".join(self.chance.choice(WORDS) for _ in range(self.chance.randint(least, most)))

    def lines(self, least: int, most: int) -> list[str]:
        return [self.words(3, 12) for _ in range(self.chance.randint(least, most))]

    def unique(self, word: str) -> str:
        """Return a word that was not used before in this trial."""
        self._unique += 1
        return f"{word} {self._unique}"

    # -- ways in ----------------------------------------------------------------------------------

    @contextmanager
    def as_user(self, user: User) -> Iterator[Session]:
        """Give a session of a user, who is logged in with the password that the server tells."""
        with Session(self.server.user_socket, self.told) as session:
            session.log_in(user.name, self.account(user).password)
            yield session

    @contextmanager
    def in_room(self, user: User, room: str) -> Iterator[Session]:
        """Give a session of a user who went to a room, as that names it.  Raises Refused."""
        with self.as_user(user) as session:
            session.ask(f"GOTO {room}")
            yield session

    def by_imap(self, user: User, *commands: bytes) -> None:
        """Do IMAP commands as a user.  Raises Refused."""
        for command in commands:
            self.told(f"IMAP {user.name}: {command[:60]!r}")
        imap.converse(self.server.imap_port, user.name, self.account(user).password, *commands)

    def mail_of(self, user: User) -> list[int]:
        """Return the numbers of the messages in a user's inbox, which is there from the first log-in on."""
        try:
            self.witness.go(f"{user.number:010d}.Mail")
        except Refused:
            return []
        return [int(line) for line in self.witness.lines("MSGS ALL")]

    def writers(self) -> list[User]:
        """Return the users that may post and have a password."""
        return [user for user in self.users() if user.level >= 3 and self.account(user).password]

    def make_account(self, account: Account) -> None:
        """Make a user as an account says, but for the number, which the server chooses.  Raises Refused."""
        self.admin.ask(f"CREU {account.name}|{account.password}")
        self.set_account(account)

    def set_account(self, account: Account) -> None:
        """Give a user the password, flags, level, last call and days until a purge that an account says."""
        a = account
        self.admin.ask(f"ASUP {a.name}|{a.password}|{a.flags}|0|0|{a.level}|0|{a.lastcall}|{a.purge}")


def make_administrator(session: Session) -> None:
    """Make the trial's own administrator, unless it is there."""
    try:
        session.ask(f"CREU {ADMINISTRATOR}|{PASSWORD}")
    except Refused:
        return
    session.ask(f"ASUP {ADMINISTRATOR}|{PASSWORD}|0|0|0|{AIDE_LEVEL}|0|0|0")
