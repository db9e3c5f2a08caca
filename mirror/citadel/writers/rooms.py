"""Writes rooms and folders: made, renamed, killed; their flags, passwords, directories, floors, orders, views, aides.

A server keeps ten characters of a room's password and fourteen of a directory's name, gives a room its own time and
generation, and an order from 1 to 127.  A number is kept where the server never had a higher one, else the next one is
taken.  No room is ever taken over by its name, but for a folder of the same user: where the name of another room is
taken it is not written.  A room is made private, and opened once it is as it should be.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from mirror.citadel.meaning.keys import FLOORS, OWNER_DIGITS, ROOMS, USERS, Pair, owner_of
from mirror.citadel.meaning.pairing import kept_name, reduced
from mirror.citadel.migr.put_together import DIRECTORY as DIRECTORIES
from mirror.citadel.migr.put_together import PASSWORDED, room_fields
from mirror.citadel.protocol.answers import AT_A_ROOM, Room, RoomLine, ToldRoom, read_room
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.writers.aide import quietly
from mirror.citadel.writers.base import Target, floor_name, said_yes, server_says, taken_by
from mirror.citadel.writers.calls import account_to_use, as_nobody_called, read_account
from mirror.citadel.writers.counters import next_number
from mirror.citadel.writers.fields import Keeps, Values, as_it_is, held_values, is_due, status_of, to_write
from mirror.formats.keys import numbered_key
from mirror.formats.names import ROOM_IN_USE, ROOM_MAILBOX
from mirror.formats.numbers import number_or_zero
from mirror.formats.server_own import MOMENTARY, ROOM_PASSWORD_CHARACTERS, Use, use_of_room
from mirror.model.draft import base_of
from mirror.model.fields import values_of
from mirror.model.kinds import Collection
from mirror.model.record import Record
from mirror.model.status import RISES, Status

_COUNTER = "MMnextroom"
NAME, SECRET, DIRECTORY, FLAGS, FLOOR, ORDER, VIEW, FLAGS2, AIDE, EXPIRY, EXPIRY_VALUE = (
    "QRname", "QRpasswd", "QRdirname", "QRflags", "QRfloor", "QRorder", "QRdefaultview", "QRflags2", "QRroomaide",
    "QRexpire_mode", "QRexpire_value",
)  # fmt: skip
_DIRECTORY_BYTES = 14
_PERMANENT, _PRIVATE, _GUESS_NAME = 1, 4, 16
_OWN_FLAGS = _PERMANENT | ROOM_IN_USE | ROOM_MAILBOX
"""Flags that say what a room is on this one server."""
_INVITED, _OF_ANOTHER = 3, 5
"""Types of rooms that are made."""
_NOBODY = ("", "0", "-1")
_PARAMETERS = (NAME, SECRET, DIRECTORY, FLAGS, FLOOR, ORDER, VIEW, FLAGS2)


def _kept_flags(value: str) -> str:
    flags = number_or_zero(value) & ~_OWN_FLAGS
    return str(flags | _PRIVATE if flags & (_GUESS_NAME | PASSWORDED) else flags)


def _cut(count: int) -> Callable[[str], str]:
    return lambda value: value.replace("|", "").encode()[:count].decode("utf-8", "ignore")


KEEPS: Keeps = {
    NAME: lambda value: kept_name(ROOMS, value),
    SECRET: _cut(ROOM_PASSWORD_CHARACTERS),
    DIRECTORY: _cut(_DIRECTORY_BYTES),
    FLAGS: _kept_flags,
    FLOOR: as_it_is,
    ORDER: lambda value: str(min(max(number_or_zero(value), 1), 127)),
    VIEW: as_it_is,
    FLAGS2: as_it_is,
    AIDE: as_it_is,
    EXPIRY: as_it_is,
    EXPIRY_VALUE: as_it_is,
}


class _There(NamedTuple):
    """A room as it is there: its stored name, what it told, and that as it is said here."""

    name: str
    told: ToldRoom
    said: Values


class RoomsWriter:
    """Writes rooms, by their numbers there."""

    def collections(self, target: Target) -> Callable[[str], bool]:
        return lambda name: name == ROOMS

    def takes(self, record: Record) -> bool:
        return True

    def write(self, target: Target, records: Sequence[Record]) -> bool:
        known = target.told_last(ROOMS, records)
        living = [one for one in records if not one.dead and is_due(one, known.get(one.key), KEEPS)]
        dead = [one for one in records if one.dead and (one.key in known or _known_number(target, one))]
        if not (living or dead):
            return False
        with quietly(target.client) as quiet:
            self._kill(target, dead, quiet.names)
            names = _Names(target)
            for record in living:
                if _is_to_be_made(target, record, names) and self._make(target, record, names, quiet.names):
                    known[record.key] = _made(record)
            self._change_all(target, living, known, names, quiet.names)
        return True

    # -- made and killed --------------------------------------------------------------------------

    def _make(self, target: Target, record: Record, names: "_Names", quiet: list[bytes]) -> bool:
        """Make a room that is not there, and have it be filled; returns whether it was made.

        A folder that its owner has already is taken for it.
        """
        held = held_values(record)
        if not number_or_zero(held.get(FLAGS, "")) & ROOM_IN_USE or not held.get(NAME):
            return False
        name = target.numbers.room_name(kept_name(ROOMS, held[NAME]), record.key)
        if name is None:
            if not target.is_nothing_here(USERS, numbered_key(record.key.rpartition(":")[0], owner_of(held[NAME]))):
                target.wait(record, f"folder {held[NAME]}", "its owner is not there")
            return False
        if use_of_room(name, held.get(VIEW, "")) is not Use.PEOPLE or not target.may_make(name):
            return False
        taken = names.holder(name)
        if taken and not owner_of(name):
            target.leave(record, f"room {name}", taken_by(ROOMS, taken, record.key))
            return False
        if taken and not _is_one_folder(target, record, target.numbers.keys.room(taken, name)):
            return False
        if taken:
            number = taken
            target.written.look_anew |= number in target.known.rooms
            target.pair(Pair(ROOMS, number, record.key))
        else:
            quiet.append(f'"{name}"'.encode())
            number = self._create(target, record, name, held)
            if not number:
                return False
            target.written.others += 1
        names.put(number, name)
        return not taken

    def _create(self, target: Target, record: Record, name: str, held: Values) -> int:
        """Have the server make a room; returns its number, 0 where it does not."""
        number, commands = next_number(target.client, _COUNTER, number_or_zero(held.get("QRnumber", "")))
        type_ = _OF_ANOTHER if owner_of(name) else _INVITED
        making = f"CRE8 1|{name}|{type_}||0|0|{held.get(VIEW, '0')}"

        def make() -> int | None:
            *_, answer = target.client.ask_all([*commands, making.encode()])
            given = _number_of(target.client, name) if said_yes(answer) else 0
            if not given:
                target.wait(record, f"room {name}", server_says(answer))
            return given or None

        return target.make(Pair(ROOMS, number, record.key), make) or 0

    def _kill(self, target: Target, dead: Sequence[Record], quiet: list[bytes]) -> None:
        for record in target.not_held(dead):
            number = _known_number(target, record)
            room = target.known.rooms.get(number)
            target.rooms.pop(str(Collection("messages", record.key)), None)  # what is in it goes with it
            if room is None or _number_of(target.client, room.name, room.password) != number:
                # It was made or renamed just now, or it is gone: the next look at all tells.
                target.wait(record, f"room {record.key}", "it cannot be entered")
                continue
            owner = owner_of(room.name)
            if owner and owner not in target.names_of_users():
                continue  # the server throws it away by itself, as all of a user who is gone
            quiet.append(f'"{room.name}"'.encode())
            if owner:
                done = _kill_as_owner(target, room.name)
            else:
                (answer,) = target.client.ask_all([b"KILL 1"])
                done = said_yes(answer)
            if done:
                target.written.deleted += 1
            else:
                target.leave(record, f"room {room.name}", "the server does not let it be killed")

    # -- changed ----------------------------------------------------------------------------------

    def _change_all(
        self, target: Target, living: Sequence[Record], known: Mapping[str, Status], names: "_Names", quiet: list[bytes]
    ) -> None:
        """Change rooms that are there; where one has the name that another gives up, in whichever order that works."""
        todo = [record for record in living if target.numbers.of(ROOMS, record.key)]
        while todo:
            waiting = [one for one in todo if not self._change(target, one, known.get(one.key), names, quiet)]
            if len(waiting) == len(todo):
                self._give_way(target, waiting, names, quiet)
                return
            todo = waiting

    def _give_way(self, target: Target, waiting: Sequence[Record], names: "_Names", quiet: list[bytes]) -> None:
        """Free a name that rooms give each other, for a moment; what is not given up is told, and tried no more."""
        numbers = {target.numbers.of(ROOMS, record.key) for record in waiting}
        for record in waiting:
            name = target.numbers.room_name(kept_name(ROOMS, held_values(record)[NAME]), record.key) or ""
            holder = names.holder(name)
            if holder not in numbers:
                why = taken_by(ROOMS, holder, record.key)
                target.leave(record, f"room {name}", why)
                continue
            there = _ask(target, holder, names.of(holder), "")
            if there is not None and _write_parameters(target.client, there, {NAME: f"{MOMENTARY}{holder}"}, 0):
                quiet += [f'"{there.name}"'.encode(), MOMENTARY.encode()]
                names.put(holder, f"{MOMENTARY}{holder}")
                for other in waiting:
                    target.wait(other, f"room {name}", "two rooms swap their names")
                return

    def _change(
        self, target: Target, record: Record, status: Status | None, names: "_Names", quiet: list[bytes]
    ) -> bool:
        """Write what is otherwise there; returns whether its name was free."""
        number = target.numbers.of(ROOMS, record.key) or 0
        held = held_values(record)
        secret = held.get(SECRET, "")
        held |= _untold(held)
        there = _ask(target, number, names.of(number), secret, record.key)
        if there is None:
            target.wait(record, f"room {names.of(number)}", "it cannot be entered")
            return True
        said = status.said if status is not None else {}
        wanted = to_write(held, said, there.said, KEEPS)
        if NAME in wanted:
            name = target.numbers.room_name(wanted[NAME], record.key)
            if name is None or names.holder(name) not in (0, number):
                return False
            wanted[NAME] = name
        quiet += [f'"{there.name}"'.encode(), f'"{wanted.get(NAME, there.name)}"'.encode()]
        if wanted and not self._write(target, record, there, wanted, held):
            target.leave(record, f"room {there.name}", "the server does not take all of it")
        names.put(number, wanted.get(NAME, there.name))
        if wanted:
            there = _ask(target, number, names.of(number), secret, record.key) or there
        told = status_of(record, status, there.said, _written(status, wanted))
        target.remember([told] if told != status else [])
        target.written.others += bool(wanted)
        return True

    def _write(self, target: Target, record: Record, there: _There, wanted: Values, held: Values) -> bool:
        """Write into the present room; tells whether the server took it."""
        done = True
        floor = _floor_there(target, record, there.name) if FLOOR in wanted else None
        if FLOOR in wanted and floor is None:
            del wanted[FLOOR]
        if wanted.keys() & set(_PARAMETERS):
            done = _write_parameters(target.client, there, {**_untold(held), **wanted}, floor)
        if AIDE in wanted:
            name = _name_of_aide(target, wanted[AIDE], record.key)
            if name is not None:
                target.client.ask_all([f"SETA {name}".encode("utf-8", "surrogateescape")])
        if wanted.keys() & {EXPIRY, EXPIRY_VALUE}:
            policy = f"{held.get(EXPIRY, '0')}|{held.get(EXPIRY_VALUE, '0')}"
            (answer,) = target.client.ask_all([f"SPEX room|{policy}".encode()])
            done &= said_yes(answer)
        return done


class _Names:
    """The names of the rooms there by their numbers, as they are just now, and those of which no number is known."""

    def __init__(self, target: Target) -> None:
        (told,) = target.client.ask_all([b"LKRA"])
        self._client = target.client
        service = next((number for number, name in target.names_of_users().items() if name == target.service), 0)
        self._listed = {reduced(ROOMS, name): name for line in told[1:-1] if (name := _listed_name(line, service))}
        self._names = {number: room.name for number, room in target.known.rooms.items()}

    def __contains__(self, number: int) -> bool:
        return number in self._names

    def of(self, number: int) -> str:
        return self._names.get(number, "")

    def holder(self, name: str) -> int:
        """Return which room has a name, as a server compares names; 0 where none has it."""
        stored = self._listed.get(reduced(ROOMS, name))
        return _number_of(self._client, stored) if stored is not None else 0

    def put(self, number: int, name: str) -> None:
        self._listed.pop(reduced(ROOMS, self.of(number)), None)
        self._names[number] = name
        self._listed[reduced(ROOMS, name)] = name


def put_on_floor(target: Target, name: str, floor: int) -> bool:
    """Put a room, by its stored name, on another floor; tells whether the server did so."""
    known = next((room for room in target.known.rooms.values() if room.name == name), None)
    room = _enter(target.client, name, known.password if known is not None else "")
    return room is not None and _write_parameters(target.client, _There(name, room.told, {}), {}, floor)


def _floor_there(target: Target, record: Record, name: str) -> int | None:
    """Return on which floor there a room is to be; None where it is not there: one that was killed never will be."""
    key = held_values(record)[FLOOR]
    number = target.numbers.of(FLOORS, key)
    if number is not None and number in target.names_of_floors():
        return number
    floor = target.store.read(lambda reader: reader.get(FLOORS, key))
    if floor is not None and floor_name(floor):
        target.leave(record, f"room {name}", f"its floor {floor_name(floor)} is not there")
    return None


def _listed_name(line: bytes, service: int) -> str:
    """Return the stored name of a room that is listed: who is logged in has rooms of one's own without a number."""
    name, flags, *_ = f"{line.decode('utf-8', 'surrogateescape')}|".split("|")
    own = number_or_zero(flags) & ROOM_MAILBOX and not owner_of(name)
    return f"{service:0{OWNER_DIGITS}d}.{name}" if own else name


