"""What is here as a ``MIGR export`` that a real, empty server imports, and a mirror as well: an import turned around.

Rooms come before messages and list them by their numbers, so all is read twice: once to see what has which number
(mirror.citadel.migr.placed, on disk), and once to write it.  Memory stays flat but for the fields of users and rooms.
What the server has for itself is made anew: counters, references, the rooms that hold its settings.  Knows no file.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import groupby
from typing import NamedTuple

import msgspec

from mirror.citadel.looks.look import HIGHEST_KEY, pages, place_of, remembered
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
    user_of,
)
from mirror.citadel.migr.importer import CONTENT_TYPE_KEY, CREATED_KEY, ORPHANS, USER_SETTINGS
from mirror.citadel.migr.placed import NOWHERE, Placed, Placing
from mirror.formats import migr_writer
from mirror.formats.errors import BadMessage
from mirror.formats.internet import as_server_keeps
from mirror.formats.keys import imported_origin
from mirror.formats.mail import is_file
from mirror.formats.message import MIME, parse_message, serialize_message
from mirror.formats.migr import FIELDS
from mirror.formats.numbers import number_or_zero
from mirror.formats.sequence_set import CUT_BYTES, SequenceSet, readable_set, set_of
from mirror.formats.server_own import netconf_setting
from mirror.formats.wrapping import wrapped
from mirror.model.containers import picture_of_room, picture_of_user
from mirror.model.fields import values_of
from mirror.model.kinds import Collection, parse_collection, room_of
from mirror.model.record import Record, unpack_head
from mirror.model.stamp import stamp_ms
from mirror.store.base import Reader, Reading
from mirror.store.whole import all_records, living_records
from mirror.sync.share.rules import lines_to_confirm, room_lines
from netconf.lines import LAST_SENT, parse_lines, replace_lines
from netconf.selection import matches

VERSION = "980"
"""The version of a server whose exports are like this."""
CONFIGURATION_ROOM, USER_CONFIGURATION = "Local System Configuration", "My Citadel Config"
_CONFIGURATION_FIELDS = {
    "QRpasswd": "", "QRroomaide": "-1", "QRflags": "6", "QRfloor": "0", "QRorder": "64", "QRflags2": "1",
    "QRdefaultview": "0",
}  # fmt: skip
"""A room that holds settings, as version 980 makes it; a user's is a mailbox besides."""
_MAILBOX = 16384
_LISTS = frozenset({"listrecp", "digestrecp"})
"""Lines of a room's configuration by which a server mails what it has not sent yet."""
_OF_USER = {"bios": "u_msgnum_bio", "pictures": "u_msgnum_pic", "inbox-rules": "u_msgnum_inboxrules"}
_OF_ROOM = {"room-info": "msgnum_info", "pictures": "msgnum_pic"}
_MARKED = {"seen": "v_seen", "answered": "v_answered"}
_TOLD = "msg_"
"""So begin the fields of a message's element; a head has others besides."""
_DIGEST_BYTES = 20
_BODIES_AT_ONCE = 100

Fields = dict[str, str]


class Part(NamedTuple):
    """What of a store is exported: patterns of the shell for rooms' and users' names; all where there is none.

    A mailbox goes with its owner.
    """

    rooms: Sequence[str] = ()
    users: Sequence[str] = ()


WHOLE = Part()


class Step(NamedTuple):
    """How far an export has come: in what, how many of how many messages."""

    what: str
    done: int
    total: int


class Exported(msgspec.Struct):
    """What an export has: elements by their names, and what had to be changed."""

    server: str = ""
    """Whose numbers were kept."""
    elements: dict[str, int] = {}
    renumbered: int = 0
    """How many things have another number or name than they had, once that was written down."""
    notices: list[str] = []


