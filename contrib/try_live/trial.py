"""The trial of the bootstrap: is a node that was bootstrapped twice what one is that was bootstrapped afterwards?

A server is filled and bootstrapped, changed, bootstrapped into the same node again and into a fresh one; then the two
are compared, and a third bootstrap of the unchanged server must write nothing.
"""

import json
import os
import resource
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mirror.cli.processes import NodeProcess, ProcessFailed
from mirror.model.applied import Applied
from try_live.changing import Done, Sizes, Told, change, deal, fill
from try_live.comparing import (
    Contents,
    Difference,
    compare_with_server,
    differences,
    feed_end,
    read_node,
    written_since,
)
from try_live.errors import TrialFailed
from try_live.server import LiveServer
from try_live.world import ADMINISTRATOR, PASSWORD, World

SAME, FRESH = "same", "fresh"
"""The nodes: one that is bootstrapped again and again, one that is bootstrapped once, afterwards."""
TCP, SOCKET = "tcp", "socket"
ACCEPT = "--accept-deletions"
DOORS = (TCP, SOCKET)
"""How a bootstrap comes in: logged in by TCP, or by the admin socket without a log-in."""


class Bootstrap(NamedTuple):
    """One bootstrap: what it was for, its seconds, its records by what became of them, its lines, its exit code."""

    title: str
    seconds: float
    cpu_seconds: float
    """Of the command's own process, without the server's."""
    written: int
    already_held: int
    conflicts: int
    refused: list[str]
    notices: int
    exit_code: int
    held_back: str = ""
    """Which deletions it held back at first; they were accepted then."""


class Findings(NamedTuple):
    """What a trial found out."""

    version: str
    seed: int
    filled: Done
    changed: Done
    bootstraps: list[Bootstrap]
    rewritten: list[tuple[str, str]]
    """Collection and key of what the bootstrap of the unchanged server wrote."""
    records: int
    between_nodes: list[Difference]
    with_server: dict[str, list[Difference]]
    damage: dict[str, str]

    @property
    def undeclared(self) -> list[Difference]:
        return [one for one in self.between_nodes if one.expected is None]

    @property
    def faults(self) -> list[str]:
        """What is not as it should be, a line each; nothing where all is well."""
        failed = [one for one in self.bootstraps if one.exit_code]
        lines = [f"the bootstrap '{one.title}' ended with exit code {one.exit_code}" for one in failed]
        if self.undeclared:
            lines.append(f"{len(self.undeclared)} differences between the two nodes")
        lines += [f"{len(found)} differences between the server and {name}" for name, found in self.with_server.items()]
        if self.rewritten:
            lines.append(f"a bootstrap of an unchanged server wrote {len(self.rewritten)} records")
        return [*lines, *(f"'check' of {name}: {text}" for name, text in self.damage.items())]


class Plan(NamedTuple):
    """What a trial is asked to do."""

    source: Path
    seed: int
    sizes: Sizes
    changes: int
    rounds: int
    door: str


def run_trial(plan: Plan, directory: Path, say: Callable[[str], None]) -> Findings:
    """Carry a trial out in an empty directory; ``say`` is told of each stage.  Raises TrialFailed, MirrorError."""
    say("starting a copy of the server")
    with LiveServer(plan.source, directory / "server") as server, (directory / "operations").open("w") as log:
        world = World(server, plan.seed, lambda command: print(f"    {command}", file=log, flush=True))
        try:
            return _carry_out(plan, directory, world, say, lambda line: print(line, file=log, flush=True))
        finally:
            world.close()


