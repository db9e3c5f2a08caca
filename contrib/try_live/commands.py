"""The commands: one a trial.  Parse, run, have shown what came of it."""

import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from mirror.citadel.meaning.declared import EXPECTED, UNTOLD
from mirror.model.errors import MirrorError
from try_live.changing import Sizes
from try_live.comparing import LEFT_OUT
from try_live.disasters import Sizes as DisasterSizes
from try_live.disasters import run_disasters
from try_live.errors import Refused, TrialFailed
from try_live.exports import DECLARED
from try_live.failover import run_failover
from try_live.following import Plan as FollowPlan
from try_live.following import run_following
from try_live.isolation import isolate
from try_live.measuring import Sizes as MeasuredSizes
from try_live.measuring import run_measuring
from try_live.operations import KINDS
from try_live.pair import Plan as PairPlan
from try_live.pair import run_pair
from try_live.rebuilding import Plan as RebuildPlan
from try_live.rebuilding import run_rebuild
from try_live.scenarios.running import Result, chosen, run_scenarios
from try_live.scenarios.table import SCENARIOS, Scenario
from try_live.server import require_server
from try_live.showing import (
    show_disasters,
    show_failover,
    show_figures,
    show_findings,
    show_followed,
    show_paired,
    show_rebuilt,
    show_result,
    show_results,
)
from try_live.trial import DOORS, TCP, Plan, run_trial

FAILED = 3
"""The exit code of a trial that could not be carried out."""
FILLED = Sizes(8, 20, 200)
"""What is made where nobody says how much."""
Decorate = Callable[[Callable[..., None]], Callable[..., None]]

_serverdir = click.argument("serverdir", type=click.Path(path_type=Path, file_okay=False, exists=True))
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def _keep(what: str) -> Decorate:
    return click.option("--keep", type=click.Path(path_type=Path), help=f"Leave {what} here.")


