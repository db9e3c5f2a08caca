"""What a server throws away in its purge hour: who did not call, and rooms that nobody wrote in, for very long there.

Who called on another server meanwhile, and rooms written in elsewhere, were not idle: that is no deletion of anybody's.
Values in, values out.  Source: version 980, modules/expire: once within the hour of ``c_purge_hour``, users after
``c_userpurge`` days or those of their own account, rooms after ``c_roompurge`` days, mailboxes with their users.
"""

from collections.abc import Mapping
from typing import NamedTuple

from mirror.citadel.meaning.expiry import DAY_S
from mirror.formats.numbers import number_or_zero
from mirror.model.fields import unpack_fields
from mirror.model.record import Record
from mirror.model.stamp import stamp_ms

HOUR_S = 3600
LAST_CALL, OWN_DAYS = "u_lastcall", "u_USuserpurge"


class Purge(NamedTuple):
    """A purge that may have been: when, in Unix seconds, and the seconds after which users and rooms go; 0 for never.

    ``origin`` is that of what the server itself told.
    """

    now: int
    users_s: int
    rooms_s: int
    origin: str

    def spares_user(self, record: Record) -> bool:
        """Tell whether a user called elsewhere so lately that the server would not have thrown the account away."""
        fields = unpack_fields(record)
        called, own = fields.get(LAST_CALL), fields.get(OWN_DAYS)
        if called is None or called.origin == self.origin or not self.users_s:
            return False
        within = number_or_zero(str(own.value)) * DAY_S if own is not None else 0
        return self.now - number_or_zero(str(called.value)) <= (within or self.users_s)

    def spares_room(self, newest: list[Record]) -> bool:
        """Tell whether a room was written in elsewhere so lately; ``newest`` are the last messages in it."""
        since = self.now - self.rooms_s
        others = (one for one in newest if one.origin != self.origin)
        return bool(self.rooms_s) and any(stamp_ms(one.stamp) // 1000 >= since for one in others)


def would_go(settings: Mapping[str, str], own_days: int, idle_s: int) -> bool:
    """Tell whether a server of these settings throws away who has not called for so many seconds.

    ``own_days`` are those of the account, 0 where it has none.
    """
    days = number_or_zero(settings.get("c_userpurge", ""))
    return days > 0 and idle_s > (own_days if own_days > 0 else days) * DAY_S


def purge_between(settings: Mapping[str, str], since: int, now: int, offset: int, origin: str) -> Purge | None:
    """Return the purge that a server may have done since a moment of its clock, 0 for any; None where there was none.

    ``now`` is its clock in Unix seconds, which local time is ahead of by ``offset`` seconds.
    """
    hour = number_or_zero(settings.get("c_purge_hour", ""))
    begins = (now + offset) // DAY_S * DAY_S - offset + hour * HOUR_S
    begun = begins if begins <= now else begins - DAY_S
    if begun + HOUR_S <= since:
        return None
    users, rooms = (number_or_zero(settings.get(name, "")) * DAY_S for name in ("c_userpurge", "c_roompurge"))
    return Purge(now, users, rooms, origin)
