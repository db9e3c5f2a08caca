"""Writes floors: made, renamed, killed; what expires there, which a server tells, and takes, in a room that is on one.

A server gives a new one the first number that is free, and has sixteen.

A server kills no floor on which there are rooms.  Those that somebody put there before it was known that the floor was
killed elsewhere are put on the first floor, as they are there; so are those that were killed and not purged yet, which
it counts.

It gives the number of a killed floor to the next one that is made.  That one is no other's: once a floor is killed on a
server, its number there stands for itself again.
"""

from collections.abc import Callable, Sequence

from mirror.citadel.meaning.keys import FLOORS, ROOMS, Pair
from mirror.citadel.meaning.pairing import kept_name, reduced
from mirror.citadel.protocol.answers import KILLED
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.writers.aide import quietly
from mirror.citadel.writers.base import Target, floor_name, rows_of, said_yes, server_says
from mirror.citadel.writers.fields import Keeps, as_it_is, held_values, is_due, print_of, status_of, to_write
from mirror.citadel.writers.rooms import put_on_floor
from mirror.model.record import Record
from mirror.model.status import Status

_NAME, _FLAGS, _MODE, _VALUE = "f_name", "f_flags", "f_ep_expire_mode", "f_ep_expire_value"
_AS_THE_SITE = {_MODE: "0", _VALUE: "0"}
"""What expires on a floor that was made just now: what does on the site."""
_TRIED = 10
"""So many rooms that are on a floor are tried: some have passwords."""
_KILLED, _IN_USE = "0", "1"
"""The flags of a floor as they are told without an export."""
MISCOUNTED = "the server counts rooms on it that are not there, until it is restarted"
"""Version 980 counts one more for each renaming that it refused, which was to put a room there (room_ops.c, tried)."""
_FIRST, _MOST = 0, 16
"""The floor that a server always has, and how many it can have."""
_FLOOR = 2
"""The field of a line of ``LKRA`` that has the room's floor."""
KEEPS: Keeps = {_NAME: lambda value: kept_name(FLOORS, value), _MODE: as_it_is, _VALUE: as_it_is}


class FloorsWriter:
    """Writes floors, by their numbers there."""

    def collections(self, target: Target) -> Callable[[str], bool]:
        return lambda name: name == FLOORS

    def takes(self, record: Record) -> bool:
        return True

    def write(self, target: Target, records: Sequence[Record]) -> bool:
        known = target.told_last(FLOORS, records)
        there = target.names_of_floors()
        worked = False
        for record in records:
            number = target.numbers.of(FLOORS, record.key)
            if not floor_name(record):
                if number and number in there:
                    worked |= self._kill(target, record, known.get(record.key), number, there)
                if number and number in target.numbers.keys.floors and number not in there:
                    target.free(Pair(FLOORS, number, record.key))
            elif is_due(record, status := known.get(record.key), KEEPS):
                worked = True
                if number is None or number not in there:
                    number = self._make(target, record, there)
                if number is not None:
                    written = self._rename(target, record, status, number, there) | {_FLAGS}
                    expires = self._expire(target, record, status, number, written)
                    told = {_NAME: there[number], _FLAGS: _IN_USE, **expires}
                    told_now = status_of(record, status, told, written)
                    target.remember([told_now] if told_now != status else [])
        return worked

    def _make(self, target: Target, record: Record, there: dict[int, str]) -> int | None:
        """Make a floor, and return its number; None where it cannot be."""
        name = KEEPS[_NAME](held_values(record)[_NAME])
        if any(reduced(FLOORS, one) == reduced(FLOORS, name) for one in there.values()):
            target.leave(record, f"floor {name}", "its name is taken there")
            return None
        number = next((one for one in range(_MOST) if one not in there), None)
        if number is None:
            target.leave(record, f"floor {name}", f"the server has {_MOST} floors already")
            return None
        if _is_anothers(target, number, record):
            target.wait(record, f"floor {name}", "another one was killed there just now, which the next look tells")
            return None

        def make() -> int | None:
            (answer,) = target.client.ask_all([f"CFLR {name}|1".encode()])
            there.update(target.names_of_floors())
            return next((one for one, other in there.items() if other == name), None) if said_yes(answer) else None

        given = target.make(Pair(FLOORS, number, record.key), make)
        if given is None:
            target.leave(record, f"floor {name}", "the server did not make it")
            return None
        target.written.others += 1
        return given

    def _rename(
        self, target: Target, record: Record, status: Status | None, number: int, there: dict[int, str]
    ) -> set[str]:
        """Give a floor its name; returns what was written."""
        wanted = to_write(held_values(record), status.said if status else {}, {_NAME: there[number]}, KEEPS)
        if _NAME not in wanted:
            return set()
        (answer,) = target.client.ask_all([f"EFLR {number}|{wanted[_NAME]}".encode()])
        if said_yes(answer):
            there[number] = wanted[_NAME]
            target.written.others += 1
        return {_NAME}

    def _expire(
        self, target: Target, record: Record, status: Status | None, number: int, written: set[str]
    ) -> dict[str, str]:
        """Have what expires on a floor be as here; returns what does now, and adds to what was ``written``."""
        wanted = {name: held_values(record).get(name, "0") for name in _AS_THE_SITE}
        said = status.said if status is not None else {}
        if all(said.get(name) == print_of(value) for name, value in wanted.items()):
            return {}
        now = _expiry(target.client, number)
        if now is None:  # so nobody can have said yet what expires there
            if wanted != _AS_THE_SITE:
                target.wait(record, f"floor {held_values(record).get(_NAME, '')}", "no room is on it there yet")
            written.update(_AS_THE_SITE)
            return dict(_AS_THE_SITE)
        if not to_write(wanted, said, now, {_MODE: as_it_is, _VALUE: as_it_is}):
            return now
        (answer,) = target.client.ask_all([f"SPEX floor|{wanted[_MODE]}|{wanted[_VALUE]}".encode()])
        if not said_yes(answer):
            target.leave(record, f"floor {held_values(record).get(_NAME, '')}", server_says(answer))
            return {}
        target.written.others += 1
        target.written.floors[number] = f"200 {wanted[_MODE]}|{wanted[_VALUE]}".encode()
        written.update(wanted)
        return wanted

    def _kill(self, target: Target, record: Record, status: Status | None, number: int, there: dict[int, str]) -> bool:
        kill = f"KFLR {number}|1".encode()
        (answer,) = target.client.ask_all([kill])
        if not said_yes(answer):
            _clear(target, number, record.key)
            (answer,) = target.client.ask_all([kill])
        if said_yes(answer):
            del there[number]
            target.remember([status_of(record, status, {_FLAGS: _KILLED}, {_FLAGS})])
            target.written.deleted += 1
        elif _rooms_on(target, number):
            target.wait(record, f"floor {there[number]}", "there are rooms on it there")
        else:
            target.leave(record, f"floor {there[number]}", MISCOUNTED)
        return True


