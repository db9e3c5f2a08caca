"""Under which numbers and names what is here is written into one server: those that it had there, where that can be.

Kept is what was the server's own and is nobody else's: the same key, made from its node name and the number.  All else
gets new numbers above the highest that were ever used, and another name where the server would take two names for one.
Values in, values out: knows no store.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from mirror.citadel.meaning.keys import OWNER_DIGITS, owner_of
from mirror.formats.keys import numbered_key
from mirror.formats.numbers import number_or_zero

FLOORS = 16
"""Floors that a server has, used or not; their numbers are from 0 on."""
MAX_USER_NAME, MAX_ROOM_NAME = 63, 127
"""Bytes that a server keeps of such a name."""
_NOT_IN_KEY = re.compile("[^a-z0-9]")


class Given(NamedTuple):
    """What became of something that has another number or name in the export than it had, of a ``kind``."""

    kind: str
    key: str
    was: int
    number: int
    name: str = ""
    """What it is called now, if that is another name than it had."""


class Names:
    """Names of one kind that a server tells apart: each is given once."""

    def __init__(self, seen_as: Callable[[str], str], limit: int) -> None:
        """``seen_as`` returns what is one name to the server; ``limit`` is how many bytes it keeps of one."""
        self._seen_as, self._limit = seen_as, limit
        self._taken: set[str] = set()

    def give(self, name: str, of: str, number: int) -> str:
        """Return the name, or where that is taken another one that tells ``of`` which server it is, and its number."""
        for mark in ("", f" ({of})", f" ({of} {number})"):
            cut = name.encode()[: self._limit - len(mark.encode())].decode(errors="ignore") + mark
            if self._seen_as(cut) not in self._taken:
                break
        self._taken.add(self._seen_as(cut))
        return cut


def user_name_seen(name: str) -> str:
    """Return what a server finds a user by: letters and digits of ASCII alone, small ones."""
    return _NOT_IN_KEY.sub("", _ascii_lower(name))


def room_name_seen(name: str) -> str:
    """Return what a server finds a room by."""
    return _ascii_lower(name)


def _ascii_lower(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


class Numbers:
    """The numbers of things of one kind, by their keys; ``kept`` first, then others ask for new ones."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._numbers: dict[str, int] = {}
        self.highest = 0

    def keep(self, keys: Iterable[str]) -> None:
        """Give those their own numbers that have the server's."""
        for key in keys:
            if own_number(key, self._server) >= 0:
                self._numbers[key] = own_number(key, self._server)
        self.above(max(self._numbers.values(), default=0))

    def above(self, number: int) -> None:
        """Have new numbers be greater than this one."""
        self.highest = max(self.highest, number)

    def new(self, key: str) -> int:
        """Return something's number, which is a new one where it has none yet."""
        if key not in self._numbers:
            self.highest += 1
            self._numbers[key] = self.highest
        return self._numbers[key]

    def get(self, key: str) -> int | None:
        """Return something's number; None where it has none."""
        return self._numbers.get(key)


def own_number(key: str, server: str) -> int:
    """Return the number in a key that a server's own user or room has; -1 in any other one."""
    place, _, digits = key.rpartition(":")
    own = place == server and digits.isascii() and digits.isdigit() and len(digits) <= OWNER_DIGITS
    return int(digits) if own and numbered_key(server, int(digits)) == key else -1


def place_of_key(key: str) -> str:
    """Return the server or node at which a user or room was made, by its key."""
    return key.rpartition(":")[0]


def user_of(room: str, number: int) -> str:
    """Return the key of the user whom a room of that key names by a number."""
    return numbered_key(place_of_key(room), number)


def owner_key(room: str, name: str) -> str:
    """Return the key of the user whose mailbox a room is, by its key and stored name; nothing where it is none."""
    owner = owner_of(name)
    return user_of(room, owner) if owner else ""


def main_server(settings: Mapping[str, str], keys: Iterable[str], node: str) -> str:
    """Return the server whose numbers are kept: the one that the settings name, or that most things are of."""
    counts: dict[str, int] = {}
    for key in keys:
        counts[place_of_key(key)] = counts.get(place_of_key(key), 0) + 1
    named = settings.get("c_nodename", "").strip().lower()
    if named in counts or not counts:
        return named or node
    return max(counts, key=lambda place: (counts[place], place))


def floor_numbers(keys: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Yield floors' keys and numbers: their own where they have one; there is no room for more than FLOORS."""
    keys = sorted(keys)
    own = {key: int(key) for key in keys if key.isascii() and key.isdigit() and int(key) < FLOORS}
    free = iter(sorted(set(range(FLOORS)) - set(own.values())))
    yield from own.items()
    for key in keys:
        if key not in own and (number := next(free, None)) is not None:
            yield key, number


def number_in(fields: Mapping[str, str], name: str) -> int:
    """Return a field as a number, 0 where it is none."""
    return number_or_zero(fields.get(name, ""))
