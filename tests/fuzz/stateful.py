"""A fuzzer that keeps state: every kind of party logs in and sends every command, right, half right or garbage.

The node is a real one, in this process over socket pairs, or a daemon over TCP and its admin socket.  After each input
the session must have been answered, or ended with a line that says why; now and then everything is looked at: users
still log in, listings end, ``check`` finds nothing, and a mirror that pulls takes every page and ends equal.  What
fails is tried again with fewer and fewer steps, and printed.
"""

import argparse
import base64
import json
import logging
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import gevent
import msgspec
from gevent import socket
from gevent.threadpool import ThreadPool

from mirror.citadel.migr.importer import Importer
from mirror.config.settings import Config, Peer, ReplicationSettings
from mirror.model.errors import MirrorError
from mirror.model.kinds import Collection
from mirror.model.record import Record
from mirror.peer.channel import MAX_JSON_LINE, Channel, ConnectionLost, connect, connect_unix
from mirror.peer.dial import authenticate
from mirror.peer.remote import ChannelRemote
from mirror.server import login
from mirror.server.commands import TABLE
from mirror.server.node import Node
from mirror.server.session import Session
from mirror.service.party import ADMIN, Party, PartyKind
from mirror.simulation.acceptable import unacceptable
from mirror.store.base import Backend, Reader
from mirror.store.check import check_store
from mirror.store.green import GreenStore
from mirror.store.open import Options, open_store, system_now_ms
from mirror.store.threads import Pool
from mirror.sync.exchange import MirrorExchange
from mirror.sync.remote import StaleCursor
from mirror.sync.round import Round
from mirror.sync.scope import EVERYTHING
from mirror.sync.share.rules import NETCONF, NETCONF_KEY
from mirror.wire.errors import ProtocolError, Refused
from mirror.wire.lines import END_OF_LISTING, Code, Reply, parse_reply

sys.path.insert(0, str(Path(__file__).parent))

import pipes
from pipes import NoPool

from hostile import DIRECTORY, EPOCH, PARTIES, Known, Maker, Step
from known import known_steps

EXPORT = Path(__file__).parents[2] / "mirror" / "data" / "alpha-980.xml"
SECRET = "a shared secret of the fuzzer"
NODE, HOSTILE, GOOD, SHARE = "m", "beta", "delta", "gamma"
USER, AIDE = ("alpha:9", "Hana", "pw-Hana 花"), ("alpha:1", "admin", "citadel")
"""Key, name and password of those who log in; nobody writes their records here."""
SPARED = frozenset(("users", key) for key, _, _ in (USER, AIDE))
BEGIN_MS = 1_800_000_000_000
"""Unix milliseconds at which a run in this process begins; each step takes STEP_MS."""
STEP_MS = 10
SILENCE_S = 10.0
"""Seconds after which a session that says nothing counts as hanging."""
STEPS_A_LIFE = 2000
"""Steps after which everything is looked at, and the node is made anew."""
KNOW_EVERY = 250
"""Steps after which what is sent next follows from what the node holds by then."""
LOGIN_EVERY, SOCKETS_EVERY = 50, 25
"""Which of a peer's connections logs in, and which seed's nodes are reached over sockets and have threads."""
INPUTS_A_SEED, SEEDS_A_JOB, TELL_EVERY_S = 10_000, 1_000_000, 10
CODES = frozenset(int(code) for code in Code)
ROUNDS = 6
"""Connections of the mirror within which it has to be equal."""


class Wrong(Exception):
    """What must not happen; says what did."""


class Closed(Wrong):
    """The node closed a connection without a line.  It may do so to a share peer, when what is shared has changed."""


