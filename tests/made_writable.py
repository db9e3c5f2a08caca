"""A made-up Citadel server that is written into, by its administrator's socket and by IMAP, as 980 was recorded."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from made_live import HungUp, LiveServer, Session, _listing

from mirror.formats.message import parse_message

SERVICE = 9
TRANSIT = "Citadel Mirror in transit"
HEADERS = {
    "return-path": "P", "date": "T", "from": "A", "message-id": "I", "references": "W", "subject": "U", "to": "R",
    "cc": "Y", "reply-to": "K", "list-id": "L", "envelope-to": "V",
}  # fmt: skip


@dataclass
class WritableServer(LiveServer):
    """A server with an administrator ``mirror`` of number SERVICE."""

    netconfigs: dict[int, list[str]] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    """Rooms into which nothing can be moved."""
    locked: set[str] = field(default_factory=set)
    """Names of rooms that cannot be entered."""
    appended: int = 0

    # -- the administrator's socket ---------------------------------------------------------------

    def _goto(self, rest: str, session: Session) -> bytes:
        name, *others = rest.split("|")
        if name in self.locked:
            return b"540 wrong password\n"
        return super()._goto("|".join([f"{SERVICE:010d}.{name}" if name == TRANSIT else name, *others]), session)

    def _gnet(self, rest: str, session: Session) -> bytes:
        told, _, _ = super()._gnet(rest, session).rpartition(b"000\n")
        lines = self.netconfigs.get(session.room, [])
        return told + "".join(f"{line}\n" for line in lines).encode() + b"000\n"

    def _msgs(self, rest: str, session: Session) -> bytes:
        if rest == "ALL|0|0|1":
            told = [(number, parse_message(self.messages[number])) for number in self.lists[session.room]]
            return _listing(f"{number}|{one.text('T')}|{one.text('A')}|alpha||{one.text('U')}" for number, one in told)
        if not rest.startswith("GT|"):
            return super()._msgs(rest, session) if "|" in rest else _listing(self.lists[session.room])
        session.since = int(rest.split("|")[1])
        return b"800 send template\n"

    def _msgn(self, _rest: str, _session: Session) -> bytes:
        return b""

    def _000(self, _rest: str, session: Session) -> bytes:
        numbers = [one for one in self.lists[session.room] if one > session.since]
        return _listing(f"{one}|{parse_message(self.messages[one]).text('I')}" for one in numbers)

    def _move(self, rest: str, session: Session) -> bytes:
        number, name, copy = rest.split("|")
        target = next((one for one, room in self.rooms.items() if room["QRname"] == name), None)
        if target is None or target in self.closed:
            return b"550 Higher access required.\n"
        assert copy == "0"
        if int(number) not in self.lists[session.room]:
            return b"200 Message(s) moved.\n"
        self.move(session.room, target, int(number))
        return b"200 Message(s) moved.\n"

    def _dele(self, rest: str, session: Session) -> bytes:
        if int(rest) not in self.lists[session.room]:
            return b"575 Message not found.\n"
        self.delete(session.room, int(rest))
        return b"200 1 message deleted.\n"

    # -- IMAP -------------------------------------------------------------------------------------

    def append(self, data: bytes) -> int:
        """Put a message as it was sent by IMAP into the folder that is in transit; returns its number."""
        text = data.replace(b"\r\n", b"\n")
        head, _, body = text.partition(b"\n\n")
        fields, others = {}, []
        for line in head.split(b"\n"):
            name, _, value = line.partition(b": ")
            letter = HEADERS.get(name.decode("latin-1").lower())
            if letter:
                fields[letter] = value
            else:
                others.append(line + b"\n")
        fields["I"] = fields["I"].strip(b"<>")
        fields["T"] = str(int(parsedate_to_datetime(fields["T"].decode()).timestamp())).encode()
        author, _, address = fields["A"].partition(b" <")
        fields |= {"A": author.strip(b'"'), "F": address.strip(b">") or b"invented@alpha"}
        fields["W"] = b"|".join(re.findall(b"<([^>]*)>", fields.pop("W", b"")))
        fields["M"] = b"".join(others) + b"\n\n" + body
        self.highest += 1
        told = b"".join(letter.encode() + value + b"\0" for letter, value in fields.items() if value)
        self.messages[self.highest] = b"\xffA\x04" + told
        (room,) = [one for one, room in self.rooms.items() if room["QRname"] == f"{SERVICE:010d}.{TRANSIT}"]
        self.lists[room].append(self.highest)
        self.appended += 1
        return self.highest

    def make_transit(self) -> None:
        if not any(room["QRname"] == f"{SERVICE:010d}.{TRANSIT}" for room in self.rooms.values()):
            self.room(max(self.rooms) + 1, f"{SERVICE:010d}.{TRANSIT}", QRflags="16390")


def _serve_imap(server: WritableServer, connection: socket.socket) -> None:
    with contextlib.suppress(OSError, HungUp), connection, connection.makefile("rwb") as stream:
        stream.write(b"* OK alpha IMAP4rev1 Citadel Server 980 ready\r\n")
        stream.flush()
        for line in stream:
            tag, verb, rest = line.rstrip(b"\r\n").split(b" ", 2)
            server.before(b"IMAP " + verb)
            if verb == b"CREATE":
                server.make_transit()
            answer = b"OK done"
            if verb == b"APPEND":
                data = stream.read(int(rest.rpartition(b"{")[2].rstrip(b"}")))
                stream.readline()
                stream.write(b"+ Transmit message now.\r\n")
                answer = b"OK [APPENDUID 1 %d] APPEND completed" % server.append(data)
            if verb == b"LOGIN" and rest != b'"mirror" "pw"':
                answer = b"NO wrong"
            stream.write(tag + b" " + answer + b"\r\n")
            stream.flush()


@contextlib.contextmanager
def imap(server: WritableServer) -> Iterator[None]:
    """Have a server answer by IMAP, at the port that it tells in its settings."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(8)
        server.settings |= {"c_imap_port": str(door.getsockname()[1]), "c_ip_addr": "127.0.0.1"}

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = door.accept()
                    threading.Thread(target=_serve_imap, args=(server, connection), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield
        with contextlib.suppress(OSError):
            door.shutdown(socket.SHUT_RDWR)
