"""The trial of following: is a node that follows a server what one is that is bootstrapped from it afterwards?

A server is filled and followed; it is changed in phases, while the server and who follows it are killed now and again;
after each phase a fresh node is bootstrapped, and the two are compared.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from mirror.cli.local import ask_values
from mirror.cli.processes import NodeProcess
from mirror.config.changing import save_attachment
from mirror.config.files import CONFIG_FILE
from mirror.config.reading import load_config
from mirror.model.kinds import NODES
from mirror.peer.remote import ChannelRemote
from mirror.wire.errors import Refused
from mirror.wire.lines import Code
from mirror.wire.status import AttachmentStatus
from try_live.changing import Done, Sizes, Told, change, deal, fill
from try_live.comparing import Contents, Difference, differences, feed_end, posted_since, read_node, written_since
from try_live.operations import Kind
from try_live.server import LiveServer
from try_live.trial import SOCKET, bootstrap, damage, make_node
from try_live.waiting import look_until
from try_live.world import World

NAME = "alpha"
"""What the attachment is called."""
OFTEN = {"idle_look_s": 1.0, "users_s": 1.0, "sweep_s": 5.0, "marks_s": 1.0, "export_s": 10.0}
"""How often the trial looks, so that it is soon over."""
CAUGHT_UP_S = 300.0
"""Within so many seconds who follows has to have all."""
ATTEMPTS = 3
"""Fresh nodes that one phase's is compared with at most, while the server changes by itself."""
LOOK_S = 0.1
"""Between two questions whether it has."""
AT_REST_S = 15.0
"""For so long an unchanged server is followed, which must write nothing."""


class Phase(NamedTuple):
    """What came of one phase: seconds until all was here, the differences, what ``check`` finds wrong."""

    changes: int
    kills: int
    seconds: float
    between_nodes: list[Difference]
    damage: str
    attempts: int
    """How often a fresh node was bootstrapped until the two were equal."""

    @property
    def undeclared(self) -> list[Difference]:
        return [one for one in self.between_nodes if one.expected is None]


class Followed(NamedTuple):
    """What a trial found out."""

    version: str
    seed: int
    filled: Done
    changed: Done
    phases: list[Phase]
    taken_back: list[Difference]
    """What the node holds otherwise since the server was restored from a copy of its data: on the left, what it was."""
    rewritten: list[tuple[str, str]]
    """Collection and key of what was written while nothing was changed."""

    @property
    def faults(self) -> list[str]:
        """What is not as it should be, a line each; nothing where all is well."""
        lines = []
        for number, phase in enumerate(self.phases, 1):
            if phase.undeclared:
                lines.append(f"{len(phase.undeclared)} differences after phase {number}")
            if phase.damage:
                lines.append(f"'check' after phase {number}: {phase.damage}")
        if self.taken_back:
            lines.append(f"a restored server changed {len(self.taken_back)} things in the node")
        if self.rewritten:
            lines.append(f"following an unchanged server wrote {len(self.rewritten)} records")
        return lines


def look_often(node: NodeProcess, often: Mapping[str, float]) -> None:
    """Have a node look at the server that it follows by these settings, and come back to what was away at once."""
    (one,) = load_config(node.directory).attachments
    save_attachment(node.directory, msgspec.structs.replace(one, **often))
    config = node.directory / CONFIG_FILE
    config.write_text(config.read_text().replace("retry_max_s = 300.0", "retry_max_s = 1.0"))


def read_status(remote: ChannelRemote) -> AttachmentStatus:
    """Return how the one server that a node follows is followed."""
    return ask_values(remote, "SYNC attachments|status", AttachmentStatus)[0]


def approve(remote: ChannelRemote, name: str) -> None:
    """Have a node do what it held back; nothing is done while it dials the server anew: who waits asks again."""
    try:
        remote.channel.ask(f"SYNC attachments|approve|{name}")
    except Refused as error:
        if error.code != Code.BUSY:
            raise


class Follower:
    """A node that follows the server of a directory, and whose daemon may be killed."""

    def __init__(self, node: NodeProcess, home: Path, often: Mapping[str, float] = OFTEN) -> None:
        """``often`` are settings of the attachment.  Raises ProcessFailed."""
        self.node = node
        self._often = often
        node.run("attach", f"citadel://{home}", "--name", NAME)
        look_often(node, often)

    def start(self) -> None:
        self.node.start()

    def stop(self) -> None:
        """End it as an administrator does."""
        self.node.stop()

    def kill(self) -> None:
        """End it as a crash does."""
        if self.node.process is not None:
            self.node.kill()

    def status(self) -> AttachmentStatus:
        """Return how it goes."""
        with self.node.ask() as remote:
            return read_status(remote)

    def wait(self, since: float) -> None:
        """Wait until all is here that was there at a moment (Unix seconds); what is held back is approved."""
        behind = f"who follows did not catch up in {CAUGHT_UP_S:g} s"
        with self.node.ask() as remote:  # at rest nothing is written, so no event tells that all is here
            look_until(
                lambda: self._has_all(remote, since), CAUGHT_UP_S, lambda: f"{behind}: {read_status(remote)}", LOOK_S
            )

    def _has_all(self, remote: ChannelRemote, since: float) -> bool:
        told = read_status(remote)
        if told.held:
            approve(remote, NAME)
        if told.behind or told.held or ("marks_s" in self._often and told.marks <= since):
            return False
        if self._often.get("export_s"):
            return told.exported > since  # all is looked at anew by it
        # Within the longest of these times all was asked for again.
        return told.looked > since + max(self._often.values(), default=0.0)


