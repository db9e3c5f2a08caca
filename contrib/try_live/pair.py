"""The trial of two servers that are kept equal: each has a node beside it, and what is done on one is on the other.

Both are changed by seed in the ways that are written, while servers and nodes are killed now and again; then both
servers' own exports have to say the same, but for what is declared.  Mail that leaves them is caught and counted.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from mirror.citadel.writers.floors import MISCOUNTED
from mirror.config.files import write_private
from mirror.wire.status import AttachmentStatus
from try_live.catchall import CatchAll, Mail
from try_live.changing import Done, Sizes, Told, change, make_rooms
from try_live.errors import TrialFailed
from try_live.exports import SERVICE, Difference, differences, read_export, read_files
from try_live.following import approve, look_often, read_status
from try_live.measuring import spent
from try_live.operations import KINDS, Kind
from try_live.server import FIRST_PORT, LiveServer
from try_live.session import Session, posts_in
from try_live.trial import damage, make_node
from try_live.waiting import look_until
from try_live.world import AIDE_LEVEL, ANONYMOUS_ONLY, BOARD, PASSWORD, Account, World

NAMES = ("alpha", "beta")
LISTENING = {"alpha": "127.0.0.1:21504", "beta": "127.0.0.1:21505"}
"""Where the nodes listen: the same after each start.  A trial's network is its own, so several may run at once."""
OFTEN = {"idle_look_s": 1.0, "users_s": 1.0, "sweep_s": 5.0}
"""How often the trial looks, so that it is soon over."""
WRITTEN = (
    "post", "mail", "mail from outside", "two mails of one Message-ID", "mail put into a folder by IMAP",
    "message deleted", "oldest message deleted", "message moved", "message copied", "log-in",
    "user made", "user deleted", "user renamed", "user level", "password", "password by the user", "user flags",
    "days until purge", "room made", "room killed", "room renamed", "room flags", "room password", "room order",
    "room view", "room floor", "room aide", "room expiry", "directory room made", "folder made", "folder killed",
    "floor made", "floor renamed", "floor killed", "item made", "item replaced", "item replaced by an older one",
    "item of one's own", "read", "unread again", "read up to here", "own mail read", "file uploaded",
    "file uploaded silently", "file deleted", "file replaced by one of the same size", "file moved",
)  # fmt: skip
"""The kinds of changes that are written into the other server, or that touch nothing there."""
APART = 100_000
EQUAL_S = 180.0
"""Within so many seconds after the last change both servers have to be equal."""
PAUSE_S = 0.37
"""Between two posts of which the time is measured: no divisor of the time between two looks."""
OUTSIDE = "somebody@elsewhere.example.net"
"""To whom one mail is sent on purpose, which has to come once."""


class Plan(NamedTuple):
    """What a trial is asked to do; ``kills`` are made in each round, ``posts`` are those that are timed."""

    source: Path
    seed: int
    sizes: Sizes
    changes: int
    rounds: int
    kills: int
    posts: int


class Round(NamedTuple):
    """What came of one round: seconds until both servers were equal, and in what they were not."""

    changes: int
    kills: int
    seconds: float
    found: list[Difference]
    damage: str

    @property
    def undeclared(self) -> list[Difference]:
        return [one for one in self.found if not one.declared]


class Paired(NamedTuple):
    """What a trial found out.  ``mails`` are those that left a server, but for the one that was to."""

    version: str
    seed: int
    changed: Done
    rounds: list[Round]
    mails: list[str]
    sent: int
    """How often the mail that was to leave did."""
    miscounting: int
    """How often a server was restarted, since it counted rooms on a killed floor that were not there."""
    left: list[str]
    """What the nodes said that they did not write, and why."""
    lags: list[float]
    """Seconds from a post on one server to when it can be read on the other."""
    cpu: dict[str, float]
    """CPU seconds of each server while it was changed and written into."""
    seconds: float
    """For so long that was."""

    @property
    def faults(self) -> list[str]:
        """What is not as it should be, a line each; nothing where all is well."""
        lines = []
        for number, one in enumerate(self.rounds, 1):
            if one.undeclared:
                lines.append(f"{len(one.undeclared)} differences after round {number}")
            if one.damage:
                lines.append(f"'check' after round {number}: {one.damage}")
        if self.mails:
            lines.append(f"{len(self.mails)} mails left the servers")
        if self.sent != 1:
            lines.append(f"a mail to somebody outside left {self.sent} times")
        return lines


