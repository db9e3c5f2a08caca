"""What following a real server costs, and how soon what happens there is on a second mirror.

A server is filled with rooms and users and attached to a node with the settings as they come; a second node mirrors
that one.  Measured are the CPU of server and node while nobody and while somebody is logged in, the time from a post to
its record on the second node, and how long it takes to catch up after the first one was away.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mirror.cli.processes import NodeProcess
from mirror.cli.watch import watching
from mirror.config.files import write_private
from mirror.model.kinds import parse_collection
from mirror.peer.remote import ChannelRemote
from try_live.errors import TrialFailed
from try_live.following import Follower
from try_live.server import LiveServer
from try_live.session import Session
from try_live.trial import make_node
from try_live.world import make_administrator

LOBBY = "messages/alpha:1"
TICKS_S = os.sysconf("SC_CLK_TCK")
TIMEOUT_S = 600.0
"""Whatever takes longer has failed."""
PAUSE_S = 0.37
"""Between two posts: no divisor of the time between two looks, so that all moments between them have their turn."""
LONG_S = 30 * 86_400
"""Seconds for which most users have not been there."""
READERS = 100
"""Users, each with a room, who read while the node is away."""
BODY = ("Content-type: text/plain", "", "Measured.", "000")


class Sizes(NamedTuple):
    """How much there is, and how long is measured: ``changes`` are those that are caught up with."""

    rooms: int
    users: int
    seconds: float
    posts: int
    changes: int


class Load(NamedTuple):
    """What following costs for a while: the CPU of server and node in percent of a core, commands a minute."""

    server: float
    node: float
    commands: float


class Figures(NamedTuple):
    """What was measured; times in seconds, memory in bytes."""

    version: str
    sizes: Sizes
    first: float
    """Until all of the server was here for the first time."""
    idle: Load
    busy: Load
    lags: list[float]
    """From the server's answer to a post to its record on the second node, in order of length."""
    caught_up: float
    marks: float
    """Until what ``READERS`` users read while the node was away, where each had been before, was on the node."""
    memory: tuple[int, int]
    """Of the node's daemon, after the first copy and at the end."""

    def lag(self, share: float) -> float:
        """Return the lag that so large a share of the posts had at most."""
        return lag_at(self.lags, share)


def lag_at(lags: Sequence[float], share: float) -> float:
    """Return the lag that so large a share of the posts had at most, in seconds; 0 where none was timed."""
    return sorted(lags)[min(len(lags) - 1, int(share * len(lags)))] if lags else 0.0


def run_measuring(source: Path, sizes: Sizes, directory: Path, say: Callable[[str], None]) -> Figures:
    """Measure in an empty directory; ``say`` is told of each stage.  Raises TrialFailed, MirrorError."""
    say("starting a copy of the server")
    with LiveServer(source, directory / "server") as server:
        say(f"making {sizes.rooms} rooms and {sizes.users} users")
        fill(server, sizes)
        follower = Follower(make_node(directory, "main"), server.home, {})
        second = make_node(directory, "second")
        try:
            return _measure(server, follower, second, sizes, directory, say)
        finally:
            follower.kill()
            second.stop()


def fill(server: LiveServer, sizes: Sizes) -> None:
    """Make rooms and users."""
    with Session(server.admin_socket) as session:
        make_administrator(session)
        session.ask_all([(f"CRE8 1|Room {number:05d}|0||0|1|0", ()) for number in range(sizes.rooms)])
        session.ask_all([(f"CREU {user(number)}|measured", ()) for number in range(sizes.users)])
        for number in range(sizes.users):
            _call_long_ago(session, user(number))
    with somebody(server, user(0)):
        pass  # whose own rooms are made at the first log-in
    for reader in _readers(sizes):
        _read(server, reader)


def _call_long_ago(session: Session, name: str) -> None:
    """Have a user who was just made be one who has not logged in for long."""
    account = session.ask(f"AGUP {name}").fields
    session.ask(f"ASUP {'|'.join([*account[:7], str(int(account[7]) - LONG_S), *account[8:]])}")


def _readers(sizes: Sizes) -> range:
    return range(min(READERS, sizes.users, sizes.rooms))


def _read(server: LiveServer, reader: int) -> None:
    """Have a user post into the room of the same number, and read that."""
    with somebody(server, user(reader)) as session:
        session.ask(f"GOTO Room {reader:05d}")
        session.ask("ENT0 1||0|4|to be read", BODY[:-1])
        session.ask(f"SEEN {session.lines('MSGS LAST|1')[-1]}|1")


def user(number: int) -> str:
    """Return a user's name."""
    return f"user {number:04d}"


def _measure(
    server: LiveServer,
    follower: Follower,
    second: NodeProcess,
    sizes: Sizes,
    directory: Path,
    say: Callable[[str], None],
) -> Figures:
    say("taking all over for the first time")
    began = time.time()
    follower.start()
    follower.wait(began)
    first = time.time() - began
    _mirror(follower.node, second, directory)
    memory = resident(follower.node.pid)
    say("following while nobody is logged in")
    idle = _load(server, follower, sizes.seconds)
    with somebody(server, user(0)) as session:
        say("following while somebody is logged in")
        busy = _load(server, follower, sizes.seconds)
        say(f"posting {sizes.posts} times")
        lags = sorted(_lags(session, second, sizes.posts))
    say(f"catching up with {sizes.changes} changes")
    follower.stop()
    _change(server, sizes)
    began = time.time()
    follower.start()
    follower.wait(began)
    caught_up = time.time() - began
    say(f"catching up with what {len(_readers(sizes))} users read")
    marks = _catch_up_with_marks(server, follower, sizes)
    memories = memory, resident(follower.node.pid)
    return Figures(server.version(), sizes, first, idle, busy, lags, caught_up, marks, memories)


