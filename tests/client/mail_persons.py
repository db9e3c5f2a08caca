"""A node with mail in its process, and persons' machines: mail folders that are kept equal with it over sessions."""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import persons
from persons import ANN, BOB, READ_ONLY, OneMachine, made_on

from mirror.client.mail import MailKeeper
from mirror.client.mail_form import Mail
from mirror.client.maildir import MaildirTree
from mirror.client.report import Report
from mirror.client.round import BOTH, Rules
from mirror.client.server import Room
from mirror.formats.compose import compose_post
from mirror.formats.names import ROOM_MAILBOX
from mirror.model.record import Record
from mirror.server.node import Node
from mirror.store.base import Writer

INBOX, ARCHIVE, BOARD, NEWS = "m:20", "m:21", "m:22", "m:23"
MAIL_VIEW = 1


ROOMS = (
    (INBOX, "0000000002.Mail", MAIL_VIEW, ROOM_MAILBOX),
    (ARCHIVE, "0000000002.Archive/2024", MAIL_VIEW, ROOM_MAILBOX),
    (BOARD, "Board", MAIL_VIEW, 0),
    (NEWS, "News", MAIL_VIEW, READ_ONLY),
)


def fill(writer: Writer) -> None:
    """Make Ann, Bob, their addresses and their rooms."""
    persons.fill(writer, ROOMS)
    for key, address in ((ANN, "ann@m.example"), (BOB, "bob@m.example")):
        writer.set_fields("users", key, {"u_emailaddrs": address})


def node_at(directory: Path) -> AbstractContextManager[Node]:
    """Give a node that knows Ann, Bob and their rooms."""
    return persons.node_at(directory, fill)


class MailMachine(OneMachine):
    """A machine with a Maildir++."""

    directory = "mail"

    def sync(
        self, wants: Callable[[Room], bool] = lambda room: room.view == MAIL_VIEW, direction: str = BOTH,
        around: Callable[[Any], Any] = lambda side: side, **rules: Any,
    ) -> Report:  # fmt: skip
        """Do one round; what stands ``around`` each side may break it off."""
        connection = self.connect()
        try:
            state, server, tree = around(self.state), around(connection), around(MaildirTree(self.root))
            return MailKeeper(state, server, tree, Mail, Rules(wants, direction, **rules)).round()
        finally:
            connection.close()

    def forget(self) -> None:
        """Lose what is remembered."""
        self.state_path.unlink()
        self.restart()

    def put(self, file: str, data: bytes) -> Path:
        """Have a program deliver a message, ``file`` as ``folder/cur/name``."""
        path = self.root / file
        path.write_bytes(data)
        return path

    def move(self, file: str, other: str) -> None:
        (self.root / file).rename(self.root / other)

    def mail(self) -> dict[str, list[tuple[str, bytes]]]:
        """Return what is in the folders: by folder, flags and bytes of all messages, sorted."""
        return mail_in(self.root)

    def remembered(self) -> list[tuple[object, ...]]:
        """Return what is remembered of both sides."""
        with closing(sqlite3.connect(self.state_path)) as db:
            return [*db.execute("SELECT * FROM items ORDER BY room, name"), *db.execute("SELECT * FROM folders"),
                    *db.execute("SELECT * FROM about WHERE name = 'cursor'")]  # fmt: skip

    def files(self) -> dict[str, int]:
        """Return all files and which they are, to tell whether anything was written."""
        return {str(one.relative_to(self.root)): one.stat().st_mtime_ns for one in self.root.rglob("*")}


def mail_machines_on(node: Node, home: Path) -> AbstractContextManager[Callable[..., MailMachine]]:
    """Give what makes machines with mail."""
    return made_on(node, home, MailMachine)


def mail_in(root: Path) -> dict[str, list[tuple[str, bytes]]]:
    """Return what is in the folders of a Maildir++: by folder, flags and bytes of all messages, sorted."""
    told: dict[str, list[tuple[str, bytes]]] = {}
    for file in sorted(root.glob("**/cur/*")) + sorted(root.glob("**/new/*")):
        folder = str(file.parent.parent.relative_to(root))
        told.setdefault(folder, []).append((file.name.partition(":2,")[2], file.read_bytes()))
    return {folder: sorted(messages) for folder, messages in told.items()}


def mail(number: int = 1, text: str = "hello", author: str = "zoe@x.example") -> bytes:
    """Return a message as a program delivers it."""
    return (
        f"Received: from x by y; Mon, 1 Jan 2024 10:00:00 +0100\r\nFrom: Zoe <{author}>\r\nTo: ann@m.example\r\n"
        f"Subject: number {number}\r\nDate: Mon, 1 Jan 2024 10:00:00 +0100\r\n"
        f"Message-ID: <{number}@x.example>\r\n\r\n{text}\r\n"
    ).encode()


def post(node: Node, room: str, text: str = "plain", subject: str = "of a server") -> str:
    """Have a server's user post into a room; returns the message's key."""
    made = compose_post("m", "Bob", "Board", subject, text, 1_700_000_000)
    node.store.write(lambda writer: writer.put(Record(f"messages/{room}", made.key, 1, "", 1, body=made.body)))
    return made.key


def quiet(*machines: MailMachine) -> None:
    """Check that a round of machines that are in step writes nothing anywhere."""
    for machine in machines:
        machine.sync()
        before = machine.files(), machine.remembered()
        assert machine.sync().done == 0
        assert (machine.files(), machine.remembered()) == before
