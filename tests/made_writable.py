"""A made-up Citadel server that is written into, by its administrator's socket and by IMAP, as 980 was recorded."""

import base64
import contextlib
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from typing import NamedTuple, TypeVar

from made_live import HungUp, LiveServer, Session, _listing, answering
from made_server import Fields

from mirror.formats.message import Message, parse_message
from mirror.formats.sequence_set import SequenceSet, set_of

SERVICE = 9
TRANSIT = "Citadel Mirror in transit"
CONFIGURATION = "Local System Configuration"
CONTACTS, CALENDAR, NOTES = 2, 3, 5
INDEXED = (2, 3, 4, 5, 6, 10)
"""Views of rooms in which an item takes the place of the one of its exclusive id."""
HEADERS = {
    "return-path": "P", "date": "T", "from": "A", "message-id": "I", "references": "W", "subject": "U", "to": "R",
    "cc": "Y", "reply-to": "K", "list-id": "L", "envelope-to": "V",
}  # fmt: skip


class File(NamedTuple):
    data: bytes
    type: str
    comment: str
    mtime: int


@dataclass
class WritableServer(LiveServer):
    """A server with an administrator ``mirror`` of number SERVICE."""

    netconfigs: dict[int, list[str]] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    """Rooms into which nothing can be moved."""
    locked: set[str] = field(default_factory=set)
    """Names of rooms that cannot be entered."""
    appended: int = 0
    instead: dict[str, bytes] = field(default_factory=dict)
    """Fields that it gives what is appended, in the place of its own."""
    files: dict[int, dict[str, File]] = field(default_factory=dict)
    read_up_to: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Up to which number users read all of rooms last, by room and user."""
    uncounted: set[int] = field(default_factory=set)
    """Messages that are in one room more than the server counted: their text goes with the next one."""

    # -- the administrator's socket ---------------------------------------------------------------

    def answer(self, command: bytes, session: Session) -> bytes:
        if session.entering is None:
            return super().answer(command, session)
        if command != b"000":
            session.lines.append(command)
            return b""
        entered, session.entering = session.entering, None
        return entered(session.lines)

    def _goto(self, rest: str, session: Session) -> bytes:
        name, *others = rest.split("|")
        if name in self.locked:
            return b"540 wrong password\n"
        own = f"{SERVICE:010d}.{name}" if name.startswith(TRANSIT) else name
        told = super()._goto("|".join([own, *others]), session)
        return told.replace(b"|2|0\n", b"|2|0|0|0|0|0|0|0|%d|0|0\n" % self.view(session.room))

    def view(self, room: int) -> int:
        return int(self.rooms[room]["QRdefaultview"]) if room in self.rooms else 0

    def _cre8(self, rest: str, _session: Session) -> bytes:
        make, name, _, _, _, _, view = rest.split("|")
        assert make == "1"
        self.room(self.next_room(), f"{SERVICE:010d}.{name}", QRflags="16390", QRdefaultview=view)
        return b"200 created\n"

    def _ent0(self, rest: str, session: Session) -> bytes:
        arguments, room = rest.split("|"), session.room
        assert arguments[6] == "1" and self.view(room) == NOTES

        def entered(lines: list[bytes]) -> bytes:
            number = self._entered(arguments, room, lines)
            return f"{number}\nMessage accepted.\n{arguments[9]}\n000\n".encode()

        session.entering, session.lines = entered, []
        return b"800 send message\n"

    def _entered(self, arguments: list[str], room: int, lines: list[bytes]) -> int:
        """Keep a message that was entered into a folder of notes; returns its number."""
        form, subject, author = int(arguments[3]), *arguments[4:6]
        euid, text = arguments[9].encode(), b"\n".join([*lines, b""])
        fields = {"T": b"%d" % self.now, "A": author.encode(), "E": euid, "U": subject.encode(), "M": text}
        return self._keep(room, fields, form)

    def _euid(self, rest: str, session: Session) -> bytes:
        found = [one for one in self.lists[session.room] if self.exclusive_id(one) == rest]
        return b"200 %d\n" % found[-1] if found and self.view(session.room) in INDEXED else b"575 not found\n"

    def _gnet(self, rest: str, session: Session) -> bytes:
        told, _, _ = super()._gnet(rest, session).rpartition(b"000\n")
        lines = self.netconfigs.get(session.room, [])
        after = "left in memory\n" if lines else ""  # as 980 does, which looks for an end that it did not write
        return told + "".join(f"{line}\n" for line in lines).encode() + after.encode() + b"000\n"

    def _snet(self, _rest: str, session: Session) -> bytes:
        room = session.room

        def entered(lines: list[bytes]) -> bytes:
            self.netconfigs[room] = [line.decode() for line in lines]
            return b""

        session.entering, session.lines = entered, []
        return b"400 send new netconfig now\n"

    def _configured(self) -> dict[str, str]:
        """Return the settings that hold rooms' network configurations."""
        told = {number: "".join(f"{line}\n" for line in lines) for number, lines in self.netconfigs.items()}
        return {f"c_netconfig_{number:010d}": base64.b64encode(text.encode()).decode() for number, text in told.items()}

    def _conf(self, rest: str, session: Session) -> bytes:
        if rest.startswith("LOADVAL|"):
            value = self._configured().get(rest.partition("|")[2])
            return b"500 |\n" if value is None else b"600 %d\n%s" % (len(value), value.encode())
        if rest == "GETVAL|MMhighest":
            return b"200 %d|\n" % self.highest
        told = super()._conf(rest, session).removesuffix(b"000\n")
        short = ((name, value) for name, value in self._configured().items() if len(name) + len(value) < 1018)
        return told + "".join(f"{name}|{value}\n" for name, value in short).encode() + b"000\n"

    def export(self) -> bytes:
        own, self.settings = self.settings, self.settings | self._configured()
        try:
            return super().export()
        finally:
            self.settings = own

    def sweep(self) -> list[str]:
        """Have lists mail what they have yet to mail, as the server does each quarter of an hour; returns the texts."""
        mailed = []
        for room, lines in self.netconfigs.items():
            last = max((int(line[9:]) for line in lines if line.startswith("lastsent|")), default=0)
            some = [number for number in self.lists[room] if number > last]
            if some and any(line.startswith(("listrecp|", "digestrecp|")) for line in lines):
                mailed += [parse_message(self.messages[number]).text("M").strip().splitlines()[-1] for number in some]
                rest = [line for line in lines if not line.startswith("lastsent|")]
                self.netconfigs[room] = [f"lastsent|{some[-1]}", *rest]
        return mailed

    def _msgs(self, rest: str, session: Session) -> bytes:
        if re.fullmatch(r"GT\|\d+", rest):
            return _listing(number for number in self.lists[session.room] if number > int(rest[3:]))
        if rest == "ALL|0|0|1":
            told = [(number, parse_message(self.messages[number])) for number in self.lists[session.room]]
            return _listing(f"{number}|{one.text('T')}|{one.text('A')}|alpha||{one.text('U')}" for number, one in told)
        if rest == "ALL|0|0|4":
            read = {one: parse_message(self.messages[one]) for one in self.messages.keys() & self.lists[session.room]}
            posted = {one: f"|{message.text('T') or '0'}" for one, message in read.items()}
            listed = self.lists[session.room]
            return _listing(f"{one}|{self.exclusive_id(one)}{posted.get(one, '')}" for one in listed)
        if not rest.startswith("GT|"):
            return super()._msgs(rest, session) if "|" in rest else _listing(self.lists[session.room])
        session.since = int(rest.split("|")[1])
        return b"800 send template\n"

    def _msgn(self, _rest: str, _session: Session) -> bytes:
        return b""

    def _000(self, _rest: str, session: Session) -> bytes:
        numbers = [one for one in self.lists[session.room] if one > session.since and one in self.messages]
        return _listing(f"{one}|{parse_message(self.messages[one]).text('I')}" for one in numbers)

    def _move(self, rest: str, session: Session) -> bytes:
        number, name, copy = rest.split("|")
        target = next((one for one, room in self.rooms.items() if room["QRname"] == name), None)
        if target is None or target in self.closed:
            return b"550 Higher access required.\n"
        assert copy == "0"
        if int(number) not in self.lists[session.room]:
            return b"200 Message(s) moved.\n"
        euid = self.exclusive_id(int(number))
        if euid and self.view(target) in INDEXED:
            for old in [one for one in self.lists[target] if self.exclusive_id(one) == euid]:
                self.delete(target, old)
        self.move(session.room, target, int(number))
        return b"200 Message(s) moved.\n"

    def die_in_a_move(self, number: int, source: int, target: int) -> None:
        """Be killed once a message was listed where it is moved to, and counted there not yet; and be started again."""
        euid = self.exclusive_id(number)
        self.lists[target] = [one for one in self.lists[target] if not (euid and self.exclusive_id(one) == euid)]
        self.lists[target] = sorted([*self.lists[target], number])
        self.touch(target)
        assert number in self.lists[source]
        self.uncounted.add(number)
        self.started = self.now
        raise HungUp

    def _dele(self, rest: str, session: Session) -> bytes:
        if int(rest) not in self.lists[session.room]:
            return b"575 Message not found.\n"
        self.delete(session.room, int(rest))
        if int(rest) in self.uncounted:  # it is nowhere, as far as the server counted
            del self.messages[int(rest)]
            self.uncounted.discard(int(rest))
        return b"200 1 message deleted.\n"

    def _asup(self, rest: str, _session: Session) -> bytes:
        name, password, flags, _, _, level, _, called, purge = rest.split("|")
        self._account(name).update(
            u_password=password, u_flags=flags, u_axlevel=level, u_lastcall=called, u_USuserpurge=purge
        )
        return b"200 Ok\n"

    # -- files ------------------------------------------------------------------------------------

    def file(self, room: int, name: str, data: bytes, kind: str = "text/plain", comment: str = "") -> None:
        """Have a room's directory have a file."""
        self.files.setdefault(room, {})[name] = File(data, kind, comment, self.now)

    def _rdir(self, _rest: str, session: Session) -> bytes:
        files = self.files.get(session.room, {})
        told = "".join(f"{name}|{len(one.data)}|{one.type}|{one.comment}\n" for name, one in files.items())
        return f"100 alpha|files/{self.rooms[session.room]['QRdirname']}\n{told}000\n".encode()

    def _open(self, rest: str, session: Session) -> bytes:
        session.opened = self.files.get(session.room, {}).get(rest)
        one = session.opened
        return b"571 no such file\n" if one is None else f"200 {len(one.data)}|{one.mtime}|{one.type}|x\n".encode()

    def _read(self, rest: str, session: Session) -> bytes:
        begin, size = map(int, rest.split("|"))
        data = session.opened.data[begin : begin + size]
        return b"600 %d\n%s" % (len(data), data)

    def _clos(self, _rest: str, _session: Session) -> bytes:
        return b"200 Ok\n"

    def _uopn(self, rest: str, session: Session) -> bytes:
        name, kind, comment = rest.split("|")
        if name in self.files.get(session.room, {}):
            return b"574 exists\n"
        self.file(session.room, name, b"", kind, comment)
        session.upload = session.room, name
        return b"200 Ok\n"

    def _writ(self, rest: str, session: Session) -> bytes:
        room, name = session.upload

        def take(data: bytes) -> None:
            self.files[room][name] = self.files[room][name]._replace(data=self.files[room][name].data + data)

        session.uploads = int(rest), take
        return f"700 {rest}\n".encode()

    def _ucls(self, _rest: str, session: Session) -> bytes:
        self.post(session.room, f"NEW UPLOAD: {session.upload[1]}")
        return b"200 saved\n"

    def _delf(self, rest: str, session: Session) -> bytes:
        return b"200 deleted\n" if self.files.get(session.room, {}).pop(rest, None) else b"571 not found\n"

    # -- texts and pictures -----------------------------------------------------------------------

    def show(self, of: Fields, name: str, home: str, subject: str, text: str) -> int:
        """Have a user or room be shown by a text that the room named home keeps."""
        (room,) = [number for number, one in self.rooms.items() if one["QRname"] == home]
        of[name] = str(self.keep(room, text, subject, int(of.get(name, "0"))))
        return room

    def _describe(self, session: Session, of: Fields, name: str, home: str, subject: str) -> bytes:
        def entered(lines: list[bytes]) -> bytes:
            text = "".join(f"{line.decode('latin-1')}\n" for line in lines)
            self.show(of, name, home, subject, f"Content-type: text/plain\n\n{text}")
            return b""

        session.entering, session.lines = entered, []
        return b"400 Transmit\n"

    def _einf(self, _rest: str, session: Session) -> bytes:
        room = self.rooms[session.room]
        self.touch(session.room)
        return self._describe(session, room, "msgnum_info", CONFIGURATION, "Banner submitted with EINF command")

    def _ebio(self, _rest: str, session: Session) -> bytes:
        if not session.user:
            return b"520 Not logged in.\n"
        user, home = self.users[session.user], f"{session.user:010d}.My Citadel Config"
        return self._describe(session, user, "u_msgnum_bio", home, "Profile submitted with EBIO command")

    def _gibr(self, _rest: str, session: Session) -> bytes:
        text = self.shown(self.users.get(session.user, {}), "u_msgnum_inboxrules")
        return _listing(line for line in text.splitlines() if line)

    def _pibr(self, _rest: str, session: Session) -> bytes:
        if not session.user:
            return b"520 Not logged in.\n"
        user, home = self.users[session.user], f"{session.user:010d}.My Citadel Config"
        told = self._describe(session, user, "u_msgnum_inboxrules", home, "inbox rules configuration")
        entered = session.entering

        def done(lines: list[bytes]) -> bytes:
            answer = entered(lines)
            user["u_lastproc_inboxrules"] = user["u_msgnum_inboxrules"]
            return answer

        session.entering = done
        return told

    def deal_with(self, user: int) -> list[str]:
        """Have a user's rules deal with what came in, as the server does each few seconds; returns the texts."""
        (inbox,) = [number for number, one in self.rooms.items() if one["QRname"] == f"{user:010d}.Mail"]
        last = int(self.users[user].get("u_lastproc_inboxrules", "0"))
        some = [number for number in self.lists[inbox] if number > last]
        if some:
            self.users[user]["u_lastproc_inboxrules"] = str(some[-1])
        return [parse_message(self.messages[number]).text("M").strip().splitlines()[-1] for number in some]

    def _pass(self, rest: str, session: Session) -> bytes:
        if not self.log_in(self.users[session.user]["u_fullname"], rest):
            return b"540 wrong password\n"
        level = "6" if session.user in (1, SERVICE) else "4"
        return f"200 x|{level}|0|0|0|1|0\n".encode()

    def shown(self, of: Fields, name: str) -> str:
        number = int(of.get(name, "0"))
        return parse_message(self.messages[number]).text("M").partition("\n\n")[2] if number else ""

    def _msg0(self, rest: str, session: Session) -> bytes:
        told = super()._msg0(rest, session)
        home = self.rooms.get(session.room, {}).get("QRname", "")
        if home != CONFIGURATION and not home.endswith(".My Citadel Config"):
            return told
        head, text, body = told.partition(b"text\n")
        return head + text + body.partition(b"\n\n")[2]

    def _rinf(self, _rest: str, session: Session) -> bytes:
        text = self.shown(self.rooms[session.room], "msgnum_info")
        return _listing(text.splitlines()) if text else b"571 No info file.\n"

    def _rbio(self, rest: str, _session: Session) -> bytes:
        text = self.shown(self._account(rest), "u_msgnum_bio")
        return _listing(text.splitlines()) if text else b"571 no bio\n"

    def _take_picture(self, of: Fields, name: str, home: str, subject: str, size: str, kind: str) -> Callable:
        def take(data: bytes) -> None:
            head = f"Content-type: {kind}\nContent-transfer-encoding: base64\n\n"
            self.show(of, name, home, subject, head + base64.encodebytes(data).decode())

        return take

    def _ulri(self, rest: str, session: Session) -> bytes:
        size, kind = rest.split("|")
        room = self.rooms[session.room]
        take = self._take_picture(room, "msgnum_pic", CONFIGURATION, "Image uploaded by admin user", size, kind)
        self.touch(session.room)
        session.uploads = int(size), take
        return f"700 {size}\n".encode()

    def _ului(self, rest: str, session: Session) -> bytes:
        size, kind, name = rest.split("|")
        user = self._account(name)
        home = f"{int(user['u_usernum']):010d}.My Citadel Config"
        session.uploads = (
            int(size),
            self._take_picture(user, "u_msgnum_pic", home, "Photo uploaded by user", size, kind),
        )
        return f"700 {size}\n".encode()

    def _download(self, of: Fields, name: str) -> bytes:
        data = base64.b64decode(self.shown(of, name))
        return b"600 %d|-1||image/png|\n%s" % (len(data), data) if data else b"550 No image found.\n"

    def _dlri(self, _rest: str, session: Session) -> bytes:
        return self._download(self.rooms[session.room], "msgnum_pic")

    def _dlui(self, rest: str, _session: Session) -> bytes:
        return self._download(self._account(rest), "u_msgnum_pic")

    # -- IMAP -------------------------------------------------------------------------------------

    def log_in(self, name: str, password: str) -> int:
        """Log a user in, which the account tells then; returns the user's number, 0 where the password is wrong."""
        number = next((number for number, one in self.users.items() if one["u_fullname"] == name), 0)
        if not number or password != (self.users[number]["u_password"] or "pw"):
            return 0
        self.users[number]["u_lastcall"] = str(self.now)
        return number

    def select(self, user: int, folder: str) -> int:
        """Return the number of the room that a folder of a user is, 0 where there is none."""
        folder = _decoded(folder)
        own = "Mail" if folder == "INBOX" else folder.removeprefix("INBOX/")
        names = (f"{user:010d}.{own}",) if folder.startswith("INBOX") else (folder,)
        return next((number for number, room in self.rooms.items() if room["QRname"] in names), 0)

    def _seen(self, rest: str, session: Session) -> bytes:
        number, on = rest.split("|")
        self.mark(session.room, session.user, "v_seen", number, on == "1")
        return b"200 OK\n"

    def marked(self, room: int, user: int, field: str) -> set[int]:
        told = SequenceSet(self.visits.get((room, user), {}).get(field, ""))
        return {number for number in self.lists[room] if number in told}

    def mark(self, room: int, user: int, field: str, numbers: str, on: bool) -> None:
        """Mark some of a room's messages, by a set in IMAP's syntax, or take the marks away."""
        wanted = SequenceSet(numbers)
        chosen = {number for number in self.lists[room] if number in wanted}
        marked = self.marked(room, user, field)
        told = set_of(marked | chosen if on else marked - chosen, self.lists[room])
        self._visit_of(room, user)[field] = told or self._of_none(room, user, field)

    def _of_none(self, room: int, user: int, field: str) -> str:
        """Return what an empty set is told as: that of what is read goes up to where the user read last."""
        return f"*:{self.read_up_to[room, user]}" if field == "v_seen" and self.read_up_to[room, user] else ""

    def _visit_of(self, room: int, user: int) -> Fields:
        if (room, user) not in self.visits:
            self.visit(room, user, "", v_view=str(self.view(room)))
        return self.visits[room, user]

    def _slrp(self, number: str, session: Session) -> bytes:
        self.read_all(session.room, session.user, int(number))
        return f"200 {number}\n".encode()

    def read_all(self, room: int, user: int, number: int) -> None:
        """Have a user read all of a room up to a number."""
        self.read_up_to[room, user] = number
        self._visit_of(room, user)["v_seen"] = f"*:{number}"

    def flags(self, room: int, user: int, numbers: str) -> list[bytes]:
        flags, wanted = {"v_seen": b"\\Seen", "v_answered": b"\\Answered"}, SequenceSet(numbers)
        marked = {field: self.marked(room, user, field) for field in flags}
        return [
            b"* 1 FETCH (UID %d FLAGS (%s))\r\n"
            % (number, b" ".join(flag for field, flag in flags.items() if number in marked[field]))
            for number in self.lists[room]
            if number in wanted
        ]

    def append(self, data: bytes, folder: str = TRANSIT) -> int:
        """Put a message as it was sent by IMAP into a folder that is in transit; returns its number."""
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
        if "I" in fields:
            fields["I"] = fields["I"].strip(b"<>")
        fields["T"] = str(int(parsedate_to_datetime(fields["T"].decode()).timestamp())).encode()
        if "A" in fields:
            author, _, address = fields["A"].partition(b" <")
            fields |= {"A": author.strip(b'"'), "F": address.strip(b">") or b"invented@alpha"}
        fields["W"] = b"|".join(re.findall(b"<([^>]*)>", fields.pop("W", b"")))
        fields["M"] = b"".join(others) + b"\n\n" + body
        fields |= self.instead
        fields.setdefault("I", b"%08X@alpha" % (self.highest + 1))
        (room,) = [one for one, room in self.rooms.items() if room["QRname"] == f"{SERVICE:010d}.{folder}"]
        if self.view(room) in (CONTACTS, CALENDAR, NOTES) and (uid := re.search(rb"(?m)^UID:(.*)$", body)):
            fields["E"] = uid[1]
        if self.view(room) == CONTACTS:
            fields["M"] = b"Content-type: text/x-vcard\n\n" + re.sub(rb"VERSION:.*", b"VERSION:2.1", body)
        self.appended += 1
        return self._keep(room, fields, 4)

    def _keep(self, room: int, fields: dict[str, bytes], form: int) -> int:
        self.highest += 1
        told = b"".join(letter.encode() + value + b"\0" for letter, value in fields.items() if value)
        self.messages[self.highest] = b"\xffA" + bytes((form,)) + told
        self.lists[room].append(self.highest)
        return self.highest

    def next_room(self) -> int:
        """Return the number of the next room that is made."""
        return max(self.rooms) + 1

    def make_transit(self) -> None:
        if not any(room["QRname"] == f"{SERVICE:010d}.{TRANSIT}" for room in self.rooms.values()):
            self.room(self.next_room(), f"{SERVICE:010d}.{TRANSIT}", QRflags="16390")


