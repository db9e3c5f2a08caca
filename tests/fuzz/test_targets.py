"""A short run of every fuzz target; contrib/fuzz/ctdlmirror-fuzz runs any of them for as long as you like."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from targets import TARGETS, run


@st.composite
def mutated(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """Good input with pieces cut out, doubled, flipped, or put in."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(0, 40)))
        piece = draw(st.sampled_from([b"", bytes(data[at:end]) * 2, b"\0", b"\xff\xfe", b"999999999999999999999"]))
        data[at:end] = draw(st.one_of(st.just(piece), st.binary(max_size=12)))
    return bytes(data)


@pytest.mark.parametrize("name", sorted(TARGETS))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_nothing_but_a_clear_error_comes_out(name: str, data: st.DataObject) -> None:
    run(name, data.draw(st.one_of(st.binary(max_size=3000), mutated(TARGETS[name].samples))))


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_good_input_and_none_at_all(name: str) -> None:
    for sample in [*TARGETS[name].samples, b""]:
        run(name, sample)


HUGE = {
    "brackets": b"[" * 100_000,
    "objects": b'{"a":' * 100_000,
    "messagepack": b"\x91" * 100_000,
    "components": b"BEGIN:VCALENDAR\r\n" * 2000,
    "elements": b"<a>" * 50_000,
    "one-line": b"a" * 1_000_000,
    "toml-arrays": b"peer = " + b"[" * 100_000,
    "toml-keys": b"a." * 5_000 + b"b = 1\n",
}


@pytest.mark.parametrize("kind", sorted(HUGE))
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_deep_nesting_and_endless_lines_are_bounded(name: str, kind: str) -> None:
    run(name, HUGE[kind])
