"""An export put together from what a server tells to cheap questions: a real one costs it its housekeeping.

Version 980 never goes on with that after a ``MIGR`` command, not even after one that was hung up on: no mail is sent,
no message expires, no database is checkpointed until it is started again (housekeeping.c: nothing clears the flag).
What is told has not all fields of an export, so it is partial: what is not named is as it was.  Bytes in, bytes out.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import NamedTuple

from mirror.citadel.meaning.configuration import OF_ROOMS, OF_USERS, Holding, Holds
from mirror.citadel.meaning.damaged import read_reply
from mirror.citadel.protocol.answers import RoomLine, ToldRoom, ToldUser, name_of_aide

FLOORS = 16
PASSWORDED, DIRECTORY = 8, 32
"""Flags of rooms of which the password, or the directory, is told."""
_CUT_PASSWORD, _CUT_DIRECTORY = 9, 14
"""Characters at which a room's password, or its directory, may have been cut when it was told."""
_ESCAPED = {b"&": b"&amp;", b"<": b"&lt;", b">": b"&gt;", b'"': b"&quot;"}
_SPECIAL = re.compile(rb'[&<>"]')
TOLD_KINDS = frozenset({"config", "netconf", "users", "rooms", "floors"})
"""Kinds of collections of which all is told, though not all of each thing; others are told by ``Holding``."""
NOTHING_HELD = Holding()
MESSAGES_NEXT = b"<progress>25</progress>\n"
"""What an export says when it begins to tell messages."""


class Held(NamedTuple):
    """What is held of a server, as far as it has to be known to understand what it tells.

    ``users`` are their names by their numbers, for a server does not list those whose level is 0; ``floors`` those in
    use; ``netconfs`` the rooms, by number, of which it told a network configuration.
    """

    users: Mapping[int, str] = {}
    floors: Set[int] = frozenset()
    netconfs: Set[int] = frozenset()


def put_together(
    settings: Iterable[bytes],
    rooms: Mapping[bytes, tuple[ToldRoom, RoomLine]],
    users: Iterable[ToldUser],
    floors: Iterable[bytes],
    held: Held,
    holding: Holding = NOTHING_HELD,
    born_with: Mapping[bytes, bytes] = {},
) -> Iterator[bytes]:
    """Yield an export in blocks: lines of settings and of floors, rooms by their names, users, what these hold.

    ``born_with`` are fields that each user has who is not held yet.  Of the lists of messages just those of rooms of
    configuration are in it.
    """
    accounts = [(user, read_reply(user.account)) for user in users]
    users = [user for user, read in accounts if read.sound]  # of a damaged account nothing is taken over
    doubtful = any(not (read.sound or read.deleted) for _, read in accounts)
    numbers = {_values(user.account)[0]: _values(user.account)[6] for user in users if len(_values(user.account)) > 6}
    yield b"<citadel_migrate_data>\n"
    for setting in settings:
        key, _, value = setting.partition(b"|")
        yield b'<config key="%s">%s</config>\n' % (_escape(key), _escape(value))
    for user in users:
        fields = user_fields(user)
        number = _number(fields.get(b"u_usernum", b""))
        fields |= {} if number in held.users else born_with
        yield _element(b"user", fields | _held(holding.users.get(number), OF_USERS))
    for name, (room, line) in rooms.items():
        fields = room_fields(name, room, line) | _held(holding.rooms.get(room.number), OF_ROOMS)
        yield _element(b"room", fields | _aide(room, numbers, doubtful))
        if name in holding.lists:
            listed = b",".join(b"%d" % number for number in holding.lists[name])
            yield _element(b"room_messages", {b"FRname": name, b"FRmsglist": listed})
    yield from _floors(floors, [room for room, _ in rooms.values()], held.floors)
    yield MESSAGES_NEXT
    yield b"</citadel_migrate_data>\n"