class Side:
    """One of the two servers, with the node beside it; both may be killed."""

    def __init__(self, directory: Path, source: Path, name: str, port: int, log: Told) -> None:
        self.name = name
        self.server = LiveServer(source, directory / f"server-{name}", name, port, fresh=True)
        self.node = make_node(directory, name, LISTENING[name])
        self.cpu = 0.0
        self._log = log
        self._counted = 0.0

    def begin(self, seed: int, mail_port: int) -> None:
        """Once the server runs: have its mail be caught, and make who writes into it."""
        begin = 0 if self.name == NAMES[0] else APART  # so that no two things are called the same by chance
        self.world = World(self.server, seed, lambda command: self._log(f"    {self.name}: {command}"), begin)
        self.world.admin.tell("CONF PUTSYS|application/x-citadel-internet-config", [f"127.0.0.1:{mail_port}|smarthost"])
        self.world.make_account(Account(SERVICE, PASSWORD, 0, AIDE_LEVEL, number=0, lastcall=0, purge=0))
        with Session(self.server.user_socket) as session:
            session.log_in(SERVICE, PASSWORD)  # by which this user gets the rooms that each user has

    def attach(self, *more: str) -> None:
        """Have the node follow the server, and write into it."""
        place = f"citadel://{self.server.home}"
        self.node.run("attach", place, "--name", self.name, "--direction", "both", "--service", SERVICE, *more)
        look_often(self.node, OFTEN)

    def status(self) -> AttachmentStatus:
        with self.node.ask() as remote:
            return read_status(remote)

    def approve(self) -> None:
        with self.node.ask() as remote:
            approve(remote, self.name)

    def kill_server(self) -> None:
        self.count_cpu()
        self.world.crash()
        self._counted = 0.0

    def kill_node(self) -> None:
        self.node.kill()
        self.node.start()

    def restart(self) -> None:
        """Restart the server: it does no housekeeping after an export."""
        self.count_cpu()
        self.world.settle()
        self._counted = 0.0

    def restart_if_it_miscounts(self) -> bool:
        """Restart the server where its node says that it counts rooms on a killed floor; tells whether it was."""
        wrong = any(MISCOUNTED in line for line in self.status().left_there)
        if wrong:
            self.restart()
        return wrong

    def count_cpu(self) -> None:
        """Add what the server spent since this was counted last, or since it was started."""
        now = spent(self.server.pid)
        self.cpu += now - self._counted
        self._counted = now


@contextmanager
def two_servers(source: Path, directory: Path, seed: int) -> Iterator[tuple[list[Side], CatchAll, Told]]:
    """Give two copies of a server that run, what catches their mail, and what logs what is done on them.

    Their nodes are stopped in the end.
    """
    with ExitStack() as stack:
        log = stack.enter_context((directory / "operations").open("w"))
        told = lambda line: print(line, file=log, flush=True)  # noqa: E731
        mails = stack.enter_context(CatchAll())
        sides = [Side(directory, source, name, FIRST_PORT + 100 * at, told) for at, name in enumerate(NAMES)]
        for side in sides:
            stack.callback(side.node.stop)
            stack.enter_context(side.server)
            side.begin(seed, mails.port)
            stack.callback(side.world.close)
        yield sides, mails, told


def run_pair(plan: Plan, directory: Path, say: Callable[[str], None]) -> Paired:
    """Carry a trial out in an empty directory; ``say`` is told of each stage.  Raises TrialFailed, MirrorError."""
    say("starting two copies of the server")
    with two_servers(plan.source, directory, plan.seed) as (sides, mails, told):
        return _carry_out(plan, directory, sides, mails, say, told)