def _kill_as_owner(target: Target, name: str) -> bool:
    """Kill a user's folder, by its stored name, as the user; tells whether it is gone."""
    account = account_to_use(target.client, target.names_of_users().get(owner_of(name), ""))
    if account is None:
        return False
    target.written.called.add(number_or_zero(account.number))
    with as_nobody_called(target.store, target.client, target.place, account):
        client = target.connect()
        try:
            named = [f"USER {account.fields[0]}", f"PASS {account.password}", f"GOTO {name.partition('.')[2]}||1"]
            answers = client.ask_all([one.encode("utf-8", "surrogateescape") for one in named])
            # Of another room that the user happens to be in nothing is killed.
            return all(map(said_yes, answers[1:])) and said_yes(client.ask_all([b"KILL 1"])[0])
        finally:
            client.channel.close()


def _is_one_folder(target: Target, record: Record, key: str) -> bool:
    """Tell whether a folder there, of the same user and name, is to be what a record says; ``key`` is its key now.

    Where both servers made one at the same time, as a first log-in does, the two are one under the lesser key: it is
    for the other server's node to find so where that is the key that the folder has here.
    """
    return target.is_nothing_here(ROOMS, key) or record.key < key


def _is_to_be_made(target: Target, record: Record, names: "_Names") -> bool:
    """Tell whether a room is not there, was killed there while it was changed elsewhere, or has another owner there."""
    number = target.numbers.of(ROOMS, record.key)
    if number is None:
        return True
    name = target.numbers.room_name(kept_name(ROOMS, str(values_of(record).get(NAME, ""))), record.key)
    if name is None:
        return False
    if number in names:
        return owner_of(name) != owner_of(names.of(number))
    return names.holder(name) != number  # else it was made just now, and has yet to be looked at


