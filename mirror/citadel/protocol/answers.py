"""What a Citadel server answers to the cheap questions by which it is followed, and what follows from that.

Bytes in, values out; no I/O, no clock.  Facts: version 980, recording 13-follow-admin-socket.
"""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from mirror.citadel.meaning.configuration import Kept, read_kept
from mirror.formats.sequence_set import NOTHING_SEEN
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
_ROOM_NUMBER = re.compile(rb"100 Network settings for room #(\d+)")


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


class Present(NamedTuple):
    """Somebody who is logged in: by name, and the room that session is in, without an owner's number in its name."""

    user: bytes
    room: bytes


def people(lines: Lines) -> list[Present]:
    """Return who is logged in but ourselves (``RWHO``)."""
    sessions = (line.split(b"|") for line in lines)
    return [Present(one[1], one[2]) for one in sessions if len(one) > 4 and one[1] != NOBODY and one[4] != IDENTITY]


class Seen(NamedTuple):
    """What the user as whom a session asks has seen in a room: a set of messages, and how the room is viewed."""

    numbers: str
    view: str
    default_view: str

    @property
    def says_nothing(self) -> bool:
        """Whether a user who was never there has the same."""
        return self.numbers == NOTHING_SEEN and self.view == self.default_view


def read_seen(entered: Lines, seen: Lines) -> Seen | None:
    """Return what a user has seen in a room, None where it cannot be entered (``GOTO``, ``GTSN``)."""
    room = entered[0].decode("ascii", "replace").split("|") if entered else []
    told = seen[0].decode("ascii", "replace") if seen else ""
    if len(room) < 13 or not (room[0].startswith("200") and told.startswith("200 ")):
        return None
    return Seen(told.removeprefix("200 ").strip(), room[11], room[12])


def read_calls(lines: Lines) -> dict[bytes, tuple[int, int]]:
    """Return the users by their names: their numbers, and when each logged in last, in Unix seconds (``LIST``)."""
    users = [line.split(b"|") for line in lines]
    told = [one for one in users if len(one) > 3 and one[2].isdigit() and one[3].isdigit()]
    return {one[0]: (int(one[2]), int(one[3])) for one in told}


def read_version(lines: Lines) -> bytes:
    """Return which version a server is, which is that of each user that it writes; nothing where it does not tell it.

    ``lines`` are the answer to INFO.
    """
    version = lines[6].strip() if len(lines) > 6 else b""
    return version if version.isdigit() else b""


def read_time(reply: bytes) -> int:
    """Return the server's clock in Unix seconds, 0 where it does not tell it (``TIME``)."""
    text = reply.removeprefix(b"200 ").partition(b"|")[0]
    return int(text) if reply.startswith(b"200 ") and text.isdigit() else 0


def read_offset(reply: bytes) -> int:
    """Return by how many seconds the server's local time is ahead, 0 where it does not tell that (``TIME``)."""
    told = reply.split(b"|")
    return int(told[1]) if len(told) > 1 and told[1].removeprefix(b"-").isdigit() else 0


def read_started(reply: bytes) -> int:
    """Return when a server was started, by its clock in Unix seconds, 0 where it does not tell that (``TIME``)."""
    told = reply.split(b"|")
    return int(told[3]) if len(told) > 3 and told[3].strip().isdigit() else 0


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


def setting(settings: Iterable[bytes], name: bytes) -> bytes:
    """Return the value of a setting, nothing where it is not set."""
    return next((line.partition(b"|")[2] for line in settings if line.startswith(name + b"|")), b"")


def names_of_users(lines: Lines) -> list[bytes]:
    """Return the users' names (``LIST``)."""
    return [line.partition(b"|")[0] for line in lines]


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
    if before is now:
        return Moved({name for name, line in now.items() if line.changed >= looked - RESOLUTION_S}, False)
    rooms = {name for name, line in now.items() if before.get(name) != line or line.changed >= looked - RESOLUTION_S}
    others = before.keys() != now.keys() or any(before[name].rest != line.rest for name, line in now.items())
    return Moved(rooms, others)


AT_A_ROOM = (b"GNET", b"GETR", b"GETA", b"GPEX room", b"GPEX floor")
"""What a room is asked for besides its messages; only the first of these tells its number."""
ITS_MESSAGES = b"MSGS ALL|0|0|4"


class ToldRoom(NamedTuple):
    """What a room told of itself: its number, and the replies to GETR, GETA, GPEX room and GPEX floor."""

    number: int
    parameters: bytes
    aide: bytes
    expiry: bytes
    floor_expiry: bytes


def view_of(room: ToldRoom) -> str:
    """Return how a room is viewed by who was never there, a number; nothing where that was not told."""
    values = room.parameters.decode("ascii", "replace").split("|") if room.parameters.startswith(b"2") else []
    return values[6].strip() if len(values) > 6 else ""


def name_of_aide(room: ToldRoom) -> bytes:
    """Return the name of a room's aide, nothing where there is none."""
    return room.aide[4:].partition(b"|")[0] if room.aide.startswith(b"2") else b""


class Room(NamedTuple):
    """A room: what it told of itself, and the numbers of its messages; of configuration what these hold, besides."""

    told: ToldRoom
    messages: list[int]
    kept: list[Kept] = []


def read_room(answers: Sequence[Lines]) -> Room | None:
    """Return what a room answered to GOTO, AT_A_ROOM and perhaps for its messages, None where it cannot be entered."""
    entered, settings, *others = answers
    number = room_number(settings)
    if not entered or not entered[0].startswith(b"2") or not number:
        return None
    told = ToldRoom(number, *(answer[0] if answer else b"" for answer in others[:4]))
    lists = others[4] if len(others) > 4 else []
    return Room(told, read_numbers(lists[1:-1]), read_kept(lists))


def room_number(lines: Lines) -> int:
    """Return the number of the present room, 0 where it is not told (``GNET``)."""
    number = _ROOM_NUMBER.match(lines[0]) if lines else None
    return int(number[1]) if number is not None else 0


def read_numbers(lines: Iterable[bytes]) -> list[int]:
    """Return the messages that a room lists."""
    numbers = (line.partition(b"|")[0] for line in lines)
    return [int(number) for number in numbers if number.isdigit()]


class ToldUser(NamedTuple):
    """What is told of a user: the reply to AGUP, and the lines of AGEA."""

    account: bytes
    addresses: Lines

    @property
    def shown(self) -> tuple[bytes, ...]:
        """All of that but what a log-in changes."""
        fields = self.account.split(b"|")
        return (*fields[:3], *fields[5:7], *fields[8:], *self.addresses)


def read_account(account: Lines, addresses: Lines) -> ToldUser:
    """Return what is told of a user (``AGUP``, ``AGEA``)."""
    return ToldUser(account[0] if account else b"", addresses[1:-1])
