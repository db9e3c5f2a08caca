"""The runbook carried out on real servers, each scenario with how long it takes.

A server with users, mailboxes and rooms is made by an import of a made-up export, mirrored by a node and by a standby;
then it is lost, damaged, emptied, moved and left, as docs/disaster.md says.  What a rebuild made is compared each time.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mirror.citadel.bootstrap import log_in
from mirror.cli.processes import NodeProcess
from mirror.config.files import write_private
from mirror.formats import migr_writer
from mirror.formats.message import MIME, parse_message, serialize_message
from mirror.model.kinds import parse_collection
from try_live.comparing import read_node
from try_live.errors import TrialFailed
from try_live.following import NAME, OFTEN, Follower
from try_live.measuring import user
from try_live.rebuilding import timed
from try_live.server import FIRST_PORT, LiveServer
from try_live.session import Session
from try_live.trial import environment, make_node

CREATED = 1_700_000_000
ROOMS = 20
MAILED = 5
"""Of so many messages all but one are in mailboxes."""
IMPORT_S = 4 * 3600.0
WORDS = "The paper about the harbor was put under the bridge before winter came. "
HELD_BACK = 11
POSTED = "posted while the standby was the server"
MOVED = "posted before users were locked out"
COUNTED = ("users", "rooms", "floors", "messages")
"""Kinds of collections of which a node that goes on with a server has nothing twice."""


class Sizes(NamedTuple):
    """How much a server has."""

    users: int
    messages: int


class Told(NamedTuple):
    """What was done: seconds by scenario and step, and what is not as it should be."""

    version: str
    sizes: Sizes
    seconds: dict[str, dict[str, float]]
    faults: list[str]


class _Trial:
    """Carries the scenarios out, one after another."""

    def __init__(self, source: Path, sizes: Sizes, directory: Path, say: Callable[[str], None]) -> None:
        self._source, self._sizes, self._directory, self._say = source, sizes, directory, say
        self._servers = 0
        self.seconds: dict[str, dict[str, float]] = {}
        self.faults: list[str] = []
        self.version = ""

    def run(self) -> None:
        node = make_node(self._directory, "main")
        standby = make_node(self._directory, "standby")
        with self._server() as server:
            self.version = server.version()
            self._prepare(server, node, standby)
            self._emptied(server, node)
            self._moving(server, node)
        self._gone(standby)
        self._damaged()
        self._fail_over(standby)
        self._leaving(standby)

    @contextmanager
    def _scenario(self, name: str) -> Iterator[dict[str, float]]:
        self._say(name)
        yield self.seconds.setdefault(name, {})

    @contextmanager
    def _server(self) -> Iterator[LiveServer]:
        """Start an empty server, whose files are removed afterwards."""
        self._servers += 1
        home = self._directory / f"server{self._servers}"
        with LiveServer(self._source, home, port=FIRST_PORT + 100 * self._servers, fresh=True) as server:
            yield server
        shutil.rmtree(home)

    def _rebuild(self, node: NodeProcess, server: LiveServer, took: dict[str, float]) -> None:
        """Rebuild a server from a node, and compare; what differs is a fault."""
        place = f"citadel://{server.home}"
        with timed(took, "rebuild"):
            node.run("rebuild", place, "--no-verify")
        with timed(took, "verify"):
            result = node.run("verify", place, "--json", check=False)
        told = json.loads(result.stdout)
        others = [one for one in told["differences"] if one["key"] != "c_fqdn"]
        if others:
            self.faults.append(f"{len(others)} differences, the first {others[0]}")

    # -- scenarios ----------------------------------------------------------------------------------------

    def _prepare(self, server: LiveServer, node: NodeProcess, standby: NodeProcess) -> None:
        with self._scenario("before") as took:
            with timed(took, "server filled"):
                client = log_in(server.home, "", "")
                client.import_export(made_up(self._sizes), IMPORT_S)
                client.quit()
            server.restart()
            with timed(took, "mirrored"):
                node.run("bootstrap", f"citadel://{server.home}")
            with timed(took, "backup written"):
                node.run("backup", str(self._directory / "monday"))
            with timed(took, "standby bootstrapped"):
                self._mirror(node, standby)

    def _mirror(self, node: NodeProcess, other: NodeProcess) -> None:
        """Have another node copy all that one holds; repeated, what is new."""
        secret = self._directory / f"secret-{node.name}-{other.name}"
        write_private(secret, "correct horse battery staple\n")
        node.knows(other, secret, dial=False)
        node.start()
        other.knows(node, secret)
        other.run("bootstrap", f"mirror://{node.address}", "--online")
        node.stop()

    def _emptied(self, server: LiveServer, node: NodeProcess) -> None:
        """Somebody deletes all mail of one user and all posts of a room: the mirror keeps it until that is approved."""
        with self._scenario("somebody deleted everything on Tuesday") as took:
            with Session(server.admin_socket) as session:
                for room in ("0000000002.Mail", "Room 001"):
                    session.go(room)
                    numbers = [line.partition("|")[0] for line in session.lines("MSGS ALL")]
                    session.ask_all([(f"DELE {number}", ()) for number in numbers])
            with timed(took, "a look at the server holds it back"):
                result = node.run("bootstrap", f"citadel://{server.home}", "--json", check=False)
            if result.returncode != HELD_BACK:
                self.faults.append(f"deletions were not held back: exit code {result.returncode}")
            with timed(took, "one user's mail written as a Maildir"):
                told = node.json("export", "--maildir", user(1), str(self._directory / "mail"))
            if not told["written"]:
                self.faults.append("the mail that was deleted is not in the mirror any more")

    def _moving(self, server: LiveServer, node: NodeProcess) -> None:
        """Users work until the last look; what they cannot do meanwhile is what is timed."""
        with self._scenario("new hardware: users are locked out") as took, self._server() as new:
            there = make_node(self._directory, "there")
            self._mirror(node, there)
            _post(server, "Room 002", MOVED)
            with timed(took, "last look"):
                node.run("bootstrap", f"citadel://{server.home}", check=False)
            server.stop()
            with timed(took, "what is new on the new machine"):
                self._mirror(node, there)
            with timed(took, "rebuild"):
                there.run("rebuild", f"citadel://{new.home}", "--no-verify")
            with timed(took, "restart"):
                new.restart()
            self._require_posted(new, "Room 002", MOVED)

    def _gone(self, standby: NodeProcess) -> None:
        with self._scenario("the machine is gone") as took, self._server() as server:
            rescue = make_node(self._directory, "rescue")
            with timed(took, "node bootstrapped from the standby"):
                self._mirror(standby, rescue)
            self._rebuild(rescue, server, took)
            server.restart()
            held = things(rescue)
            follower = Follower(rescue, server.home, {**OFTEN, "export_s": 0.0})
            try:
                with timed(took, "attached, all looked at"):
                    follower.start()
                    follower.wait(time.time())
                follower.stop()
                self.faults += otherwise(held, things(rescue))
                follower.start()
                self._damaged_while_followed(server, follower, held)
            finally:
                follower.kill()

    def _damaged_while_followed(self, server: LiveServer, follower: Follower, held: Mapping[str, Set[str]]) -> None:
        """The server's data is lost where it is; its node makes it anew, and goes on."""
        with self._scenario("the data is damaged, and its node has it") as took:
            follower.node.run("attach", "pause", NAME)
            server.begin_anew()
            with timed(took, "rebuild"):
                follower.node.run("rebuild", f"citadel://{server.home}", "--no-verify")
            server.restart()
            with timed(took, "resumed, all looked at"):
                follower.node.run("attach", "resume", NAME)
                follower.wait(time.time())
            follower.stop()
            self.faults += otherwise(held, things(follower.node))

    def _damaged(self) -> None:
        with self._scenario("the data is damaged, and mirrored so") as took, self._server() as server:
            (self._directory / "monday-again").mkdir()
            monday = NodeProcess(self._directory / "monday-again", "main", environment=environment())
            with timed(took, "backup restored"):
                monday.run("restore", str(self._directory / "monday"))
            self._rebuild(monday, server, took)

    def _fail_over(self, standby: NodeProcess) -> None:
        with self._scenario("fail over to the standby") as took, self._server() as server:
            self._rebuild(standby, server, took)
            server.restart()
            _post(server, "Room 001", POSTED)
            with self._scenario("and back") as back, self._server() as first:
                with timed(back, "last look"):
                    standby.run("bootstrap", f"citadel://{server.home}", "--merge")
                with timed(back, "first node bootstrapped"):
                    returned = make_node(self._directory, "returned")
                    self._mirror(standby, returned)
                self._rebuild(returned, first, back)
                self._require_posted(first, "Room 001", POSTED)

    def _require_posted(self, server: LiveServer, room: str, text: str) -> None:
        """Have it be a fault unless a room's last message has a text."""
        with Session(server.admin_socket) as session:
            session.go(room)
            last = session.lines("MSGS ALL")[-1].partition("|")[0]
            if text not in "\n".join(session.lines(f"MSG0 {last}|0")):
                self.faults.append(f"what was {text} is not in the last message of {room}")

    def _leaving(self, standby: NodeProcess) -> None:
        with self._scenario("leaving Citadel: mail of twenty users as Maildirs") as took:
            target = self._directory / "out"
            with timed(took, "written"):
                for number in range(1, min(self._sizes.users, 20) + 1):
                    standby.run("export", "--maildir", user(number), str(target / str(number)))
            with timed(took, "all of it as one MIGR export"):
                standby.run("export", "--migr", str(self._directory / "all.xml"))