def _decoded(folder: str) -> str:
    """Return what a folder is called: letters are 16 bits there, whatever they are (RFC 3501 section 5.1.3)."""

    def letters(found: re.Match[str]) -> str:
        text = found[1].replace(",", "/")
        data = base64.b64decode(text + "=" * (-len(text) % 4))
        return "".join(chr(int.from_bytes(data[at : at + 2], "big")) for at in range(0, len(data) - 1, 2)) or "&"

    return re.sub("&([^-]*)-", letters, folder)


def taken(sent: bytes) -> Message:
    """Return what a server makes of a message that is sent to it by IMAP."""
    server = WritableServer()
    server.room(1, "Lobby")
    server.make_transit()
    return parse_message(server.messages[server.append(sent)])


def _serve_imap(server: WritableServer, connection: socket.socket) -> None:
    user = room = 0
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
                folder = rest.split(b'"')[1].decode().removeprefix("INBOX/")
                answer = b"OK [APPENDUID 1 %d] APPEND completed" % server.append(data, folder)
            if verb == b"LOGIN":
                name, password = rest.decode().strip('"').split('" "')
                user = server.log_in(name, password)
                answer = b"OK in" if user else b"NO wrong"
            if verb == b"SELECT":
                room = server.select(user, rest.decode().strip('"'))
                answer = b"OK selected" if room else b"NO such folder"
            if verb == b"UID" and rest.startswith(b"FETCH"):
                for told in server.flags(room, user, rest.decode().split(" ")[1]):
                    stream.write(told)
            if verb == b"UID" and rest.startswith(b"STORE"):
                _, numbers, sign, flag = rest.decode().split(" ")
                field = "v_seen" if "Seen" in flag else "v_answered"
                server.mark(room, user, field, numbers, sign.startswith("+"))
            stream.write(tag + b" " + answer + b"\r\n")
            stream.flush()


@contextlib.contextmanager
def imap(server: WritableServer) -> Iterator[None]:
    """Have a server answer by IMAP, at the port that it tells in its settings."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        server.settings |= {"c_imap_port": str(door.getsockname()[1]), "c_ip_addr": "127.0.0.1"}
        with answering(door, partial(_serve_imap, server)):
            yield


Written = TypeVar("Written", bound=WritableServer)


@contextlib.contextmanager
def written_into(server: Written) -> Iterator[Written]:
    """Give a server that was filled some time ago, with an administrator and with who writes into it, also by IMAP."""
    server.user(1, "admin")
    server.user(SERVICE, "mirror", u_password="pw")
    server.now += 100
    with imap(server):
        yield server
