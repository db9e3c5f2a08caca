"""The short forms of the fuzzer and of the simulation: each tells in lines what it finds wrong, in a second or so."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from damaged import damaged_problems
from dialled import dialled_problems
from reloaded import reloaded_problems
from stateful import InProcess, live

from mirror.simulation.attacks import ATTACKS, Attacker
from mirror.simulation.command import run_one

TRIES = 3
"""Schedules of one attack that are run before nothing counts as noticed."""


class Form(NamedTuple):
    """A short form that takes no longer than CI has for it: its name, and what it finds wrong."""

    name: str
    problems: Callable[[], Iterator[str]]


def simulated(attack: Callable[[Attacker], None]) -> Form:
    """Return the simulation of one attack."""

    def problems() -> Iterator[str]:
        for turn in range(TRIES):
            yield from run_one("attacks", ATTACKS.index(attack) + turn * len(ATTACKS)).problems

    return Form(f"simulation, {attack.__name__}", problems)


def _fuzzed() -> Iterator[str]:
    failure = live(InProcess, "mends", 0, known=True)
    yield from [] if failure is None else [failure.problem]


FUZZED = Form("fuzzer, known steps", _fuzzed)
DAMAGED = Form("fuzzer, damaged stores", damaged_problems)
DIALLED = Form("fuzzer, a link whose peer is spoilt", dialled_problems)
RELOADED = Form("fuzzer, other settings", reloaded_problems)
