"""Under which keys what a server knows by its own numbers is kept here: derived ones, or those it is paired with.

A server that was paired (mirror.citadel.meaning.pairing) shares rooms, users and floors with what is here, and one
that is written into (mirror.citadel.writers) what was made there so.  Which stands in records of the collection
``pairs``, so every node has it: whichever follows the server takes the same for the same, also after it was restored
or its statuses were forgotten.  What was made there since has a key of its own; a folder of a paired user one beside
that user's.  Knows no connection.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from mirror.formats.keys import numbered_key
from mirror.model.fields import values_of
from mirror.model.record import Record, pack_head, unpack_head
from mirror.model.status import fingerprint
from mirror.store.base import Reader, Writer

PAIRS = "pairs"
"""The collection of what is paired: of each server a record under its place's name, and one more per pair."""
USERS, ROOMS, FLOORS = "users", "rooms", "floors"
OWNER_DIGITS = 10
"""With so many digits, and a dot, a mailbox room's name begins: its owner's number."""
NOBODY = 0
OF_SERVER_ITSELF = ":0"
"""So ends the key of the user that a server is itself, which it lists nobody."""


class Pair(NamedTuple):
    """That a thing of a server, by its number there, is what is kept here under a key; of a user also the number."""

    kind: str
    there: int
    key: str
    number: int = 0


class Keys(NamedTuple):
    """The keys of one server's users, rooms and floors, by its numbers."""

    node: str
    paired: bool = False
    users: Mapping[int, Pair] = {}
    rooms: Mapping[int, Pair] = {}
    floors: Mapping[int, Pair] = {}

    @classmethod
    def of(cls, node: str, pairs: list[Pair]) -> "Keys":
        """Return the keys of a server that was paired."""
        kinds = [{pair.there: pair for pair in pairs if pair.kind == kind} for kind in (USERS, ROOMS, FLOORS)]
        return cls(node, True, *kinds)

    @property
    def shares(self) -> bool:
        """Whether something of the server is one with what is here of elsewhere, as what was written into it."""
        return self.paired or bool(self.users or self.rooms or self.floors)

    @property
    def digest(self) -> str:
        """What stands for all of them: where it is another one, the same numbers may be other things."""
        pairs = [*self.users.values(), *self.rooms.values(), *self.floors.values()]
        return fingerprint(msgspec.msgpack.encode([self.paired, sorted(pairs)])).hex()

    def user(self, number: int) -> str:
        """Return a user's key."""
        pair = self.users.get(number)
        return pair.key if pair else numbered_key(self.node, number)

    def user_fields(self, fields: Mapping[str, str], number: int) -> dict[str, str]:
        """Return a user's fields as they are said here: the number is that of here, which names of mailboxes tell."""
        pair = self.users.get(number)
        return {**fields, **({"u_usernum": str(pair.number)} if pair and pair.number else {})}

    def room(self, number: int, name: str) -> str:
        """Return the key of a room, of which ``name`` is the stored name there."""
        pair, owner = self.rooms.get(number), self.users.get(owner_of(name))
        if pair:
            return pair.key
        # Whose mailbox a room is, is told by the node part of its key and the number in its name.
        return f"{_place(owner.key)}:{self.node}.{number}" if owner else numbered_key(self.node, number)

    def floor(self, number: int) -> str:
        """Return a floor's key: of a server that shares nothing with others its number."""
        pair = self.floors.get(number)
        if pair:
            return pair.key
        return numbered_key(self.node, number) if self.paired else str(number)

    def room_name(self, name: str) -> str:
        """Return a room's stored name as it is here, where its owner may have another number."""
        owner = self.users.get(owner_of(name))
        return f"{owner.number:0{OWNER_DIGITS}d}{name[OWNER_DIGITS:]}" if owner else name

    def aide(self, number: int, room: str) -> int:
        """Return the number of a room's aide as it is here, given the room's key; nobody's where it cannot be told.

        The number says who it is among the users of the room's own server.
        """
        pair = self.users.get(number)
        if _place(self.user(number)) != _place(room):
            return NOBODY
        return pair.number if pair else number

    def room_fields(self, fields: Mapping[str, str], key: str) -> dict[str, str]:
        """Return a room's fields as they are said here, given its key: owner, aide and floor are those of here."""
        said = dict(fields)
        if not self.shares:
            return said
        said["QRname"] = self.room_name(fields.get("QRname", ""))
        if _is_number(aide := fields.get("QRroomaide", "")):
            said["QRroomaide"] = str(self.aide(int(aide), key))
        if _is_number(floor := fields.get("QRfloor", "")):
            said["QRfloor"] = self.floor(int(floor))
        return said


