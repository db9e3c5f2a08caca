"""The commands: one a trial.  Parse, run, print."""

import json
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from mirror.citadel.declared import EXPECTED, UNTOLD
from mirror.model.errors import MirrorError
from mirror.model.kinds import parse_collection
from try_live.changing import Done, Sizes
from try_live.comparing import LEFT_OUT, Difference
from try_live.disasters import Sizes as DisasterSizes
from try_live.disasters import run_disasters
from try_live.errors import Refused, TrialFailed
from try_live.exports import DECLARED
from try_live.exports import Difference as ExportDifference
from try_live.following import Followed, run_following
from try_live.following import Plan as FollowPlan
from try_live.isolation import isolate
from try_live.measuring import Sizes as MeasuredSizes
from try_live.measuring import rows, run_measuring
from try_live.operations import KINDS
from try_live.pair import Paired, lag_at, run_pair
from try_live.pair import Plan as PairPlan
from try_live.rebuilding import Plan as RebuildPlan
from try_live.rebuilding import Rebuilt, run_rebuild
from try_live.server import require_server
from try_live.trial import DOORS, TCP, Findings, Plan, run_trial

FAILED = 3
"""The exit code of a trial that could not be carried out."""
SHOWN = 40
"""Differences that are printed; --json has all."""


@click.group()
def cli() -> None:
    """Try a mirror against a real Citadel server that you provide: see docs/citadel.md.

    \b
    Exit codes: 0 all is as it should be, 1 something is not, 2 wrong usage,
    3 the trial could not be carried out.
    """


