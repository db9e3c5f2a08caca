"""Whether a node is well, in one line and an exit code that monitors know (Nagios' plugin interface)."""

from collections.abc import Iterator
from typing import NamedTuple

from mirror.cli.output import duration
from mirror.wire.status import THIRD, NodeStatus

OK, WARNING, CRITICAL, UNKNOWN = range(4)
WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


class Finding(NamedTuple):
    """One thing that is not as it should be."""

    code: int
    text: str


def judge(state: NodeStatus, max_lag_s: float, certificate: str = "") -> tuple[int, str]:
    """Return the exit code and the line for how a node is; half the lag that may be is a warning.

    ``certificate`` is what to know of its end, nothing while that is far.
    """
    found = list(_findings(state, max_lag_s))
    if certificate:
        found.append(Finding(WARNING, certificate))
    code = max((one.code for one in found), default=OK)
    shown = "; ".join(one.text for one in sorted(found, key=lambda one: -one.code))
    peers = sum(one.how != THIRD for one in state.nodes)
    good = f"{state.records} records, {peers} peers, {len(state.attachments)} servers followed"
    worst = max((one.lag_s for one in state.nodes if one.how != THIRD), default=0.0)
    return code, f"{WORDS[code]}: {shown or good} | lag={max(0.0, worst):.0f}s;{max_lag_s / 2:g};{max_lag_s:g}"


def _findings(state: NodeStatus, max_lag_s: float) -> Iterator[Finding]:
    if not state.running:
        yield Finding(CRITICAL, "no daemon runs")
        return
    for node in state.nodes:
        if node.how != THIRD:
            yield from _of_lag(f"{node.name} is {node.now}", node.lag_s, max_lag_s)
    for one in state.attachments:
        if not one.paused:
            yield from _of_lag(f"server {one.name} is {one.phase}", one.lag_s, max_lag_s)
    yield from (Finding(WARNING, f"{count} records of {peer} are set aside") for peer, count in state.aside.items())
    yield from (Finding(WARNING, f"the copy from {source} is not at its end") for source in state.copying)
    yield from (Finding(CRITICAL, note) for note in (*state.clock, *state.twins))


def _of_lag(what: str, lag_s: float, max_lag_s: float) -> Iterator[Finding]:
    if lag_s < 0:
        yield Finding(CRITICAL, f"{what} and was never heard of")
    elif lag_s > max_lag_s / 2:
        code = CRITICAL if lag_s > max_lag_s else WARNING
        yield Finding(code, f"{what}, {duration(lag_s)} behind")
