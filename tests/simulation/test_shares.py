"""Servers that share rooms; 'ctdlmirror-sim --shares --seeds N' runs any number, and each kind of fault is noticed."""

from typing import Any

import pytest

from mirror.model.record import Record
from mirror.simulation.share_schedule import run_share_seed
from mirror.sync.share import policy
from mirror.sync.share.policy import ShareScope
from mirror.sync.share.settling import Settling


@pytest.mark.parametrize("first", range(1, 10, 3))
def test_what_the_rules_say_flows_and_nothing_else(first: int) -> None:
    for seed in range(first, first + 3):
        assert run_share_seed(seed).problems == [], f"replay: ctdlmirror-sim --shares --first {seed} --seeds 1"


def problems() -> list[str]:
    """Return what three schedules find, of which one at least has each kind of rule."""
    return [problem for seed in (2, 6, 7) for problem in run_share_seed(seed).problems]


def test_a_node_that_shows_more_than_its_rules_say_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "lets", lambda *_args, **_named: True)
    assert any("showed" in problem and "no rule lets it" in problem for problem in problems())


def test_a_node_that_takes_more_than_its_rules_say_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def admitted(_scope: ShareScope, record: Record, *_: Any) -> Record | None:
        return policy.just_settings(record) if record.collection == "rooms" else record

    monkeypatch.setattr(ShareScope, "admitted", admitted)
    assert any("took" in problem and "no rule lets it" in problem for problem in problems())


def test_a_node_that_does_not_take_what_it_was_to_have_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settling, "_take_wanted", lambda *_: 0)
    assert any("lacks" in problem for problem in problems())
