"""Parties that are hostile or have bugs; 'ctdlmirror-sim --hostile --seeds N' runs any number of schedules.

That they find what they are for is tried by taking a mend out.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from mirror.model import edit, merge
from mirror.model import judge as judging
from mirror.model.record import Past, Record, Version, validate
from mirror.simulation.command import run_one
from mirror.store.ledger import editing, merging
from mirror.store.ledger.sorting import Sorting
from mirror.sync.clock import ClockGuard
from mirror.sync.twins import Twins


def is_noticed(what: str, *likely: int) -> bool:
    """Tell whether some schedule finds a problem, those that are ``likely`` to first."""
    seeds = (*likely, *range(1, 40))
    return any(what in problem for seed in seeds for problem in run_one("hostile", seed).problems)


@pytest.mark.parametrize("first", range(1, 22, 7))
def test_nobody_jams_the_honest_nodes(first: int) -> None:
    for seed in range(first, first + 7):
        assert run_one("hostile", seed).problems == [], f"replay: ctdlmirror-sim --hostile --first {seed} --seeds 1"


def test_a_node_that_writes_what_no_other_takes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (merging, editing):
        monkeypatch.setattr(module, "judge", lambda _record: None)
    assert is_noticed("cannot be read", 3, 7)


def test_a_key_that_is_not_found_again_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def validated(record: Record) -> None:
        validate(msgspec.structs.replace(record, key=record.key.replace("\0", "x")))

    monkeypatch.setattr(judging, "validate", validated)
    assert is_noticed("UNIQUE constraint failed", 25, 37)


def test_a_partner_that_invents_origins_without_end_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_of_them(_self: Sorting, _source: Any, pairs: Any, _aside: Any) -> Any:
        return pairs

    monkeypatch.setattr(Sorting, "_sort_origins", all_of_them)
    assert is_noticed("origins came through shared rooms", 19)


def test_a_partner_that_moves_our_clock_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sorting, "_sort_early", lambda _self, _source, pairs: (pairs, []))
    assert is_noticed("its clock was moved ahead", 1, 2)


def test_a_past_that_is_not_cut_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def uncut(vector: Mapping[str, int], version: Version, _least: int = 0) -> Past:
        return tuple(sorted((name, stamp) for name, stamp in vector.items() if name != version.origin))

    monkeypatch.setattr(merge, "past_of", uncut)
    monkeypatch.setattr(edit, "past_of", uncut)
    assert is_noticed("names more than 1024 origins", 384, 184)


def test_a_node_that_writes_by_a_clock_that_is_doubted_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClockGuard, "check", lambda _self: None)
    assert is_noticed("wrote by a clock that is days off", 20, 30)


def test_two_nodes_of_one_name_that_are_both_let_in_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Twins, "admit", lambda *_: None)
    assert is_noticed("serves two nodes at once", 5, 10)
