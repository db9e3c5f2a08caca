"""The trial of the way back: a server is filled, mirrored and destroyed, and one is made anew from its mirror.

What both servers export of themselves must be the same but for what is declared; so must their files and system
messages.  Looked at again, the new server must bring nothing into the mirror that was not there.
"""

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mirror.cli.processes import NodeProcess
from try_live.changing import Sizes, fill
from try_live.comparing import feed_end, written_since
from try_live.errors import TrialFailed
from try_live.server import FIRST_PORT, LiveServer
from try_live.session import Session
from try_live.trial import make_node
from try_live.whole_exports import Difference, differences, read_file, save_export, undeclared
from try_live.world import World

NOTES = "filedir"
"""Where a server keeps types and comments of a room's files, in the order in which they came."""


class Plan(NamedTuple):
    """What a trial is asked to do."""

    source: Path
    seed: int
    sizes: Sizes


class Rebuilt(NamedTuple):
    """What a trial found out; ``seconds`` by what took them."""

    version: str
    seed: int
    filled: Counter[str]
    elements: dict[str, int]
    """Of what there was how many, by elements of an export."""
    seconds: dict[str, float]
    exit_code: int
    verified: dict[str, Any]
    found: list[Difference]
    files: list[str]
    """Files and system messages that are not the same on both."""
    written_again: list[tuple[str, int]]
    """What a look at the new server brought into the mirror, by kinds of collections."""

    @property
    def undeclared(self) -> list[Difference]:
        return undeclared(self.found)

    @property
    def faults(self) -> list[str]:
        """What is not as it should be, a line each; nothing where all is well."""
        lines = [f"the rebuild ended with exit code {self.exit_code}"] * bool(self.exit_code)
        if self.undeclared:
            lines.append(f"{len(self.undeclared)} differences between the two servers' exports")
        if self.files:
            lines.append(f"{len(self.files)} files or system messages differ")
        if not self.elements.get("message"):
            lines.append("there was nothing to be compared")
        return lines


def run_rebuild(plan: Plan, directory: Path, say: Callable[[str], None]) -> Rebuilt:
    """Carry a trial out in an empty directory; ``say`` is told of each stage.  Raises TrialFailed, MirrorError."""
    seconds: dict[str, float] = {}
    lost, before, after = directory / "lost", directory / "before.xml", directory / "after.xml"
    node = make_node(directory, "mirror")
    say("starting a copy of the server, and filling it")
    with LiveServer(plan.source, lost) as server, (directory / "operations").open("w") as log:
        world = World(server, plan.seed, lambda command: print(f"    {command}", file=log, flush=True))
        try:
            filled = fill(world, plan.sizes, lambda line: print(line, file=log, flush=True)).done
            world.settle()
        finally:
            world.close()
        say("mirroring it")
        with timed(seconds, "mirrored"):
            node.run("bootstrap", f"citadel://{server.home}")
        with Session(server.admin_socket) as session:
            save_export(session, before)
        version = server.version()
    files = _files(lost)
    say("destroying it, and starting an empty one")
    shutil.rmtree(lost)
    with LiveServer(plan.source, directory / "new", port=FIRST_PORT + 100, fresh=True) as server:
        say("rebuilding it")
        with timed(seconds, "rebuilt and compared"):
            result = node.run("rebuild", f"citadel://{server.home}", "--json", check=False)
        told = _told(result.stdout, result.stderr)
        server.restart()
        say("comparing both servers' exports")
        with Session(server.admin_socket) as session:
            save_export(session, after)
        written = _look_again(node, server)
        others = _files(server.home)
    one, other = read_file(before), read_file(after)
    return Rebuilt(
        version=version,
        seed=plan.seed,
        filled=filled,
        elements={element: len(things) for element, things in one.items()},
        seconds=seconds,
        exit_code=result.returncode,
        verified=told["verified"]["declared"],
        found=differences(one, other),
        files=sorted(name for name in files.keys() | others.keys() if files.get(name) != others.get(name)),
        written_again=written,
    )


@contextmanager
def timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    """Note how long something took."""
    began = time.monotonic()
    yield
    seconds[what] = round(time.monotonic() - began, 2)


def _told(output: str, errors: str) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(output)
    except json.JSONDecodeError:
        raise TrialFailed(f"the rebuild failed: {''.join(errors.strip().splitlines()[-1:])}") from None
    return told


def _look_again(node: NodeProcess, server: LiveServer) -> list[tuple[str, int]]:
    """Bootstrap from the new server, and return how many records of which kinds that wrote."""
    end = feed_end(node.directory)
    node.run("bootstrap", f"citadel://{server.home}")
    written = written_since(node.directory, end)
    return sorted(Counter(collection.partition("/")[0] for collection, _ in written).items())


def _files(home: Path) -> dict[str, tuple[int, bytes]]:
    """Return a server's room files, each with its time, and its system messages."""
    found: dict[str, tuple[int, bytes]] = {}
    for file in sorted((home / "files").rglob("*")) if (home / "files").exists() else ():
        if file.is_file() and file.name != NOTES:
            found[str(file.relative_to(home))] = (int(file.stat().st_mtime), file.read_bytes())
    messages = [file for file in (home / "messages").iterdir() if not file.name.startswith(".")]
    return found | {f"messages/{file.name}": (0, file.read_bytes()) for file in messages}
