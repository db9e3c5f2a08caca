"""A made-up Citadel server that answers at its administrator's socket, as version 980 was recorded to (13, 17, 18)."""

import base64
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from made_server import CREATED, Fields, Server

from mirror.citadel.bootstrap import ADMIN_SOCKET
from mirror.formats.message import parse_message

FIELDS = {
    "I": "msgn", "P": "path", "T": "time", "A": "from", "F": "rfca", "O": "room", "E": "exti", "U": "subj", "V": "nvto",
}  # fmt: skip
Lines = list[bytes]


class HungUp(Exception):
    """The server is gone in the middle of whatever it was asked."""


@dataclass
class LiveServer(Server):
    """A server whose rooms' times move as a real one's do; ``now`` is its clock, in Unix seconds."""

    now: int = CREATED + 1000
    started: int = CREATED + 900
    """When it was started, by the same clock."""
    banners: dict[str, str] = field(default_factory=dict)
    pictures: dict[int, bytes] = field(default_factory=dict)
    """Of rooms, by their numbers."""
    damaged: dict[str, str] = field(default_factory=dict)
    """By the names of users whose accounts are damaged, what it answers to AGUP; it neither lists nor exports them."""
    somebody: bool = True
    version: str = ""
    exported: int = 0
    """How many exports were taken to their end."""
    asked: Lines = field(default_factory=list)
    before: Callable[[bytes], None] = field(default=lambda _command: None)
    """Called with each command before it is answered; what it raises hangs up."""

    def damage(self, number: int, told: str = "||0|0|0|0|0|0|0") -> None:
        """Write over a user's account."""
        self.damaged[self.users.pop(number)["u_fullname"]] = told

    def once_before(self, begin: bytes, befall: Callable[[], object]) -> None:
        """Have something befall the server just before it answers the next command that begins so, and just then."""

        def before(command: bytes) -> None:
            if command.startswith(begin):
                self.before = lambda _command: None
                befall()

        self.before = before

    def rename(self, room: int, name: str) -> None:
        self.rooms[room]["QRname"] = name
        self.touch(room)

    def touch(self, *rooms: int) -> None:
        """Have rooms be changed now."""
        for room in rooms:
            self.rooms[room]["QRmtime"] = str(self.now)

    def __post_init__(self) -> None:
        for number in range(16):
            self.floor(number, "" if number else "Main Floor", f_flags="0" if number else "3")

    def floor(self, number: int, name: str, **more: str) -> None:
        fields = {"f_num": str(number), "f_name": name, "f_flags": "1"}
        self.floors[number] = {**fields, "f_ep_expire_mode": "0", "f_ep_expire_value": "0", **more}

    def user(self, number: int, name: str, called: int = CREATED + 100, **more: str) -> None:
        plain = {"u_password": "", "u_flags": "0", "u_USuserpurge": "0", "u_emailaddrs": ""}
        super().user(number, name, called, **{**plain, **more})

    def room(self, number: int, name: str, changed: int = 0, **more: str) -> None:
        kind = {"QRpasswd": "", "QRorder": "0", "QRflags2": "0", "QRdefaultview": "0"}
        plain = {**kind, "QRroomaide": "-1", "QRexpire_mode": "0", "QRexpire_value": "0", "QRfloor": "0"}
        super().room(number, name, changed or self.now, **{**plain, **more})

    def visit(self, room: int, user: int, seen: str, answered: str = "", **more: str) -> None:
        super().visit(room, user, seen, answered, **{"v_view": "0", **more})

    def post(self, room: int, text: str, *, name: str = "", euid: str = "") -> int:
        self.touch(room)
        return super().post(room, text, name=name, euid=euid)

    def keep(self, room: int, text: str, subject: str, instead: int = 0, *, author: str = "Citadel") -> int:
        """Keep a text in a room of configuration, in the place of another; returns its number."""
        self.highest += 1
        head = f"I{self.highest:08X}@alpha\0T{self.now}\0A{author}\0O{self.rooms[room]['QRname']}\0U{subject}\0"
        self.messages[self.highest] = f"\xffA\x04{head}M{text}\0".encode("latin-1")
        self.lists[room] = [*(one for one in self.lists[room] if one != instead), self.highest]
        self.touch(room)
        return self.highest

    def delete(self, room: int, number: int) -> None:
        """Delete a message from a room."""
        self.touch(room)
        self.lists[room].remove(number)

    def move(self, source: int, target: int, number: int) -> None:
        """Move a message; its number stays."""
        self.delete(source, number)
        self.touch(target)
        self.lists[target] = sorted([*self.lists[target], number])

    # -- answers ----------------------------------------------------------------------------------

    def answer(self, command: bytes, session: "Session") -> bytes:
        """Return what a command is answered with."""
        self.before(command)
        self.asked.append(command)
        verb, _, rest = command.decode().partition(" ")
        answer = getattr(self, f"_{verb.lower()}", None)
        return answer(rest, session) if answer is not None else b"530 unrecognized command\n"

    def _user(self, name: str, session: "Session") -> bytes:
        session.user = next((no for no, one in self.users.items() if one["u_fullname"] == name), 0)
        found = bool(session.user)
        return (f"300 Password required for {name}\n" if found else f"570 {name} not found.\n").encode()

    def _pass(self, _rest: str, _session: "Session") -> bytes:
        return b"200 admin|6|0|0|0|1|0\n"

    def _iden(self, _rest: str, _session: "Session") -> bytes:
        return b"200 Ok\n"

    def _echo(self, rest: str, _session: "Session") -> bytes:
        return f"200 {rest}\n".encode()

    def _quit(self, _rest: str, _session: "Session") -> bytes:
        return b"200 Goodbye.\n"

    def _time(self, _rest: str, _session: "Session") -> bytes:
        return f"200 {self.now}|0|0|{self.started}\n".encode()

    def _info(self, _rest: str, _session: "Session") -> bytes:
        name = self.settings.get("c_nodename", "alpha")
        return _listing(["1", name, "Alpha", "alpha.example.org", "Citadel Server 980", self.version])

    def _migr(self, rest: str, _session: "Session") -> bytes:
        if rest == "listdirs":
            return _listing(["messages|messages"])
        return b"100 ok\n" + self.export() + b"000\n"

    def _conf(self, _rest: str, _session: "Session") -> bytes:
        told = {
            "c_nodename": "alpha",
            "MMhighest": str(self.highest),
            "c_config_created_or_migrated": str(self.created),
            **self.settings,
        }
        return _listing(f"{name}|{value}" for name, value in told.items())

    def _rwho(self, _rest: str, _session: "Session") -> bytes:
        sessions = ["2|(not logged in)|||citadel-mirror|1|IDEN|.||||0"]
        return _listing([*sessions, *(["3|Ann|Lobby|here|WebCit|1|NOOP|.||||1"] if self.somebody else [])])

    def _list(self, _rest: str, _session: "Session") -> bytes:
        users = self.users.items()
        return _listing(f"{one['u_fullname']}|{one['u_axlevel']}|{no}|{one['u_lastcall']}|0|0||" for no, one in users)

    def _noop(self, _rest: str, _session: "Session") -> bytes:
        return b"200 Ok\n"

    def _lflr(self, _rest: str, _session: "Session") -> bytes:
        listed = [(number, one["f_name"]) for number, one in self.floors.items() if int(one["f_flags"]) & 1]
        return _listing(f"{number}|{name}|1" for number, name in listed)

    def _lkra(self, _rest: str, _session: "Session") -> bytes:
        names = ("QRname", "QRflags", "QRfloor", "QRorder", "QRflags2", "", "", "QRdefaultview", "QRmtime", "")
        return _listing("|".join(room.get(name, "0" if name else "") for name in names) for room in self.rooms.values())

    def _agup(self, rest: str, _session: "Session") -> bytes:
        if rest in self.damaged:
            return f"200 {self.damaged[rest]}\n".encode()
        one = self._account(rest)
        names = ("u_fullname", "u_password", "u_flags", "", "", "u_axlevel", "u_usernum", "u_lastcall", "u_USuserpurge")
        return f"200 {'|'.join(one.get(name, '') for name in names)}\n".encode() if one else b"570 no such user\n"

    def _agea(self, rest: str, _session: "Session") -> bytes:
        return _listing(filter(None, self._account(rest).get("u_emailaddrs", "").split("|")))

    def _account(self, name: str) -> Fields:
        return next((one for one in self.users.values() if one["u_fullname"] == name), {})

    def _goto(self, rest: str, session: "Session") -> bytes:
        name = rest.partition("|")[0]  # at this socket no room's password is asked for
        for number, room in self.rooms.items():
            if room["QRname"].encode().lower() == name.encode().lower():
                session.room = number
                plain = room.get("QRdefaultview", "0")
                view = self._visit(session).get("v_view", plain)
                return (
                    f"200 {room['QRname']}|0|{len(self.lists[number])}|0|2|0|0|0|0|0|0|{view}|{plain}|0|0|0|\n".encode()
                )
        return b"550 no such room\n"

    def _visit(self, session: "Session") -> Fields:
        """Return what is kept of the user as whom a session asks, in the room that it is in."""
        return self.visits.get((session.room, session.user), {})

    def _gtsn(self, _rest: str, session: "Session") -> bytes:
        seen = self._visit(session).get("v_seen", "0")  # of who has seen nothing an export tells a number
        return f"200 {'*:0' if seen == '0' else seen}\n".encode()

    def _gnet(self, _rest: str, session: "Session") -> bytes:
        name = self.rooms[session.room]["QRname"]
        return f"100 Network settings for room #{session.room} <{name}>\n000\n".encode()

    def _getr(self, _rest: str, session: "Session") -> bytes:
        names = ("QRname", "QRpasswd", "QRdirname", "QRflags", "QRfloor", "QRorder", "QRdefaultview", "QRflags2")
        return f"200 {'|'.join(self.rooms[session.room].get(name, '') for name in names)}|\n".encode()

    def _geta(self, _rest: str, session: "Session") -> bytes:
        aide = self.users.get(int(self.rooms[session.room]["QRroomaide"]), {})
        return f"200 {aide.get('u_fullname', '')}\n".encode()

    def _gpex(self, rest: str, session: "Session") -> bytes:
        room = self.rooms[session.room]
        if rest == "room":
            return f"200 {room['QRexpire_mode']}|{room['QRexpire_value']}\n".encode()
        floor = self.floors[int(room["QRfloor"])]
        return f"200 {floor['f_ep_expire_mode']}|{floor['f_ep_expire_value']}\n".encode()

    def _mesg(self, rest: str, _session: "Session") -> bytes:
        return _listing(self.banners if rest == "?" else [self.banners[rest]])

    def _msgs(self, rest: str, session: "Session") -> bytes:
        if rest.endswith("|8"):
            session.template = []
            return b"800 Send list of headers\n"
        return _listing(f"{number}||{CREATED + 300}" for number in self.lists[session.room])

    def headers(self, session: "Session") -> bytes:
        """Return the header fields of a room's messages for which it was asked by a template."""
        letters = {name: letter for letter, name in FIELDS.items()}
        wanted = [letters[name.decode()] for name in session.template or []]
        session.template = None
        listed = [number for number in self.lists[session.room] if number in self.messages]
        messages = {number: parse_message(self.messages[number]) for number in listed}
        lines = ("|".join([str(number), *map(one.text, wanted)]) for number, one in messages.items())
        return "".join([*(f"{line}\n" for line in lines), "000\n"]).encode()

    def _rinf(self, _rest: str, session: "Session") -> bytes:
        number = int(self.rooms[session.room].get("msgnum_info", "0"))
        if not number:
            return b"571 No info file.\n"
        return _listing(_lines(parse_message(self.messages[number]).text("M")))

    def _dlri(self, _rest: str, session: "Session") -> bytes:
        picture = self.pictures.get(session.room)
        return b"550 No image found.\n" if picture is None else b"600 %d|-1||image/png|\n%s" % (len(picture), picture)

    def _dlui(self, name: str, _session: "Session") -> bytes:
        text = self._held_by(self._account(name), "u_msgnum_pic")
        if text is None:
            return b"570 No image found.\n"
        picture = base64.b64decode(text.partition("\n\n")[2])
        return b"600 %d|-1||image/png|\n%s" % (len(picture), picture)

    def _rbio(self, name: str, _session: "Session") -> bytes:
        text = self._held_by(self._account(name), "u_msgnum_bio")
        return _listing(_lines(text) if text is not None else [])

    def _gibr(self, _rest: str, session: "Session") -> bytes:
        text = self._held_by(self.users[session.user], "u_msgnum_inboxrules")
        lines = _lines(text) if text is not None else []
        return _listing(line if line.startswith("rule|") else f"# invalid rule found : {line}" for line in lines)

    def _held_by(self, user: Fields, name: str) -> str | None:
        """Return the text of the message that a field of a user names."""
        number = int(user.get(name, "0"))
        return parse_message(self.messages[number]).text("M") if number else None

    def _msg0(self, rest: str, session: "Session") -> bytes:
        message = self._message(rest, session)
        if message is None:
            return b"550 no such message\n"
        told = [f"{name}={message.text(letter)}" for letter, name in FIELDS.items() if message.text(letter)]
        return _listing(["type=4", *told, "part=|||", "text", *_lines(message.text("M"))])

    def _msg2(self, rest: str, session: "Session") -> bytes:
        message = self._message(rest, session)
        if message is None:
            return b"550 no such message\n"
        text = [] if rest.endswith("|3") else _lines(message.text("M"))
        return _listing([f"Message-ID: <{message.text('I')}>", *text])

    def _message(self, rest: str, session: "Session"):
        number = int(rest.split("|")[0])
        listed = self.messages.keys() & self.lists.get(session.room, ())
        return parse_message(self.messages[number]) if number in listed else None


