"""Writes floors: made, renamed, killed.  A server gives a new one the first number that is free, and has sixteen."""

from collections.abc import Callable, Sequence

from mirror.citadel.client import CitadelClient
from mirror.citadel.keys import FLOORS, Pair
from mirror.citadel.pairing import kept_name, reduced
from mirror.citadel.writers.base import Target, said_yes
from mirror.citadel.writers.fields import Keeps, held_values, is_due, status_of, to_write
from mirror.formats.numbers import number_or_zero
from mirror.model.record import Record
from mirror.model.status import Status

_NAME, _FLAGS = "f_name", "f_flags"
_IN_USE, _MOST = 1, 16
KEEPS: Keeps = {_NAME: lambda value: kept_name(FLOORS, value)}


class FloorsWriter:
    """Writes floors, by their numbers there; a floor on which there are rooms is not killed."""

    def collections(self, target: Target) -> Callable[[str], bool]:
        return lambda name: name == FLOORS

    def takes(self, record: Record) -> bool:
        return True

    def write(self, target: Target, records: Sequence[Record]) -> bool:
        known = target.told_last(FLOORS, records)
        there = _floors(target.client)
        worked = False
        for record in records:
            number = target.numbers.of(FLOORS, record.key)
            if not _is_in_use(record):
                if number is not None and number in there:
                    worked |= self._kill(target, record, number, there)
            elif is_due(record, status := known.get(record.key), KEEPS):
                worked = True
                if number is None or number not in there:
                    number = self._make(target, record, there)
                if number is not None:
                    written = self._rename(target, record, status, number, there)
                    told_now = status_of(record, status, {_NAME: there[number]}, written)
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

        def make() -> int | None:
            (answer,) = target.client.ask_all([f"CFLR {name}|1".encode()])
            there.update(_floors(target.client))
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

    def _kill(self, target: Target, record: Record, number: int, there: dict[int, str]) -> bool:
        (answer,) = target.client.ask_all([f"KFLR {number}|1".encode()])
        if said_yes(answer):
            del there[number]
            target.written.deleted += 1
        else:
            target.wait(record, f"floor {there[number]}", "there are rooms on it there")
        return True


def _is_in_use(record: Record) -> bool:
    values = {} if record.dead else held_values(record)
    return bool(number_or_zero(values.get(_FLAGS, "0")) & _IN_USE and values.get(_NAME))


def _floors(client: CitadelClient) -> dict[int, str]:
    """Return the names of the floors by their numbers."""
    (told,) = client.ask_all([b"LFLR"])
    rows = [line.decode("utf-8", "surrogateescape").split("|") for line in told[1:-1]]
    return {int(row[0]): row[1] for row in rows if len(row) > 1 and row[0].isdigit()}