def _written(status: Status | None, wanted: Values) -> set[str]:
    """Return the fields that were written, of a room that was made all."""
    made = {name for name, one in status.said.items() if one == RISES} if status is not None else set()
    return made | wanted.keys()


def _made(record: Record) -> Status:
    """Return what is remembered of a room that was just made: all that the server makes of it was written."""
    return Status(record.collection, record.key, record.key, "", base_of(record), 0, dict.fromkeys(KEEPS, RISES))


def _known_number(target: Target, record: Record) -> int:
    """Return the number of a room that was there when the server was looked at last, and was not killed, else 0."""
    number = target.numbers.of(ROOMS, record.key) or 0
    room = target.known.rooms.get(number)
    return number if room is not None and room.use is not Use.KILLED else 0


def _number_of(client: CitadelClient, name: str, password: str = "") -> int:
    """Enter a room and return its number; 0 where that cannot be."""
    room = _enter(client, name, password)
    return room.told.number if room is not None else 0


def _enter(client: CitadelClient, name: str, password: str) -> Room | None:
    goto = f"GOTO {name}|{password}|1".encode("utf-8", "surrogateescape")
    return read_room(client.ask_all([goto, *AT_A_ROOM]))


def _ask(target: Target, number: int, name: str, secret: str, key: str = "") -> _There | None:
    """Enter a room and return what it says; None where it is not the one of this number, or cannot be entered."""
    known = target.known.rooms.get(number)
    passwords = dict.fromkeys((known.password if known is not None else "", KEEPS[SECRET](secret), ""))
    rooms = (_enter(target.client, name, password) for password in passwords)
    room = next((one for one in rooms if one is not None and one.told.number == number), None)
    if room is None:
        return None
    data = name.encode("utf-8", "surrogateescape")
    told = {one.decode(): value.decode("utf-8", "surrogateescape") for one, value in _fields(data, room.told).items()}
    told |= _aide_of(target, room.told)
    return _There(name, room.told, target.numbers.keys.room_fields(told, key) if key else told)