def _expiry(client: CitadelClient, floor: int) -> dict[str, str] | None:
    """Return what expires on a floor, having entered a room that is on it; None where there is none to be entered."""
    (listed,) = client.ask_all([b"LKRA"])
    rooms = (line.split(b"|") for line in listed[1:-1])
    here = [one[0] for one in rooms if len(one) > _FLOOR and one[_FLOOR] == b"%d" % floor]
    for name in [name for name in here if not name.startswith(KILLED)][:_TRIED]:
        entered, told, policy = client.ask_all([b"GOTO %s||1" % name, b"GETR", b"GPEX floor"])
        parameters = told[0].split(b"|") if said_yes(told) else []
        if said_yes(entered) and said_yes(policy) and len(parameters) > 4 and parameters[4] == b"%d" % floor:
            mode, _, value = policy[0][4:].decode("ascii", "replace").partition("|")
            return {_MODE: mode, _VALUE: value.partition("|")[0]}
    return None


def _is_anothers(target: Target, number: int, record: Record) -> bool:
    """Tell whether a number that is free there was another floor's when the server was looked at last."""
    key = target.numbers.keys.floor(number)
    other = target.store.read(lambda reader: reader.get(FLOORS, key))
    return other is not None and key != record.key and bool(floor_name(other))


def _clear(target: Target, number: int, key: str) -> None:
    """Put the rooms that are on a killed floor here, too, on the first one, and those that were killed."""
    on_it = _on_it_here(target, key)
    with quietly(target.client) as quiet:
        for name in _rooms_on(target, number):
            if name in on_it or name.encode().startswith(KILLED):
                quiet.names.append(f'"{name}"'.encode())
                put_on_floor(target, name, _FIRST)


def _rooms_on(target: Target, number: int) -> list[str]:
    """Return the stored names of the rooms that are on a floor there, killed ones as well."""
    (told,) = target.client.ask_all([b"LKRA"])
    return [row[0] for row in rows_of(told) if len(row) > _FLOOR and row[_FLOOR] == str(number)]


def _on_it_here(target: Target, key: str) -> set[str]:
    """Return the stored names there of rooms that are on a floor here; others are put elsewhere by who writes rooms."""
    names = {target.numbers.keys.room(number, room.name): room.name for number, room in target.known.rooms.items()}
    records = target.store.read(lambda reader: reader.get_many(ROOMS, names))
    return {names[one.key] for one in records if not one.dead and held_values(one).get("QRfloor") == key}
