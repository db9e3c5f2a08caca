"""Writes settings that are a site's, where its administrator said that they are shared: never a machine's own.

A server's own name, host, ports, directory of users, journal and rooms of its own stay what they are there.  What is
set here is written when it changes, and when a node connects; what was changed there meanwhile was taken over by then.
"""

from collections.abc import Callable, Sequence

from mirror.citadel.writers.base import Target, agreed, said_yes, server_says
from mirror.citadel.writers.fields import print_of
from mirror.formats.server_own import SHARED_SETTINGS
from mirror.model.fields import values_of
from mirror.model.record import Record
from mirror.model.status import RISES, Status

SETTINGS = "config"
_VALUE = "value"


class SettingsWriter:
    """Writes settings into a server that shares them."""

    def __init__(self, shares: bool) -> None:
        self._shares = shares

    def collections(self, target: Target) -> Callable[[str], bool]:
        return lambda name: self._shares and name == SETTINGS

    def takes(self, record: Record) -> bool:
        return not record.dead and record.key in SHARED_SETTINGS

    def write(self, target: Target, records: Sequence[Record]) -> bool:
        there = target.client.settings()
        changed = [one for one in records if _value(one) != there.get(one.key, "")]
        known = target.told_last(SETTINGS, changed)
        for record in changed:
            _write(target, record, known.get(record.key), there.get(record.key, ""))
        return bool(changed)


def _write(target: Target, record: Record, status: Status | None, now: str) -> None:
    """Write one setting, which is otherwise there: ``now``; ``status`` is what the server said last."""
    value = _value(record)
    if "|" in value or "\n" in value:
        target.leave(record, "settings", "the server would cut it")
        return
    if status is not None and status.said.get(_VALUE, RISES) not in (RISES, print_of(now)):
        target.wait(record, "settings", "it was changed there just now")
        return
    (answer,) = target.client.ask_all([f"CONF PUTVAL|{record.key}|{value}".encode("utf-8", "surrogateescape")])
    if not said_yes(answer):
        target.leave(record, "settings", server_says(answer))
        return
    target.written.others += 1
    if status is not None:
        target.remember([agreed(status, record, {**status.said, _VALUE: print_of(value)})])


def _value(record: Record) -> str:
    return str(values_of(record).get(_VALUE, ""))