class Place(Protocol):
    """A node under test."""

    name: str
    epoch: str
    directory: Path

    def connect(self, party: str) -> Channel:
        """Return a connection on which a party is logged in."""
        ...

    def now_ms(self) -> int:
        """Return the node's time, in Unix milliseconds."""
        ...

    def held(self) -> list[Record]:
        """Return all that is alive."""
        ...

    def step(self) -> None:
        """Let time go on."""
        ...

    def troubles(self) -> list[str]:
        """Return tracebacks that the node has logged."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


# -- the node ---------------------------------------------------------------------------------------


def fill(store: Backend) -> None:
    """Give a store what a small server has, and share its Lobby."""
    Importer(store, "x").run([EXPORT.read_bytes()])
    draft = Record(str(Collection(NETCONF, "alpha:2")), NETCONF_KEY, 1, "x", 1, body=b"mirror_share|gamma|Lobby\n")
    store.write(lambda writer: writer.put(draft))


def log_in(channel: Channel, user: tuple[str, str, str]) -> Channel:
    _, name, password = user
    channel.ask(f"USER {name}", 3)
    channel.ask(f"PASS {password}")
    return channel


class Heard(logging.Handler):
    """Keeps the tracebacks that are logged, and those of greenlets that died."""

    def __init__(self) -> None:
        super().__init__()
        self.tracebacks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[0] is not None:
            self.tracebacks.append("".join(traceback.format_exception(*record.exc_info)))

    def died(self, _context: object, kind: Any, value: Any, trace: Any) -> None:
        if not issubclass(kind, gevent.GreenletExit):
            self.tracebacks.append("".join(traceback.format_exception(kind, value, trace)))


class InProcess:
    """A node in this process, reached over pipes in memory; its clock goes by steps.

    Who connects for the first time logs in; later on the node knows who it is, but now and then.
    """

    name = NODE
    _template: Path | None = None

    def __init__(self, workplace: Path, make_pool: Callable[[int], Pool] = NoPool) -> None:
        self.directory = workplace / "node"
        self._now_ms = BEGIN_MS
        shutil.copytree(self._filled(), self.directory)
        options = Options(now_ms=self.now_ms, durable=False)
        self._store = GreenStore(open_store(self.directory, NODE, options=options), make_pool)
        self.epoch = self._store.epoch
        peers = [Peer(HOSTILE), Peer(GOOD), Peer(SHARE, kind="share")]
        config = Config(self.directory, NODE, replication=ReplicationSettings(keepalive_s=1), peers=peers)
        self._node = Node(config, dict.fromkeys((HOSTILE, GOOD, SHARE), SECRET), self._store)
        self._sharing = gevent.spawn(self._node.sharing.run, self._rules_changed)
        self._sessions: list[gevent.Greenlet] = []
        self._connections: Counter[str] = Counter()
        self._heard = Heard()
        logging.getLogger("mirror").addHandler(self._heard)
        self._patched = (gevent.get_hub().print_exception, login.FAILURE_PAUSE_S)
        gevent.get_hub().print_exception, login.FAILURE_PAUSE_S = self._heard.died, 0.0

    def _filled(self) -> Path:
        if InProcess._template is None:
            InProcess._template = Path(tempfile.mkdtemp(prefix="ctdlmirror-fuzz-"))
            store = open_store(InProcess._template, NODE, options=Options(now_ms=lambda: BEGIN_MS, durable=False))
            fill(store)
            store.close()
        return InProcess._template

    def _rules_changed(self, peers: list[str]) -> None:
        for session in list(self._node.sessions):
            if session.party is not None and session.party.kind == "share" and session.party.name in peers:
                session.hang_up()

    def connect(self, party: str) -> Channel:
        ours, theirs = self._connected()
        self._connections[party] += 1
        known = self._known(party) if self._connections[party] % LOGIN_EVERY != 1 else None
        session = Session(
            self._node, Channel(theirs, party), TABLE, local=True, party=ADMIN if party == "admin" else known
        )
        self._sessions = [one for one in self._sessions if not one.ready()]
        self._sessions.append(gevent.spawn(session.run))
        channel = Channel(ours, "the node", SILENCE_S)
        if known is None:
            return logged_in(channel, party)
        channel.read_reply()
        return channel

    def _connected(self) -> tuple[Any, Any]:
        return pipes.connected()

    def _known(self, party: str) -> Party | None:
        """Return a peer as the node would know it after a log-in, whose hashing takes longer than a hundred steps."""
        if party == "share":
            return Party(PartyKind.SHARE, SHARE, self._node.sharing.of(SHARE).scope)
        name = {"peer": HOSTILE, "good": GOOD}.get(party)
        return Party(PartyKind.PEER, name, EVERYTHING) if name is not None else None

    def now_ms(self) -> int:
        return self._now_ms

    def held(self) -> list[Record]:
        def job(reader: Reader) -> list[Record]:
            return [record for collection in reader.digests() for record in reader.scan_all(collection)]

        return self._store.read(job)

    def step(self) -> None:
        self._now_ms += STEP_MS

    def write(self, drafts: Sequence[Record]) -> None:
        """Write something as the node itself."""
        self._store.write(lambda writer: [writer.put(draft) for draft in drafts])

    def reload(self, replication: ReplicationSettings) -> None:
        """Have the node read other settings, as an administrator does who has changed them."""
        self._node.configure(msgspec.structs.replace(self._node.config, replication=replication), self._node.secrets)

    def troubles(self) -> list[str]:
        return self._heard.tracebacks

    def close(self) -> None:
        for session in list(self._node.sessions):
            session.hang_up()
        gevent.joinall(self._sessions, timeout=5)
        gevent.killall([*self._sessions, self._sharing])
        logging.getLogger("mirror").removeHandler(self._heard)
        gevent.get_hub().print_exception, login.FAILURE_PAUSE_S = self._patched
        self._store.close()


class OverSockets(InProcess):
    """The same over socket pairs, with threads for the store as a daemon has them."""

    def __init__(self, workplace: Path) -> None:
        super().__init__(workplace, ThreadPool)

    def _connected(self) -> tuple[Any, Any]:
        return socket.socketpair()


class Daemon:
    """A daemon of its own process, reached over TCP and the admin socket; its clock is this machine's."""

    name = NODE

    def __init__(self, workplace: Path) -> None:
        from mirror.cli.processes import NodeProcess

        self.directory = workplace / "node"
        self._log = workplace / "log"
        self._process = NodeProcess(self.directory, NODE, log=self._log)
        self._process.set_up()
        secret = workplace / "secret"
        secret.write_text(SECRET + "\n")
        secret.chmod(0o600)
        for name, kind in ((HOSTILE, "mirror"), (GOOD, "mirror"), (SHARE, "share")):
            self._process.run("peer", "add", name, "--kind", kind, "--secret-file", str(secret))
        store = open_store(self.directory, NODE)
        fill(store)
        self.epoch = store.epoch
        store.close()
        self._process.start()

    def connect(self, party: str) -> Channel:
        if party == "admin":
            return logged_in(connect_unix(str(self.directory / "admin.socket"), SILENCE_S), party)
        host, _, port = self._process.address.rpartition(":")
        return logged_in(connect(host, int(port), SILENCE_S), party)

    def now_ms(self) -> int:
        return system_now_ms()

    def held(self) -> list[Record]:
        channel = self.connect("admin")
        try:
            return [record for page in ChannelRemote(channel).getall("all") for record in page.records]
        finally:
            channel.close()

    def step(self) -> None:
        return None

    def troubles(self) -> list[str]:
        text = self._log.read_text("utf-8", "replace") if self._log.exists() else ""
        return [text[text.index("Traceback") :]] if "Traceback" in text else []

    def close(self) -> None:
        self._process.stop()