class Session:
    """One connection: the user as whom it asks, its room, and the lines of the template that it sends, None for none.

    ``entering`` is done with the lines that it sends, once all came, and returns the answer; ``uploads`` are how many
    bytes it sends now, and what is done with them.
    """

    user = 0
    room = 0
    template: Lines | None = None
    entering: Callable[[Lines], bytes] | None = None
    lines: Lines = []
    uploads: tuple[int, Callable[[bytes], object]] | None = None


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")


def _listing(lines) -> bytes:
    return "".join(["100 ok\n", *(f"{line}\n" for line in lines), "000\n"]).encode()


def _serve(server: LiveServer, connection: socket.socket) -> None:
    session = Session()
    with contextlib.suppress(OSError, HungUp), connection, connection.makefile("rwb") as stream:
        stream.write(b"200 alpha Citadel server ready.\n")
        stream.flush()
        for line in stream:
            if session.template is not None and line != b"000\n":
                session.template.append(line.rstrip(b"\n"))
                continue
            stream.write(
                server.answer(line.rstrip(b"\n"), session) if session.template is None else server.headers(session)
            )
            stream.flush()
            if session.uploads is not None:
                size, take = session.uploads
                session.uploads = None
                take(stream.read(size))
            server.exported += line == b"MIGR export\n"
            if line == b"QUIT\n":
                return


@contextlib.contextmanager
def answering(door: socket.socket, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """Have all who connect to a bound socket be served, each in a thread."""
    door.listen(8)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = door.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield
    with contextlib.suppress(OSError):
        door.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def listening(server: LiveServer, directory: Path) -> Iterator[Path]:
    """Have a server answer all who connect to the socket in a directory."""
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(directory / ADMIN_SOCKET))
        with answering(door, partial(_serve, server)):
            yield directory
