"""A made-up server as it is after its first start, which imports an export as version 980 does, faults included.

What these are is recorded (14-migr-import): lines beyond 4095 bytes are cut, lines are joined without their ends, all
is erased at the root's start tag, and after an import that was cut there is no other until a restart; texts and
pictures of rooms are not linked, a set of one number is all up to it, and whoever imports gets visits of rooms with
items.
"""

import base64
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from made_live import Lines, LiveServer, Session, _listing, answering
from made_server import CREATED

from mirror.citadel.bootstrap import ADMIN_SOCKET

LINE = 4095
TEXT_HEADERS = "Content-type: text/plain; charset=UTF-8\nContent-transfer-encoding: 8bit\n\n"
INDEXED = ("2", "3", "4", "5", "6", "10")


@dataclass
class EmptyServer(LiveServer):
    """A server with its administrator, its own rooms and a first message; ``home`` has files/ and messages/."""

    home: Path = field(default_factory=Path)
    open_roots: int = 0
    migrating: bool = False
    cut_after: int | None = None
    """After so many lines of an import the connection is lost."""
    forgotten: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.settings = {
            "c_nodename": "fresh", "c_fqdn": "new.example.org", "c_port_number": "504", "c_baseroom": "Lobby",
            "c_aideroom": "Aide", "c_twitroom": "Trashcan", "MM_hosted_upgrade_level": "980", "host_key": "fresh",
        }  # fmt: skip
        self.user(1, "admin", u_axlevel="6")
        for number, name in enumerate(("Lobby", "Aide", "Trashcan", "Local System Configuration"), 1):
            self.room(number, name)
        self.post(2, "New user account <admin> has been created")
        for name in ("files", "messages"):
            (self.home / name).mkdir()

    # -- the import -------------------------------------------------------------------------------

    def take_import(self, lines: Iterator[bytes]) -> None:
        parser = ElementTree.XMLPullParser(["start", "end"])
        depth = 0
        for count, line in enumerate(lines):
            if self.cut_after is not None and count >= self.cut_after:
                raise ConnectionError
            parser.feed(line.rstrip(b"\n")[:LINE])
            for event, element in parser.read_events():
                depth += 1 if event == "start" else -1
                if element.tag == "citadel_migrate_data":
                    self._root(event)
                elif event == "end" and depth == 1 and self.open_roots == 1:
                    self._take(element)
        for number, room in self.rooms.items():
            if room.get("QRdefaultview") in INDEXED:
                self.visit(number, 0, "*:0", v_flags="4", v_roomgen=room["QRgen"])

    def _root(self, event: str) -> None:
        self.open_roots += 1 if event == "start" else -1
        if event == "start" and self.open_roots == 1:
            for held in (self.settings, self.users, self.rooms, self.lists, self.messages, self.floors, self.visits):
                held.clear()

    def _take(self, element: ElementTree.Element) -> None:
        fields = {child.tag: child.text or "" for child in element}
        if element.tag == "config":
            self._set(element.get("key", ""), element.text or "")
        elif element.tag == "user":
            self.users[int(fields["u_usernum"])] = {**fields, "u_version": "980"}
        elif element.tag == "room":
            kept = {name: value for name, value in fields.items() if not name.startswith("msgnum")}
            self.rooms[int(fields["QRnumber"])] = {**kept, "QRmtime": str(self.now)}
        elif element.tag == "room_messages":
            (number,) = [one for one, room in self.rooms.items() if room["QRname"] == fields["FRname"]]
            self.lists[number] = [int(one) for one in fields["FRmsglist"].split(",") if one]
        elif element.tag == "floor":
            self.floors[int(fields["f_num"])] = fields
        elif element.tag == "visit":
            if fields.get("v_seen", "").isdigit():
                fields["v_seen"] = f"*:{fields['v_seen']}"
            self.visits[int(fields["v_roomnum"]), int(fields["v_usernum"])] = fields
        elif element.tag == "message":
            self.messages[int(fields["msg_msgnum"])] = base64.b64decode(fields["msg_text"])

    def _set(self, key: str, value: str) -> None:
        if key == "MMhighest":
            self.highest = int(value)
        elif key == "c_config_created_or_migrated":
            self.created = int(value)
        else:
            self.settings[key] = value

    # -- answers ----------------------------------------------------------------------------------

    def _lkra(self, _rest: str, _session: Session) -> bytes:
        for number in self.rooms:
            self.lists.setdefault(number, [])
        return super()._lkra(_rest, _session)

    def _forg(self, _rest: str, session: Session) -> bytes:
        self.forgotten.add(session.room)
        self.visits[session.room, 0]["v_flags"] = "1"
        return b"200 Ok\n"

    def keep_text(self, room: int, lines: Lines) -> None:
        text = "".join(line.decode() for line in lines)
        self.rooms[room]["msgnum_info"] = str(self._keep(TEXT_HEADERS + text))

    def keep_picture(self, room: int, data: bytes, kind: str) -> None:
        text = f"Content-type: {kind}\nContent-transfer-encoding: base64\n\n{base64.encodebytes(data).decode()}"
        self.rooms[room]["msgnum_pic"] = str(self._keep(text))
        self.pictures[room] = data

    def _keep(self, text: str) -> int:
        """Keep a text in the room of settings."""
        number = self.hold(text)
        (room,) = [one for one, held in self.rooms.items() if held["QRname"] == "Local System Configuration"]
        self.lists[room].append(number)
        return number

    def _rinf(self, rest: str, session: Session) -> bytes:
        answer = super()._rinf(rest, session)
        return answer.replace(TEXT_HEADERS.encode(), b"")

    def _rdir(self, _rest: str, session: Session) -> bytes:
        room = self.home / "files" / self.rooms[session.room].get("QRdirname", "")
        if not room.is_dir():
            return b"550 not here\n"
        notes = (room / "filedir").read_text().splitlines() if (room / "filedir").exists() else []
        told = {line.split(" ")[0]: line.split(" ", 2)[1:] for line in notes}
        files = [one for one in sorted(room.iterdir()) if one.name != "filedir"]
        return _listing(f"{one.name}|{one.stat().st_size}|{told[one.name][0]}| {told[one.name][1]}" for one in files)

    def _open(self, name: str, session: Session) -> bytes:
        session.opened = self.home / "files" / self.rooms[session.room]["QRdirname"] / name
        state = session.opened.stat()
        return f"200 {state.st_size}|{int(state.st_mtime)}|{name}|x\n".encode()

    def _read(self, rest: str, session: Session) -> bytes:
        start, size = map(int, rest.split("|"))
        data = session.opened.read_bytes()[start : start + size]
        return b"600 %d\n%s" % (len(data), data)

    def _clos(self, _rest: str, _session: Session) -> bytes:
        return b"200 Ok\n"

    def serve(self, connection: socket.socket) -> None:
        session = Session()
        with contextlib.suppress(OSError), connection, connection.makefile("rwb") as stream:
            stream.write(b"200 fresh Citadel server ready.\n")
            stream.flush()
            for line in stream:
                self._serve_one(line.rstrip(b"\n"), session, stream)
                stream.flush()

    def _serve_one(self, command: bytes, session: Session, stream) -> None:
        if command == b"MIGR import":
            if self.migrating:
                stream.write(b"552 The migrator is already running.\n")
                return
            self.migrating = True
            stream.write(b"400 sock it to me\n")
            stream.flush()
            self.take_import(iter(stream.readline, b"000\n"))
            self.migrating = False
        elif command == b"EINF 1":
            stream.write(b"400 Transmit new banner in plain text now.\n")
            stream.flush()
            self.keep_text(session.room, list(iter(stream.readline, b"000\n")))
        elif command.startswith(b"ULRI "):
            size, _, kind = command[5:].decode().partition("|")
            stream.write(f"700 {size}\n".encode())
            stream.flush()
            self.keep_picture(session.room, stream.read(int(size)), kind)
        else:
            stream.write(self.answer(command, session))


@contextlib.contextmanager
def started(home: Path) -> Iterator[EmptyServer]:
    """Start an empty server whose directory is ``home``, which has its socket as well."""
    server = EmptyServer(home=home, created=CREATED + 5)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(home / ADMIN_SOCKET))
        with answering(door, server.serve):
            yield server
