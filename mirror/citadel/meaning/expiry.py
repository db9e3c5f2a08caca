"""What a server throws away by itself, as old or beyond a number: nobody deleted that.  Values in, values out.

Source: version 980, modules/expire, which does so in the hour of ``c_purge_hour``.
"""

import enum
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from mirror.formats.numbers import number_or_zero

MAILBOX = 16384
"""Flag of a room that belongs to a user."""
DAY_S = 86_400


class Mode(enum.IntEnum):
    """How a room's messages expire."""

    NEXT_LEVEL = 0
    NEVER = 1
    NEWEST = 2
    """All but the newest so many."""
    DAYS = 3
    """What is older than so many days."""


class Policy(NamedTuple):
    """How messages expire, and the number of messages or days."""

    mode: int = Mode.NEXT_LEVEL
    value: int = 0

    def expired(self, gone: Iterable[tuple[int, int]], listed: Sequence[int], now: int) -> set[int]:
        """Return which messages a server would have thrown away that a room lists no more.

        ``gone`` are their numbers and when they were posted, ``now`` is the time (Unix seconds); ``listed`` are the
        numbers that are there, in order.
        """
        if self.mode == Mode.NEWEST:
            return {number for number, _ in gone if len(listed) - bisect_right(listed, number) >= self.value}
        if self.mode == Mode.DAYS:
            return {number for number, posted in gone if now - posted > self.value * DAY_S}
        return set()


class _Room(NamedTuple):
    own: Policy
    floor: int
    mailbox: bool


class Policies:
    """The policies of a server: of rooms, else of their floors or of mailboxes, else its own."""

    def __init__(self) -> None:
        self._site: dict[str, str] = {}
        self._floors: dict[int, Policy] = {}
        self._rooms: dict[int, _Room] = {}

    def set(self, name: str, value: str) -> None:
        """Take note of a setting."""
        if name in ("c_ep_mode", "c_ep_value", "c_mbxep_mode", "c_mbxep_value"):
            self._site[name] = value

    def floor(self, number: int, fields: Mapping[str, str]) -> None:
        """Take note of a floor of an export."""
        self._floors[number] = _policy(fields, "f_ep_expire_mode", "f_ep_expire_value")

    def room(self, number: int, fields: Mapping[str, str]) -> None:
        """Take note of a room of an export."""
        own = _policy(fields, "QRexpire_mode", "QRexpire_value")
        self._rooms[number] = _Room(own, _number(fields, "QRfloor"), bool(_number(fields, "QRflags") & MAILBOX))

    def of(self, number: int) -> Policy:
        """Return the policy of a room; one by which nothing expires where it is not known."""
        room = self._rooms.get(number)
        if room is None:
            return Policy()
        site = _policy(self._site, "c_ep_mode", "c_ep_value")
        above = _policy(self._site, "c_mbxep_mode", "c_mbxep_value") if room.mailbox else self._floors.get(room.floor)
        return next(policy for policy in (room.own, above or Policy(), site) if policy.mode or policy is site)


def _policy(fields: Mapping[str, str], mode: str, value: str) -> Policy:
    return Policy(_number(fields, mode), _number(fields, value))


def _number(fields: Mapping[str, str], name: str) -> int:
    return number_or_zero(fields.get(name, ""))
