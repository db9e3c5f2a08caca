"""A made-up Citadel server that an administrator changes: users, rooms and floors, as 980 was recorded (15, 15d)."""

import re
from dataclasses import dataclass, field

from made_live import Session, _listing
from made_writable import SERVICE, WritableServer

AIDE = 90
_FLAGS_OWN = 1 | 2 | 16384


def _cased(name: str) -> bytes:
    """Return a room's name as it is compared: by ASCII letters alone."""
    return name.encode().lower()


def _known_by(name: str) -> str:
    """Return the key of a user's account."""
    return re.sub("[^a-z0-9]", "", name.lower())


@dataclass
class AdministeredServer(WritableServer):
    """Has an Aide room of number AIDE, in which it tells what was done; ``who`` are the users of its sessions.

    ``at_work`` are the names of users who are logged in, besides: they cannot be renamed.
    """

    who: dict[int, str] = field(default_factory=dict)
    at_work: set[str] = field(default_factory=set)
    logged_in: list[str] = field(default_factory=list)
    miscounted: set[int] = field(default_factory=set)
    """Floors on which it counts rooms that are not there."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.settings |= {"MMnextuser": "20", "MMnextroom": "100"}
        self.room(AIDE, "Aide", QRflags="6")

    def tell(self, subject: str, text: str) -> None:
        """Post into the Aide room."""
        number = self.post(AIDE, text)
        self.messages[number] = (
            self.messages[number].replace(b"AAnn\0", b"ACitadel\0").replace(b"Us\0", f"U{subject}\0".encode())
        )

    def told(self) -> list[str]:
        return [self.messages[number].rpartition(b"M")[2].decode().rstrip("\0") for number in self.lists[AIDE]]

    def _next(self, counter: str) -> int:
        self.settings[counter] = str(int(self.settings[counter]) + 1)
        return int(self.settings[counter])

    def next_room(self) -> int:
        return self._next("MMnextroom")

    def _number(self, name: str) -> int:
        return next((no for no, one in self.users.items() if _known_by(one["u_fullname"]) == _known_by(name)), 0)

    # -- sessions and settings --------------------------------------------------------------------

    def _user(self, name: str, session: Session) -> bytes:
        self.who[id(session)] = name
        return super()._user(name, session)

    def _pass(self, rest: str, session: Session) -> bytes:
        name = self.who[id(session)]
        if rest not in ("pw", self._account(name).get("u_password")):
            return b"540 wrong password\n"
        self.logged_in.append(name)
        if name != "mirror":
            self._account(name)["u_lastcall"] = str(self.now)
        return f"200 {name}|{6 if name == 'mirror' else 4}|0|0|0|1|0\n".encode()

    def _conf(self, rest: str, session: Session) -> bytes:
        verb, *words = rest.split("|")
        if verb == "GETVAL":
            return f"200 {self.settings[words[0]]}|\n".encode()
        if verb == "PUTVAL":
            self.settings[words[0]] = words[1]
            return b"200 set\n"
        return super()._conf(rest, session)

    def _msgs(self, rest: str, session: Session) -> bytes:
        if rest.startswith("LAST|"):
            return _listing(self.lists[session.room][-1:])
        if re.fullmatch(r"GT\|\d+\|0\|1", rest):
            since = int(rest.split("|")[1])
            return _listing(
                line for line in super()._msgs("ALL|0|0|1", session).decode().splitlines()[1:-1]
                if int(line.split("|")[0]) > since
            )  # fmt: skip
        return super()._msgs(rest, session)

    # -- users ------------------------------------------------------------------------------------

    def _creu(self, rest: str, _session: Session) -> bytes:
        name, password = rest.split("|")
        name = " ".join(re.sub(r"[^ -~]+", " ", name).split())
        if self._number(name) or name in self.damaged:
            return b"574 already exists\n"
        number = self._next("MMnextuser")
        self.user(number, name, self.now, u_password=password[:31])
        self.room(self._next("MMnextroom"), f"{number:010d}.Mail", QRflags="16390")
        self.tell("User Creation Notice", f"New user account <{name}> has been created, from host  [].")
        return b"200 created\n"

    def _asup(self, rest: str, _session: Session) -> bytes:
        name, password, flags, _, _, level, _, called, purge = rest.split("|")
        number = self._number(name)
        if level == "0":
            del self.users[number]
            self.tell("User Deletion Message", f"User <{name}> deleted.")
            return b"200 deleted\n"
        fields = {"u_password": password, "u_flags": flags, "u_axlevel": level, "u_lastcall": called}
        self.users[number] |= {**fields, "u_USuserpurge": purge}
        return b"200 Ok\n"

    def _renu(self, rest: str, _session: Session) -> bytes:
        old, new = rest.split("|")
        if old in self.at_work:
            return b"541 is currently logged in and cannot be renamed\n"
        if self._number(new):
            return b"574 already exists\n"
        self.users[self._number(old)]["u_fullname"] = new
        self.tell("User Admin Message", f"{old} has been renamed to {new}")
        return b"200 renamed\n"

    def _asea(self, name: str, session: Session) -> bytes:
        def entered(lines: list[bytes]) -> bytes:
            kept = [line.decode() for line in lines if line.endswith(b"@alpha")]
            self._account(name)["u_emailaddrs"] = "|".join(kept)
            return b""

        session.entering, session.lines = entered, []
        return b"400 send\n"

    # -- rooms and floors -------------------------------------------------------------------------

    def _cre8(self, rest: str, session: Session) -> bytes:
        _, name, type_, _, _, _, view = rest.split("|")
        if type_ == "4":
            return super()._cre8(rest, session)
        if any(_cased(room["QRname"]) == _cased(name) for room in self.rooms.values()):
            return b"574 already exists\n"
        flags = "16390" if type_ == "5" else "6"
        self.room(self._next("MMnextroom"), name, QRflags=flags, QRdefaultview=view, QRorder="64")
        self.tell("Room Creation Message", f'A new room called "{name}" has been created by mirror')
        return b"200 created\n"

    def _getr(self, rest: str, session: Session) -> bytes:
        return re.sub(rb"^200 \d{10}\.", b"200 ", super()._getr(rest, session))

    def _setr(self, rest: str, session: Session) -> bytes:
        name, password, directory, flags, _, floor, order, view, flags2, _ = rest.split("|")
        room = self.rooms[session.room]
        owner, dot, _ = room["QRname"].partition(".")
        name = f"{owner}.{name}" if dot and len(owner) == 10 else name
        if any(_cased(one["QRname"]) == _cased(name) for no, one in self.rooms.items() if no != session.room):
            return b"574 already exists\n"
        if not int(self.floors[int(floor)]["f_flags"]) & 1:
            return b"545 no such floor\n"
        own = int(room["QRflags"]) & _FLAGS_OWN
        room |= {"QRname": name, "QRpasswd": password[:10], "QRdirname": directory[:14]}
        room |= {"QRflags": str(int(flags) | own), "QRfloor": floor, "QRorder": str(max(int(order), 1))}
        room |= {"QRdefaultview": view, "QRflags2": flags2}
        self.touch(session.room)
        self.tell("Room modification Message", f'The room "{name}" has been edited by mirror.')
        return b"200 Ok\n"

    def _seta(self, rest: str, session: Session) -> bytes:
        self.rooms[session.room]["QRroomaide"] = str(self._number(rest) or -1)
        return b"200 Ok\n"

    def _spex(self, rest: str, session: Session) -> bytes:
        which, mode, value = rest.split("|")
        if which == "floor":
            floor = self.floors[int(self.rooms[session.room]["QRfloor"])]
            floor.update(f_ep_expire_mode=mode, f_ep_expire_value=value)
            return b"200 Ok\n"
        self.rooms[session.room] |= {"QRexpire_mode": mode, "QRexpire_value": value}
        return b"200 Ok\n"

    def _view(self, rest: str, session: Session) -> bytes:
        key = (session.room, self._number(self.who[id(session)]))
        plain = {"v_roomnum": str(key[0]), "v_roomgen": "1", "v_usernum": str(key[1]), "v_seen": "0"}
        self.visits.setdefault(key, plain)["v_view"] = rest
        return b"200 ok\n"

    def _invt(self, rest: str, session: Session) -> bytes:
        return self._let(rest, session, True)

    def _kick(self, rest: str, session: Session) -> bytes:
        return self._let(rest, session, False)

    def _let(self, name: str, session: Session, is_in: bool) -> bytes:
        if self.who.get(id(session)) != "mirror" or not self._number(name):
            return b"550 Higher access required.\n"
        key, room = (session.room, self._number(name)), self.rooms[session.room]["QRname"]
        if room == self.settings.get("c_baseroom", "Lobby"):
            return b"560 Can't add/remove users from this room.\n"
        self.visits.setdefault(key, {"v_roomnum": str(key[0]), "v_roomgen": "1", "v_usernum": str(key[1])})
        flags = int(self.visits[key].get("v_flags", "0"))
        self.visits[key]["v_flags"] = str(flags & ~3 | 4 if is_in else flags & ~4 | 3)
        done = "invited to" if is_in else "kicked out of"
        self.tell("User Admin Message", f'{name} has been {done} "{room}" by mirror.')
        return b"200 Ok\n"

    def _kill(self, _rest: str, session: Session) -> bytes:
        room = self.rooms[session.room]
        owner = int(room["QRname"][:10]) if int(room["QRflags"]) & 16384 else 0
        if owner and self.users.get(owner, {}).get("u_fullname") != self.who.get(id(session)):
            return b"560 Can't delete this room.\n"
        del self.rooms[session.room]
        self.tell("Room Purger Message", f'"{room["QRname"]}" killed by mirror')
        return b"200 killed\n"

    def _goto(self, rest: str, session: Session) -> bytes:
        who, own = self._number(self.who.get(id(session), "")), rest.partition("|")[0]
        if who and who != SERVICE and any(room["QRname"] == f"{who:010d}.{own}" for room in self.rooms.values()):
            return super()._goto(f"{who:010d}.{rest}", session)
        return super()._goto(rest, session)

    def _cflr(self, rest: str, _session: Session) -> bytes:
        number = next(no for no, floor in self.floors.items() if not int(floor["f_flags"]) & 1)
        self.floor(number, rest.partition("|")[0])
        return f"200 {number}\n".encode()

    def _eflr(self, rest: str, _session: Session) -> bytes:
        number, name = rest.split("|")
        self.floors[int(number)]["f_name"] = name
        return b"200 Ok\n"

    def _kflr(self, rest: str, _session: Session) -> bytes:
        number = rest.partition("|")[0]
        if int(number) in self.miscounted or any(room["QRfloor"] == number for room in self.rooms.values()):
            return b"561 Cannot delete; floor contains 1 rooms.\n"
        self.floor(int(number), "", f_flags="0")
        return b"200 Ok\n"
