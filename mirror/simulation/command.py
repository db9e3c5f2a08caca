"""``ctdlmirror-sim``: runs schedules and reports; a seed that fails is printed and replays exactly."""

import json
import multiprocessing
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial

import click

from mirror.simulation.attack_schedule import run_attack_seed
from mirror.simulation.hostile_schedule import run_hostile_seed
from mirror.simulation.schedule import run_seed
from mirror.simulation.share_schedule import run_share_seed
from mirror.simulation.stage import COUNTED, Outcome

MIRRORS = "mirrors"
KINDS: dict[str, Callable[[int], Outcome]] = {
    MIRRORS: run_seed,
    "shares": run_share_seed,
    "hostile": run_hostile_seed,
    "attacks": run_attack_seed,
}
LONGEST_S = 120
"""Seconds that a schedule may take; most take a fifth of one."""
CHUNK = 4
"""Schedules that a process is given at a time."""


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=300, show_default=True, help="How many schedules to run.")
@click.option("--first", type=click.IntRange(0), default=1, show_default=True, help="The first seed.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes to run them in.")
@click.option("--shares", "kind", flag_value="shares", help="Servers that share rooms, by rules that change.")
@click.option("--hostile", "kind", flag_value="hostile", help="Parties that are hostile or have bugs; short.")
@click.option("--attacks", "kind", flag_value="attacks", help="Each known attack in turn, made to honest nodes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def main(seeds: int, first: int, jobs: int, kind: str | None, as_json: bool) -> None:
    """Simulate networks of nodes under faults, and check that nothing is lost.

    Each seed decides one schedule: two to four nodes, their topology, what their users do, and which faults
    happen when.  A failing seed is printed; 'ctdlmirror-sim --first SEED --seeds 1' replays it exactly.
    """
    started = time.monotonic()
    failed: list[Outcome] = []
    totals = {"schedules": 0, **dict.fromkeys(COUNTED, 0)}
    with multiprocessing.Pool(jobs, _begin_process) as pool:
        for done, outcome in enumerate(
            pool.imap(partial(run_one, kind or MIRRORS), range(first, first + seeds), CHUNK), 1
        ):
            totals["schedules"] += 1
            for name in COUNTED:
                totals[name] += getattr(outcome, name)
            if outcome.problems:
                failed.append(outcome)
                _show(outcome, f"--{kind} " if kind else "")
            if done % 100 == 0 and not as_json:
                pace = done / (time.monotonic() - started) * 60
                click.echo(f"{done} of {seeds} schedules, {pace:,.0f} a minute", err=True)
    rate = totals["schedules"] / (time.monotonic() - started) * 60
    if as_json:
        click.echo(json.dumps({**totals, "a_minute": round(rate), "failed": [outcome.seed for outcome in failed]}))
    else:
        counts = ", ".join(f"{value:,} {name}" for name, value in totals.items())
        click.echo(f"{counts}; {rate:,.0f} schedules a minute; {len(failed) or 'none'} failed.")
    sys.exit(1 if failed else 0)


def run_one(kind: str, seed: int) -> Outcome:
    """Run one schedule of a kind; what nobody foresaw is a problem of that seed, and the others go on."""
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
    try:
        return KINDS[kind](seed)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome(seed, problems=[f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _begin_process() -> None:
    def hangs(*_: object) -> None:
        raise TimeoutError(f"it has not come to an end within {LONGEST_S} s")

    signal.signal(signal.SIGALRM, hangs)


def _show(outcome: Outcome, option: str) -> None:
    click.echo(
        f"seed {outcome.seed} ({outcome.nodes} nodes, {outcome.topology}; {', '.join(outcome.faults)}):", err=True
    )
    for problem in outcome.problems[:10]:
        click.echo(f"  {problem}", err=True)
    click.echo(f"  replay: ctdlmirror-sim {option}--first {outcome.seed} --seeds 1", err=True)