def user_fields(user: ToldUser) -> dict[bytes, bytes]:
    """Return what was told of a user, as an export names it."""
    values = _values(user.account)
    names = (b"u_fullname", b"u_password", b"u_flags", b"", b"", b"u_axlevel", b"u_usernum", b"u_lastcall")
    fields = {name: value for name, value in zip(names, values) if name}
    if len(values) > 8:
        fields[b"u_USuserpurge"] = values[8]
    return fields | {b"u_emailaddrs": b"|".join(user.addresses)}


def _held(numbers: Mapping[bytes, int] | None, fields: Mapping[Holds, bytes]) -> dict[bytes, bytes]:
    """Return the fields that name what somebody or something holds; none where that is not known."""
    return {} if numbers is None else {name: b"%d" % numbers.get(name, 0) for name in fields.values()}


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() else 0


def room_fields(name: bytes, room: ToldRoom, line: RoomLine) -> dict[bytes, bytes]:
    """Return what was told of a room but for its aide, as an export names it."""
    fields = {b"QRname": name, b"QRnumber": b"%d" % room.number, b"QRmtime": b"%d" % line.changed}
    _, password, directory, flags, floor, order, view, flags2 = (_values(room.parameters) + [b""] * 8)[:8]
    fields |= {b"QRflags": flags, b"QRfloor": floor, b"QRorder": order, b"QRdefaultview": view, b"QRflags2": flags2}
    number = int(flags) if flags.isdigit() else 0
    if not number & PASSWORDED:
        fields[b"QRpasswd"] = b""
    elif len(password) < _CUT_PASSWORD:
        fields[b"QRpasswd"] = password
    if number & DIRECTORY and len(directory) < _CUT_DIRECTORY:
        fields[b"QRdirname"] = directory
    return fields | _policy(room.expiry, b"QRexpire_mode", b"QRexpire_value")


def _aide(room: ToldRoom, users: Mapping[bytes, bytes], doubtful: bool) -> dict[bytes, bytes]:
    """Return a room's aide; nothing where one is named whom nobody lists, who was given another name just now, say.

    Where it is ``doubtful``, that there is none may mean that the aide's account is damaged.
    """
    name = name_of_aide(room)
    if name:
        return {b"QRroomaide": users[name]} if name in users else {}
    return {} if doubtful else {b"QRroomaide": b"-1"}


def _floors(lines: Iterable[bytes], rooms: Iterable[ToldRoom], used: Set[int]) -> Iterator[bytes]:
    """Yield all floors; what expires there is told by a room that is on one."""
    expiry = {_values(room.parameters)[4]: room.floor_expiry for room in rooms if len(_values(room.parameters)) > 4}
    told = {line.split(b"|")[0]: line.split(b"|")[1] for line in lines if line.count(b"|") > 1}
    for floor in range(FLOORS):
        number = b"%d" % floor
        fields = {b"f_num": number}
        if number in told:
            fields |= {b"f_name": told[number]}
            fields |= _policy(expiry.get(number, b""), b"f_ep_expire_mode", b"f_ep_expire_value")
        if (number in told) != (floor in used):
            fields[b"f_flags"] = b"1" if number in told else b"0"
        yield _element(b"floor", fields)


def _policy(reply: bytes, mode: bytes, value: bytes) -> dict[bytes, bytes]:
    values = _values(reply)
    return {mode: values[0], value: values[1]} if len(values) > 1 else {}


def _values(reply: bytes) -> list[bytes]:
    """Return the values of a reply that says yes, else none."""
    return reply[4:].split(b"|") if reply.startswith(b"2") else []


def _element(name: bytes, fields: Mapping[bytes, bytes]) -> bytes:
    inside = b"".join(b"<%s>%s</%s>\n" % (key, _escape(value), key) for key, value in fields.items())
    return b"<%s>\n%s</%s>\n" % (name, inside, name)


def _escape(text: bytes) -> bytes:
    return _SPECIAL.sub(lambda found: _ESCAPED[found[0]], text)
