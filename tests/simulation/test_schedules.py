"""Some hundred schedules; 'ctdlmirror-sim --seeds N' runs any number."""

import pytest

from mirror.model.record import Record
from mirror.simulation.ledger import Ledger
from mirror.simulation.schedule import run_seed


@pytest.mark.parametrize("first", range(1, 201, 10))
def test_nothing_is_lost_and_nothing_comes_back(first: int) -> None:
    for seed in range(first, first + 10):
        assert run_seed(seed).problems == [], f"replay: ctdlmirror-sim --first {seed} --seeds 1"


def test_a_seed_replays_exactly() -> None:
    assert run_seed(7) == run_seed(7)


def test_the_ledger_notices_what_is_missing_and_what_came_back() -> None:
    ledger = Ledger()
    kept = Record("files/r", "k", 10, "a", 10, body=b"kept")
    lost = Record("files/r", "l", 10, "a", 10, body=b"lost")
    dead = Record("files/r", "m", 20, "a", 0, dead=True)
    old = Record("files/r", "m", 15, "a", 15, body=b"old")
    for record in (kept, lost, old, dead):
        ledger.acknowledged("a", 0, record)
    problems = list(ledger.problems({("files/r", "k"): kept, ("files/r", "m"): old}))
    assert [problem.partition(":")[0] for problem in problems] == [
        "acknowledged at a and missing",
        "deleted at a and back",
    ]


def test_the_ledger_wants_concurrent_fields_in_the_log() -> None:
    from mirror.model.edit import with_fields
    from mirror.model.merge import merge

    base = with_fields(None, "users", "k", {"name": "base"}, 10, "a")
    one, two = (with_fields(base, "users", "k", {"name": origin}, 20, origin) for origin in "ab")
    merged = merge(one, two)
    ledger = Ledger()
    for origin, record in (("a", base), ("a", one), ("b", two)):
        ledger.acknowledged(origin, 0, record)
    final = {("users", "k"): merged.record}
    assert len(list(ledger.problems(final))) == 1
    ledger.logged(merged.losers[0])
    assert list(ledger.problems(final)) == []
