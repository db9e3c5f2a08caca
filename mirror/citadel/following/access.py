"""Who was let into a room or put out of it: a server tells that in its Aide room, by the names of user and room.

But for that an export alone tells who may enter what; and nobody is told where users forget a room or take it up again
by themselves.  Facts: version 980 (user_ops.c, CtdlInvtKick).
"""

import re
from collections.abc import Container, Iterable
from typing import NamedTuple, Protocol

from mirror.citadel.looks.remembered import place_of
from mirror.citadel.looks.taking import take_found
from mirror.citadel.meaning.marks import tag_of
from mirror.citadel.migr.posted import Known
from mirror.formats.keys import BORN_IMPORTED, imported_origin
from mirror.formats.message import Message
from mirror.formats.numbers import number_or_zero
from mirror.formats.server_own import Use
from mirror.model.applied import Applied
from mirror.model.fields import fields_at, values_of
from mirror.model.kinds import Collection
from mirror.model.record import Record
from mirror.store.base import Writer
from mirror.sync.foreign.plan import There

FORGOTTEN, LOCKED_OUT, LET_IN = 1, 2, 4
"""Flags of a visit: its user forgot the room, may not enter it, or may though it is private."""
AUTHOR, SUBJECT = "Citadel", "User Admin Message"
_TOLD = re.compile(r'(.+) has been (invited to|kicked out of) "(.+)" by .+')


class Named(NamedTuple):
    """Somebody who was let into a room or put out of it, as the server names user and room."""

    user: str
    room: str
    let_in: bool


class Numbers(Protocol):
    """Tells which user or room has, or had lately, a name; 0 for none."""

    aide_room: int

    def user_named(self, name: str) -> int: ...
    def room_named(self, name: str) -> int: ...
    def is_new(self, room: str, known: Container[int]) -> bool:
        """Tell whether the server has a room of a name, whose number is not known yet."""
        ...

    def is_new_user(self, user: str, known: Container[int]) -> bool:
        """Tell whether the server has a user of a name, whose number is not known yet."""
        ...


def read_access(message: Message) -> Named | None:
    """Return what a message of the Aide room tells of access; None where it is about something else."""
    if message.text("A") != AUTHOR or message.text("U") != SUBJECT:
        return None
    told = _TOLD.fullmatch(" ".join(message.text("M").split()))  # the server breaks long lines
    return Named(told[1], told[3], told[2] == "invited to") if told is not None else None


def take_access(writer: Writer, known: Known, numbers: Numbers, told: Iterable[Named]) -> Applied:
    """Take over who may enter what, in the order in which it was told; whatever is not known any more is left out."""
    applied = Applied()
    for one in told:
        user, room = numbers.user_named(one.user), numbers.room_named(one.room)
        if user and room in known.rooms and known.rooms[room].use is Use.PEOPLE:
            applied += _take_one(writer, known, user, room, one.let_in)
    return applied


def flags_after(flags: int, let_in: bool) -> int:
    """Return the flags that a visit has once its user was let in or put out, given those before."""
    return flags & ~(FORGOTTEN | LOCKED_OUT) | LET_IN if let_in else flags & ~LET_IN | FORGOTTEN | LOCKED_OUT


def _take_one(writer: Writer, known: Known, user: int, room: int, let_in: bool) -> Applied:
    collection, key, place = (
        str(Collection("visits", known.room_key(room))),
        known.keys.user(user),
        place_of(known.node),
    )
    held = writer.get(collection, key)
    flags = number_or_zero(str(values_of(held).get("v_flags", "")))
    said = {"v_roomnum": str(room), "v_usernum": str(user), "v_flags": str(flags_after(flags, let_in))}
    version = known.created, imported_origin(known.node)
    record = Record(collection, key, *version, BORN_IMPORTED, head=fields_at(said, *version))
    tag = next((status.tag for status in writer.statuses(place, collection, [key])), tag_of("", ""))
    return take_found(writer, place, [There(key, record, tag=tag, partial=True)], looked=True)
