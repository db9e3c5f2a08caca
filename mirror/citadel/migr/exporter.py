"""What is here as a ``MIGR export`` that a real, empty server imports, and a mirror as well: an import turned around.

Rooms come before messages and list them by their numbers, so all is read twice: once to see what has which number
(mirror.citadel.migr.placed, on disk), and once to write it.  Memory stays flat but for the fields of users and rooms.
What the server has for itself is made anew: counters, references, the rooms that hold its settings.  Knows no file.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from mirror.citadel.looks.pages import pages
from mirror.citadel.looks.remembered import HIGHEST_KEY
from mirror.citadel.meaning.keys import Pair
from mirror.citadel.meaning.numbering import Given, number_in, place_of_key, user_of
from mirror.citadel.migr.placed import Placed
from mirror.citadel.migr.places import CONFIGURATION_ROOM, Places, Step
from mirror.citadel.migr.things import WHOLE, Fields, Part, Things, ordered, owned
from mirror.citadel.migr.visits_told import VisitsTold
from mirror.formats import migr_writer
from mirror.formats.errors import BadMessage
from mirror.formats.internet import as_server_keeps
from mirror.formats.mail import is_file
from mirror.formats.message import parse_message, serialize_message
from mirror.formats.server_own import netconf_setting
from mirror.formats.wrapping import wrapped
from mirror.model.containers import picture_of_room, picture_of_user
from mirror.model.kinds import parse_collection
from mirror.model.record import unpack_head
from mirror.store.base import Reader, Reading
from mirror.sync.share.rules import lines_to_confirm, room_lines
from netconf.lines import LAST_SENT, parse_lines, replace_lines

VERSION = "980"
"""The version of a server whose exports are like this."""
USER_CONFIGURATION = "My Citadel Config"
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
_TOLD = "msg_"
"""So begin the fields of a message's element; a head has others besides."""
_BODIES_AT_ONCE = 100


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
        self._progress: Callable[[Step], None] = lambda _step: None
        self._own = dict(settings or {})
        self._things = Things(reading, node, part, self.report.notices)
        self._places = Places(reading, self._things, part, for_server)

    def tell(self, progress: Callable[[Step], None]) -> None:
        """Have somebody be told how far it has come."""
        self._progress = progress

    def close(self) -> None:
        self._places.placing.close()

    def blocks(self) -> Iterator[bytes]:
        """Yield the export.  Raises StoreError."""
        self._things.read()
        self.report.server = self._things.server
        self._things.give_numbers()
        self._places.give_numbers(self._progress)
        yield migr_writer.BEGIN + migr_writer.single("version", VERSION)
        yield from self._counted("config", self._configs())
        yield from self._counted("user", map(self._user, self._things.users))
        yield from self._rooms_and_lists()
        yield from self._counted("floor", self._floors_written())
        yield from self._counted("visit", VisitsTold(self._reading, self._things, self._places.placing).elements())
        yield from self._counted("message", self._messages())
        yield migr_writer.single("progress", "100") + migr_writer.END

    def given(self) -> Iterator[Given]:
        """Yield what has another number or name than it had, once all was written."""
        yield from self._things.given
        for collection, key, was, number in self._places.placing.renumbered():
            yield Given(parse_collection(collection).kind, f"{collection} {key}", was, number)

    def room_name(self, key: str) -> str:
        """Return the stored name that a room has in the export."""
        return self._things.room_names[key]

    def room_fields(self, key: str) -> Fields:
        """Return a room's fields as they are in the export."""
        return self._room(key)

    def setting(self, key: str) -> str:
        """Return a setting as it is here, nothing where it is not."""
        return self._things.config.get(key, {}).get("value", "")

    def number_of(self, kind: str, key: str) -> int | None:
        """Return the number of a user, room or floor that is in the export."""
        return self._things.number_of(kind, key)

    def pairs(self) -> Iterator[Pair]:
        """Yield which users, rooms and floors of the export are which here."""
        return self._things.pairs()

    @property
    def created(self) -> str:
        """When the server was set up, as its settings say it."""
        return self._things.created

    @property
    def highest(self) -> int:
        """The highest number of a message, once they have numbers."""
        return self._places.highest

    @property
    def count(self) -> int:
        """How many messages there are, once they have numbers."""
        return self._places.count

    @property
    def rooms(self) -> Iterable[str]:
        """The keys of the rooms in the export."""
        return self._things.rooms.keys()

    def _counted(self, name: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.report.elements[name] = self.report.elements.get(name, 0) + 1
            yield block

    # -- elements ---------------------------------------------------------------------------------

    def _configs(self) -> Iterator[bytes]:
        counters = {
            HIGHEST_KEY: self._places.highest,
            "MMnextroom": self._things.room_numbers.highest,
            "MMnextuser": self._things.user_numbers.highest,
        }
        settings = {key: fields["value"] for key, fields in self._things.config.items() if "value" in fields}
        settings |= {key: str(number) for key, number in counters.items()}
        settings.setdefault("c_nodename", self._things.server)
        # A server without it takes its data for those of a new one, and gives its administrator the first password.
        settings["MM_hosted_upgrade_level"] = VERSION
        for key, fields in self._things.config.items():
            if "text" in fields and (number := self._places.placing.number("config", key)):
                settings[key] = str(number)
        settings |= {key: value for key, value in self._own.items() if key not in counters}
        for key, value in sorted(settings.items()):
            yield migr_writer.config(key, value)
        for room in self._things.rooms:
            yield from self._lines_of(room)

    def _lines_of(self, room: str) -> Iterator[bytes]:
        """Yield a room's network configuration; what was posted before now is mailed to no list again."""
        record = self._reading.read(lambda reader: room_lines(reader, room))
        if record is None:
            return
        lines = lines_to_confirm(record, self._reading.read(lambda reader: reader.body(record)))
        if any(line.kind in _LISTS for line in parse_lines(lines)):
            rest = replace_lines(lines, lambda line: line.kind == LAST_SENT)
            lines = b"%s|%d\n%s" % (LAST_SENT.encode(), self._places.highest, rest)
        number = self._things.room_numbers.new(room)
        yield migr_writer.encoded_config(netconf_setting(number), lines)

    def _user(self, key: str) -> bytes:
        said = {
            **self._things.users[key],
            "u_usernum": str(self._things.user_numbers.new(key)),
            "u_fullname": self._things.user_names[key],
            "u_lastproc_inboxrules": str(self._places.highest),  # no rule is applied to what was in the mailbox already
        }
        for collection, field in _OF_USER.items():
            name = picture_of_user(key) if collection == "pictures" else key
            said[field] = str(self._places.placing.number(collection, name))
        return migr_writer.element("user", ordered("user", said))

    def _rooms_and_lists(self) -> Iterator[bytes]:
        for key in self._things.rooms:
            yield from self._room_with_list(self._room(key), self._things.room_numbers.new(key))
        yield from self._room_with_list(
            self._settings_room(CONFIGURATION_ROOM, self._things.configuration), self._things.configuration
        )
        for key, number in self._things.user_rooms.items():
            if self._places.placing.highest(number):
                name = owned(self._things.user_numbers.new(key), USER_CONFIGURATION)
                yield from self._room_with_list(self._settings_room(name, number, _MAILBOX), number)

    def _room_with_list(self, fields: Fields, number: int) -> Iterator[bytes]:
        yield from self._counted("room", [migr_writer.element("room", ordered("room", fields))])
        yield from migr_writer.room_messages(fields["QRname"], self._places.placing.listed(number))

    def _room(self, key: str) -> Fields:
        said, number = self._things.rooms[key], self._things.room_numbers.new(key)
        fields = {
            **said,
            "QRname": self._things.room_names[key],
            "QRnumber": str(number),
            "QRhighest": str(self._places.placing.highest(number)),
            "QRmtime": str(self._things.changed[key]),
        }
        if "QRfloor" in said:
            fields["QRfloor"] = str(self._floor_of(said))
        if number_in(said, "QRroomaide") > 0:
            aide = self._things.user_numbers.get(user_of(key, number_in(said, "QRroomaide")))
            fields["QRroomaide"] = str(aide if aide is not None else self._absent_aide(key, said))
        if key in self._things.directories:
            fields["QRdirname"] = self._things.directories[key]
        for collection, field in _OF_ROOM.items():
            name = picture_of_room(key) if collection == "pictures" else key
            fields[field] = str(self._places.placing.number(collection, name))
        return fields

    def _floor_of(self, said: Fields) -> int:
        """Return the number of a room's floor: that of the first where it says none, or one that is not here."""
        return self._things.floor_numbers.get(said.get("QRfloor", ""), 0)

    def _absent_aide(self, key: str, said: Fields) -> int:
        """Return the number of an aide who is not here: nobody has it at the server whose numbers are kept."""
        return number_in(said, "QRroomaide") if place_of_key(key) == self._things.server else 0

    def _settings_room(self, name: str, number: int, flags: int = 0) -> Fields:
        return {
            **_CONFIGURATION_FIELDS,
            "QRname": name,
            "QRnumber": str(number),
            "QRhighest": str(self._places.placing.highest(number)),
            "QRgen": self._things.created,
            "QRmtime": self._things.created,
            "QRflags": str(number_in(_CONFIGURATION_FIELDS, "QRflags") | flags),
        }

    def _floors_written(self) -> Iterator[bytes]:
        used = Counter(map(self._floor_of, self._things.rooms.values()))
        for key, number in sorted(self._things.floor_numbers.items(), key=lambda pair: pair[1]):
            fields = {**self._things.floors[key], "f_num": str(number), "f_ref_count": str(used[number])}
            yield migr_writer.element("floor", ordered("floor", fields))

    # -- messages ---------------------------------------------------------------------------------

    def _messages(self) -> Iterator[bytes]:
        done = 0
        for some in pages(self._places.placing.all(), _BODIES_AT_ONCE):
            for placed in some:
                yield self._message(placed)
            done += len(some)
            self._progress(Step("messages", done, self._places.count))

    def _message(self, placed: Placed) -> bytes:
        head: Fields = {}
        if placed.collection == "config":
            data = self._places.text_message(placed.key)
        else:
            head, body = self._reading.read(lambda reader: _told(reader, placed.collection, placed.key))
            data = wrapped(body, placed.key, self._things.created)
        return migr_writer.message(placed.number, placed.references, parse_message(data), data, head)


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
