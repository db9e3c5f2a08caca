"""Lets users into rooms and puts them out of them, as that was done elsewhere.

What a server has now is not told but by an export, so it is what it said last, as far as it said anything.  It tells in
its Aide room what was done, which is taken out again.  Who forgot a room, which nobody else may do, is not written; nor
is what the service's own user may enter.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mirror.citadel.following.access import FORGOTTEN, LET_IN, LOCKED_OUT, flags_after
from mirror.citadel.meaning.keys import ROOMS
from mirror.citadel.meaning.numbering import room_name_seen
from mirror.citadel.writers.aide import quietly
from mirror.citadel.writers.base import CLOSED_NOW, Target, enter, said_yes, server_says
from mirror.citadel.writers.fields import print_of
from mirror.citadel.writers.later import When
from mirror.citadel.writers.visits import is_visit, said_last, status_with, visited, visits_there
from mirror.formats.names import ROOM_MAILBOX
from mirror.formats.numbers import number_or_zero
from mirror.model.fields import values_of
from mirror.model.kinds import room_of
from mirror.model.record import Record
from mirror.model.status import Status
from mirror.store.base import Reader

_FLAGS, _MOST = "v_flags", FORGOTTEN | LOCKED_OUT | LET_IN
_BASE_ROOM, _USUAL = "c_baseroom", "Lobby"
"""The setting that names the room which everybody enters first, and its name where nothing is set."""
NOBODY_PUT_OUT = "who may enter it: the server lets nobody into its first room or out of it"
_PRIVATE = 4
"""The flag of a room that not everybody may enter."""


class _Todo(NamedTuple):
    """What is to be done about a user's access to a room, and what the server said of it last."""

    record: Record
    status: Status | None
    lets_in: bool


class AccessWriter:
    """Writes who may enter which of the rooms that the server has."""

    def collections(self, target: Target) -> Callable[[str], bool]:
        return visits_there(target)

    def takes(self, record: Record) -> bool:
        return is_visit(record)

    def write(self, target: Target, records: Sequence[Record]) -> bool:
        by_room: dict[str, list[_Todo]] = defaultdict(list)
        for todo in target.store.read(lambda reader: [_todo(reader, target.place, one) for one in records]):
            if todo is not None:
                by_room[todo.record.collection].append(todo)
        if not by_room:
            return False
        first = room_name_seen(target.client.settings().get(_BASE_ROOM) or _USUAL)
        for collection in [one for one in by_room if room_name_seen(visited(target, one).room.name) == first]:
            _leave_all(target, collection, by_room.pop(collection))
        if not by_room:
            return True
        users = {key: user.name for key, user in target.users().items()}
        with quietly(target.client) as quiet:
            for collection, some in by_room.items():
                self._write_room(target, collection, some, users, quiet.names)
        return True

    def _write_room(
        self, target: Target, collection: str, todo: Sequence[_Todo], users: dict[str, str], quiet: list[bytes]
    ) -> None:
        into = visited(target, collection)
        if enter(target, into) is None:
            for one in todo:
                target.wait(one.record, into.room.name, CLOSED_NOW)
            return
        for one in todo:
            name = users.get(one.record.key, "")
            if not name:
                target.leave(one.record, into.room.name, "the user is not there")
            elif name != target.service:
                self._write_one(target, one, into.room.name, name, quiet)

    def _write_one(self, target: Target, one: _Todo, room: str, name: str, quiet: list[bytes]) -> None:
        verb, user = "INVT" if one.lets_in else "KICK", name.encode("utf-8", "surrogateescape")
        quiet += [b"%s has been" % user, f'"{room}"'.encode("utf-8", "surrogateescape")]
        (answer,) = target.client.ask_all([f"{verb} {name}".encode("utf-8", "surrogateescape")])
        if not said_yes(answer):
            target.leave(one.record, room, server_says(answer))
            return
        target.written.others += 1
        target.remember([_status(one)])


def _leave_all(target: Target, collection: str, todo: Sequence[_Todo]) -> None:
    """Note that nothing of this is written, which is told once."""
    for one in todo:
        where = one.record.collection, one.record.key
        target.put_off(where, When.LATER, f"{visited(target, collection).room.name}: {NOBODY_PUT_OUT}")


def _todo(reader: Reader, place: str, record: Record) -> _Todo | None:
    """Return what is to be done about a user's access; nothing where it is so there, or everybody may enter."""
    status = said_last(reader, place, record.collection, record.key)
    lets_in = _is_otherwise(record, status)
    if lets_in is None or (lets_in and not _is_closed(reader, record)):
        return None
    return _Todo(record, status, lets_in)


def _is_otherwise(record: Record, status: Status | None) -> bool | None:
    """Tell whether a user is to be let in or put out; None where that is as the server said last."""
    wanted, there = number_or_zero(str(values_of(record).get(_FLAGS, ""))), _said(status)
    if wanted & LET_IN and not there & LET_IN:
        return True
    return False if wanted & LOCKED_OUT and not there & LOCKED_OUT else None


def _is_closed(reader: Reader, record: Record) -> bool:
    """Tell whether a room is for whom was let in: whoever was in another one is said to be let in there, too."""
    room = reader.get(ROOMS, room_of(record.collection))
    flags = number_or_zero(str(values_of(room).get("QRflags", ""))) if room is not None else 0
    return bool(flags & (_PRIVATE | ROOM_MAILBOX))


def _said(status: Status | None) -> int:
    """Return the flags that a server said last; none where it said nothing of them."""
    told = status.said.get(_FLAGS) if status is not None else None
    return next((flags for flags in range(_MOST + 1) if told == print_of(str(flags))), 0)


def _status(one: _Todo) -> Status:
    """Return what the server says of a visit once that was done."""
    flags = flags_after(_said(one.status), one.lets_in)
    return status_with(one.record, one.status, {_FLAGS: print_of(str(flags))})
