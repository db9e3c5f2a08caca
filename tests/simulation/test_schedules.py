"""A few dozen schedules; 'ctdlmirror-sim --seeds N' runs any number."""

import pytest

from mirror.model.draft import Draft, base_of
from mirror.model.edit import with_fields
from mirror.model.merge import merge
from mirror.model.record import Record, pack_head
from mirror.simulation.ledger import Deed, Ledger, Said
from mirror.simulation.schedule import run_seed


@pytest.mark.parametrize("first", range(1, 16, 5))
def test_nothing_is_lost_and_nothing_comes_back(first: int) -> None:
    for seed in range(first, first + 5):
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
        ledger.acknowledged("a", 0, Deed(record))
    problems = list(ledger.problems({("files/r", "k"): kept, ("files/r", "m"): old}))
    assert [problem.partition(":")[0] for problem in problems] == [
        "acknowledged at a and missing",
        "deleted at a and back",
    ]


def test_the_ledger_wants_concurrent_fields_in_the_log() -> None:
    base = with_fields(None, "users", "k", {"name": "base"}, 10, "a")
    one, two = (with_fields(base, "users", "k", {"name": origin}, 20, origin) for origin in "ab")
    merged = merge(one, two)
    ledger = Ledger()
    for origin, record in (("a", base), ("a", one), ("b", two)):
        ledger.acknowledged(origin, 0, Deed(record))
    final = {("users", "k"): merged.record}
    assert len(list(ledger.problems(final))) == 1
    ledger.logged("a", merged.losers[0])
    assert list(ledger.problems(final)) == []


def test_the_ledger_wants_what_a_stale_draft_took_away() -> None:
    base = with_fields(None, "users", "k", {"name": "base"}, 10, "a")
    unseen = with_fields(base, "users", "k", {"name": "unseen"}, 20, "a")
    after = with_fields(unseen, "users", "k", {"name": "draft"}, 30, "a")
    draft = Draft("users", "k", base_of(base), head=pack_head({"name": "draft"}))
    ledger = Ledger()
    for deed in (Deed(base), Deed(unseen), Deed(after, base_of(base).vector, Said(draft, b""))):
        ledger.acknowledged("a", 0, deed)
    final = {("users", "k"): after}
    assert [problem.partition(":")[0] for problem in ledger.problems(final)] == ["acknowledged at a and missing"]
    ledger.logged("a", unseen)
    assert list(ledger.problems(final)) == []


def test_the_ledger_wants_a_draft_that_lost_in_the_log_of_the_node_that_took_it() -> None:
    draft = Draft("users", "k", head=pack_head({"name": "draft"}))
    ledger = Ledger()
    ledger.acknowledged("a", 0, Deed(None, {}, Said(draft, b"")))
    ledger.logged("b", with_fields(None, "users", "k", {"name": "draft"}, 10, "a"))
    assert len(list(ledger.problems({}))) == 1
    ledger.logged("a", with_fields(None, "users", "k", {"name": "draft"}, 10, "a"))
    assert list(ledger.problems({})) == []


def test_the_ledger_notices_a_deletion_that_did_not_hold() -> None:
    record = with_fields(None, "users", "k", {"name": "here"}, 10, "a")
    ledger = Ledger()
    ledger.acknowledged("b", 0, Deed(None, {"a": 10}, Said(Draft("users", "k", base_of(record), dead=True), b"")))
    assert len(list(ledger.problems({("users", "k"): record}))) == 1