class Numbers:
    """The other way round: which numbers things have at a server that are kept here under keys."""

    def __init__(self, keys: Keys) -> None:
        self._paired = {USERS: dict(keys.users), ROOMS: dict(keys.rooms), FLOORS: dict(keys.floors)}
        self.keys = Keys(keys.node, keys.paired, *self._paired.values())
        self._there = {(kind, pair.key): pair.there for kind, pairs in self._paired.items() for pair in pairs.values()}

    def put(self, pair: Pair) -> None:
        """Have a thing be what is kept under a key, and nothing else there be it."""
        last = self._there.get((pair.kind, pair.key))
        if last is not None:
            self._paired[pair.kind].pop(last, None)
        before = self._paired[pair.kind].get(pair.there)
        if before is not None:
            self._there.pop((pair.kind, before.key), None)
        self._paired[pair.kind][pair.there] = pair
        self._there[(pair.kind, pair.key)] = pair.there

    def drop(self, pair: Pair) -> None:
        """Have a thing stand for itself."""
        self._paired[pair.kind].pop(pair.there, None)
        self._there.pop((pair.kind, pair.key), None)

    def of(self, kind: str, key: str) -> int | None:
        """Return a thing's number there; None where the server cannot have it."""
        there = self._there.get((kind, key))
        if there is not None:
            return there
        node, _, number = key.rpartition(":")
        if kind == ROOMS and number.startswith(f"{self.keys.node}."):
            node, _, number = number.rpartition(".")  # a folder that a user made there who is of elsewhere
        own = node == self.keys.node or (kind == FLOORS and not node and not self.keys.paired)
        if not (own and _is_number(number)) or int(number) in self._paired[kind]:
            return None
        return int(number)

    def room_name(self, name: str, key: str) -> str | None:
        """Return the stored name that a room has there, by the one that it has here; None where its owner is not."""
        owner = owner_of(name)
        if not owner:
            return name
        number = self.of(USERS, numbered_key(_place(key), owner))
        return f"{number:0{OWNER_DIGITS}d}{name[OWNER_DIGITS:]}" if number else None

    def aide(self, number: int, key: str) -> int | None:
        """Return the number of a room's aide there, given the room's key; None where nobody there is it."""
        return self.of(USERS, numbered_key(_place(key), number)) if number > NOBODY else None


def names_of_users(reader: Reader, numbers: Numbers) -> dict[int, str]:
    """Return the names of the users who are held, by the numbers that they have at a server."""
    users = {numbers.of(USERS, one.key): str(values_of(one).get("u_fullname", "")) for one in reader.scan_all(USERS)}
    return {number: name for number, name in users.items() if number is not None}


def owner_of(name: str) -> int:
    """Return whose mailbox a room is by its stored name, as a user's number; 0 where it is none."""
    digits, dot, _ = name.partition(".")
    return int(digits) if dot and len(digits) == OWNER_DIGITS and _is_number(digits) else 0


def read_keys(reader: Reader, place: str, node: str) -> Keys:
    """Return the keys of a server, by the name of its place and its node name."""
    prefix = f"{place} "
    records = (one for one in reader.scan_all(PAIRS, prefix) if not one.dead)
    return Keys.of(node, [_pair(one, prefix) for one in records])._replace(paired=reader.get(PAIRS, place) is not None)


def write_pairs(writer: Writer, place: str, pairs: list[Pair]) -> None:
    """Have a server be paired so from now on."""
    writer.put(Record(PAIRS, place, 1, "", 1, head=pack_head({"pairs": len(pairs)})))
    add_pairs(writer, place, pairs)


def add_pairs(writer: Writer, place: str, pairs: Iterable[Pair]) -> None:
    """Have single things of a server be what is kept under a key, whether or not it was paired as a whole."""
    for pair in pairs:
        head = pack_head({"key": pair.key, **({"number": pair.number} if pair.kind == USERS else {})})
        writer.put(Record(PAIRS, _name(place, pair), 1, "", 1, head=head))


def drop_pair(writer: Writer, place: str, pair: Pair) -> None:
    """Have a thing of a server stand for itself again."""
    writer.delete(PAIRS, _name(place, pair))


def _name(place: str, pair: Pair) -> str:
    return f"{place} {pair.kind} {pair.there}"


def _pair(record: Record, prefix: str) -> Pair:
    kind, _, there = record.key.removeprefix(prefix).partition(" ")
    told = unpack_head(record.head)
    number = told.get("number", 0)
    return Pair(kind, int(there), str(told.get("key", "")), number if isinstance(number, int) else 0)


def _place(key: str) -> str:
    return key.rpartition(":")[0]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
