"""Rooms, the lists of their messages, and floors; what a room is for decides what of it is taken."""

from mirror.citadel.looks.listed import NOWHERE
from mirror.citadel.looks.prints import Part
from mirror.citadel.migr.elements.netconf import take_proposal
from mirror.citadel.migr.leftovers import file_room
from mirror.citadel.migr.posted import Room
from mirror.citadel.migr.put_together import PASSWORDED
from mirror.citadel.migr.told import Told, lasting, number_in
from mirror.formats.keys import seconds_stamp
from mirror.formats.migr import Element
from mirror.formats.numbers import number_or_zero, split_numbers
from mirror.formats.server_own import ROOM_PASSWORD_CHARACTERS, Use, replicated, use_of_room
from mirror.model.containers import picture_of_room
from mirror.model.fields import values_of
from netconf.selection import matches

NO_AIDE = "-1"
"""The user number of a room's aide where nobody is."""
_NOT_READ = (Use.QUEUE, Use.KILLED, Use.LEFT_OUT)
_NEVER_OURS = (Use.CONFIGURATION, Use.USER_CONFIGURATION, Use.QUEUE)


def take_room(told: Told, element: Element) -> None:
    """Take over what the element says.  Raises CitadelError, ValueError where it is to be left out as a whole."""
    fields = element.children
    if not number_or_zero(fields.get("QRflags", "")) & PASSWORDED and "QRpasswd" in fields:
        fields["QRpasswd"] = ""  # one that is not in force, which is told nowhere else
    nobody = told.is_gone(number_or_zero(fields.get("QRroomaide", "")))
    if nobody:
        fields["QRroomaide"] = NO_AIDE
    number = number_in(fields, "QRnumber")
    changed = told.in_time(
        f"line {element.line}: <room>: QRmtime of room {number}", seconds_stamp(fields.get("QRmtime", ""))
    )
    stamp = max(told.created, changed)
    name = fields.get("QRname", "")
    use = _use_of(told, name, fields.get("QRdefaultview", ""))
    if use is Use.PEOPLE and told.look.knows_some:
        told.keys = told.folders.pair(told.keys, number, name)
    password = fields.get("QRpasswd") or _held_password(told, told.keys.room(number, name), "QRpasswd" in fields)
    room = Room(name, password, fields.get("QRgen", "0"), stamp, changed, use)
    told.rooms[number] = room
    told.policies.room(number, fields)
    told.room_numbers[name] = number
    key = told.key(number)
    if room.use is Use.PEOPLE:
        told.file_rooms += filter(None, [file_room(fields)])
        if told.is_same(key, Part.ROOM, element.data + NO_AIDE.encode() * nobody):
            told.look.has("rooms", [key])
            told.look.unchanged(1)
        else:
            said = lasting(told.keys.room_fields(replicated(element.name, fields), key), "QRname")
            told.fields("rooms", key, said, stamp)
        take_proposal(told, number)
    elif room.use in _NEVER_OURS:
        told.look.missing.unwant("rooms", [key])
    elif room.use is Use.LEFT_OUT:
        _leave_out(told, key)
    info, picture = ("room-info", "pictures") if room.use is Use.PEOPLE else (NOWHERE, NOWHERE)
    told.refer(element, "msgnum_info", info, key, stamp)
    told.refer(element, "msgnum_pic", picture, picture_of_room(key), stamp)


def _held_password(told: Told, key: str, is_told: bool) -> str:
    """Return a room's password as far as a server keeps it, where it does not tell it; else nothing."""
    held = None if is_told else told.store.read(lambda reader: reader.get("rooms", key))
    return str(values_of(held).get("QRpasswd", ""))[:ROOM_PASSWORD_CHARACTERS]


def _use_of(told: Told, name: str, view: str) -> Use:
    use = use_of_room(name, view)
    if use is not Use.PEOPLE or not told.only:
        return use
    return Use.PEOPLE if any(matches(name, pattern) for pattern in told.only) else Use.LEFT_OUT


def _leave_out(told: Told, key: str) -> None:
    """Take a room for one of which nothing is told: what was taken over of it once stays as it is."""
    told.left_out.add(key)
    for collection, name in (("rooms", key), ("room-info", key), ("pictures", f"room {key}")):
        told.look.has(collection, [name])


def take_room_messages(told: Told, element: Element) -> None:
    """Take over what the element says.  Raises CitadelError, ValueError where it is to be left out as a whole."""
    name = element.children.get("FRname", "")
    if name not in told.room_numbers:
        raise ValueError(f"room {name!r} is not in the export")
    room = told.room_numbers[name]
    numbers, odd = split_numbers(element.children.get("FRmsglist", ""))
    for piece in odd:
        told.report.refuse(
            element.name, element.line, f"room {name!r} lists {piece[:40]!r}, which is no message number"
        )
    use = told.rooms[room].use
    # A server breaks the lines of a list elsewhere each time.
    same = told.is_same(told.key(room), Part.LIST, b"".join(element.data.split())) and use is Use.PEOPLE
    wanted = use not in _NOT_READ and not same
    told.listed.in_room(room, numbers, element.line, wanted)


def take_floor(told: Told, element: Element) -> None:
    """Take over what the element says.  Raises CitadelError, ValueError where it is to be left out as a whole."""
    number = number_in(element.children, "f_num")
    told.policies.floor(number, element.children)
    said, key = replicated(element.name, element.children), told.keys.floor(number)
    if told.keys.paired and not said.get("f_name") and not told.look.statuses.tags("floors", [key]):
        return  # a place for a floor, of which each server has as many
    told.fields("floors", key, said, told.created)