def _carry_out(
    plan: Plan, directory: Path, sides: Sequence[Side], mails: CatchAll, say: Callable[[str], None], told: Told
) -> Paired:
    one, other = sides
    version = one.server.version()
    say("filling them")
    changed = Done(Counter(), Counter())
    for side in sides:
        _fill(side, plan, changed, told)
    say("pairing them")
    join(directory, one, other)
    wait_until_equal(sides)
    for side in sides:
        side.restart()
    say("sending one mail")
    send_outside(one.world, SERVICE, "leaves")
    miscounting = 0
    rounds, left = [], [line for side in sides for line in side.status().left_there]
    began = time.monotonic()
    chance = random.Random(plan.seed)
    for side in sides:
        side.cpu = 0.0
        side.count_cpu()
        side.cpu = 0.0
    for number in range(plan.rounds):
        some = plan.changes // plan.rounds
        say(f"making {some} changes")
        told(f"-- changes, round {number + 1}")
        _change(sides, _deal(some, chance), plan.kills, chance, changed, told)
        say("waiting until both are equal")
        waited = time.monotonic()
        wait_until_equal(sides)
        if restarted := sum([side.restart_if_it_miscounts() for side in sides]):
            miscounting += restarted
            wait_until_equal(sides)
        waited = time.monotonic() - waited
        left += [line for side in sides for line in side.status().left_there]
        rounds.append(Round(some, plan.kills, round(waited, 2), compare(sides), ""))
    seconds = time.monotonic() - began
    say(f"timing {plan.posts} posts")
    lags = list(_lags(one.world, other.world, plan.posts))
    wait_until_equal(sides)
    left += [line for side in sides for line in side.status().left_there]
    for side in sides:
        side.count_cpu()
        side.node.stop()
    rounds[-1] = rounds[-1]._replace(damage="; ".join(filter(None, (damage(side.node) for side in sides))))
    cpu = {side.name: round(side.cpu, 2) for side in sides}
    meant = [mail for mail in mails.mails if mail.to == (OUTSIDE,)]
    mailed = [_shown(mail) for mail in mails.mails if mail.to != (OUTSIDE,)]
    return Paired(
        version, plan.seed, changed, rounds, mailed, len(meant), miscounting, left, lags, cpu, round(seconds, 1)
    )


def _shown(mail: Mail) -> str:
    return f"{', '.join(mail.to)}: {mail.subject}"


def _fill(side: Side, plan: Plan, done: Done, told: Told) -> None:
    """Make users, floors, rooms and messages on a server: all on the first, and some on the second."""
    first = side.name == NAMES[0]
    if first:
        for name in ["user made"] * plan.sizes.users + ["floor made"] * 2:
            KINDS[name].run(side.world)
            done.done[name] += 1
        make_rooms(side.world, plan.sizes.rooms, done)
    side.world.chance.seed(f"{plan.seed} {side.name}")
    if first:
        kinds = [KINDS[name] for name in ("post", "mail", "mail from outside", "message copied")]
        change(side.world, side.world.chance.choices(kinds, k=plan.sizes.messages), done, told, kinds)


def join(directory: Path, one: Side, other: Side) -> None:
    """Have each server be followed by its node, the nodes be peers, and the second server be paired."""
    one.attach()
    one.node.start()
    _until(one, lambda status: status.phase == "following")
    secret = directory / "secret"
    write_private(secret, "correct horse battery staple\n")
    one.node.knows(other.node, secret, dial=False)
    one.node.run("reload")
    one.node.wait_log("reloaded: 1 peers")
    other.node.knows(one.node, secret)
    other.node.run("bootstrap", f"mirror://{one.node.address}", "--online")
    other.attach("--pair-users", "*", "--pair-rooms", "*")
    other.node.start()
    _until(other, lambda status: status.pairing is not None)
    other.approve()
    _until(other, lambda status: status.phase == "following")


def _until(side: Side, come: Callable[[AttachmentStatus], bool]) -> None:
    behind = f"who follows {side.name} did not come so far in {EQUAL_S:g} s"
    look_until(lambda: come(side.status()), EQUAL_S, lambda: f"{behind}: {side.status()}")


