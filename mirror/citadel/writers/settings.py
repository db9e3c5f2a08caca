"""Writes settings that are a site's, where its administrator said that they are shared: never a machine's own.

A server's own name, host, ports, directory of users, journal and rooms of its own stay what they are there.  What is
set here is written when it changes, and when a node connects.
"""

from collections.abc import Callable, Sequence

from mirror.citadel.writers.base import Target, agreed, said_yes, server_says
from mirror.citadel.writers.fields import print_of
from mirror.formats.server_own import SHARED_SETTINGS
from mirror.model.fields import values_of
from mirror.model.record import Record
from mirror.model.status import RISES

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
        known = target.told_last(SETTINGS, records)
        worked = False
        for record in records:
            value, now = str(values_of(record).get(_VALUE, "")), there.get(record.key, "")
            status = known.get(record.key)
            if value == now:
                continue
            worked = True
            if "|" in value or "\n" in value:
                target.leave(record, "settings", "the server would cut it")
            elif status is not None and status.said.get(_VALUE, RISES) not in (RISES, print_of(now)):
                target.wait(record, "settings", "it was changed there just now")
            else:
                command = f"CONF PUTVAL|{record.key}|{value}".encode("utf-8", "surrogateescape")
                (answer,) = target.client.ask_all([command])
                if not said_yes(answer):
                    target.leave(record, "settings", server_says(answer))
                    continue
                target.written.others += 1
                if status is not None:  # a server that is paired tells none
                    target.remember([agreed(status, record, {**status.said, _VALUE: print_of(value)})])
        return worked