def run_disasters(source: Path, sizes: Sizes, directory: Path, say: Callable[[str], None]) -> Told:
    """Carry the runbook out in an empty directory; ``say`` is told of each scenario.

    Raises TrialFailed, MirrorError.
    """
    trial = _Trial(source, sizes, directory, say)
    trial.run()
    if not trial.version:
        raise TrialFailed("no server was started")
    return Told(trial.version, sizes, trial.seconds, trial.faults)


def _post(server: LiveServer, room: str, text: str) -> None:
    with Session(server.user_socket) as session:
        session.log_in(user(1), "measured")
        session.ask(f"GOTO {room}")
        session.ask(f"ENT0 1||0|4|{text}", ("Content-type: text/plain", "", text))


def things(node: NodeProcess) -> dict[str, Set[str]]:
    """Return the places and keys of users, rooms, floors and messages that a node holds whose daemon does not run."""
    held: dict[str, set[str]] = {kind: set() for kind in COUNTED}
    for collection, records in read_node(node.directory).items():
        kind = parse_collection(collection).kind
        if kind in held:
            held[kind] |= {f"{collection} {key}" for key in records}
    return dict(held)


def otherwise(held: Mapping[str, Set[str]], now: Mapping[str, Set[str]]) -> list[str]:
    """Return what a node has twice or no more since it goes on with a server made anew, a line each kind."""
    return [
        f"a node that goes on has {len(now[kind] - keys)} {kind} more than it had, and {len(keys - now[kind])} less"
        for kind, keys in held.items()
        if now[kind] != keys
    ]