def _fields(name: bytes, told: ToldRoom) -> Mapping[bytes, bytes]:
    return {one: value for one, value in room_fields(name, told, RoomLine(0, b"")).items() if one != b"QRmtime"}


def _aide_of(target: Target, told: ToldRoom) -> Values:
    """Return who is a room's aide there, by number: -1 for nobody."""
    name = told.aide[4:].decode("utf-8", "surrogateescape").partition("|")[0]
    if not name:
        return {AIDE: "-1"}
    account = read_account(target.client, name)  # listing all users for each room would cost by them
    return {AIDE: account.number} if account is not None else {}


def _name_of_aide(target: Target, aide: str, key: str) -> str | None:
    """Return the name of a room's aide there, nothing for nobody; None where the aide is no user there."""
    if aide in _NOBODY:
        return ""
    return target.names_of_users().get(target.numbers.aide(number_or_zero(aide), key) or 0)


def _untold(held: Values) -> Values:
    """Return what a room is to have there of that which a server does not tell of all: password and directory.

    A room that is here without the flag that it has one has none, though one is remembered here.
    """
    flags = number_or_zero(held.get(FLAGS, ""))
    named = ((SECRET, PASSWORDED), (DIRECTORY, DIRECTORIES))
    return {name: KEEPS[name](held.get(name, "") if flags & flag else "") for name, flag in named}


def _write_parameters(client: CitadelClient, there: _There, wanted: Mapping[str, str], floor: int | None) -> bool:
    """Write a room's parameters, of a room that is the present one; what is not wanted otherwise stays."""
    name, password, directory, flags, on, order, view, flags2 = (
        one.decode("utf-8", "surrogateescape") for one in there.told.parameters[4:].split(b"|")[:8]
    )
    wanted_name = wanted.get(NAME, "")
    own_name = wanted_name[OWNER_DIGITS + 1 :] if owner_of(wanted_name) else wanted_name
    own = number_or_zero(flags) & _OWN_FLAGS
    words = (
        own_name or name,
        wanted.get(SECRET, password),
        wanted.get(DIRECTORY, directory),
        str(number_or_zero(wanted[FLAGS]) | own) if FLAGS in wanted else flags,
        "0",  # nobody forgets the room
        str(floor) if floor is not None else on,
        wanted.get(ORDER, order),
        wanted.get(VIEW, view),
        wanted.get(FLAGS2, flags2),
    )
    (answer,) = client.ask_all([f"SETR {'|'.join(words)}|".encode("utf-8", "surrogateescape")])
    return said_yes(answer)