@cli.command()
@click.argument("serverdir", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--seed", default=1, show_default=True, help="Decides what is filled in and changed.")
@click.option("--users", default=8, show_default=True, help="Users that are made.")
@click.option("--rooms", default=20, show_default=True, help="Rooms that are made.")
@click.option("--messages", default=200, show_default=True, help="Messages that are written.")
@click.option("--changes", default=300, show_default=True, help="Changes between the bootstraps.")
@click.option(
    "--rounds",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Parts of the changes, each bootstrapped.",
)
@click.option("--door", type=click.Choice(DOORS), default=TCP, show_default=True, help="How a bootstrap comes in.")
@click.option("--keep", type=click.Path(path_type=Path), help="Leave server, nodes and the list of operations here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def bootstrap(serverdir: Path, keep: Path | None, as_json: bool, **options: Any) -> None:
    """Is a second bootstrap as right as the first?

    SERVERDIR holds a built Citadel (version 980 was tried): the program citserver, its messages/ and, where it was run
    before, data/, files/ and keys/.  It is only read: a copy is started on a network of its own that has nothing but
    loopback (this needs root, or user namespaces), filled by seed, and bootstrapped into a node.  Then it is changed
    by seed, in every way that a mirror has to notice, and bootstrapped again into the same node and into a fresh one.
    The two must hold the same, but for what docs/citadel.md lists, and as many rooms, users, messages and files as the
    server itself lists; and a third bootstrap must write nothing.
    """
    with _told_in_one_line():
        require_server(serverdir)
        isolate()
        sizes = Sizes(options["users"], options["rooms"], options["messages"])
        plan = Plan(serverdir.resolve(), options["seed"], sizes, options["changes"], options["rounds"], options["door"])
        with _directory(keep) as directory:
            findings = run_trial(plan, directory, lambda line: click.echo(f"{line} ...", err=True))
    _show(findings, as_json)
    sys.exit(1 if findings.faults else 0)


@cli.command()
@click.argument("serverdir", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--seed", default=1, show_default=True, help="Decides what is filled in and changed.")
@click.option("--users", default=8, show_default=True, help="Users that are made.")
@click.option("--rooms", default=20, show_default=True, help="Rooms that are made.")
@click.option("--messages", default=200, show_default=True, help="Messages that are written.")
@click.option("--changes", default=1000, show_default=True, help="Changes in all.")
@click.option("--rounds", default=4, show_default=True, type=click.IntRange(1), help="Phases, compared after each.")
@click.option("--kills", default=4, show_default=True, help="In each phase: the server or who follows is killed.")
@click.option("--exports", is_flag=True, help="Ask for exports again and again, and not just for the first copy.")
@click.option("--keep", type=click.Path(path_type=Path), help="Leave server, nodes and the list of operations here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def follow(serverdir: Path, keep: Path | None, as_json: bool, **options: Any) -> None:
    """Is a node that follows a server what a bootstrap would make of it?

    SERVERDIR as for 'bootstrap'.  A copy is filled by seed and followed by its administrator's socket, while it is
    changed in every way that a mirror has to notice, and it and who follows it are killed now and again.  After each
    phase a fresh node is bootstrapped: the two must hold the same, but for what docs/citadel.md lists.  In the end the
    server is restored from a copy of the first phase, which must change nothing in the node; and the unchanged server
    is followed, which must write nothing.
    """
    with _told_in_one_line():
        require_server(serverdir)
        isolate()
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
        with _directory(keep) as directory:
            followed = run_following(plan, directory, lambda line: click.echo(f"{line} ...", err=True))
    _show_followed(followed, as_json)
    sys.exit(1 if followed.faults else 0)


@cli.command()
@click.argument("serverdir", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--rooms", default=100, show_default=True, type=click.IntRange(1), help="Rooms that are made.")
@click.option("--users", default=1000, show_default=True, type=click.IntRange(1), help="Users that are made.")
@click.option("--seconds", default=60.0, show_default=True, help="For so long following at rest is measured.")
@click.option("--posts", default=100, show_default=True, type=click.IntRange(1), help="Posts that are waited for.")
@click.option("--changes", default=10_000, show_default=True, help="Posts that are caught up with.")
@click.option("--keep", type=click.Path(path_type=Path), help="Leave server and nodes here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def measure(serverdir: Path, keep: Path | None, as_json: bool, **options: Any) -> None:
    """What does following cost, and how soon is what happens on a second mirror?

    SERVERDIR as for 'bootstrap'; the settings of following are those of a new attachment.
    """
    with _told_in_one_line():
        require_server(serverdir)
        isolate()
        with _directory(keep) as directory:
            say = partial(click.echo, err=True)
            figures = run_measuring(serverdir.resolve(), MeasuredSizes(**options), directory, say)
    if as_json:
        click.echo(json.dumps({**figures._asdict(), "sizes": figures.sizes._asdict()}, indent=1))
        return
    click.echo(f"{figures.version}, {figures.sizes.rooms} rooms, {figures.sizes.users} users")
    for what, told in rows(figures):
        click.echo(f"{what}: {told}")


@cli.command()
@click.argument("serverdir", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--seed", default=1, show_default=True, help="Decides what is filled in and changed.")
@click.option("--users", default=6, show_default=True, help="Users that are made.")
@click.option("--rooms", default=12, show_default=True, help="Rooms that are made.")
@click.option("--messages", default=100, show_default=True, help="Messages that are written before they are paired.")
@click.option("--changes", default=1000, show_default=True, help="Changes in all, each on one of the two.")
@click.option("--rounds", default=4, show_default=True, type=click.IntRange(1), help="Parts, compared after each.")
@click.option("--kills", default=4, show_default=True, help="In each round: servers and nodes are killed, in turn.")
@click.option("--posts", default=25, show_default=True, help="Posts of which the time to the other server is taken.")
@click.option("--keep", type=click.Path(path_type=Path), help="Leave servers, nodes and the list of operations here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def pair(serverdir: Path, keep: Path | None, as_json: bool, **options: Any) -> None:
    """Are two servers kept equal, each with a node beside it that writes into it?

    SERVERDIR as for 'bootstrap', but that two servers without data are started.  Both are filled by seed, paired, and
    changed in the ways that are written, each change on one of the two, while servers and nodes are killed now and
    again.  After each round both servers' own exports must say the same, but for what docs/citadel.md lists.  Whatever
    mail leaves a server is caught; but for one that is sent on purpose there must be none.
    """
    with _told_in_one_line():
        require_server(serverdir)
        isolate()
        sizes = Sizes(options["users"], options["rooms"], options["messages"])
        numbers = (options[name] for name in ("changes", "rounds", "kills", "posts"))
        plan = PairPlan(serverdir.resolve(), options["seed"], sizes, *numbers)
        with _directory(keep) as directory:
            paired = run_pair(plan, directory, lambda line: click.echo(f"{line} ...", err=True))
    _show_paired(paired, as_json)
    sys.exit(1 if paired.faults else 0)


@cli.command()
@click.argument("serverdir", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--seed", default=1, show_default=True, help="Decides what is filled in.")
@click.option("--users", default=8, show_default=True, help="Users that are made.")
@click.option("--rooms", default=20, show_default=True, help="Rooms that are made.")
@click.option("--messages", default=200, show_default=True, help="Messages that are written.")
@click.option("--keep", type=click.Path(path_type=Path), help="Leave the new server, the node and both exports here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def rebuild(serverdir: Path, keep: Path | None, as_json: bool, **options: Any) -> None:
    """Is a server that was made anew from its mirror the one that was lost?

    SERVERDIR as for 'bootstrap'.  A copy is filled by seed, mirrored and destroyed; an empty one is rebuilt from the
    mirror.  Both servers' own exports, their files and system messages must say the same, but for what
    docs/disaster.md lists.
    """
    with _told_in_one_line():
        require_server(serverdir)
        isolate()
        sizes = Sizes(options["users"], options["rooms"], options["messages"])
        with _directory(keep) as directory:
            plan = RebuildPlan(serverdir.resolve(), options["seed"], sizes)
            rebuilt = run_rebuild(plan, directory, lambda line: click.echo(f"{line} ...", err=True))
    _show_rebuilt(rebuilt, as_json)
    sys.exit(1 if rebuilt.faults else 0)


@cli.command()
@click.argument("serverdir", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--users", default=20, show_default=True, type=click.IntRange(1), help="Users of the server.")
@click.option("--messages", default=1000, show_default=True, type=click.IntRange(1), help="Messages on the server.")
@click.option("--keep", type=click.Path(path_type=Path), help="Leave the nodes here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def disasters(serverdir: Path, users: int, messages: int, keep: Path | None, as_json: bool) -> None:
    """Does what docs/disaster.md says work, and how long does it take?

    SERVERDIR as for 'bootstrap', but that servers without data are started.  The machine is gone, the data is damaged,
    somebody deleted everything, a standby takes over and gives back, the server moves, and all is taken out of it.
    """
    with _told_in_one_line():
        require_server(serverdir)
        isolate()
        with _directory(keep) as directory:
            say = partial(click.echo, err=True)
            told = run_disasters(serverdir.resolve(), DisasterSizes(users, messages), directory, say)
    if as_json:
        click.echo(json.dumps({**told._asdict(), "sizes": told.sizes._asdict()}, indent=1))
    else:
        click.echo(f"{told.version}, {users} users, {messages} messages")
        for scenario, steps in told.seconds.items():
            click.echo(f"{scenario}: " + ", ".join(f"{step} {seconds:.1f} s" for step, seconds in steps.items()))
        click.echo("DONE" if not told.faults else "NOT AS IT SHOULD BE: " + "; ".join(told.faults))
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
def _told_in_one_line() -> Iterator[None]:
    try:
        yield
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


# -- what is printed --------------------------------------------------------------------------------------


def _show(findings: Findings, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_as_values(findings), ensure_ascii=False, indent=1, default=str))
        return
    click.echo(f"{findings.version}, seed {findings.seed}")
    for title, done in (("Filled", findings.filled), ("Changed", findings.changed)):
        click.echo(f"{title} ({sum(done.done.values())}): {_counted(done.done)}")
        for line, count in sorted(done.refused.items()):
            click.echo(f"  refused {count} times: {line}")
    for run in findings.bootstraps:
        click.echo(
            f"Bootstrap {run.title}: {run.seconds:.1f} s ({run.cpu_seconds:.1f} s of CPU), {run.written} records "
            f"written, {run.already_held} there already, {run.conflicts} conflicts, {len(run.refused)} refused, "
            f"{run.notices} notices, exit code {run.exit_code}"
        )
        if run.held_back:
            click.echo(f"  held back at first, then accepted: {run.held_back}")
        _list(run.refused, SHOWN)
    for kind, count in Counter(parse_collection(name).kind for name, _ in findings.rewritten).items():
        click.echo(f"  written though unchanged: {count} of {kind}")
    click.echo(f"{findings.records} records in the fresh node; {len(findings.between_nodes)} differences:")
    _list(map(_line, findings.undeclared), SHOWN)
    for why, count in _declared(findings).items():
        click.echo(f"  expected, {count}: {why}")
    for name, found in findings.with_server.items():
        click.echo(f"The server lists other things than {name} holds ({len(found)}):")
        _list(map(_line, found), SHOWN)
    click.echo("EQUAL" if not findings.faults else "NOT AS IT SHOULD BE: " + "; ".join(findings.faults))


def _show_followed(followed: Followed, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_followed_as_values(followed), ensure_ascii=False, indent=1, default=str))
        return
    click.echo(f"{followed.version}, seed {followed.seed}")
    for title, done in (("Filled", followed.filled), ("Changed", followed.changed)):
        click.echo(f"{title} ({sum(done.done.values())}): {_counted(done.done)}")
    for number, phase in enumerate(followed.phases, 1):
        declared = len(phase.between_nodes) - len(phase.undeclared)
        click.echo(
            f"Phase {number}: {phase.changes} changes, {phase.kills} kills, all here after {phase.seconds:.1f} s, "
            f"compared {phase.attempts} times, {len(phase.undeclared)} differences, {declared} more that are declared"
        )
        _list(map(_line, phase.undeclared), SHOWN)
    if followed.taken_back:
        click.echo(f"{len(followed.taken_back)} things are otherwise since the server was restored:")
        _list(map(_line, followed.taken_back), SHOWN)
    for kind, count in Counter(parse_collection(name).kind for name, _ in followed.rewritten).items():
        click.echo(f"  written though unchanged: {count} of {kind}")
    click.echo("EQUAL" if not followed.faults else "NOT AS IT SHOULD BE: " + "; ".join(followed.faults))


def _show_paired(paired: Paired, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_paired_as_values(paired), ensure_ascii=False, indent=1, default=str))
        return
    click.echo(f"{paired.version}, seed {paired.seed}")
    click.echo(f"Done ({sum(paired.changed.done.values())}): {_counted(paired.changed.done)}")
    for number, one in enumerate(paired.rounds, 1):
        declared = len(one.found) - len(one.undeclared)
        click.echo(
            f"Round {number}: {one.changes} changes, {one.kills} kills, at rest after {one.seconds:.1f} s, "
            f"{len(one.undeclared)} differences, {declared} more that are declared"
        )
        _list(map(_pair_line, one.undeclared), SHOWN)
    if paired.left:
        click.echo(f"Not written, as the nodes say ({len(paired.left)}):")
        _list(sorted(set(paired.left)), SHOWN)
    click.echo(f"Mails that left: {paired.sent} of one that was to, {len(paired.mails)} others")
    _list(paired.mails, SHOWN)
    times = ", ".join(f"p{share} {lag_at(paired.lags, share / 100):.2f} s" for share in (50, 99))
    click.echo(f"From a post to when it can be read on the other server ({len(paired.lags)} posts): {times}")
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in paired.cpu.items())
    click.echo(f"CPU of the servers in {paired.seconds:.0f} s: {spent}")
    click.echo("EQUAL" if not paired.faults else "NOT AS IT SHOULD BE: " + "; ".join(paired.faults))


def _pair_line(one: ExportDifference) -> str:
    return f"{one.sort}, {one.name}, {one.field}: {_short(one.one)} | {_short(one.other)}"


def _paired_as_values(paired: Paired) -> dict[str, Any]:
    rounds = [{**one._asdict(), "found": [found._asdict() for found in one.undeclared]} for one in paired.rounds]
    times = {f"p{share}": round(lag_at(paired.lags, share / 100), 3) for share in (50, 99)}
    return {
        **paired._asdict(),
        "changed": dict(sorted(paired.changed.done.items())),
        "rounds": rounds,
        "lags": times,
        "faults": paired.faults,
    }


def _followed_as_values(followed: Followed) -> dict[str, Any]:
    return {
        "version": followed.version,
        "seed": followed.seed,
        "changed": dict(sorted(followed.changed.done.items())),
        "phases": [
            {**phase._asdict(), "between_nodes": [one._asdict() for one in phase.undeclared]}
            for phase in followed.phases
        ],
        "taken_back": [one._asdict() for one in followed.taken_back],
        "rewritten": followed.rewritten,
        "faults": followed.faults,
    }


def _show_rebuilt(rebuilt: Rebuilt, as_json: bool) -> None:
    declared = Counter(one.declared.why for one in rebuilt.found if one.declared is not None)
    if as_json:
        told = {
            **rebuilt._asdict(),
            "found": [one._asdict() for one in rebuilt.undeclared],
            "declared": declared,
            "faults": rebuilt.faults,
        }
        click.echo(json.dumps(told, ensure_ascii=False, indent=1))
        return
    click.echo(f"{rebuilt.version}, seed {rebuilt.seed}")
    click.echo(f"Filled ({sum(rebuilt.filled.values())}): {_counted(rebuilt.filled)}")
    click.echo("Compared: " + ", ".join(f"{count} {element}s" for element, count in rebuilt.elements.items()))
    click.echo("Took: " + ", ".join(f"{what} in {seconds:.1f} s" for what, seconds in rebuilt.seconds.items()))
    for one in rebuilt.undeclared[:SHOWN]:
        click.echo(f"  {one.element} {one.name!r} {one.field}: {one.one[:80]} | {one.other[:80]}")
    for why, count in sorted(declared.items()):
        click.echo(f"  declared, {count}: {why}")
    _list(rebuilt.files, SHOWN)
    again = ", ".join(f"{count} of {kind}" for kind, count in rebuilt.written_again)
    click.echo(f"Looked at again, the new server brought into the mirror: {again or 'nothing'}")
    click.echo("EQUAL" if not rebuilt.faults else "NOT AS IT SHOULD BE: " + "; ".join(rebuilt.faults))


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _list(lines: Iterable[str], most: int) -> None:
    lines = list(lines)
    for line in lines[:most]:
        click.echo(f"  {line}")
    if len(lines) > most:
        click.echo(f"  ... and {len(lines) - most} more; --json lists them all")


def _line(one: Difference) -> str:
    return f"{one.collection} {one.key!r} {one.field}: {_short(one.left)} | {_short(one.right)}"


def _short(value: Any) -> str:
    return "nothing" if value is None else str(value)[:100]


def _declared(findings: Findings) -> Counter[str]:
    return Counter(one.expected.why for one in findings.between_nodes if one.expected is not None)


def _as_values(findings: Findings) -> dict[str, Any]:
    def done(it: Done) -> dict[str, Any]:
        return {"done": dict(sorted(it.done.items())), "refused": dict(sorted(it.refused.items()))}

    return {
        "version": findings.version,
        "seed": findings.seed,
        "filled": done(findings.filled),
        "changed": done(findings.changed),
        "bootstraps": [run._asdict() for run in findings.bootstraps],
        "rewritten": findings.rewritten,
        "records": findings.records,
        "differences": [one._asdict() for one in findings.undeclared],
        "expected": _declared(findings),
        "server": {name: [one._asdict() for one in found] for name, found in findings.with_server.items()},
        "damage": findings.damage,
        "faults": findings.faults,
    }
