"""Carries scenarios out one after another, on the same two servers as long as all holds."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mirror.model.errors import MirrorError
from try_live.errors import Refused, TrialFailed
from try_live.pair import compare
from try_live.scenarios import acting, at_once, dying, fetching, many_marks, meanwhile, thrown_away  # noqa: F401  they fill the table
from try_live.scenarios.stage import Stage, make_stage
from try_live.scenarios.table import SCENARIOS, NotHeld, Run, Scenario
from try_live.trial import damage

IN_THE_END = Scenario(
    "in-the-end", "both servers export the same, both stores are whole, no other mail has left", lambda _: None
)
"""What has to hold once all scenarios on two servers have been carried out."""
_WRONG = (NotHeld, TrialFailed, Refused, MirrorError, OSError, StopIteration)


class Result(NamedTuple):
    """What came of one scenario: what held, what was measured, and what did not hold; nothing where all did."""

    name: str
    holds: str
    seconds: float
    measured: str
    fault: str


def chosen(names: Sequence[str]) -> list[Scenario]:
    """Return the scenarios of some names, all where none is given, in their order.  Raises KeyError."""
    wanted = {SCENARIOS[name].name for name in names} or SCENARIOS.keys()
    return [one for one in SCENARIOS.values() if one.name in wanted]


def run_scenarios(
    source: Path, scenarios: Sequence[Scenario], directory: Path, say: Callable[[str], None]
) -> Iterator[Result]:
    """Carry scenarios out in an empty directory, and yield what came of each as soon as it did.

    After one that did not hold the next ones are given two new servers.  ``say`` is told of each stage.  Raises
    TrialFailed, MirrorError where the servers cannot be started or paired.
    """
    waiting, pairs = deque(scenarios), 0
    while waiting:
        pairs += 1
        say("starting two servers, and pairing them")
        with make_stage(source, directory / f"pair-{pairs}") as stage:
            yield from _run_on(stage, waiting, say)


def _run_on(stage: Stage, waiting: deque[Scenario], say: Callable[[str], None]) -> Iterator[Result]:
    """Carry out those that wait until one does not hold, or what has to hold in the end does or not."""
    while waiting:
        one = waiting.popleft()
        say(one.name)
        result = _carry_out(stage, one)
        yield result
        if result.fault:
            return
    yield _carry_out(stage, IN_THE_END._replace(run=_look_at_the_end))


def _carry_out(stage: Stage, one: Scenario) -> Result:
    stage.told(f"-- {one.name}")
    began = time.monotonic()
    measured, fault = _measured_and_fault(stage, one.run)
    return Result(one.name, one.holds, round(time.monotonic() - began, 1), measured, fault)


def _measured_and_fault(stage: Stage, run: Run) -> tuple[str, str]:
    try:
        return run(stage) or "", ""
    except _WRONG as error:
        return "", " ".join(f"{type(error).__name__}: {error}".split())


def _look_at_the_end(stage: Stage) -> str:
    stage.settle(marks=True)
    found = compare(stage.sides)
    wrong = [one for one in found if not one.declared]
    if wrong:
        raise NotHeld(f"{len(wrong)} differences: {'; '.join(' '.join(map(str, one)) for one in wrong[:5])}")
    if wrongly := stage.mailing.wrongly():
        raise NotHeld(f"mails left the servers: {wrongly}")
    for side in stage.sides:
        side.node.stop()
        if said := damage(side.node):
            raise NotHeld(f"'check' of the node of {side.name}: {said}")
    return f"{len(found)} differences, all declared"