class Plan(NamedTuple):
    """What a trial is asked to do; ``kills`` are made in each phase."""

    source: Path
    seed: int
    sizes: Sizes
    changes: int
    rounds: int
    kills: int
    exports: bool = False
    """Whether the server is asked for exports again and again, besides the first copy's."""

    def differences(self, left: Contents, right: Contents) -> list[Difference]:
        """Return the differences of two nodes' contents, but those that an export alone would tell of."""
        return [one for one in differences(left, right) if self.exports or not one.untold]


def run_following(plan: Plan, directory: Path, say: Callable[[str], None]) -> Followed:
    """Carry a trial out in an empty directory; ``say`` is told of each stage.  Raises TrialFailed, MirrorError."""
    say("starting a copy of the server")
    with LiveServer(plan.source, directory / "server") as server, (directory / "operations").open("w") as log:
        world = World(server, plan.seed, lambda command: print(f"    {command}", file=log, flush=True))
        often = OFTEN if plan.exports else {**OFTEN, "export_s": 0.0}
        follower = Follower(make_node(directory, "same"), server.home, often)
        try:
            return _carry_out(plan, directory, world, follower, say, lambda line: print(line, file=log, flush=True))
        finally:
            follower.kill()
            world.close()


def _carry_out(
    plan: Plan,
    directory: Path,
    world: World,
    follower: Follower,
    say: Callable[[str], None],
    told: Told,
) -> Followed:
    say("filling it")
    filled = fill(world, plan.sizes, told)
    follower.start()
    follower.wait(0)
    changed = Done(Counter(), Counter())
    dealt = deal(plan.changes, world.chance)
    phases = []
    for number in range(plan.rounds):
        some = dealt[number * len(dealt) // plan.rounds : (number + 1) * len(dealt) // plan.rounds]
        say(f"making {len(some)} changes")
        told(f"-- changes, phase {number + 1}")
        _change(world, follower, some, plan.kills, changed, told)
        if number == 0:
            world.back_up(directory / "backup")
        phases.append(_compare(len(some), plan, directory / f"fresh-{number + 1}", world, follower, say))
    say("restoring the server from a copy that was made in the first phase")
    follower.stop()
    held = read_node(follower.node.directory)
    follower.start()
    moment = time.time()
    world.restore(directory / "backup")
    follower.wait(time.time())
    follower.stop()
    now = read_node(follower.node.directory)
    new = posted_since(follower.node.directory, moment)  # the server's own posts: what it purges as it begins, say
    otherwise = (one for one in plan.differences(held, now) if one.expected is None)
    taken_back = [one for one in otherwise if (one.collection, one.key) not in new]
    say("following the unchanged server")
    follower.start()
    follower.wait(time.time())
    follower.stop()
    end = feed_end(follower.node.directory)
    follower.start()
    time.sleep(AT_REST_S)  # nothing happens, which no event tells
    follower.wait(0)
    follower.stop()
    rewritten = [(name, key) for name, key in written_since(follower.node.directory, end) if name != NODES]
    return Followed(world.server.version(), plan.seed, filled, changed, phases, taken_back, rewritten)


def _change(world: World, follower: Follower, kinds: Sequence[Kind], kills: int, done: Done, told: Told) -> None:
    """Make changes, and between them kill, in turn, who follows and the server."""
    at = sorted(world.chance.sample(range(len(kinds)), min(kills, len(kinds))))
    begin = 0
    for turn, end in enumerate([*at, len(kinds)]):
        change(world, kinds[begin:end], done, told)
        begin = end
        if end == len(kinds):
            break
        told("-- killed: " + ("the server" if turn % 2 else "who follows"))
        if turn % 2:
            world.crash()
        else:
            follower.kill()
            follower.start()


def _compare(
    changes: int,
    plan: Plan,
    directory: Path,
    world: World,
    follower: Follower,
    say: Callable[[str], None],
) -> Phase:
    """Have who follows catch up, and compare its node with a fresh one.

    The server may change meanwhile, by what it does of its own each minute; then both have to look again.
    """
    began = time.time()
    follower.wait(began)
    seconds = time.time() - began
    for attempt in range(ATTEMPTS):
        fresh = make_node(directory.parent, f"{directory.name}-{attempt}")
        bootstrap("into a fresh node", fresh, world, SOCKET, say)
        follower.wait(time.time())
        follower.stop()
        phase = Phase(
            changes,
            plan.kills,
            round(seconds, 2),
            plan.differences(read_node(follower.node.directory), read_node(fresh.directory)),
            damage(follower.node),
            attempt + 1,
        )
        follower.start()
        if not phase.undeclared:
            break
    return phase
