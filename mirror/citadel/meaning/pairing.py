"""What of a server is the same as what is here already, before the first look at it; what only one of the two has.

Every Citadel is born with an administrator, a Lobby, an Aide: without pairing two servers would have all that twice.
Rooms that the server itself needs and floors pair by name, users and other rooms only where somebody consents: whoever
may sign up on one server must not get the mail of the user of the same name on another.  A paired user's folders pair
by name.  Messages and items need no pairing, their keys are the same.  Values in, values out.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from mirror.citadel.meaning.keys import FLOORS, ROOMS, USERS, Keys, Pair, owner_of
from mirror.citadel.meaning.numbering import room_name_seen, user_name_seen
from mirror.formats.keys import numbered_key
from mirror.model.keys import compared
from netconf.selection import matches

ADDRESS_BOOK = "Global Address Book"
"""The room of a server's own that no setting names."""
ROLES = {"c_baseroom": "Lobby", "c_aideroom": "Aide", "c_twitroom": "Trashcan"}
"""The settings that name rooms which the server itself needs, and what they are called where none does."""
KINDS = (USERS, ROOMS, FLOORS)
NAME_BYTES = {USERS: 63, ROOMS: 127, FLOORS: 255}
"""Bytes of a name that version 980 keeps."""
MAX_NAMES = 100
"""Names of a kind that are told of what is not paired."""
_NOT_TAKEN = re.compile(rb"[^\x20-\x7e]+")


class Consent(NamedTuple):
    """What may be paired besides what the server needs itself: patterns of the shell, case ignored."""

    users: Sequence[str] = ()
    rooms: Sequence[str] = ()


class There(NamedTuple):
    """What a server has, names by numbers; and the names of the rooms that it needs itself, by what they are for."""

    users: Mapping[int, str]
    rooms: Mapping[int, str]
    floors: Mapping[int, str]
    roles: Mapping[str, str]


class Held(NamedTuple):
    """A living user, room or floor that is here.  ``number`` is a user's own, ``owner`` the key of a mailbox's user."""

    key: str
    name: str
    number: int = 0
    owner: str = ""


class Here(NamedTuple):
    """What is here, of those with one name the one that is shown under it first; roles as of ``There``."""

    users: Sequence[Held]
    rooms: Sequence[Held]
    floors: Sequence[Held]
    roles: Mapping[str, str]


class Match(NamedTuple):
    """One thing of the server and one that is here; ``why`` they are one, or why they are not although alike."""

    pair: Pair
    there: str
    here: str
    why: str


class Pairing(NamedTuple):
    """What is one; what has one name and stays two; by kind, how much only the server has, and only is here.

    Of that the first names, but of mailboxes' rooms, which go with their users.
    """

    matches: list[Match]
    alike: list[Match]
    only_there: dict[str, int]
    only_here: dict[str, int]
    names_there: dict[str, list[str]]
    names_here: dict[str, list[str]]

    @property
    def pairs(self) -> list[Pair]:
        return [match.pair for match in self.matches]


def pair(node: str, there: There, here: Here, consent: Consent) -> Pairing:
    """Return how a server of a node name is paired with what is here."""
    own = Keys(node)
    users = _Pairs(USERS, own.user)
    users.take(there.users, here.users, lambda name: _agreed(consent.users, name), "agreed to")
    rooms = _Pairs(ROOMS, lambda number: numbered_key(node, number))
    rooms.take_roles(there, here)
    open_there = {number: name for number, name in there.rooms.items() if not owner_of(name)}
    open_here = [one for one in here.rooms if not one.owner]
    rooms.take(open_there, open_here, lambda name: _agreed(consent.rooms, name), "agreed to")
    _pair_folders(rooms, users, there, here)
    floors = _Pairs(FLOORS, lambda number: numbered_key(node, number))
    floors.take(there.floors, here.floors, lambda _name: True, "floor of the same name")
    kinds = (users, rooms, floors)
    only_there = [one.left(told) for one, told in zip(kinds, there[:3], strict=True)]
    only_here = [one.left_here(held) for one, held in zip(kinds, here[:3], strict=True)]
    return Pairing(
        [match for one in kinds for match in one.matches],
        [match for one in kinds for match in one.alike],
        dict(zip(KINDS, map(len, only_there), strict=True)),
        dict(zip(KINDS, map(len, only_here), strict=True)),
        dict(zip(KINDS, map(_first, only_there), strict=True)),
        dict(zip(KINDS, map(_first, only_here), strict=True)),
    )


def reduced(kind: str, name: str) -> str:
    """Return what a server makes of a name that it is to have, to compare it with others: equal ones are one there.

    It knows users by the letters and digits of their names alone, and heeds case but in ASCII: Über is not über.
    """
    kept = kept_name(kind, name)
    return (user_name_seen(kept) if kind == USERS else "") or room_name_seen(kept)


