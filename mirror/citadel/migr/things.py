"""What there is in few of what is exported: settings, users, rooms, floors, each with the number and name that it gets.

Those of one server stay as they are; what comes from others gets new ones, above all that there ever was.  Knows no
message, and writes no element.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from mirror.citadel.meaning.keys import FLOORS, ROOMS, USERS, Pair
from mirror.citadel.meaning.numbering import (
    MAX_ROOM_NAME,
    MAX_USER_NAME,
    Given,
    Names,
    Numbers,
    floor_numbers,
    main_server,
    number_in,
    own_number,
    owner_key,
    place_of_key,
    room_name_seen,
    user_name_seen,
)
from mirror.citadel.migr.names import CREATED_KEY
from mirror.formats.migr import FIELDS
from mirror.model.fields import values_of
from mirror.model.kinds import room_of
from mirror.model.record import Record
from mirror.model.stamp import stamp_ms
from mirror.store.base import Reading
from mirror.store.whole import all_records, living_records
from netconf.selection import matches

Fields = dict[str, str]


class Part(NamedTuple):
    """What of a store is exported: patterns of the shell for rooms' and users' names; all where there is none.

    A mailbox goes with its owner.
    """

    rooms: Sequence[str] = ()
    users: Sequence[str] = ()


WHOLE = Part()


class Things:
    """The things of one export: ``read``, ``give_numbers``, and then ask."""

    def __init__(self, reading: Reading, node: str, part: Part, notices: list[str]) -> None:
        """``node`` is this mirror's; what cannot stay as it is, and has no number, is told in ``notices``."""
        self._reading, self._node, self._part, self._notices = reading, node, part, notices
        self.given: list[Given] = []
        """What has another number or name than it had."""

    def read(self) -> None:
        """Read what there is in few: settings, users, rooms, floors."""
        self.config = {record.key: texts(record) for record in living_records(self._reading, "config")}
        values = {key: fields["value"] for key, fields in self.config.items() if "value" in fields}
        users, rooms = list(all_records(self._reading, "users")), list(all_records(self._reading, "rooms"))
        self.server = main_server(values, [one.key for one in [*users, *rooms] if not one.dead], self._node)
        self._keys_ever = [[one.key for one in users], [one.key for one in rooms]]
        self.created = values.get(CREATED_KEY, "0").strip()
        self.users = {one.key: texts(one) for one in users if not one.dead and self._is_user_wanted(one)}
        self._unwanted = {one.key for one in users if not one.dead} - self.users.keys()
        self.rooms = {one.key: texts(one) for one in rooms if not one.dead}
        self.rooms = {key: fields for key, fields in self.rooms.items() if self._is_room_wanted(key, fields)}
        self.changed = {one.key: stamp_ms(one.stamp) // 1000 for one in rooms if one.key in self.rooms}
        self.floors = {record.key: texts(record) for record in living_records(self._reading, "floors")}

    def _is_user_wanted(self, record: Record) -> bool:
        name = str(values_of(record).get("u_fullname", ""))
        if record.key.endswith(":0") and place_of_key(record.key) != self.server:
            return False  # the server itself, of which each has one
        return not self._part.users or any(matches(name, pattern) for pattern in self._part.users)

    def _is_room_wanted(self, key: str, fields: Fields) -> bool:
        owner = owner_key(key, fields.get("QRname", ""))
        if owner:
            # A user may be gone whose mailbox is there until the night.
            return owner not in self._unwanted and (owner in self.users or not self._part.users)
        return not self._part.rooms or any(matches(fields.get("QRname", ""), one) for one in self._part.rooms)

    def give_numbers(self) -> None:
        """Give each thing the number and the name that it has in the export: its own ones, where they are free."""
        self.user_numbers, self.room_numbers = Numbers(self.server), Numbers(self.server)
        owners = {owner_key(key, fields.get("QRname", "")) for key, fields in self.rooms.items()} - {""}
        self.user_numbers.keep([*self.users, *owners])
        self.room_numbers.keep(self.rooms)
        self._stay_above_all()
        self.floor_numbers = dict(floor_numbers(self.floors))
        self._name_users()
        for owner in sorted(owners):
            self.user_numbers.new(owner)
        self._name_rooms()
        for key in sorted(self.floors.keys() - self.floor_numbers.keys()):
            self._notices.append(f"floor {key!r}: a server has no room for it; its rooms are on floor 0")

    def _stay_above_all(self) -> None:
        """Have no new number be one that something had which is gone: all who follow the server remember it."""
        users, rooms = self._keys_ever
        collections = self._reading.read(lambda reader: reader.collections(""))
        for numbers, keys in ((self.user_numbers, users), (self.room_numbers, [*rooms, *map(room_of, collections)])):
            numbers.above(max((own_number(key, self.server) for key in keys), default=0))

    def _name_users(self) -> None:
        names = Names(user_name_seen, MAX_USER_NAME)
        self.user_names: dict[str, str] = {}
        for key in self._own_first(self.users):
            number, name = self.user_numbers.new(key), self.users[key].get("u_fullname", "")
            self.user_names[key] = names.give(name, place_of_key(key), number)
            self._note("users", key, number_in(self.users[key], "u_usernum"), number, name, self.user_names[key])

    def _name_rooms(self) -> None:
        names = Names(room_name_seen, MAX_ROOM_NAME)
        self.room_names: dict[str, str] = {}
        self.directories: dict[str, str] = {}
        taken: dict[str, str] = {}
        for key in self._own_first(self.rooms):
            fields, number = self.rooms[key], self.room_numbers.new(key)
            name = self._name_with_owner(key, fields.get("QRname", ""))
            self.room_names[key] = names.give(name, place_of_key(key), number)
            self._note("rooms", key, number_in(fields, "QRnumber"), number, name, self.room_names[key])
            if directory := fields.get("QRdirname", ""):
                # Rooms of one server may share a directory, those of two must not.
                place = taken.setdefault(directory, place_of_key(key))
                self.directories[key] = directory if place == place_of_key(key) else f"room{number}"
                if place != place_of_key(key):
                    self._notices.append(f"room {name!r}: its directory is room{number}, {directory!r} is taken")
        self.configuration = self.room_numbers.new(f"{self.server}:configuration")
        self.user_rooms = {key: self.room_numbers.new(f"{key} configuration") for key in self.users}

    def _own_first(self, keys: Iterable[str]) -> list[str]:
        """Return keys with those first whose numbers and names are kept."""
        return sorted(keys, key=lambda key: (own_number(key, self.server) < 0, own_number(key, self.server), key))

    def _name_with_owner(self, key: str, name: str) -> str:
        """Return a room's stored name with the number that its owner has now."""
        number = self.user_numbers.get(owner_key(key, name) or "")
        return name if number is None else owned(number, name.partition(".")[2])

    def _note(self, kind: str, key: str, was: int, number: int, name: str, given: str) -> None:
        if number != was or given != name:
            self.given.append(Given(kind, key, was, number, given if given != name else ""))

    def number_of(self, kind: str, key: str) -> int | None:
        """Return the number of a user, room or floor that is in the export."""
        if kind == "floors":
            return self.floor_numbers.get(key)
        return (self.user_numbers if kind == "users" else self.room_numbers).get(key)

    def pairs(self) -> Iterator[Pair]:
        """Yield which users, rooms and floors of the export are which here."""
        for key, fields in self.users.items():
            yield Pair(USERS, self.user_numbers.new(key), key, number_in(fields, "u_usernum"))
        for key in self.rooms:
            yield Pair(ROOMS, self.room_numbers.new(key), key)
        for key, number in self.floor_numbers.items():
            yield Pair(FLOORS, number, key)

    def number_of_visitor(self, user: str) -> int | None:
        """Return the number of whoever visited a room: maybe of a user who is gone, with the number that was kept."""
        number = self.user_numbers.get(user)
        own = own_number(user, self.server)
        if number is None and own >= 0 and user not in self._unwanted and not self._part.users:
            return own
        return number


def texts(record: Record) -> Fields:
    """Return a record's fields as texts."""
    return {name: str(value) for name, value in values_of(record).items()}


def owned(number: int, name: str) -> str:
    """Return the stored name of a room in a user's mailbox."""
    return f"{number:010d}.{name}"


def ordered(element: str, said: Mapping[str, str]) -> Fields:
    """Return an element's fields in the order in which a server writes them, and behind them all others."""
    return {name: said[name] for name in FIELDS[element] if name in said} | dict(said)
