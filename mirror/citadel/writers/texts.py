"""Writes the texts and pictures of rooms, and users' bios and pictures.

A server makes a message of its own of each, so only what is shown counts (mirror.citadel.meaning.returned).  It knows
no condition: what is there is overwritten where the message that was looked at still holds it, else it is looked at
first.  A bio can be written by nobody but its user, who is logged in for that.  What was taken back stays there: it
can be written anew, but not be nothing.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mirror.citadel.meaning.keys import OWNER_DIGITS
from mirror.citadel.meaning.returned import SHOWN
from mirror.citadel.writers.as_user import do_as_user
from mirror.citadel.writers.base import Target, goto, said_yes, told_of
from mirror.formats.errors import BadMessage
from mirror.formats.texts_of_rooms import picture_in, text_in
from mirror.model.containers import picture_of_room, picture_of_user
from mirror.model.draft import base_of
from mirror.model.kinds import room_of
from mirror.model.record import Record, record_crc
from mirror.model.status import Status, fingerprints
from mirror.store.base import Reader
from mirror.sync.foreign.back import Errand, plan_back
from mirror.wire.errors import Refused

MAX_LINE = 4000
"""Bytes of a line that a server takes."""
_OF_ROOMS, _OF_USERS = "Local System Configuration", "My Citadel Config"
_INFO, _PICTURES, _BIOS = "room-info", "pictures", "bios"


class _Thing(NamedTuple):
    """A room or user that is shown by a text or picture; ``home`` is the room that keeps the message there."""

    name: str
    home: str
    room: bytes = b""
    """The command by which a room is entered."""
    user: str = ""
    """The key of a user."""


class _Shown(NamedTuple):
    """What is to be shown: a text, or a picture of a type."""

    data: bytes
    type: str = ""


class TextsWriter:
    """Writes texts and pictures of rooms and users that the server has."""

    def collections(self, target: Target) -> Callable[[str], bool]:
        return SHOWN.__contains__

    def takes(self, record: Record) -> bool:
        return True

    def write(self, target: Target, records: Sequence[Record]) -> bool:
        todo = target.store.read(lambda reader: _todo(reader, target.place, records))
        if not todo:
            return False
        things = _things(target)
        for record, said, errand in todo:
            thing = things.get((record.collection, record.key))
            if errand is Errand.NOTE:
                target.remember([_status(target, record, said)])
            elif thing is not None:
                self._write(target, thing, record, said)
        return True

    def _write(self, target: Target, thing: _Thing, record: Record, said: Sequence[Status]) -> None:
        try:
            body = target.store.read(lambda reader: reader.body(record))
            shown = _shown(record.collection, body)
        except BadMessage as error:
            target.written.left.append(told_of(record, thing.name, str(error)))
            return
        lines = shown.data.split(b"\n") if not shown.type else []
        if any(line == b"000" or len(line) > MAX_LINE for line in lines):
            why = f"it has a line 000, or one of over {MAX_LINE} bytes"
            target.written.left.append(told_of(record, thing.name, why))
            return
        there = _there(target, thing, record.collection)
        if not _is_same(there, shown):
            if there and not _is_as_told(target, thing, said):
                target.wait(record, thing.name, "it was changed there just now")
                return
            if not self._put(target, thing, record, shown):
                return
            target.written.others += 1
        target.remember([_status(target, record, said)])

    def _put(self, target: Target, thing: _Thing, record: Record, shown: _Shown) -> bool:
        """Have something be shown; tells whether it is, and else notes why not."""
        try:
            if record.collection == _BIOS:
                if not self._put_bio(target, thing, record, shown.data):
                    return False
            elif not shown.type:
                target.client.write_room_text(shown.data)
            elif thing.user:
                target.client.write_user_picture(thing.name, *shown)
            else:
                target.client.write_room_picture(*shown)
        except Refused as error:
            target.leave(record, thing.name, str(error))
            return False
        if not _is_same(_there(target, thing, record.collection), shown):
            target.leave(record, thing.name, "the server does not keep it as it is")
            return False
        return True

    def _put_bio(self, target: Target, thing: _Thing, record: Record, text: bytes) -> bool:
        """Write a bio as its user."""
        return do_as_user(target, record, "bio", thing.name, thing.user, lambda client: client.write_bio(text))


def _todo(reader: Reader, place: str, records: Sequence[Record]) -> list[tuple[Record, list[Status], Errand]]:
    """Return what is not as the server said last."""
    todo: list[tuple[Record, list[Status], Errand]] = []
    for record in records:
        said = reader.statuses(place, record.collection, [record.key])
        errand = plan_back(said, record, reader.body)
        if errand in (Errand.NOTE, Errand.WRITE, Errand.TAKE):
            todo.append((record, said, errand))
    return todo


def _things(target: Target) -> dict[tuple[str, str], _Thing]:
    """Return rooms and users of the server by the collections and keys of what shows them."""
    things = {}
    for collection, into in target.rooms.items():
        key = room_of(collection)
        thing = _Thing(into.room.name, _OF_ROOMS, goto(into.room))
        things[_INFO, key] = things[_PICTURES, picture_of_room(key)] = thing
    for key, (number, name) in target.users().items():
        thing = _Thing(name, f"{number:0{OWNER_DIGITS}d}.{_OF_USERS}", user=key)
        things[_BIOS, key] = things[_PICTURES, picture_of_user(key)] = thing
    return things


def _shown(collection: str, body: bytes) -> _Shown:
    """Return what a message holds.  Raises BadMessage."""
    if collection != _PICTURES:
        return _Shown(text_in(body))
    picture = picture_in(body)
    return _Shown(picture.data, picture.type)


def _there(target: Target, thing: _Thing, collection: str) -> bytes:
    """Return what is shown there, nothing where there is nothing; the room is the present one then."""
    if thing.room:
        target.client.ask_all([thing.room])
    try:
        if collection == _BIOS:
            return target.client.bio(thing.name)
        if collection == _INFO:
            return target.client.room_text()
        return target.client.user_picture(thing.name) if thing.user else target.client.room_picture()
    except Refused:
        return b""


def _is_same(there: bytes, shown: _Shown) -> bool:
    return there == shown.data if shown.type else there.rstrip(b"\n") == shown.data.rstrip(b"\n")


def _is_as_told(target: Target, thing: _Thing, said: Sequence[Status]) -> bool:
    """Tell whether the message still is there that held it when it was looked at; then its room is entered again."""
    for status in (one for one in said if one.tag):
        asking = [f"GOTO {thing.home}||1".encode(), b"MSG0 %s|1" % status.tag.encode()]
        entered, told = target.client.ask_all(asking)
        if said_yes(entered) and told and told[0].startswith(b"1"):
            target.client.ask_all([thing.room] if thing.room else [])
            return True
    return False


def _status(target: Target, record: Record, said: Sequence[Status]) -> Status:
    tag = said[0].tag if said else ""
    told = target.store.read(lambda reader: fingerprints(record, reader.body))
    return Status(record.collection, record.key, record.key, tag, base_of(record), record_crc(record), told)