class Exporter:
    """Writes one state of a store; use once."""

    def __init__(
        self,
        reading: Reading,
        node: str,
        part: Part = WHOLE,
        *,
        settings: Mapping[str, str] | None = None,
        for_server: bool = False,
    ) -> None:
        """``node`` is this mirror's; ``settings`` replace those that are here, as those that a server has for itself.

        ``for_server`` leaves out what a server's import would leave lying about: rooms' texts and pictures, which it
        does not link, and messages in no room.
        """
        self.report = Exported()
        self._reading = reading
        self._node = node
        self._part = part
        self._progress: Callable[[Step], None] = lambda _step: None
        self._own = dict(settings or {})
        self._for_server = for_server
        self._placing = Placing()
        self._given: list[Given] = []

    def tell(self, progress: Callable[[Step], None]) -> None:
        """Have somebody be told how far it has come."""
        self._progress = progress

    def close(self) -> None:
        self._placing.close()

    def blocks(self) -> Iterator[bytes]:
        """Yield the export.  Raises StoreError."""
        self._read_things()
        self._give_numbers()
        self._place_messages()
        yield migr_writer.BEGIN + migr_writer.single("version", VERSION)
        yield from self._counted("config", self._configs())
        yield from self._counted("user", map(self._user, self._users))
        yield from self._rooms_and_lists()
        yield from self._counted("floor", self._floors_written())
        yield from self._counted("visit", self._visits())
        yield from self._counted("message", self._messages())
        yield migr_writer.single("progress", "100") + migr_writer.END

    def given(self) -> Iterator[Given]:
        """Yield what has another number or name than it had, once all was written."""
        yield from self._given
        for collection, key, was, number in self._placing.renumbered():
            yield Given(parse_collection(collection).kind, f"{collection} {key}", was, number)

    def number_of(self, kind: str, key: str) -> int | None:
        """Return the number of a user, room or floor that is in the export."""
        if kind == "floors":
            return self._floor_numbers.get(key)
        return (self._user_numbers if kind == "users" else self._room_numbers).get(key)

    def pairs(self) -> Iterator[Pair]:
        """Yield which users, rooms and floors of the export are which here."""
        for key, fields in self._users.items():
            yield Pair(USERS, self._user_numbers.new(key), key, number_in(fields, "u_usernum"))
        for key in self._rooms:
            yield Pair(ROOMS, self._room_numbers.new(key), key)
        for key, number in self._floor_numbers.items():
            yield Pair(FLOORS, number, key)

    def room_name(self, key: str) -> str:
        """Return the stored name that a room has in the export."""
        return self._room_names[key]

    def room_fields(self, key: str) -> Fields:
        """Return a room's fields as they are in the export."""
        return self._room(key)

    def setting(self, key: str) -> str:
        """Return a setting as it is here, nothing where it is not."""
        return self._config.get(key, {}).get("value", "")

    @property
    def created(self) -> str:
        """When the server was set up, as its settings say it."""
        return self._created

    @property
    def highest(self) -> int:
        """The highest number of a message, once they have numbers."""
        return self._highest

    @property
    def count(self) -> int:
        """How many messages there are, once they have numbers."""
        return self._count

    @property
    def rooms(self) -> Iterable[str]:
        """The keys of the rooms in the export."""
        return self._rooms.keys()

    def _counted(self, name: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.report.elements[name] = self.report.elements.get(name, 0) + 1
            yield block

    # -- what is here -----------------------------------------------------------------------------

    def _read_things(self) -> None:
        """Read what there is in few: settings, users, rooms, floors."""
        self._config = {record.key: _texts(record) for record in living_records(self._reading, "config")}
        values = {key: fields["value"] for key, fields in self._config.items() if "value" in fields}
        users, rooms = list(all_records(self._reading, "users")), list(all_records(self._reading, "rooms"))
        self._server = main_server(values, [one.key for one in [*users, *rooms] if not one.dead], self._node)
        self.report.server = self._server
        self._keys_ever = [[one.key for one in users], [one.key for one in rooms]]
        self._created = values.get(CREATED_KEY, "0").strip()
        self._users = {one.key: _texts(one) for one in users if not one.dead and self._is_user_wanted(one)}
        self._unwanted = {one.key for one in users if not one.dead} - self._users.keys()
        self._rooms = {one.key: _texts(one) for one in rooms if not one.dead}
        self._rooms = {key: fields for key, fields in self._rooms.items() if self._is_room_wanted(key, fields)}
        self._changed = {one.key: stamp_ms(one.stamp) // 1000 for one in rooms if one.key in self._rooms}
        self._floors = {record.key: _texts(record) for record in living_records(self._reading, "floors")}

    def _is_user_wanted(self, record: Record) -> bool:
        name = str(values_of(record).get("u_fullname", ""))
        if record.key.endswith(":0") and place_of_key(record.key) != self._server:
            return False  # the server itself, of which each has one
        return not self._part.users or any(matches(name, pattern) for pattern in self._part.users)

    def _is_room_wanted(self, key: str, fields: Fields) -> bool:
        owner = owner_key(key, fields.get("QRname", ""))
        if owner:
            # A user may be gone whose mailbox is there until the night.
            return owner not in self._unwanted and (owner in self._users or not self._part.users)
        return not self._part.rooms or any(matches(fields.get("QRname", ""), one) for one in self._part.rooms)

    # -- numbers and names ------------------------------------------------------------------------

    def _give_numbers(self) -> None:
        self._user_numbers, self._room_numbers = Numbers(self._server), Numbers(self._server)
        owners = {owner_key(key, fields.get("QRname", "")) for key, fields in self._rooms.items()} - {""}
        self._user_numbers.keep([*self._users, *owners])
        self._room_numbers.keep(self._rooms)
        self._stay_above_all()
        self._floor_numbers = dict(floor_numbers(self._floors))
        self._name_users()
        for owner in sorted(owners):
            self._user_numbers.new(owner)
        self._name_rooms()
        for key in sorted(self._floors.keys() - self._floor_numbers.keys()):
            self.report.notices.append(f"floor {key!r}: a server has no room for it; its rooms are on floor 0")

    def _stay_above_all(self) -> None:
        """Have no new number be one that something had which is gone: all who follow the server remember it."""
        users, rooms = self._keys_ever
        collections = self._reading.read(lambda reader: reader.collections(""))
        for numbers, keys in ((self._user_numbers, users), (self._room_numbers, [*rooms, *map(room_of, collections)])):
            numbers.above(max((own_number(key, self._server) for key in keys), default=0))

    def _name_users(self) -> None:
        names = Names(user_name_seen, MAX_USER_NAME)
        self._user_names: dict[str, str] = {}
        for key in self._own_first(self._users):
            number, name = self._user_numbers.new(key), self._users[key].get("u_fullname", "")
            self._user_names[key] = names.give(name, place_of_key(key), number)
            self._note("users", key, number_in(self._users[key], "u_usernum"), number, name, self._user_names[key])

    def _name_rooms(self) -> None:
        names = Names(room_name_seen, MAX_ROOM_NAME)
        self._room_names: dict[str, str] = {}
        self._directories: dict[str, str] = {}
        taken: dict[str, str] = {}
        for key in self._own_first(self._rooms):
            fields, number = self._rooms[key], self._room_numbers.new(key)
            name = self._name_with_owner(key, fields.get("QRname", ""))
            self._room_names[key] = names.give(name, place_of_key(key), number)
            self._note("rooms", key, number_in(fields, "QRnumber"), number, name, self._room_names[key])
            if directory := fields.get("QRdirname", ""):
                # Rooms of one server may share a directory, those of two must not.
                place = taken.setdefault(directory, place_of_key(key))
                self._directories[key] = directory if place == place_of_key(key) else f"room{number}"
                if place != place_of_key(key):
                    self.report.notices.append(f"room {name!r}: its directory is room{number}, {directory!r} is taken")
        self._configuration = self._room_numbers.new(f"{self._server}:configuration")
        self._user_rooms = {key: self._room_numbers.new(f"{key} configuration") for key in self._users}

    def _own_first(self, keys: Iterable[str]) -> list[str]:
        """Return keys with those first whose numbers and names are kept."""
        return sorted(keys, key=lambda key: (own_number(key, self._server) < 0, own_number(key, self._server), key))

    def _name_with_owner(self, key: str, name: str) -> str:
        """Return a room's stored name with the number that its owner has now."""
        number = self._user_numbers.get(owner_key(key, name) or "")
        return name if number is None else _owned(number, name.partition(".")[2])

    def _note(self, kind: str, key: str, was: int, number: int, name: str, given: str) -> None:
        if number != was or given != name:
            self._given.append(Given(kind, key, was, number, given if given != name else ""))

    # -- messages, for the first time -------------------------------------------------------------

    def _place_messages(self) -> None:
        """See which message is where, and give numbers to all."""
        told = self._reading.read(lambda reader: reader.digests())
        places = [*self._message_places(told)]
        total, done = sum(told[name].count for name, _ in places if name in told), 0
        for collection, room in places:
            for record in living_records(self._reading, collection):
                self._place(record, room(record.key))
                done += 1
                if done % _BODIES_AT_ONCE == 0:
                    self._progress(Step("numbering", done, total))
        self._place_texts()
        self._progress(Step("numbering", total, total))
        self._highest = self._placing.give_new(self._reading.read(self._highest_ever))
        self._count = self._placing.count()

    def _message_places(self, told: Iterable[str]) -> Iterator[tuple[str, Callable[[str], int | None]]]:
        """Yield the collections that hold messages, and what tells the room of each by its key; None for left out."""
        for collection in told:
            kind, room = parse_collection(collection)
            if kind == "messages" and room in self._rooms:
                number = self._room_numbers.get(room)
                yield collection, lambda _key, number=number: number  # type: ignore[misc]
        yield USER_SETTINGS, lambda key: self._user_rooms.get(key.partition(" ")[0])
        yield "bios", self._user_rooms.get
        yield "inbox-rules", self._user_rooms.get
        yield "pictures", self._room_of_picture
        if not self._for_server:
            yield "room-info", lambda key: self._configuration if key in self._rooms else None
            if self._part == WHOLE:
                yield ORPHANS, lambda _key: NOWHERE

    def _room_of_picture(self, key: str) -> int | None:
        """Return the room that holds a picture."""
        user = key.removeprefix(picture_of_user(""))
        if key != user:
            return self._user_rooms.get(user)
        of_ours = key.removeprefix(picture_of_room("")) in self._rooms
        return self._configuration if of_ours and not self._for_server else None

    def _place(self, record: Record, room: int | None) -> None:
        if room is None:
            return
        was = _number_of(record)
        digest = record.content[:_DIGEST_BYTES] or _digest(record.body)
        self._placing.put(record.collection, record.key, room, digest, was, self._is_own(record))

    def _is_own(self, record: Record) -> bool:
        """Tell whether the number of a message is one of the server whose numbers are kept."""
        if record.origin.startswith(imported_origin("")):
            return record.origin == imported_origin(self._server)
        place = record.key if record.collection == USER_SETTINGS else room_of(record.collection)
        return place_of_key(place.partition(" ")[0]) == self._server or record.collection == ORPHANS

    def _place_texts(self) -> None:
        """Place the settings whose values are texts: each is in a message of its own."""
        for key, fields in self._config.items():
            if "text" in fields and key.startswith(CONTENT_TYPE_KEY):
                self._placing.put("config", key, self._configuration, _digest(self._text_message(key)), 0, False)

    def _highest_ever(self, reader: Reader) -> int:
        last = remembered(reader, place_of(self._server))
        return last.highest if last is not None else 0

    def _text_message(self, key: str) -> bytes:
        """Return the message that holds a setting; its id follows from what it says."""
        text = self._config[key]["text"].encode()
        named = f"{_digest(key.encode() + text).hex()[:16]}@{self._server}"
        fields = {"I": named, "T": self._created, "A": "Citadel", "O": CONFIGURATION_ROOM}
        return serialize_message([*((name, value.encode()) for name, value in fields.items()), ("M", text)], MIME)

    # -- elements ---------------------------------------------------------------------------------

    def _configs(self) -> Iterator[bytes]:
        counters = {
            HIGHEST_KEY: self._highest,
            "MMnextroom": self._room_numbers.highest,
            "MMnextuser": self._user_numbers.highest,
        }
        settings = {key: fields["value"] for key, fields in self._config.items() if "value" in fields}
        settings |= {key: str(number) for key, number in counters.items()}
        settings.setdefault("c_nodename", self._server)
        # A server without it takes its data for those of a new one, and gives its administrator the first password.
        settings["MM_hosted_upgrade_level"] = VERSION
        for key, fields in self._config.items():
            if "text" in fields and (number := self._placing.number("config", key)):
                settings[key] = str(number)
        settings |= {key: value for key, value in self._own.items() if key not in counters}
        for key, value in sorted(settings.items()):
            yield migr_writer.config(key, value)
        for room in self._rooms:
            yield from self._lines_of(room)

    def _lines_of(self, room: str) -> Iterator[bytes]:
        """Yield a room's network configuration; what was posted before now is mailed to no list again."""
        record = self._reading.read(lambda reader: room_lines(reader, room))
        if record is None:
            return
        lines = lines_to_confirm(record, self._reading.read(lambda reader: reader.body(record)))
        if any(line.kind in _LISTS for line in parse_lines(lines)):
            rest = replace_lines(lines, lambda line: line.kind == LAST_SENT)
            lines = b"%s|%d\n%s" % (LAST_SENT.encode(), self._highest, rest)
        number = self._room_numbers.new(room)
        yield migr_writer.encoded_config(netconf_setting(number), lines)

    def _user(self, key: str) -> bytes:
        said = {
            **self._users[key],
            "u_usernum": str(self._user_numbers.new(key)),
            "u_fullname": self._user_names[key],
            "u_lastproc_inboxrules": str(self._highest),  # no rule is applied to what was in the mailbox already
        }
        for collection, field in _OF_USER.items():
            name = picture_of_user(key) if collection == "pictures" else key
            said[field] = str(self._placing.number(collection, name))
        return migr_writer.element("user", _ordered("user", said))

    def _rooms_and_lists(self) -> Iterator[bytes]:
        for key in self._rooms:
            yield from self._room_with_list(self._room(key), self._room_numbers.new(key))
        yield from self._room_with_list(
            self._settings_room(CONFIGURATION_ROOM, self._configuration), self._configuration
        )
        for key, number in self._user_rooms.items():
            if self._placing.highest(number):
                name = _owned(self._user_numbers.new(key), USER_CONFIGURATION)
                yield from self._room_with_list(self._settings_room(name, number, _MAILBOX), number)

    def _room_with_list(self, fields: Fields, number: int) -> Iterator[bytes]:
        yield from self._counted("room", [migr_writer.element("room", _ordered("room", fields))])
        yield from migr_writer.room_messages(fields["QRname"], self._placing.listed(number))

    def _room(self, key: str) -> Fields:
        said, number = self._rooms[key], self._room_numbers.new(key)
        fields = {
            **said,
            "QRname": self._room_names[key],
            "QRnumber": str(number),
            "QRhighest": str(self._placing.highest(number)),
            "QRmtime": str(self._changed[key]),
        }
        if "QRfloor" in said:
            fields["QRfloor"] = str(self._floor_of(said))
        if number_in(said, "QRroomaide") > 0:
            aide = self._user_numbers.get(user_of(key, number_in(said, "QRroomaide")))
            fields["QRroomaide"] = str(aide if aide is not None else self._absent_aide(key, said))
        if key in self._directories:
            fields["QRdirname"] = self._directories[key]
        for collection, field in _OF_ROOM.items():
            name = picture_of_room(key) if collection == "pictures" else key
            fields[field] = str(self._placing.number(collection, name))
        return fields

    def _floor_of(self, said: Fields) -> int:
        """Return the number of a room's floor: that of the first where it says none, or one that is not here."""
        return self._floor_numbers.get(said.get("QRfloor", ""), 0)

    def _absent_aide(self, key: str, said: Fields) -> int:
        """Return the number of an aide who is not here: nobody has it at the server whose numbers are kept."""
        return number_in(said, "QRroomaide") if place_of_key(key) == self._server else 0

    def _settings_room(self, name: str, number: int, flags: int = 0) -> Fields:
        return {
            **_CONFIGURATION_FIELDS,
            "QRname": name,
            "QRnumber": str(number),
            "QRhighest": str(self._placing.highest(number)),
            "QRgen": self._created,
            "QRmtime": self._created,
            "QRflags": str(number_in(_CONFIGURATION_FIELDS, "QRflags") | flags),
        }

    def _floors_written(self) -> Iterator[bytes]:
        used = Counter(map(self._floor_of, self._rooms.values()))
        for key, number in sorted(self._floor_numbers.items(), key=lambda pair: pair[1]):
            fields = {**self._floors[key], "f_num": str(number), "f_ref_count": str(used[number])}
            yield migr_writer.element("floor", _ordered("floor", fields))

    # -- visits and marks -------------------------------------------------------------------------

    def _visits(self) -> Iterator[bytes]:
        for room in self._rooms:
            collection = str(Collection("visits", room))
            for name, records in groupby(
                living_records(self._reading, collection), lambda record: record.key.partition(" ")[0]
            ):
                yield from self._visit(room, name, records)

    def _visit(self, room: str, name: str, records: Iterable[Record]) -> Iterator[bytes]:
        """Yield one user's visit of a room, from its record and those of the marks; or one of an older room there."""
        user, void, generation = name.partition("@")
        number = self._user_number(user)
        if number is None:
            return
        fields: Fields = {}
        marked: dict[str, set[int]] = {mark: set() for mark in _MARKED}
        messages = str(Collection("messages", room))
        for record in records:
            if record.key == name:
                fields = _texts(record)
                continue
            at = self._placing.number(messages, record.key.removeprefix(f"{name} "))
            for mark, value in values_of(record).items():
                if value is True and at and mark in marked:
                    marked[mark].add(at)
        fields |= {"v_roomnum": str(self._room_numbers.new(room)), "v_usernum": str(number)}
        fields["v_roomgen"] = generation if void else self._rooms[room].get("QRgen", "0")
        if not void:
            self._say_marks(fields, self._room_numbers.new(room), marked)
        yield migr_writer.element("visit", _ordered("visit", fields))

    def _user_number(self, user: str) -> int | None:
        """Return the number of whoever visited a room: maybe of a user who is gone, with the number that was kept."""
        number = self._user_numbers.get(user)
        own = own_number(user, self._server)
        if number is None and own >= 0 and user not in self._unwanted and not self._part.users:
            return own
        return number

    def _say_marks(self, fields: Fields, room: int, marked: Mapping[str, Set[int]]) -> None:
        """Have a visit's sets tell which messages are marked: as they did, where that is what they still say."""
        for mark, field in _MARKED.items():
            said, numbers = fields.get(field, ""), marked[mark]
            if said and self._says(_as_read(field, said), room, numbers):
                continue
            text = set_of(numbers, self._placing.listed(room))
            if field == "v_seen" and text.isdigit():
                text = f"{text}:{text}"  # a number alone is read as all up to it
            if text or field in fields:
                fields[field] = text

    def _says(self, text: str, room: int, numbers: Set[int]) -> bool:
        """Tell whether a set has just these of a room's messages."""
        if len(text.encode()) >= CUT_BYTES or readable_set(text).left_out:
            return False
        read = SequenceSet(text)
        return all(number in read for number in numbers) and self._placing.count_in(room, read.ranges()) == len(numbers)

    # -- messages, for the second time ------------------------------------------------------------

    def _messages(self) -> Iterator[bytes]:
        done = 0
        for some in pages(self._placing.all(), _BODIES_AT_ONCE):
            for placed in some:
                yield self._message(placed)
            done += len(some)
            self._progress(Step("messages", done, self._count))

    def _message(self, placed: Placed) -> bytes:
        head: Fields = {}
        if placed.collection == "config":
            data = self._text_message(placed.key)
        else:
            head, body = self._reading.read(lambda reader: _told(reader, placed.collection, placed.key))
            data = wrapped(body, placed.key, self._created)
        return migr_writer.message(placed.number, placed.references, parse_message(data), data, head)


def _texts(record: Record) -> Fields:
    return {name: str(value) for name, value in values_of(record).items()}


def _told(reader: Reader, collection: str, key: str) -> tuple[Fields, bytes]:
    """Return what an export told of a message besides what it says, and its bytes."""
    record = reader.get(collection, key)
    if record is None or record.dead:
        return {}, b""
    head = {name: value for name, value in unpack_head(record.head).items() if name.startswith(_TOLD)}
    body = _as_server_keeps(reader.body(record)) if is_file(record.head) else reader.body(record)
    return {name: value for name, value in head.items() if isinstance(value, str)}, body


def _as_server_keeps(body: bytes) -> bytes:
    """Return a message that holds a file as it came as a server would have kept it."""
    try:
        message = as_server_keeps(parse_message(body))
    except BadMessage:
        return body
    return serialize_message(message.fields, message.format, message.anonymity)


def _number_of(record: Record) -> int:
    """Return the number that a message had at its server; 0 where it had none."""
    return number_or_zero(str(unpack_head(record.head).get("msg_msgnum", "")))


def _ordered(element: str, said: Mapping[str, str]) -> Fields:
    """Return an element's fields in the order in which a server writes them, and behind them all others."""
    return {name: said[name] for name in FIELDS[element] if name in said} | dict(said)


def _as_read(field: str, text: str) -> str:
    """Return a set as a server's import reads it: a number alone is all up to it, of what is seen."""
    return f"*:{text}" if field == "v_seen" and text.isdigit() else text


def _owned(number: int, name: str) -> str:
    return f"{number:010d}.{name}"


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:_DIGEST_BYTES]
