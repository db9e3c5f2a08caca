"""Two made-up servers, each with a node beside it that writes into it, and a story that is told as plain statements."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from greenlet import GreenletExit, getcurrent, greenlet
from made_administered import AdministeredServer
from made_live import listening
from made_server import CREATED
from made_writable import SERVICE, imap

from mirror.citadel.follow import Following
from mirror.citadel.following.followed import Settings
from mirror.citadel.looked_over import verify_server
from mirror.citadel.meaning.declared import UNTOLD
from mirror.citadel.meaning.keys import OWNER_DIGITS
from mirror.citadel.meaning.pairing import Consent
from mirror.citadel.verify import VERIFIED, Verified
from mirror.formats.message import parse_message
from mirror.model.record import Record
from mirror.store.base import Store
from mirror.store.check import check_store
from mirror.sync.reconcile import reconcile
from mirror.sync.responder import Responder

ALL_S, FILES_S = 400.0, 2.0
"""After so long a node looks at all that a server has, and so soon after that at files."""
MOST = 30
"""So many looks and exchanges at most until two servers are equal."""
PASSWORD = "pw"
Said = dict[str, object]


class Side:
    """A server, the node beside it, and that node's store; the node looks when it is told to."""

    def __init__(self, server: AdministeredServer, store: Store, directory: Path, settings: Settings) -> None:
        self.server, self.store = server, store
        self.name = server.settings["c_nodename"]
        self._directory, self._settings = directory, settings
        self.time = 0.0
        self.start()

    def start(self) -> None:
        """Start the node, or start it again."""
        self.following = Following(
            self.store, self._directory, settings=self._settings, sleep=self._sleep, clock=lambda: self.time,
            now=lambda: 1.7e9, service_password=PASSWORD,
        )  # fmt: skip
        self._running = greenlet(self.following.run)

    def look(self) -> None:
        """Have the node look at its server, at files too, and write what came; raises what it ends with."""
        for seconds in (ALL_S, FILES_S):
            self.look_once(seconds)

    def look_once(self, seconds: float = ALL_S) -> None:
        """Have the node look and write just once, after some seconds."""
        self.time += seconds
        self.server.now += 1
        self._running.switch()

    def stop(self) -> None:
        self._running.throw(GreenletExit)

    def verify(self, beside: Path) -> Verified:
        """Compare what is here with what the server has, which is followed without exports."""
        declared = (*VERIFIED, *UNTOLD)
        return verify_server(self.store, beside, self._directory, node=self.name, declared=declared)

    def _sleep(self, seconds: float) -> None:
        self.time += seconds
        if seconds:
            parent = getcurrent().parent
            assert parent is not None
            parent.switch()

    # -- what the server has ----------------------------------------------------------------------

    def number(self, name: str) -> int:
        """Return a room's number by its name, with its owner's for a folder."""
        return next(number for number, room in self.server.rooms.items() if self._name(room["QRname"]) == name)

    def user(self, name: str) -> int:
        return next(number for number, one in self.server.users.items() if one["u_fullname"] == name)

    def _name(self, stored: str) -> str:
        owner, dot, name = stored.partition(".")
        known = self.server.users.get(int(owner)) if dot and owner.isdigit() else None
        return f"{known['u_fullname']}: {name}" if known else stored

    def said(self) -> dict[str, Said]:
        """Return what the server has, by names, so that two servers can be compared."""
        server = self.server
        people = [user for number, user in server.users.items() if number != SERVICE]
        rooms = {number: self._name(room["QRname"]) for number, room in server.rooms.items() if self._is_shared(room)}
        floors = {number: floor["f_name"] for number, floor in server.floors.items() if int(floor["f_flags"]) & 1}
        return {
            "users": {one["u_fullname"]: [one["u_password"], one["u_axlevel"], one["u_flags"]] for one in people},
            "floors": dict.fromkeys(floors.values(), True),
            "rooms": {name: self._room(number, floors) for number, name in rooms.items()},
            "messages": {name: self.texts(number) for number, name in rooms.items()},
            "marks": {
                f"{name}, {user['u_fullname']}": marks
                for number, name in rooms.items()
                for user in people
                if (marks := self._marks(number, int(user["u_usernum"])))
            },
            "files": {
                f"{rooms[number]}, {name}": file.data
                for number, files in server.files.items()
                for name, file in files.items()
            },
        }

    def _is_shared(self, room: dict[str, str]) -> bool:
        """Tell whether a room is somebody's: what is left of a user or room goes with the nightly purge."""
        owner, dot, _ = room["QRname"].partition(".")
        is_folder = dot and len(owner) == OWNER_DIGITS and owner.isdigit()
        return not is_folder or int(owner) in self.server.users.keys() - {SERVICE}

    def _room(self, number: int, floors: dict[int, str]) -> list[str]:
        room = self.server.rooms[number]
        aide = self.server.users.get(int(room["QRroomaide"]), {}).get("u_fullname", "")
        flags = str(int(room["QRflags"]) & ~1)
        return [flags, room["QRpasswd"], room["QRdefaultview"], floors[int(room["QRfloor"])], aide]

    def deliver(self, room: int, text: str, name: str, envelope: str) -> None:
        """Have a mail come to the server that was sent to an address of it."""
        number = self.server.post(room, text, name=name)
        data = self.server.messages[number]
        self.server.messages[number] = data.replace(b"\0M", b"\0V%s\0M" % envelope.encode())

    def messages(self, room: int) -> list[bytes]:
        """Return a room's messages as they are stored."""
        return [self.server.messages[number] for number in self.server.lists[room]]

    def texts(self, room: int) -> list[tuple[str, str]]:
        """Return ids and texts of a room's messages and items, in their order by these."""
        held = self.server.messages
        told = [parse_message(held[number]) for number in self.server.lists[room] if number in held]
        return sorted((one.text("E") or one.text("I"), one.text("M").strip().replace("\n\n\n", "\n\n")) for one in told)

    def _marks(self, room: int, user: int) -> list[tuple[str, str]]:
        marked = []
        for field in ("v_seen", "v_answered"):
            for number in self.server.marked(room, user, field) & self.server.messages.keys():
                one = parse_message(self.server.messages[number])
                marked.append((field, one.text("E") or one.text("I")))
        return sorted(marked)