def kept_name(kind: str, name: str) -> str:
    """Return what a server keeps of a name: of users' names only ASCII is left, in place of all else one blank."""
    data = name.replace("|", "").encode("utf-8", "surrogateescape")
    if kind == USERS:
        data = b" ".join(_NOT_TAKEN.sub(b" ", data).split())
    return data[: NAME_BYTES[kind]].decode("utf-8", "ignore").strip()


class _Pairs:
    """Pairs of one kind as they are found; nothing is paired twice."""

    def __init__(self, kind: str, own_key: Callable[[int], str]) -> None:
        self._kind, self._own_key = kind, own_key
        self.matches: list[Match] = []
        self.alike: list[Match] = []
        self._there: set[int] = set()
        self._here: set[str] = set()
        self.of: dict[int, Pair] = {}

    def take(self, there: Mapping[int, str], here: Sequence[Held], agreed: Callable[[str], bool], why: str) -> None:
        """Pair what has one name, where that is agreed to; else say that it is alike."""
        named, alike = _by_name(here, str), _by_name(here, compared)
        taken = _by_name(here, lambda name: reduced(self._kind, name))
        held = {one.key for one in here}
        for number, name in sorted(there.items()):
            if self._own_key(number) in held:
                self._here.add(self._own_key(number))
                self._there.add(number)  # it came from there by another way
                continue
            one = named.get(name) or alike.get(compared(name))
            if one is not None and agreed(name):
                self.put(number, name, one, why)
                continue
            one = one or taken.get(reduced(self._kind, name))
            if one is not None and number not in self._there and one.key not in self._here:
                same = compared(one.name) == compared(name)
                why_not = "nobody agreed to it" if same else "a server takes both names for one"
                self.alike.append(self._match(number, name, one, why_not))

    def take_roles(self, there: There, here: Here) -> None:
        """Pair the rooms that both servers need themselves for the same."""
        numbers = {compared(name): number for number, name in there.rooms.items()}
        held = _by_name([one for one in here.rooms if not one.owner], compared)
        for role, name in there.roles.items():
            number, one = numbers.get(compared(name)), held.get(compared(here.roles.get(role) or ROLES.get(role, role)))
            if number is not None and one is not None and self._own_key(number) != one.key:
                self.put(number, there.rooms[number], one, "a room that each server has")

    def put(self, number: int, name: str, one: Held, why: str) -> None:
        """Pair two things, unless one of them is paired already."""
        if number in self._there or one.key in self._here:
            return
        match = self._match(number, name, one, why)
        self.matches.append(match)
        self.of[number] = match.pair
        self._there.add(number)
        self._here.add(one.key)

    def left(self, there: Mapping[int, str]) -> list[str]:
        """Return the names of what only the server has."""
        return [name for number, name in there.items() if number not in self._there]

    def left_here(self, here: Sequence[Held]) -> list[str]:
        """Return the names of what only is here."""
        return [one.name for one in here if one.key not in self._here]

    def _match(self, number: int, name: str, one: Held, why: str) -> Match:
        return Match(Pair(self._kind, number, one.key, one.number), name, one.name, why)


def _pair_folders(rooms: _Pairs, users: _Pairs, there: There, here: Here) -> None:
    """Pair the rooms of paired users' mailboxes, by the names that the owners see."""
    for number, folders in _folders_there(there.rooms):
        owner = users.of.get(number)
        if owner is None:
            continue
        held = _by_name([one for one in here.rooms if one.owner == owner.key], lambda name: compared(_own_name(name)))
        for room, name in folders:
            one = held.get(compared(_own_name(name)))
            if one is not None:
                rooms.put(room, name, one, "a paired user's folder")


def _folders_there(rooms: Mapping[int, str]) -> Iterator[tuple[int, list[tuple[int, str]]]]:
    of: dict[int, list[tuple[int, str]]] = {}
    for number, name in sorted(rooms.items()):
        if owner_of(name):
            of.setdefault(owner_of(name), []).append((number, name))
    yield from of.items()


def _first(names: Iterable[str]) -> list[str]:
    """Return the first names in their order, as they can be told, without those of mailboxes' rooms."""
    told = (name.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for name in names if not owner_of(name))
    return sorted(told, key=compared)[:MAX_NAMES]


def _own_name(name: str) -> str:
    return name.partition(".")[2]


def _agreed(patterns: Sequence[str], name: str) -> bool:
    return any(matches(name, pattern) for pattern in patterns)


def _by_name(held: Iterable[Held], compare: Callable[[str], str]) -> dict[str, Held]:
    """Return things by their names; of those of one name the first."""
    named: dict[str, Held] = {}
    for one in held:
        named.setdefault(compare(one.name), one)
    return named