def _filled(sizes: Sizes = FILLED, decides: str = "filled in and changed", written: str = "written") -> Decorate:
    """Add what decides with how much a server is filled by seed, and with what."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for name, default, text in (
            ("--messages", sizes.messages, f"Messages that are {written}."),
            ("--rooms", sizes.rooms, "Rooms that are made."),
            ("--users", sizes.users, "Users that are made."),
            ("--seed", 1, f"Decides what is {decides}."),
        ):
            command = click.option(name, default=default, show_default=True, help=text)(command)
        return command

    return add


def _tell_stage(line: str) -> None:
    click.echo(f"{line} ...", err=True)


@click.group()
def cli() -> None:
    """Try a mirror against a real Citadel server that you provide: see docs/citadel.md.

    \b
    Exit codes: 0 all is as it should be, 1 something is not, 2 wrong usage,
    3 the trial could not be carried out.
    """


@cli.command()
@_serverdir
@_filled()
@click.option("--changes", default=300, show_default=True, help="Changes between the bootstraps.")
@click.option(
    "--rounds",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Parts of the changes, each bootstrapped.",
)
@click.option("--door", type=click.Choice(DOORS), default=TCP, show_default=True, help="How a bootstrap comes in.")
@_keep("server, nodes and the list of operations")
@_as_json
def bootstrap(serverdir: Path, keep: Path | None, as_json: bool, **options: Any) -> None:
    """Is a second bootstrap as right as the first?

    SERVERDIR holds a built Citadel (version 980 was tried): the program citserver, its messages/ and, where it was run
    before, data/, files/ and keys/.  It is only read: a copy is started on a network of its own that has nothing but
    loopback (this needs root, or user namespaces), filled by seed, and bootstrapped into a node.  Then it is changed
    by seed, in every way that a mirror has to notice, and bootstrapped again into the same node and into a fresh one.
    The two must hold the same, but for what docs/citadel.md lists, and as many rooms, users, messages and files as the
    server itself lists; and a third bootstrap must write nothing.
    """
    with _trial(serverdir, keep) as directory:
        sizes = Sizes(options["users"], options["rooms"], options["messages"])
        plan = Plan(serverdir.resolve(), options["seed"], sizes, options["changes"], options["rounds"], options["door"])
        findings = run_trial(plan, directory, _tell_stage)
    show_findings(findings, as_json)
    sys.exit(1 if findings.faults else 0)


@cli.command()
@_serverdir
@_filled()
@click.option("--changes", default=1000, show_default=True, help="Changes in all.")
@click.option("--rounds", default=4, show_default=True, type=click.IntRange(1), help="Phases, compared after each.")
@click.option("--kills", default=4, show_default=True, help="In each phase: the server or who follows is killed.")
@click.option("--exports", is_flag=True, help="Ask for exports again and again, and not just for the first copy.")
@_keep("server, nodes and the list of operations")
@_as_json
def follow(serverdir: Path, keep: Path | None, as_json: bool, **options: Any) -> None:
    """Is a node that follows a server what a bootstrap would make of it?

    SERVERDIR as for 'bootstrap'.  A copy is filled by seed and followed by its administrator's socket, while it is
    changed in every way that a mirror has to notice, and it and who follows it are killed now and again.  After each
    phase a fresh node is bootstrapped: the two must hold the same, but for what docs/citadel.md lists.  In the end the
    server is restored from a copy of the first phase, which must change nothing in the node; and the unchanged server
    is followed, which must write nothing.
    """
    with _trial(serverdir, keep) as directory:
        sizes = Sizes(options["users"], options["rooms"], options["messages"])
        plan = FollowPlan(
            serverdir.resolve(),
            options["seed"],
            sizes,
            options["changes"],
            options["rounds"],
            options["kills"],
            options["exports"],
        )
        followed = run_following(plan, directory, _tell_stage)
    show_followed(followed, as_json)
    sys.exit(1 if followed.faults else 0)


@cli.command()
@_serverdir
@click.option("--rooms", default=100, show_default=True, type=click.IntRange(1), help="Rooms that are made.")
@click.option("--users", default=1000, show_default=True, type=click.IntRange(1), help="Users that are made.")
@click.option("--seconds", default=60.0, show_default=True, help="For so long following at rest is measured.")
@click.option("--posts", default=100, show_default=True, type=click.IntRange(1), help="Posts that are waited for.")
@click.option("--changes", default=10_000, show_default=True, help="Posts that are caught up with.")
@_keep("server and nodes")
@_as_json
def measure(serverdir: Path, keep: Path | None, as_json: bool, **options: Any) -> None:
    """What does following cost, and how soon is what happens on a second mirror?

    SERVERDIR as for 'bootstrap'; the settings of following are those of a new attachment.
    """
    with _trial(serverdir, keep) as directory:
        say = partial(click.echo, err=True)
        figures = run_measuring(serverdir.resolve(), MeasuredSizes(**options), directory, say)
    show_figures(figures, as_json)


@cli.command()
@_serverdir
@_filled(Sizes(6, 12, 100), written="written before they are paired")
@click.option("--changes", default=1000, show_default=True, help="Changes in all, each on one of the two.")
@click.option("--rounds", default=4, show_default=True, type=click.IntRange(1), help="Parts, compared after each.")
@click.option("--kills", default=4, show_default=True, help="In each round: servers and nodes are killed, in turn.")
@click.option("--posts", default=25, show_default=True, help="Posts of which the time to the other server is taken.")
@_keep("servers, nodes and the list of operations")
@_as_json
def pair(serverdir: Path, keep: Path | None, as_json: bool, **options: Any) -> None:
    """Are two servers kept equal, each with a node beside it that writes into it?

    SERVERDIR as for 'bootstrap', but that two servers without data are started.  Both are filled by seed, paired, and
    changed in the ways that are written, each change on one of the two, while servers and nodes are killed now and
    again.  After each round both servers' own exports must say the same, but for what docs/citadel.md lists.  Whatever
    mail leaves a server is caught; but for one that is sent on purpose there must be none.
    """
    with _trial(serverdir, keep) as directory:
        sizes = Sizes(options["users"], options["rooms"], options["messages"])
        numbers = (options[name] for name in ("changes", "rounds", "kills", "posts"))
        plan = PairPlan(serverdir.resolve(), options["seed"], sizes, *numbers)
        paired = run_pair(plan, directory, _tell_stage)
    show_paired(paired, as_json)
    sys.exit(1 if paired.faults else 0)


@cli.command()
@_serverdir
@_keep("servers, nodes and the list of operations")
@_as_json
def failover(serverdir: Path, keep: Path | None, as_json: bool) -> None:
    """Does what acts on two servers act once, also when it moves from one to the other and back?

    SERVERDIR as for 'pair'.  One server has a mailing list and a user who forwards all; then both are paired, posts and
    mails come to both, what acts is moved there and back by 'attach failover', and one server is lost and comes back.
    Mail that leaves the servers is caught: each post has to be mailed to each member once, each mail forwarded once.
    """
    with _trial(serverdir, keep) as directory:
        found = run_failover(serverdir.resolve(), directory, _tell_stage)
    show_failover(found, as_json)
    sys.exit(1 if found.faults else 0)


def _list_scenarios(context: click.Context, _parameter: click.Parameter, is_asked: bool) -> None:
    if is_asked:
        for one in SCENARIOS.values():
            click.echo(f"{one.name:20} {one.holds}")
        context.exit()


def _choose(_context: click.Context, _parameter: click.Parameter, names: tuple[str, ...]) -> list[Scenario]:
    try:
        return chosen(names)
    except KeyError as error:
        raise click.BadParameter(f"there is no scenario {error}; --list lists them") from None


@cli.command()
@_serverdir
@click.argument("scenarios", metavar="[NAME]...", nargs=-1, callback=_choose)
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=_list_scenarios, help="List the scenarios."
)
@_keep("servers, nodes and the list of operations")
@_as_json
def scenarios(serverdir: Path, scenarios: list[Scenario], keep: Path | None, as_json: bool) -> None:
    """Does each of these hold, with two servers and a node beside each?

    SERVERDIR as for 'pair'.  Two servers are paired, and the scenarios of these names, or all, are carried out on them
    one after another; after one that does not hold the next ones are given two new servers.  In the end both servers'
    exports must say the same, and no mail may have left them but what had to.
    """
    results: list[Result] = []
    with _trial(serverdir, keep) as directory:
        for one in run_scenarios(serverdir.resolve(), scenarios, directory, _tell_stage):
            results.append(one)
            if not as_json:
                show_result(one)
    show_results(results, as_json)
    sys.exit(1 if any(one.fault for one in results) else 0)


@cli.command()
@_serverdir
@_filled(decides="filled in")
@_keep("the new server, the node and both exports")
@_as_json
def rebuild(serverdir: Path, keep: Path | None, as_json: bool, **options: Any) -> None:
    """Is a server that was made anew from its mirror the one that was lost?

    SERVERDIR as for 'bootstrap'.  A copy is filled by seed, mirrored and destroyed; an empty one is rebuilt from the
    mirror.  Both servers' own exports, their files and system messages must say the same, but for what
    docs/disaster.md lists.
    """
    with _trial(serverdir, keep) as directory:
        sizes = Sizes(options["users"], options["rooms"], options["messages"])
        plan = RebuildPlan(serverdir.resolve(), options["seed"], sizes)
        rebuilt = run_rebuild(plan, directory, _tell_stage)
    show_rebuilt(rebuilt, as_json)
    sys.exit(1 if rebuilt.faults else 0)


@cli.command()
@_serverdir
@click.option("--users", default=20, show_default=True, type=click.IntRange(1), help="Users of the server.")
@click.option("--messages", default=1000, show_default=True, type=click.IntRange(1), help="Messages on the server.")
@_keep("the nodes")
@_as_json
def disasters(serverdir: Path, users: int, messages: int, keep: Path | None, as_json: bool) -> None:
    """Does what docs/disaster.md says work, and how long does it take?

    SERVERDIR as for 'bootstrap', but that servers without data are started.  The machine is gone, the data is damaged,
    somebody deleted everything, a standby takes over and gives back, the server moves, and all is taken out of it.
    """
    with _trial(serverdir, keep) as directory:
        say = partial(click.echo, err=True)
        told = run_disasters(serverdir.resolve(), DisasterSizes(users, messages), directory, say)
    show_disasters(told, as_json)
    sys.exit(1 if told.faults else 0)


@cli.command()
def kinds() -> None:
    """List the kinds of changes, each with the row of what a mirror has to notice."""
    for kind in sorted(KINDS.values(), key=lambda kind: (kind.row, kind.name)):
        click.echo(f"{kind.row:70} {kind.name}")


@cli.command()
def expected() -> None:
    """List what may differ, and what a mirror leaves out, with the reasons."""
    for one in EXPECTED:
        click.echo(f"{one.kind}, {one.field}: {one.why}")
    for one in UNTOLD:
        click.echo(f"without exports: {one.kind}, {one.field}: {one.why}")
    for declared in DECLARED:
        click.echo(f"between two servers: {declared.sort}, {declared.field}: {declared.why}")
    for left in LEFT_OUT:
        click.echo(f"left out: {left.what}: {left.why}")


@contextmanager
def _trial(serverdir: Path, keep: Path | None) -> Iterator[Path]:
    """Give an empty directory, in a network that has nothing but loopback; what fails is told in one line."""
    try:
        require_server(serverdir)
        isolate()
        with _directory(keep) as directory:
            yield directory
    except (TrialFailed, Refused, MirrorError, ConnectionError) as error:
        click.echo(f"try-live: {error}", err=True)
        sys.exit(FAILED)


@contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    """Give an empty directory, which is left where it is wanted and else removed, also at SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    directory = keep.resolve() if keep else Path(tempfile.mkdtemp(prefix="try-live-"))
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise TrialFailed(f"{directory} is not empty: give --keep a new directory")
    # The server runs as another user and must reach its home; nobody else may look into a copy of real data.
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        if keep is None:
            shutil.rmtree(directory, ignore_errors=True)
