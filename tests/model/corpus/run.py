"""The long form: as many inputs as you like, of one property or of all.

    contrib/with-venv contrib/fuzz/ctdlmirror-fuzz corpus --inputs 100000 --seed 1

The first input that fails is made as small as can be, and printed as the call that fails.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from corpus.checks import check_draft, check_join, check_pair
from corpus.messages import names
from corpus.strategies import histories, pairs

PROPERTIES: dict[str, tuple[Callable[..., None], Callable[[], st.SearchStrategy[Any]]]] = {
    "pair": (check_pair, pairs),
    "draft": (check_draft, pairs),
    "join": (check_join, histories),
}


def main(arguments: Sequence[str]) -> int:
    """Try inputs of each property, and print figures."""
    parser = argparse.ArgumentParser(prog="ctdlmirror-fuzz corpus", description="Merge items of the corpus.")
    parser.add_argument("--inputs", type=int, default=10_000, help="of each property (10000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--property", choices=sorted(PROPERTIES), help="only this one")
    told = parser.parse_args(arguments)
    for name in [told.property] if told.property else PROPERTIES:
        began = time.monotonic()
        tried = try_inputs(name, told.inputs, told.seed)
        of_items = f"{len(tried)} of {len(names())} items"
        print(f"{name}: {tried.total()} inputs of {of_items}, {time.monotonic() - began:.0f} s, none fails", flush=True)
    return 0


def try_inputs(name: str, inputs: int, first: int) -> Counter[str]:
    """Check a property for so many inputs; returns how many there were of each item.  Raises what fails first."""
    check, drawn = PROPERTIES[name]
    tried: Counter[str] = Counter()

    @seed(first)
    @settings(max_examples=inputs, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(drawn())
    def run(told: tuple[Any, ...]) -> None:
        tried[told[0]] += 1
        check(*told)

    run()
    return tried
