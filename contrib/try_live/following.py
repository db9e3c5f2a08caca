"""The trial of following: is a node that follows a server what one is that is bootstrapped from it afterwards?

A server is filled and followed; it is changed in phases, while the server and who follows it are killed now and again;
after each phase a fresh node is bootstrapped, and the two are compared.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mirror.cli.processes import NodeProcess
from try_live.changing import Done, Sizes, Told, change, deal, fill
from try_live.comparing import Difference, differences, feed_end, read_node, written_since
from try_live.errors import TrialFailed
from try_live.operations import Kind
from try_live.server import LiveServer
from try_live.trial import SOCKET, bootstrap, damage, make_node
from try_live.world import World

PROGRAM = Path(__file__).with_name("follower.py")
OFTEN = {"idle_look_s": 1.0, "users_s": 1.0, "sweep_s": 5.0, "export_s": 10.0}
"""How often the trial looks, so that it is soon over."""
CAUGHT_UP_S = 120.0
"""Within so many seconds who follows has to have all."""
ATTEMPTS = 3
"""Fresh nodes that one phase's is compared with at most, while the server changes by itself."""
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
    lost: Counter[str]
    """How often whoever followed lost the server, by what was said."""
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
        if self.rewritten:
            lines.append(f"following an unchanged server wrote {len(self.rewritten)} records")
        return lines


class Follower:
    """Who follows, as a process of its own."""

    def __init__(self, directory: Path, home: Path) -> None:
        self.lost: Counter[str] = Counter()
        self._command = [sys.executable, str(PROGRAM), str(directory), str(home), json.dumps(OFTEN)]
        self._state: dict[str, Any] = {}
        self._told = threading.Condition()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True, env=environment)
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._state = {}

    def wait(self, since: float) -> None:
        """Wait until all is here that was there at a moment (Unix seconds); what is held back is approved."""
        deadline = time.monotonic() + CAUGHT_UP_S
        with self._told:
            while not self._has_all(since):
                left = deadline - time.monotonic()
                if left < 0 or self._process is None or self._process.poll() is not None:
                    raise TrialFailed(f"who follows did not catch up in {CAUGHT_UP_S:g} s: {self._state}")
                self._told.wait(min(left, 1))

    def _has_all(self, since: float) -> bool:
        state = self._state
        if state.get("exported", 0) <= since or state["behind"]:
            return False
        if state["held"] and self._process is not None:
            self._process.send_signal(signal.SIGUSR1)
        return not state["held"]

    def _read(self, process: "subprocess.Popen[str]") -> None:
        for line in process.stdout or ():
            told = json.loads(line)
            with self._told:
                if "lost" in told:
                    self.lost[told["lost"].partition(":")[0]] += 1
                elif process is self._process:
                    self._state = told
                self._told.notify_all()


class Plan(NamedTuple):
    """What a trial is asked to do; ``kills`` are made in each phase."""

    source: Path
    seed: int
    sizes: Sizes
    changes: int
    rounds: int
    kills: int


def run_following(plan: Plan, directory: Path, say: Callable[[str], None]) -> Followed:
    """Carry a trial out in an empty directory; ``say`` is told of each stage.  Raises TrialFailed, MirrorError."""
    say("starting a copy of the server")
    with LiveServer(plan.source, directory / "server") as server, (directory / "operations").open("w") as log:
        world = World(server, plan.seed, lambda command: print(f"    {command}", file=log, flush=True))
        node = make_node(directory, "same")
        follower = Follower(node.directory, server.home)
        try:
            return _carry_out(
                plan, directory, world, node, follower, say, lambda line: print(line, file=log, flush=True)
            )
        finally:
            follower.kill()
            world.close()


def _carry_out(
    plan: Plan,
    directory: Path,
    world: World,
    node: NodeProcess,
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
        phases.append(_compare(len(some), plan.kills, directory / f"fresh-{number + 1}", world, node, follower, say))
    say("following the unchanged server")
    world.settle()
    follower.wait(time.time())
    follower.kill()
    end = feed_end(node.directory)
    follower.start()
    time.sleep(AT_REST_S)  # nothing happens, which no event tells
    follower.wait(0)
    follower.kill()
    rewritten = written_since(node.directory, end)
    return Followed(world.server.version(), plan.seed, filled, changed, phases, follower.lost, rewritten)


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
    kills: int,
    directory: Path,
    world: World,
    node: NodeProcess,
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
        follower.kill()
        phase = Phase(
            changes,
            kills,
            round(seconds, 2),
            differences(read_node(node.directory), read_node(fresh.directory)),
            damage(node),
            attempt + 1,
        )
        follower.start()
        if not phase.undeclared:
            break
    return phase
