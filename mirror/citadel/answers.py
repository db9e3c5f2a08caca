"""What a Citadel server answers to the cheap questions by which it is followed, and what follows from that.

Bytes in, values out; no I/O, no clock.  Facts: version 980, recording 13-follow-admin-socket.
"""

from collections.abc import Iterable, Mapping, Set
from typing import NamedTuple

from mirror.formats.server_own import is_own_setting

IDENTITY = b"citadel-mirror"
"""As what our own sessions are known to the server."""
NOBODY = b"(not logged in)"
KILLED = b"9999999999."
"""So begin the names of killed rooms, which the server forgets in the night."""
HIGHEST = b"MMhighest"
RESOLUTION_S = 1
"""Seconds within which two changes of a room may bear one time."""

Lines = list[bytes]


def read_settings(lines: Lines) -> tuple[int, frozenset[bytes]]:
    """Return the highest message number, and all settings but those that are the server's own (``CONF LISTVAL``)."""
    highest, settings = 0, []
    for line in lines:
        name, _, value = line.partition(b"|")
        if name == HIGHEST and value.isdigit():
            highest = int(value)
        elif not is_own_setting(name.decode("utf-8", "replace")):
            settings.append(line)
    return highest, frozenset(settings)


def somebody_is_there(lines: Lines) -> bool:
    """Tell whether anybody but ourselves is logged in (``RWHO``)."""
    sessions = (line.split(b"|") for line in lines)
    return any(len(one) > 4 and one[1] != NOBODY and one[4] != IDENTITY for one in sessions)


def read_time(reply: bytes) -> int:
    """Return the server's clock in Unix seconds, 0 where it does not tell it (``TIME``)."""
    text = reply.removeprefix(b"200 ").partition(b"|")[0]
    return int(text) if reply.startswith(b"200 ") and text.isdigit() else 0


class RoomLine(NamedTuple):
    """A room as ``LKRA`` lists it: when it was changed (Unix seconds), and all else that is said of it."""

    changed: int
    rest: bytes


def read_rooms(lines: Lines) -> dict[bytes, RoomLine]:
    """Return the rooms by their names, but for killed ones (``LKRA``)."""
    rooms = {}
    for line in lines:
        if line.startswith(KILLED):
            continue
        name, _, rest = line.partition(b"|")
        rest, _, changed = rest.rstrip(b"|").rpartition(b"|")
        rooms[name] = RoomLine(int(changed) if changed.isdigit() else 0, rest)
    return rooms


def read_users(lines: Lines) -> frozenset[bytes]:
    """Return all that is said of users but when they called last, how often, and what they posted (``LIST``)."""
    return frozenset(b"|".join(line.split(b"|")[:3]) for line in lines)


class Moved(NamedTuple):
    """What is not as it was: rooms to be listed again, by their names, and whether rooms came, went or were changed."""

    rooms: Set[bytes]
    others: bool


def moved(before: Mapping[bytes, RoomLine], now: Mapping[bytes, RoomLine], looked: int) -> Moved:
    """Tell what moved since a look at the server's second ``looked``.

    A room's time has seconds, so one that was changed in the second of that look may have been changed after it.
    """
    rooms = {
        name
        for name, line in now.items()
        if (was := before.get(name)) is None or was.changed != line.changed or line.changed >= looked - RESOLUTION_S
    }
    others = before.keys() != now.keys() or any(before[name].rest != line.rest for name, line in now.items())
    return Moved(rooms, others)


def read_numbers(lines: Iterable[bytes]) -> list[int]:
    """Return the messages that a room lists (``MSGS ALL``)."""
    numbers = (line.partition(b"|")[0] for line in lines)
    return [int(number) for number in numbers if number.isdigit()]
