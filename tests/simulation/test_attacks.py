"""What once stopped nodes for good, done to honest ones; 'ctdlmirror-sim --attacks' runs any number of schedules.

That each attack notices the fault it is for is tried in tests/fuzz/test_mends.py.
"""

import pytest

from mirror.simulation.attacks import ATTACKS
from mirror.simulation.command import run_one


@pytest.mark.parametrize("seed", range(len(ATTACKS)), ids=[attack.__name__ for attack in ATTACKS])
def test_honest_nodes_go_on(seed: int) -> None:
    assert run_one("attacks", seed).problems == [], f"replay: ctdlmirror-sim --attacks --first {seed} --seeds 1"