def wait_until_equal(sides: Sequence[Side], *, marks: bool = True) -> None:
    """Wait until all that was done on either server is in both nodes and was written; what is held is approved.

    Without ``marks`` it is not waited until all users were asked what they have read, which takes many times as long.

    That is so where both nodes hold the same, and still do after each has looked at its server twice more: what it
    wrote after the first of these looks would have come with the second.
    """
    deadline = time.monotonic() + EQUAL_S
    while True:
        digests = {side.node.digest() for side in sides}
        for _ in range(2):
            since = time.time()
            for side in sides:
                _until(side, lambda status, moment=since, side=side: _is_done(side, status, moment, marks))  # type: ignore[misc]
        if len(digests) == 1 and digests == {side.node.digest() for side in sides}:
            return
        if time.monotonic() > deadline:
            raise TrialFailed(f"the nodes do not come to rest: {[side.status() for side in sides]}")


def _is_done(side: Side, status: AttachmentStatus, since: float, marks: bool) -> bool:
    if status.held or status.held_there:
        side.approve()
        return False
    is_marked = not marks or status.marks > since
    return status.looked > since and is_marked and not (status.behind or status.behind_there)


def send_outside(world: World, administrator: str, subject: str) -> None:
    """Send a mail that leaves the server, as an administrator: users may need a right for it."""
    with Session(world.server.user_socket, world.told) as session:
        session.log_in(administrator, PASSWORD)
        session.ask("GOTO _MAIL_")
        session.ask(f"ENT0 1|{OUTSIDE}|0|4|{subject}", ["Content-type: text/plain", "", "This one is to be sent."])


def _deal(count: int, chance: random.Random) -> list[Kind]:
    kinds = [KINDS[name] for name in WRITTEN]
    return chance.choices(kinds, [kind.weight for kind in kinds], k=count)


def _change(
    sides: Sequence[Side], kinds: Sequence[Kind], kills: int, chance: random.Random, done: Done, told: Told
) -> None:
    """Make changes, each on either server, and between them kill, in turn, servers and nodes."""
    at = set(chance.sample(range(len(kinds)), min(kills, len(kinds))))
    victims: list[tuple[str, Callable[[], None]]] = []
    for number, kind in enumerate(kinds):
        side = chance.choice(sides)
        told(f"-- {side.name}")
        change(side.world, [kind], done, told, [KINDS[name] for name in WRITTEN])
        if number in at:
            victims = victims or [
                (f"{what} {one.name}", kill)
                for what in ("server", "node")
                for one, kill in ((one, one.kill_server if what == "server" else one.kill_node) for one in sides)
            ]
            name, kill = victims.pop(chance.randrange(len(victims)))
            told(f"-- killed: {name}")
            kill()


def compare(sides: Sequence[Side]) -> list[Difference]:
    """Compare both servers' own exports; then restart them, for they do no housekeeping after one."""
    told = []
    for side in sides:
        with Session(side.server.admin_socket) as session:
            contents = read_export(session)
        told.append({**contents, "files": read_files(contents["rooms"], side.server.home / "files")})
    for side in sides:
        side.restart()
    return differences(*told)


def _lags(here: World, there: World, posts: int) -> Iterator[float]:
    """Post on one server, and yield how long it took until that could be read on the other.

    That is done in a room whose posts bear names: no others are written.
    """
    room = next(one for one in here.rooms() if one.public and one.view == BOARD and not one.flags & ANONYMOUS_ONLY)
    with here.in_room(here.writers()[0], room.name) as session:
        for number in range(posts):
            subject = f"timed {number}"
            session.ask(f"ENT0 1||0|4|{subject}", ["Content-type: text/plain", "", "Measured."])
            posted = time.monotonic()
            _wait_for(there, room.name, subject)
            yield time.monotonic() - posted
            time.sleep(PAUSE_S)  # so that posts fall upon all moments between two looks


def _wait_for(world: World, room: str, subject: str) -> None:
    otherwise = f"{subject!r} did not come to the second server in {EQUAL_S:g} s"
    look_until(lambda: _is_there(world, room, subject), EQUAL_S, lambda: otherwise)


def _is_there(world: World, room: str, subject: str) -> bool:
    return any(post.subject == subject for post in posts_in(world.witness, room)[-1:])