# -- a made-up server ---------------------------------------------------------------------------------------


def made_up(sizes: Sizes) -> Iterator[bytes]:
    """Yield the export of a server: users with a mailbox each, rooms, messages spread over them, and read marks."""
    yield migr_writer.BEGIN + migr_writer.single("version", "980")
    settings = {
        "c_nodename": "alpha", "c_fqdn": "alpha.example.org", "c_humannode": "Alpha", "c_baseroom": "Lobby",
        "c_aideroom": "Aide", "c_twitroom": "Trashcan", "c_config_created_or_migrated": str(CREATED),
        "MM_hosted_upgrade_level": "980", "MMhighest": str(sizes.messages), "MMnextuser": str(sizes.users + 1),
        "MMnextroom": str(sizes.users + ROOMS + 5), "c_port_number": "-1", "c_ip_addr": "127.0.0.1",
    }  # fmt: skip
    for key, value in settings.items():
        yield migr_writer.config(key, value)
    for number in range(1, sizes.users + 2):
        name, level = (user(number - 1), "4") if number > 1 else ("admin", "6")
        yield migr_writer.element("user", {
            "u_version": "980", "u_uid": "4294967295", "u_password": "measured", "u_flags": "10768", "u_axlevel": level,
            "u_usernum": str(number), "u_lastcall": str(CREATED + 100), "u_USuserpurge": "0", "u_fullname": name,
        })  # fmt: skip
    rooms = _rooms(sizes)
    for (name, number), numbers in rooms.items():
        yield from _room(name, number, numbers)
    yield migr_writer.element("floor", {"f_num": "0", "f_flags": "1", "f_name": "Main Floor"})
    for (name, number), numbers in rooms.items():
        if name[:10].isdigit() and numbers:
            yield migr_writer.element("visit", {
                "v_roomnum": str(number), "v_roomgen": str(CREATED), "v_usernum": str(int(name[:10])),
                "v_seen": f"*:{numbers[len(numbers) // 2]}", "v_flags": "2", "v_view": "1",
            })  # fmt: skip
    for number in range(1, sizes.messages + 1):
        data = _message(number)
        yield migr_writer.message(number, 1, parse_message(data), data, {})
    yield migr_writer.END