def _catch_up_with_marks(server: LiveServer, follower: Follower, sizes: Sizes) -> float:
    """Return how long it takes after an outage until what users read meanwhile is here."""
    with follower.node.ask() as remote:
        wanted = _marks(remote) + len(_readers(sizes))
    follower.stop()
    for reader in _readers(sizes):
        _read(server, reader)
    began = time.monotonic()
    follower.start()
    with follower.node.ask() as remote, watching([follower.node.directory]) as watch:
        if not watch.until(lambda: _marks(remote) >= wanted, TIMEOUT_S):
            raise TrialFailed(f"what was read did not come in {TIMEOUT_S:g} s")
    return time.monotonic() - began


def _marks(remote: ChannelRemote) -> int:
    """Return how many records of visits there are, each mark one."""
    collections = remote.info().collections or {}
    return sum(told.count for name, told in collections.items() if parse_collection(name).kind == "visits")


def _mirror(node: NodeProcess, second: NodeProcess, directory: Path) -> None:
    """Have a second node mirror the first, and wait until it holds as much."""
    secret = directory / "secret"
    write_private(secret, "correct horse battery staple\n")
    node.knows(second, secret, dial=False)
    node.run("reload")
    node.wait_log("reloaded: 1 peers")
    second.knows(node, secret)
    second.run("bootstrap", f"mirror://{node.address}", "--online")
    second.start()
    second.wait_log("link to main is up")


@contextmanager
def somebody(server: LiveServer, name: str) -> Iterator[Session]:
    """Give a session in which a user is logged in, and in the Lobby."""
    with Session(server.user_socket) as session:
        session.log_in(name, "measured")
        session.ask("GOTO Lobby")
        yield session


# -- what it costs ----------------------------------------------------------------------------------------


def spent(pid: int) -> float:
    """Return the CPU seconds that a process has had so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_S


def resident(pid: int) -> int:
    """Return the bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _load(server: LiveServer, follower: Follower, seconds: float) -> Load:
    """Measure what following costs for so long."""
    pids = (server.pid, follower.node.pid)
    began, commands, before = time.monotonic(), follower.status().commands, [spent(pid) for pid in pids]
    time.sleep(seconds)  # nothing happens: what that costs is what is measured
    took = time.monotonic() - began
    used = [100 * (spent(pid) - was) / took for pid, was in zip(pids, before, strict=True)]
    return Load(used[0], used[1], 60 * (follower.status().commands - commands) / took)


# -- how soon ---------------------------------------------------------------------------------------------


def _lags(session: Session, second: NodeProcess, posts: int) -> Iterator[float]:
    """Post, and yield how long it took until that was on the second node."""
    with second.ask() as remote, watching([second.directory]) as watch:
        for number in range(posts):
            before = _count(remote)
            session.ask(f"ENT0 1||0|4|post {number}", BODY[:-1])
            posted = time.monotonic()
            if not watch.until(lambda before=before: _count(remote) > before, TIMEOUT_S):  # type: ignore[misc]
                raise TrialFailed(f"post {number} did not come to the second node in {TIMEOUT_S:g} s")
            yield time.monotonic() - posted
            time.sleep(PAUSE_S)  # so that posts fall upon all moments between two looks


def _count(remote: ChannelRemote) -> int:
    """Return how many records the Lobby has."""
    lobby = (remote.info().collections or {}).get(LOBBY)
    return lobby.count if lobby is not None else 0


def _change(server: LiveServer, sizes: Sizes) -> None:
    """Have a user post into as many rooms as there are, in turns."""
    with somebody(server, user(0)) as session:
        for start in range(0, sizes.changes, 10):
            session.ask(f"GOTO Room {start // 10 % sizes.rooms:05d}")
            session.ask_all([(f"ENT0 1||0|4|change {start + number}", BODY) for number in range(10)])


def rows(figures: Figures) -> Sequence[tuple[str, str]]:
    """Return what was measured as rows of a table."""
    idle, busy, memory = figures.idle, figures.busy, figures.memory
    return [
        ("the first copy", f"{figures.first:.1f} s"),
        ("nobody logged in", _told(idle)),
        ("somebody logged in", _told(busy)),
        (
            f"post to record on a second mirror ({len(figures.lags)} posts)",
            f"p50 {figures.lag(0.5):.2f} s, p99 {figures.lag(0.99):.2f} s, mean {statistics.mean(figures.lags):.2f} s",
        ),
        (f"catching up with {figures.sizes.changes} posts", f"{figures.caught_up:.1f} s"),
        (f"catching up with what {READERS} users read", f"{figures.marks:.1f} s"),
        ("memory of the node", f"{memory[0] / 1e6:.0f} MB, {memory[1] / 1e6:.0f} MB at the end"),
    ]


def _told(load: Load) -> str:
    return f"server {load.server:.1f} %, node {load.node:.1f} % of a core, {load.commands:.0f} commands a minute"