def logged_in(channel: Channel, party: str) -> Channel:
    """Log a party in on a connection that was just made."""
    channel.read_reply()
    if party in ("user", "aide"):
        return log_in(channel, USER if party == "user" else AIDE)
    if party in ("peer", "share", "good"):
        authenticate(channel, {"peer": HOSTILE, "share": SHARE, "good": GOOD}[party], SECRET)
    return channel


# -- steps ------------------------------------------------------------------------------------------


_SENT = gevent.spawn(lambda: None)


class Talk:
    """One party's connection, read as the grammar says."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.refused = False  # then the node may have closed it, with the line that was read

    def send(self, data: bytes) -> None:
        try:
            self.channel.send(data)
        except ConnectionLost as error:
            if "took nothing" in str(error):
                raise Wrong(f"the node reads nothing: {error}") from None

    def reply(self) -> Reply | None:
        """Return the next reply, or None at the end."""
        while True:
            line = self._line()
            if line is None:
                return None
            try:
                reply = parse_reply(line)
            except ProtocolError as error:
                raise Wrong(str(error)) from None
            if "internal error" in reply.text:
                raise Wrong(f"answered with {reply.code} {reply.text}")
            if reply.code not in CODES:
                raise Wrong(f"answered with the code {reply.code}, which there is not")
            if reply.kind != 9:
                self.refused = reply.kind == 5 or reply.text.startswith("Goodbye")
                return reply

    def _line(self) -> bytes | None:
        try:
            return self.channel.read_line(MAX_JSON_LINE)
        except ConnectionLost as error:
            if "silent" in str(error):
                raise Wrong(f"the session hangs: {error}") from None
            return None

    def listing(self, text: bool) -> None:
        """Read a listing up to its end: of lines of ``text``, or of batches if it looks so."""
        batches = False
        first = True
        while (line := self._line()) != END_OF_LISTING:
            if line is None:
                raise Closed("a listing ended without its line 000")
            batches = batches or (first and not text and line.startswith(b"Type="))
            first = False
            if batches and b"CHUNK " in line[:11]:
                self.channel.require(int(line.rpartition(b" ")[2]))


class Run:
    """One life of a node: steps are taken on it, and it is looked at."""

    def __init__(self, place: Place, workplace: Path) -> None:
        self.place = place
        self._talks: dict[str, Talk] = {}
        self._good = open_store(_made(workplace / "good"), GOOD, options=Options(now_ms=place.now_ms, durable=False))

    def close(self) -> None:
        for talk in self._talks.values():
            talk.channel.close()
        self.place.close()
        self._good.close()

    def described(self, error: Wrong) -> str:
        """Return what went wrong, and the traceback that goes with it, if there is one."""
        gevent.sleep(0.01)  # the log is told after the other side
        return "\n".join(dict.fromkeys([str(error), *self.place.troubles()[:1]]))

    def known(self) -> Known:
        """Return what the node holds now."""
        return Known(self.place.held(), self.place.now_ms(), SPARED)

    @contextmanager
    def _asking(self, party: str) -> Iterator[ChannelRemote]:
        channel = self.place.connect(party)
        try:
            yield ChannelRemote(channel)
        finally:
            channel.close()

    # -- steps ------------------------------------------------------------------------------------

    def take(self, step: Step) -> None:
        """Take one step.  Raises Wrong."""
        try:
            self._take(step)
        except Closed:
            if step.party != "share":
                raise
            self._talks.pop("share").channel.close()
        except ConnectionLost as error:
            raise Wrong(f"the connection was lost: {error}") from None
        self.place.step()
        self._look_at_log()

    def _take(self, step: Step) -> None:
        talk = self._talks.get(step.party)
        reply = None
        if talk is not None:
            refused = talk.refused
            reply = self._say(talk, step)
            if reply is None and not refused:
                raise Closed("the node closed the connection without a line")
        if reply is None:
            try:
                talk = self._talks[step.party] = Talk(self.place.connect(step.party))
            except Refused as error:
                raise Wrong(f"{step.party} cannot log in: {error}") from None
            reply = self._say(talk, step)
        assert talk is not None
        if reply is None:
            raise Closed("the node closed the connection without a line")
        self._go_on(talk, step, reply)

    def _say(self, talk: Talk, step: Step) -> Reply | None:
        line = step.line.replace(EPOCH, self.place.epoch.encode()).replace(
            DIRECTORY, str(self.place.directory).encode()
        )
        silent = not line.strip() or line.strip().upper().startswith(b"QNOP")
        talk.send(line + b"\n" + (b"NOOP\n" if silent else b""))
        return talk.reply()

    def _go_on(self, talk: Talk, step: Step, reply: Reply) -> None:
        verb = step.line.strip()[:4].upper()
        if reply.kind == 1:
            if "any line ends" in reply.text:  # a tail; after another listing it would be one more answer
                talk.send(b"NOOP\n")
            talk.listing(text=verb in (b"GNET", b"HELP"))
        elif reply.kind in (4, 8):
            self._send_payload(talk, step)
        elif reply.kind == 2 and verb == b"SNGL":
            self._talks[step.party] = talk
            talk.send(b"ESNG\n")
            if (ended := talk.reply()) is None or ended.kind != 2:
                raise Wrong(f"single-user mode does not end: {ended}")
        elif reply.kind == 2 and verb == b"STLS":
            talk.channel.close()
            del self._talks[step.party]

    def _send_payload(self, talk: Talk, step: Step) -> None:
        sending = self._sending(talk, step.payload + (b"" if step.broken else END_OF_LISTING + b"\n"))
        if step.broken:
            sending.join(SILENCE_S)
            try:
                talk.channel.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the node has closed it already
        reply = talk.reply()
        sending.join(SILENCE_S)
        if step.broken:
            talk.channel.close()
            del self._talks[step.party]
        elif reply is None:
            raise Closed("what was sent got no answer")
        elif reply.kind == 1:
            talk.listing(text=False)

    def _sending(self, talk: Talk, data: bytes) -> gevent.Greenlet:
        """Send beside what is read: a node may answer before it has read all, and wait for its answer to be read."""
        if isinstance(talk.channel.socket, pipes.End):  # where nobody waits
            talk.send(data)
            return _SENT
        return gevent.spawn(talk.send, data)

    # -- looks ------------------------------------------------------------------------------------

    def look(self) -> None:
        """Look at everything.  Raises Wrong."""
        try:
            for party in ("user", "aide"):
                self._look_as(
                    party, ("SYNC all|info", "SYNC all|since", "SYNC mailboxes|info", "SYNC calendars|getall")
                )
            self._look_as("share", ("SYNC shares|info", "SYNC all|info", "SYNC all|since"))
            self._look_as(
                "admin", ("SYNC all|since", "SYNC all|conflicts|all", "SYNC all|status", "SYNC shares|status")
            )
            self._check()
            if refused := [what for record in self.place.held() for what in unacceptable(record)]:
                raise Wrong(refused[0])
            self._replicate()
        except (MirrorError, gevent.Timeout) as error:
            raise Wrong(f"{type(error).__name__}: {error}") from None
        self._look_at_log()

    def _look_as(self, party: str, lines: Sequence[str]) -> None:
        channel = self.place.connect(party)
        talk = Talk(channel)
        for line in lines:
            talk.send(line.encode() + b"\n")
            reply = talk.reply()
            if reply is None or reply.kind not in (1, 2):
                raise Wrong(f"{party} asks {line!r} and is told {reply}")
            if reply.kind == 1:
                talk.listing(text=False)
        channel.close()

    def _check(self) -> None:
        with self._asking("admin") as remote:
            remote.channel.ask("SYNC all|check", 1)
            problems = list(remote.channel.read_listing())
        if problems:
            raise Wrong(f"check finds {len(problems)} problems: {problems[0]}")

    def _replicate(self) -> None:
        """Have the mirror take what there is, and give what it makes of that, until both are equal."""
        for _ in range(ROUNDS):
            with self._asking("good") as remote:
                try:
                    self._exchange(remote)
                except StaleCursor:
                    continue
                if remote.info().digest == self._good.read(lambda reader: reader.root()).digest:
                    break
        else:
            raise Wrong(f"the mirror is not equal after {ROUNDS} rounds")
        if problems := check_store(self._good).problems:
            raise Wrong(f"check finds at the mirror: {problems[0]}")

    def _exchange(self, remote: ChannelRemote) -> None:
        round_ = Round(MirrorExchange(self._good, self.place.name), True)
        round_.prepare(remote, self.place.epoch)
        # All pages first: contents are asked for on the same connection.
        for _ in round_.pull(lambda cursor: iter(list(remote.since(cursor))), remote, self.place.epoch):
            pass
        while round_.push(remote, self.place.epoch):
            pass

    def _look_at_log(self) -> None:
        if troubles := self.place.troubles():
            raise Wrong("a traceback was logged:\n" + troubles[0])


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


# -- runs -------------------------------------------------------------------------------------------


class Failure(NamedTuple):
    """What went wrong, and the steps that lead there."""

    problem: str
    steps: list[Step]


MakePlace = Callable[[Path], Place]


def replay(make: MakePlace, steps: Sequence[Step]) -> str:
    """Take steps on a fresh node, and look at it; returns what went wrong, or an empty string."""
    with tempfile.TemporaryDirectory(prefix="ctdlmirror-fuzz-") as workplace:
        run = Run(make(Path(workplace)), Path(workplace))
        try:
            for step in steps:
                run.take(step)
            run.look()
        except Wrong as error:
            return run.described(error)
        finally:
            run.close()
    return ""


def live(make: MakePlace, seed: str, inputs: int, known: bool = False) -> Failure | None:
    """Take as many new steps as asked for on a fresh node; before them those that are ``known`` to have stopped one."""
    steps: list[Step] = []
    with tempfile.TemporaryDirectory(prefix="ctdlmirror-fuzz-") as workplace:
        run = Run(make(Path(workplace)), Path(workplace))
        maker = Maker(random.Random(seed), Known((), 0))
        try:
            for step in known_steps(run.place.now_ms()) if known else ():
                steps.append(step)
                run.take(step)
            for number in range(inputs):
                if number % KNOW_EVERY == 0:
                    maker.known = run.known()
                steps.append(maker.step())
                run.take(steps[-1])
            run.look()
        except Wrong as error:
            return Failure(run.described(error), steps)
        finally:
            run.close()
    return None


def minimise(failure: Failure, still: Callable[[list[Step]], str], tries: int = 400) -> Failure:
    """Leave out steps for as long as it goes wrong in the same way (Zeller's ddmin)."""
    problem, steps = failure
    size = max(1, len(steps) // 2)
    while size and tries:
        at = 0
        while at < len(steps) and tries:
            tries -= 1
            fewer = steps[:at] + steps[at + size :]
            found = still(fewer)
            if found and alike(found, problem):
                problem, steps = found, fewer
            else:
                at += size
        size //= 2
    return Failure(problem, steps)


def alike(one: str, other: str) -> bool:
    """Tell whether two problems begin in the same words, and end so: of a traceback that is the exception."""
    return (
        one.split()[:4] == other.split()[:4]
        and one.strip().splitlines()[-1][:30] == other.strip().splitlines()[-1][:30]
    )


def shown(step: Step) -> str:
    """Return a step in a line."""
    follows = f", then {step.payload[:300]!r}" + ("..." if len(step.payload) > 300 else "") if step.payload else ""
    return f"  {step.party}: {step.line[:200]!r}{follows}" + (" (and no more)" if step.broken else "")


def saved(failure: Failure) -> str:
    """Return a failure's steps as JSON, for ``--replay``."""
    return json.dumps([
        [step.party, *(base64.b64encode(data).decode() for data in (step.line, step.payload)), step.broken]
        for step in failure.steps
    ])  # fmt: skip


def loaded(text: str) -> list[Step]:
    """Read steps that were saved."""
    return [
        Step(party, base64.b64decode(line), base64.b64decode(payload), broken)
        for party, line, payload, broken in json.loads(text)
    ]


def fuzz(make: MakePlace, inputs: int, seed: int, a_life: int = STEPS_A_LIFE) -> tuple[int, Failure | None]:
    """Take steps until something is wrong; returns how many were taken, and what is wrong, in few steps."""
    taken, part = 0, 0
    while taken < inputs:
        count = min(a_life, inputs - taken)
        failure = live(make, f"{seed}/{part}", count, known=part == 0)
        if failure is not None:
            return taken + len(failure.steps), minimise(failure, lambda steps: replay(make, steps))
        taken, part = taken + count, part + 1
    return taken, None


def main(arguments: Sequence[str]) -> int:
    """Fuzz as the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(
        "ctdlmirror-fuzz stateful", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=100_000, help="how many steps are taken")
    parser.add_argument("--seed", type=int, default=1, help="what all of them follow from")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the work")
    parser.add_argument(
        "--daemon", action="store_true", help="a daemon of its own process, over TCP and the admin socket"
    )
    parser.add_argument("--keep-going", action="store_true", help="after a failure go on with the next seed")
    parser.add_argument("--replay", type=Path, help="take the steps of a file that a failure was written to")
    options = parser.parse_args(arguments)
    if options.replay is not None:
        problem = replay(Daemon if options.daemon else InProcess, loaded(options.replay.read_text()))
        print(problem or "nothing is wrong")
        return 1 if problem else 0
    if options.jobs > 1:
        return _share_out(options)
    return _run(options.daemon, options.inputs, options.seed, options.keep_going)


def _share_out(options: argparse.Namespace) -> int:
    """Have several processes do it, each with seeds of its own."""
    flags = ["--daemon"] * options.daemon + ["--keep-going"] * options.keep_going
    running = [
        subprocess.Popen([
            sys.executable, __file__, "--inputs", str(-(-options.inputs // options.jobs)),
            "--seed", str(options.seed + job * SEEDS_A_JOB), *flags,
        ])
        for job in range(options.jobs)
    ]  # fmt: skip
    return max([process.wait() for process in running])


def _run(daemon: bool, inputs: int, seed: int, keep_going: bool) -> int:
    began, done, failures, told = time.monotonic(), 0, 0, 0.0
    while done < inputs:
        in_process = OverSockets if seed % SOCKETS_EVERY == 0 else InProcess
        taken, failure = fuzz(Daemon if daemon else in_process, min(INPUTS_A_SEED, inputs - done), seed)
        done += taken
        if failure is not None:
            failures += 1
            report(failure, seed)
            if not keep_going:
                break
        seed += 1
        spent = time.monotonic() - began
        if spent - told >= TELL_EVERY_S or done >= inputs:
            told = spent
            rate = f"{done / spent:.0f} a second"
            print(f"{done} inputs in {spent:.0f} s ({rate}) up to seed {seed - 1}, {failures} failures", flush=True)
    return 1 if failures else 0


def report(failure: Failure, seed: int) -> None:
    """Print a failure, and write its steps to a file."""
    path = Path(f"crash-stateful-{seed}.json")
    path.write_text(saved(failure))
    print(f"seed {seed}: {failure.problem}\nafter {len(failure.steps)} steps, in {path} for --replay:")
    for step in failure.steps:
        print(shown(step))
    sys.stdout.flush()


assert set(PARTIES) >= {"user", "aide", "share", "peer", "admin"}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