class Pair:
    """Both sides, paired."""

    def __init__(self, alpha: Side, beta: Side) -> None:
        self.alpha, self.beta = alpha, beta

    def __iter__(self) -> Iterator[Side]:
        return iter((self.alpha, self.beta))

    def exchange(self) -> None:
        """Have each node hold what the other has."""
        reconcile(self.alpha.store, Responder(self.beta.store), "beta", push=True)

    def settle(self) -> None:
        """Have both come to rest; then both servers have to say the same."""
        self.rest()
        one, other = (side.said() for side in self)
        assert one == other
        for side in self:
            assert check_store(side.store).problems == []

    def rest(self) -> None:
        """Look, write and exchange until nothing moves any more."""
        for _ in range(MOST):
            ends = [self._end(side) for side in self]
            for side in self:
                side.look()
            self.exchange()
            if ends == [self._end(side) for side in self]:
                return
        raise AssertionError("the two do not come to rest")

    def losers(self) -> list[Record]:
        """Return what lost to something else, on either node."""
        return [one.loser for side in self for one in side.store.read(lambda reader: reader.conflicts())]

    def _end(self, side: Side) -> object:
        state = side.following.state
        return side.store.read(lambda reader: reader.last_sequence()), state.written_there, state.behind_there


def plain_server(name: str) -> AdministeredServer:
    """Return a server with an administrator, Ann and her mailbox, a Lobby and a room Talk."""
    server = AdministeredServer(created=CREATED + len(name), settings={"c_nodename": name, "c_humannode": name})
    server.user(0, "SYS_Citadel", u_axlevel="0")
    server.user(1, "admin", u_axlevel="6")
    server.user(SERVICE, "mirror", u_password=PASSWORD, u_axlevel="6")
    server.user(2, "Ann", u_password="secret")
    server.room(1, "Lobby")
    server.room(2, "Talk")
    server.room(3, "0000000002.Mail", QRflags="16390", QRdefaultview="1")
    server.now += 100
    return server


@contextlib.contextmanager
def a_pair(make_store: Callable[..., Store], where: Path, export_s: float = 0.0) -> Iterator[Pair]:
    """Give two servers that were paired, by all names; ``export_s`` as in Settings."""
    with contextlib.ExitStack() as stack:
        sides = []
        for name in ("alpha", "beta"):
            server = plain_server(name)
            stack.enter_context(imap(server))
            (where / name).mkdir()
            directory = stack.enter_context(listening(server, where / name))
            consent = Consent(["*"], ["*"]) if name == "beta" else None
            settings = Settings(service="mirror", marks_s=1.0, export_s=export_s, pair=consent)
            sides.append(Side(server, make_store(name), directory, settings))
            stack.callback(sides[-1].stop)
        pair = Pair(*sides)
        pair.alpha.look()
        pair.exchange()
        pair.beta.look()
        assert pair.beta.following.state.pairing is not None
        pair.beta.following.approve()
        pair.settle()
        yield pair


def event(**fields: str) -> str:
    """Return the text of an event that says so."""
    said = "".join(f"{name}:{value}\n" for name, value in fields.items())
    inside = f"BEGIN:VEVENT\nUID:e1\nDTSTART:20260101T120000Z\n{said}END:VEVENT\n"
    return f"Content-type: text/calendar; charset=UTF-8\n\nBEGIN:VCALENDAR\nVERSION:2.0\n{inside}END:VCALENDAR\n"