def _carry_out(plan: Plan, directory: Path, world: World, say: Callable[[str], None], told: Told) -> Findings:
    nodes = {name: make_node(directory, name) for name in (SAME, FRESH)}
    same, fresh = nodes.values()
    say("filling it")
    filled = fill(world, plan.sizes, told)
    runs = [bootstrap("first", same, world, plan.door, say)]
    changed = Done(Counter(), Counter())
    dealt = deal(plan.changes, world.chance)
    for number in range(plan.rounds):
        some = dealt[number * len(dealt) // plan.rounds : (number + 1) * len(dealt) // plan.rounds]
        say(f"making {len(some)} changes")
        told(f"-- changes, round {number + 1}")
        change(world, some, changed, told)
        world.settle()
        runs.append(bootstrap("after the changes", same, world, plan.door, say))
    runs.append(bootstrap("into a fresh node", fresh, world, plan.door, say))
    held = {name: read_node(node.directory) for name, node in nodes.items()}
    end = feed_end(same.directory)
    runs.append(bootstrap("of the unchanged server", same, world, plan.door, say))
    rewritten = written_since(same.directory, end)
    say("comparing")
    return Findings(
        version=world.server.version(),
        seed=plan.seed,
        filled=filled,
        changed=changed,
        bootstraps=runs,
        rewritten=rewritten,
        records=sum(map(len, held[FRESH].values())),
        between_nodes=differences(held[SAME], held[FRESH]),
        with_server=_against_server(world, held, as_written=plan.door == SOCKET),
        damage={name: said for name, node in nodes.items() if (said := damage(node))},
    )


def _against_server(world: World, held: dict[str, Contents], as_written: bool) -> dict[str, list[Difference]]:
    """Return, by node, where it holds something else than the server lists; nodes that don't are left out."""
    server = world.witness.ask("CONF GETVAL|c_nodename").fields[0].lower()
    found = {name: compare_with_server(world, contents, server, as_written) for name, contents in held.items()}
    return {name: some for name, some in found.items() if some}


def make_node(directory: Path, name: str, listen: str = "127.0.0.1:0") -> NodeProcess:
    node = NodeProcess(directory / name, name, environment=environment())
    node.set_up(listen)
    return node


def environment() -> dict[str, str]:
    """Return the environment that a node's commands run in."""
    return os.environ | {"CITADEL_PASSWORD": PASSWORD, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}


def _url(world: World, door: str) -> str:
    if door == SOCKET:
        return f"citadel://{world.server.home}"
    return f"citadel://{ADMINISTRATOR.replace(' ', '%20')}@127.0.0.1:{world.server.port}"


def bootstrap(title: str, node: NodeProcess, world: World, door: str, say: Callable[[str], None]) -> Bootstrap:
    """Bootstrap a node from the server; deletions that are held back are accepted.  Raises TrialFailed."""
    say(f"bootstrap: {title}")
    first = _run_bootstrap(title, node, _url(world, door))
    if not first.held_back:
        return first
    say(f"bootstrap: {title}: accepting what was held back")
    again = _run_bootstrap(title, node, _url(world, door), ACCEPT)
    return again._replace(
        seconds=round(first.seconds + again.seconds, 2),
        cpu_seconds=round(first.cpu_seconds + again.cpu_seconds, 2),
        written=first.written + again.written,
        conflicts=first.conflicts + again.conflicts,
        held_back=first.held_back,
    )


def _run_bootstrap(title: str, node: NodeProcess, *arguments: str) -> Bootstrap:
    """Run the command once.  Raises TrialFailed where nothing of it can be read."""
    began, spent = time.monotonic(), _spent()
    result = node.run("bootstrap", *arguments, "--json", check=False)
    seconds, cpu = time.monotonic() - began, _spent() - spent
    try:
        told = json.loads(result.stdout)
    except json.JSONDecodeError:
        said = "".join(result.stderr.strip().splitlines()[-1:])
        raise TrialFailed(f"the bootstrap '{title}' ended with exit code {result.returncode}: {said}") from None
    return _read_report(title, (seconds, cpu), told, result.returncode)


def _spent() -> float:
    """Return the CPU seconds of all our commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _read_report(title: str, times: tuple[float, float], told: dict[str, Any], exit_code: int) -> Bootstrap:
    parts = [told["import"], told["fetched"]]
    applied = [Applied(*part["applied"]) for part in parts]
    return Bootstrap(
        title,
        round(times[0], 2),
        round(times[1], 2),
        sum(one.written for one in applied),
        sum(one.already_held for one in applied),
        sum(one.conflicts for one in applied),
        [line for part in parts for line in part["refused"]],
        sum(len(part["notices"]) for part in parts),
        exit_code,
        told.get("held_back") or "",
    )


def damage(node: NodeProcess) -> str:
    """Return the last line of ``ctdlmirror check`` where it finds something wrong, else nothing."""
    try:
        node.run("check")
    except ProcessFailed as error:
        return str(error).strip().splitlines()[-1]
    return ""