def _rooms(sizes: Sizes) -> dict[tuple[str, int], list[int]]:
    """Return rooms by name and number, each with its messages."""
    names = ["Lobby", "Aide", "Trashcan", *(f"Room {number:03d}" for number in range(ROOMS))]
    rooms = {(name, number): list[int]() for number, name in enumerate(names, 1)}
    public = [room for room in rooms if room[0].startswith("Room")]
    mail = [(f"{number:010d}.Mail", ROOMS + 3 + number) for number in range(2, sizes.users + 2)]
    rooms |= {room: [] for room in mail}
    for number in range(1, sizes.messages + 1):
        of, at = (public, number // MAILED) if number % MAILED == 0 else (mail, number - number // MAILED)
        rooms[of[at % len(of)]].append(number)
    return rooms


def _room(name: str, number: int, numbers: list[int]) -> Iterator[bytes]:
    mailbox = name[:10].isdigit()
    yield migr_writer.element("room", {
        "QRname": name, "QRpasswd": "", "QRroomaide": "-1", "QRhighest": str(max(numbers, default=0)),
        "QRgen": str(CREATED), "QRflags": "16390" if mailbox else "2", "QRfloor": "0", "QRmtime": str(CREATED + 200),
        "QRexpire_mode": "0", "QRexpire_value": "0", "QRnumber": str(number), "QRorder": "64", "QRflags2": "0",
        "QRdefaultview": "1" if mailbox else "0",
    })  # fmt: skip
    yield from migr_writer.room_messages(name, numbers)


def _message(number: int) -> bytes:
    text = f"Content-type: text/plain\n\nMessage {number}. {WORDS * (1 + number % 40)}\n"
    fields = {
        "I": f"{CREATED + number:08X}-{number:08X}@alpha", "P": "Ann", "T": str(CREATED + number), "A": "Ann",
        "F": "ann@alpha.example.org", "O": "Room", "U": f"About number {number}", "M": text,
    }  # fmt: skip
    return serialize_message([(letter, value.encode()) for letter, value in fields.items()], MIME)
