"""A store with two users and rooms of every kind, in which nothing is yet."""

from pathlib import Path

from mirror.formats.names import ROOM_IN_USE, ROOM_MAILBOX
from mirror.model.record import Record
from mirror.service.rooms import ROOM_PRIVATE, ROOM_READ_ONLY
from mirror.store.base import Writer
from mirror.store.green import GreenStore, open_green

USER, OTHER = "m:2", "m:3"
MAIL, TASKS, BOARD, CALENDAR, HIDDEN, OTHERS = "m:10", "m:11", "m:12", "m:13", "m:14", "m:15"
ROOMS = {
    MAIL: ("0000000002.Mail", ROOM_MAILBOX, 1),
    TASKS: ("0000000002.Tasks", ROOM_MAILBOX, 4),
    BOARD: ("Lobby", ROOM_READ_ONLY, 0),
    CALENDAR: ("Holidays", 0, 3),
    HIDDEN: ("Secret", ROOM_PRIVATE, 3),
    OTHERS: ("0000000003.Mail", ROOM_MAILBOX, 1),
}


def open_filled(directory: Path, node: str = "m") -> GreenStore:
    """Open a store and put users and rooms in."""
    store = open_green(directory, node)

    def fill(writer: Writer) -> None:
        for key, name in ((USER, "Ann"), (OTHER, "Bob")):
            number = int(key.partition(":")[2])
            values = {"u_fullname": name, "u_usernum": number, "u_axlevel": 4, "u_password": "x"}
            writer.set_fields("users", key, {**values})
        for key, (name, flags, view) in ROOMS.items():
            values = {"QRname": name, "QRflags": flags | ROOM_IN_USE, "QRdefaultview": view, "QRgen": 1}
            writer.set_fields("rooms", key, {**values})

    store.write(fill)
    return store


def post(writer: Writer, room: str, key: str) -> None:
    writer.put(Record(f"messages/{room}", key, 1, "x", 1, body=key.encode()))
