"""A short run of the fuzzer that keeps state; contrib/fuzz/ctdlmirror-fuzz runs it for as long as you like.

That it finds something is tried in test_mends.py.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from hostile import PARTIES, Step
from stateful import Failure, InProcess, OverSockets, fuzz, loaded, minimise, replay, saved, shown

from mirror.server.commands import TABLE
from mirror.server.table import Permission


@pytest.mark.parametrize(("seed", "make"), [(0, InProcess), (1, InProcess), (2, InProcess), (3, OverSockets)])
def test_nobody_jams_a_node(seed: int, make: type[InProcess]) -> None:
    _, failure = fuzz(make, 500, seed)
    assert failure is None, "\n".join([failure.problem, *map(shown, failure.steps)])


def test_what_fails_is_told_in_few_steps() -> None:
    steps = [Step("admin", f"step {number}".encode()) for number in range(50)]

    def still(tried: list[Step]) -> str:
        return "it fails so" if {b"step 7", b"step 31"} <= {step.line for step in tried} else ""

    found = minimise(Failure("it fails so", steps), still)
    assert [step.line for step in found.steps] == [b"step 7", b"step 31"]
    assert loaded(saved(found)) == found.steps


def test_steps_are_taken_again() -> None:
    offer = Step("admin", b"SYNC all|offer", b"nonsense\n")
    assert replay(InProcess, [Step("nobody", b"NOOP"), offer, Step("user", b"SYNC all|tail")]) == ""


def test_every_permission_has_a_party() -> None:
    """Whoever adds one has to say who it is here."""
    assert {handler.permission for handler in TABLE.commands.values()} <= set(Permission)
    assert len(Permission) == 6
    assert len(PARTIES) == 6
