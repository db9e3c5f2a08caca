"""What the trials found out, printed: lines for people, JSON for scripts."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import click

from mirror.model.kinds import parse_collection
from try_live.changing import Done
from try_live.comparing import Difference
from try_live.disasters import Told
from try_live.exports import Difference as ExportDifference
from try_live.failover import FailedOver
from try_live.following import Followed
from try_live.measuring import Figures, lag_at, rows
from try_live.pair import Paired
from try_live.rebuilding import Rebuilt
from try_live.scenarios.running import Result
from try_live.trial import Findings

SHOWN = 40
"""Differences that are printed; --json has all."""
_WRONG = "NOT AS IT SHOULD BE"


def show_findings(findings: Findings, as_json: bool) -> None:
    """Show what a trial of the bootstrap found out."""
    if as_json:
        click.echo(json.dumps(_as_values(findings), ensure_ascii=False, indent=1, default=str))
        return
    click.echo(f"{findings.version}, seed {findings.seed}")
    for title, done in (("Filled", findings.filled), ("Changed", findings.changed)):
        _show_counted(title, done.done)
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
    _show_rewritten(findings.rewritten)
    click.echo(f"{findings.records} records in the fresh node; {len(findings.between_nodes)} differences:")
    _list(map(_line, findings.undeclared), SHOWN)
    for why, count in _declared(findings).items():
        click.echo(f"  expected, {count}: {why}")
    for name, found in findings.with_server.items():
        click.echo(f"The server lists other things than {name} holds ({len(found)}):")
        _list(map(_line, found), SHOWN)
    _show_verdict("EQUAL", findings.faults)


def show_followed(followed: Followed, as_json: bool) -> None:
    """Show what a trial of following found out."""
    if as_json:
        click.echo(json.dumps(_followed_as_values(followed), ensure_ascii=False, indent=1, default=str))
        return
    click.echo(f"{followed.version}, seed {followed.seed}")
    for title, done in (("Filled", followed.filled), ("Changed", followed.changed)):
        _show_counted(title, done.done)
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
    _show_rewritten(followed.rewritten)
    _show_verdict("EQUAL", followed.faults)


def show_paired(paired: Paired, as_json: bool) -> None:
    """Show what a trial of two servers found out."""
    if as_json:
        click.echo(json.dumps(_paired_as_values(paired), ensure_ascii=False, indent=1, default=str))
        return
    click.echo(f"{paired.version}, seed {paired.seed}")
    _show_counted("Done", paired.changed.done)
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
    if paired.miscounting:
        click.echo(f"Restarted, since a server counted rooms on a killed floor: {paired.miscounting} times")
    times = ", ".join(f"p{share} {lag_at(paired.lags, share / 100):.2f} s" for share in (50, 99))
    click.echo(f"From a post to when it can be read on the other server ({len(paired.lags)} posts): {times}")
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in paired.cpu.items())
    click.echo(f"CPU of the servers in {paired.seconds:.0f} s: {spent}")
    _show_verdict("EQUAL", paired.faults)


def show_failover(found: FailedOver, as_json: bool) -> None:
    """Show what a trial of what acts found out."""
    if as_json:
        values = {**found._asdict(), "steps": [one._asdict() for one in found.steps], "faults": found.faults}
        click.echo(json.dumps(values, ensure_ascii=False, indent=1))
        return
    click.echo(found.version)
    for one in found.steps:
        click.echo(f"{one.seconds:7.1f} s  {one.title}")
        _list([f"{_WRONG}: {fault}" for fault in one.faults], SHOWN)
    once = (
        ""
        if found.faults
        else ", each once"
        if not found.own
        else ", each once but for what version 980 does by itself"
    )
    click.echo(f"{found.mails} mails left the servers{once}")
    _list(found.own, SHOWN)


def show_result(one: Result) -> None:
    """Show what came of one scenario, in a line."""
    told = f"{_WRONG}: {one.fault}" if one.fault else one.holds + (f" ({one.measured})" if one.measured else "")
    click.echo(f"{one.seconds:7.1f} s  {one.name:20}  {told}")


def show_results(results: Sequence[Result], as_json: bool) -> None:
    """Show what came of all scenarios: for people in one line, for scripts one by one."""
    if as_json:
        click.echo(json.dumps([one._asdict() for one in results], ensure_ascii=False, indent=1))
        return
    wrong = [one.name for one in results if one.fault]
    click.echo(f"{len(results) - len(wrong)} of {len(results)} hold, {sum(one.seconds for one in results):.0f} s")
    _show_verdict("ALL HOLD", wrong)


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


def show_rebuilt(rebuilt: Rebuilt, as_json: bool) -> None:
    """Show what a trial of the way back found out."""
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
    _show_counted("Filled", rebuilt.filled)
    click.echo("Compared: " + ", ".join(f"{count} {element}s" for element, count in rebuilt.elements.items()))
    click.echo("Took: " + ", ".join(f"{what} in {seconds:.1f} s" for what, seconds in rebuilt.seconds.items()))
    for one in rebuilt.undeclared[:SHOWN]:
        click.echo(f"  {one.element} {one.name!r} {one.field}: {one.one[:80]} | {one.other[:80]}")
    for why, count in sorted(declared.items()):
        click.echo(f"  declared, {count}: {why}")
    _list(rebuilt.files, SHOWN)
    again = ", ".join(f"{count} of {kind}" for kind, count in rebuilt.written_again)
    click.echo(f"Looked at again, the new server brought into the mirror: {again or 'nothing'}")
    _show_verdict("EQUAL", rebuilt.faults)


def show_figures(figures: Figures, as_json: bool) -> None:
    """Show what was measured."""
    if as_json:
        click.echo(json.dumps({**figures._asdict(), "sizes": figures.sizes._asdict()}, indent=1))
        return
    click.echo(f"{figures.version}, {figures.sizes.rooms} rooms, {figures.sizes.users} users")
    for what, told in rows(figures):
        click.echo(f"{what}: {told}")


def show_disasters(told: Told, as_json: bool) -> None:
    """Show how the runbook went."""
    if as_json:
        click.echo(json.dumps({**told._asdict(), "sizes": told.sizes._asdict()}, indent=1))
        return
    click.echo(f"{told.version}, {told.sizes.users} users, {told.sizes.messages} messages")
    for scenario, steps in told.seconds.items():
        click.echo(f"{scenario}: " + ", ".join(f"{step} {seconds:.1f} s" for step, seconds in steps.items()))
    _show_verdict("DONE", told.faults)


def _show_counted(title: str, counts: Counter[str]) -> None:
    each = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    click.echo(f"{title} ({sum(counts.values())}): {each}")


def _show_rewritten(rewritten: Iterable[tuple[str, str]]) -> None:
    """Show of which kinds something was written while nothing was changed, given collections and keys."""
    for kind, count in Counter(parse_collection(name).kind for name, _ in rewritten).items():
        click.echo(f"  written though unchanged: {count} of {kind}")


def _show_verdict(well: str, faults: list[str]) -> None:
    """Show how a trial ended: with ``well``, or with what is not as it should be."""
    click.echo(well if not faults else f"{_WRONG}: " + "; ".join(faults))


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
