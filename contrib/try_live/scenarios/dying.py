"""Scenarios in which a node or a server is killed while something is written."""

import queue
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from try_live.files import upload
from try_live.gate import AFTER, BEFORE, WITHIN, Gate, Stop
from try_live.pair import Side
from try_live.places import Parameters
from try_live.scenarios.deeds import (
    delete,
    event,
    find_room,
    inbox_of,
    kill_room,
    mail,
    make_room,
    make_user,
    move,
    number_in,
    password_of,
    post,
    put,
    room_names,
    set_password,
    subjects,
    texts,
    user_names,
)
from try_live.scenarios.stage import Stage
from try_live.scenarios.table import NotHeld, require, require_equal, scenario
from try_live.server import ADMIN_SOCKET
from try_live.world import CALENDAR, DIRECTORY, DOWNLOAD, IN_TRANSIT, SILENT_UPLOADS, UPLOAD, VISIBLE, User

COMMANDS = (
    "MOVE", "DELE", "ASUP", "CREU", "RENU", "CRE8", "SETR", "SETA", "KILL", "CFLR", "KFLR", "UOPN", "WRIT", "UCLS",
    "DELF",
)  # fmt: skip
"""The commands by which something is written at an administrator's socket."""
BY_IMAP = ("LOGIN", "APPEND", "UID STORE")
"""And those by IMAP."""
TAG = "m[0-9]+ "
"""In front of each command by IMAP."""
REACHED_S = 60.0
"""Within so many seconds who writes comes to the next command at which it is killed."""
LARGE = 150_000
"""Characters of a post that goes to the server in several blocks."""


@scenario("node-killed", "a node that was killed before and after each command of writing ends as one that was not")
def node_killed(stage: Stage) -> str:
    alpha, beta = stage.sides
    _fill(alpha)
    stage.settle()
    with stage.away(beta):
        _change(alpha)
    stops = [Stop(command, when) for command in (*COMMANDS, *BY_IMAP) for when in (BEFORE, AFTER)]
    began = time.monotonic()
    with _gates(stage, beta, stops) as (reached, gates):
        for _ in stops:
            _wait_for(reached, gates)
            beta.node.kill()
            for gate in gates:
                gate.drop()
            beta.node.start()
        killing = time.monotonic() - began
    stage.settle(marks=True)
    for side in stage.sides:
        _require_changed(side)
    return f"{len(stops)} kills in {killing:.0f} s"


def _wait_for(reached: "queue.Queue[Stop]", gates: Iterable[Gate]) -> None:
    """Wait until one of the stops is reached.  Raises NotHeld where none is."""
    try:
        reached.get(timeout=REACHED_S)
    except queue.Empty:
        raise NotHeld(f"nothing was written by {[stop for gate in gates for stop in gate.left]}") from None


@contextmanager
def _gates(stage: Stage, side: Side, stops: Iterable[Stop]) -> Iterator[tuple["queue.Queue[Stop]", list[Gate]]]:
    """Have a node's ways to its server lead through gates; it is stopped meanwhile, and started then."""
    reached: queue.Queue[Stop] = queue.Queue()
    by_imap = [stop for stop in stops if stop.command in BY_IMAP]
    others = [stop for stop in stops if stop.command not in BY_IMAP]
    with ExitStack() as stack:
        with stage.away(side):
            gates = [
                stack.enter_context(_admin_gate(side, others, reached)),
                stack.enter_context(_imap_gate(side, by_imap, reached)),
            ]
        yield reached, gates


@contextmanager
def _admin_gate(side: Side, stops: Iterable[Stop], reached: "queue.Queue[Stop]") -> Iterator[Gate]:
    """Give a gate in the place of a server's administrator's socket."""
    path = side.server.admin_socket
    real = path.with_name(f"real-{ADMIN_SOCKET}")
    path.rename(real)
    try:
        with (
            _listen(socket.AF_UNIX, str(path)) as listening,
            Gate(listening, lambda: _connect(socket.AF_UNIX, str(real)), stops, reached) as gate,
        ):
            yield gate
    finally:
        if real.exists():  # a server that was started meanwhile has made its own anew
            real.replace(path)


@contextmanager
def _imap_gate(side: Side, stops: Iterable[Stop], reached: "queue.Queue[Stop]") -> Iterator[Gate]:
    """Give a gate in the place of a server's IMAP: the server says that this is its port, until it is started anew."""
    real = ("127.0.0.1", side.server.imap_port)
    with _listen(socket.AF_INET, ("127.0.0.1", 0)) as listening:
        _tell_port(side, listening.getsockname()[1])
        try:
            with Gate(listening, lambda: _connect(socket.AF_INET, real), stops, reached, TAG) as gate:
                yield gate
        finally:
            _tell_port(side, side.server.imap_port)


def _tell_port(side: Side, port: int) -> None:
    side.world.witness.ask(f"CONF PUTVAL|c_imap_port|{port}")


def _listen(family: socket.AddressFamily, address: str | tuple[str, int]) -> socket.socket:
    listening = socket.socket(family)
    listening.bind(address)
    listening.listen()
    return listening


def _connect(family: socket.AddressFamily, address: str | tuple[str, int]) -> socket.socket:
    connected = socket.socket(family)
    connected.connect(address)
    return connected


