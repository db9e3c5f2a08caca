"""The table of scenarios, in the order in which they are carried out, and how one says that something does not hold.

The modules beside this one fill it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from try_live.scenarios.stage import Stage

Run = Callable[[Stage], str | None]
"""Carries a scenario out; returns what was measured, in words.  Raises NotHeld, and what a trial raises."""


class Scenario(NamedTuple):
    """A scenario: its name, what has to hold in the end, and what carries it out."""

    name: str
    holds: str
    run: Run


SCENARIOS: dict[str, Scenario] = {}


class NotHeld(Exception):
    """What has to hold does not: its text says what is otherwise."""


def scenario(name: str, holds: str) -> Callable[[Run], Run]:
    """Put a scenario into the table."""

    def put(run: Run) -> Run:
        if name in SCENARIOS:
            raise ValueError(f"{name!r} is in the table already")
        SCENARIOS[name] = Scenario(name, holds, run)
        return run

    return put


def require_equal(told: Any, wanted: Any, what: str) -> None:
    """Raise NotHeld unless a server tells what is wanted; ``what`` says of what that is."""
    if told != wanted:
        raise NotHeld(f"{what}: {told!r} in place of {wanted!r}")


def require(holds: bool, otherwise: str) -> None:
    """Raise NotHeld with the text unless a condition holds."""
    if not holds:
        raise NotHeld(otherwise)