# -- a bit of everything ----------------------------------------------------------------------------------

TALK, TARGET, OLD, EVENTS, FILES, NEW = (
    f"Killed {name}" for name in ("Talk", "Target", "Old", "Events", "Files", "New")
)
BOB, ROBERT, CARL = (f"Killed {name}" for name in ("Bob", "Robert", "Carl"))
LOFT, ATTIC = "Killed Loft", "Killed Attic"


def _fill(side: Side) -> None:
    """Fill a server with what is changed later."""
    admin = side.world.admin
    admin.ask(f"CFLR {LOFT}|1")
    make_user(side, BOB)
    for room in (TALK, TARGET, OLD, FILES):
        make_room(side, room)
    make_room(side, EVENTS, CALENDAR)
    _give_directory(side, FILES, "killedfiles")
    upload(side.world, find_room(side, FILES), "old.txt", 5000)
    post(side, TALK, "moved", "deleted", "stays")
    put(side, EVENTS, "killed-1", _event("Tea"))


def _change(side: Side) -> None:
    """Do a bit of everything on a server that was filled so."""
    admin = side.world.admin
    make_user(side, CARL)
    mail(side, CARL, "for Carl")
    with side.world.in_room(User(BOB, 0, 0), TALK) as session:
        session.ask(f"SEEN {number_in(side, TALK, 'stays')}|1")
    admin.ask(f"RENU {BOB}|{ROBERT}")
    set_password(side, ROBERT, "new")
    admin.ask(f"CFLR {ATTIC}|1")
    floors = {name: number for number, name, _ in side.world.floors()}
    admin.ask(f"KFLR {floors[LOFT]}|1")
    make_room(side, NEW)
    _give_directory(side, NEW, "killednew")
    parameters = Parameters(side.world, find_room(side, NEW))
    parameters.floor = floors[ATTIC]
    parameters.write()
    admin.go(NEW)
    admin.ask(f"SETA {ROBERT}")
    upload(side.world, find_room(side, NEW), "new.txt", 5000)
    post(side, NEW, "in New")
    move(side, TALK, "moved", TARGET)
    delete(side, TALK, "deleted")
    kill_room(side, OLD)
    admin.go(FILES)
    admin.ask("DELF old.txt")
    put(side, EVENTS, "killed-1", _event("Supper"))


def _require_changed(side: Side) -> None:
    """Raise NotHeld where not all of that is on a server, once."""
    require(user_names(side) >= {ROBERT, CARL}, f"{side.name} lacks a user")
    require(BOB not in user_names(side) and OLD not in room_names(side), f"{BOB} or {OLD} is on {side.name}")
    require_equal(password_of(side, ROBERT), "new", f"the password on {side.name}")
    for room, wanted in ((TALK, ["stays"]), (TARGET, ["moved"]), (NEW, ["in New"])):
        require_equal(subjects(side, room), wanted, f"{room} on {side.name}")
    require_equal(subjects(side, inbox_of(side, CARL)).count("for Carl"), 1, f"mails for Carl on {side.name}")
    names = {name for _, name, _ in side.world.floors()}
    require(ATTIC in names and LOFT not in names, f"the floors on {side.name} are {names}")
    (text,) = texts(side, EVENTS)
    require("SUMMARY:Supper" in text, f"the event on {side.name} is {text!r}")
    for room, files in ((NEW, [("new.txt", 5000)]), (FILES, [])):
        require_equal(side.world.files(find_room(side, room)), files, f"files of {room} on {side.name}")


def _give_directory(side: Side, room: str, directory: str) -> None:
    """Have a room have files, and not tell of what is uploaded."""
    parameters = Parameters(side.world, find_room(side, room))
    parameters.directory = directory
    parameters.flags |= DIRECTORY | UPLOAD | DOWNLOAD | VISIBLE
    parameters.flags2 |= SILENT_UPLOADS
    parameters.write()


def _event(summary: str) -> list[str]:
    return event("killed-1", f"SUMMARY:{summary}")


# -- a server ---------------------------------------------------------------------------------------------


@scenario("server-killed", "a post that a server was killed in the middle of taking, or just after it, is there once")
def server_killed(stage: Stage) -> None:
    alpha, beta = stage.sides
    room = "Taken"
    make_room(alpha, room)
    stage.settle()
    for when in (WITHIN, AFTER):
        with _gates(stage, beta, [Stop("APPEND", when)]) as (reached, gates):
            _post_large(alpha, room, f"killed {when}")
            _wait_for(reached, gates)
            _tell_port(beta, beta.server.imap_port)  # where it listens when it is started again
            beta.kill_server()
        stage.settle()
        for side in stage.sides:
            require_equal(subjects(side, room).count(f"killed {when}"), 1, f"posts on {side.name}")
    left = [one.name for one in beta.world.rooms() if IN_TRANSIT in one.name and beta.world.numbers(one)]
    require_equal(left, [], "folders of what is on its way on beta that are not empty")


def _post_large(side: Side, room: str, subject: str) -> None:
    line = "This is a long post. " * 3
    lines = ["Content-type: text/plain", "", *[line] * (LARGE // len(line))]
    side.world.admin.go(room)
    side.world.admin.ask(f"ENT0 1||0|4|{subject}", lines)
