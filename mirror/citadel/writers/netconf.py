"""Writes rooms' network configurations: the lines that do not act, and of those that do none.

Lines that act are in force on the room's home alone (mirror.citadel.meaning.homes).  Where another server has the
same ones they are taken out there, once all that they have to mail is mailed; lines that are on that other server
alone stay.  Those that an administrator said are put in force, once that other server has given them up.  The server
knows no condition: what was changed there since it was looked at is looked at first.
"""

from collections.abc import Callable, Sequence

from mirror.citadel.meaning.homes import (
    HOMES,
    Word,
    give_up,
    home_key,
    keep_word,
    read_home,
    read_word,
    settle,
    thing_of,
    why_not_yet,
)
from mirror.citadel.meaning.keys import ROOMS
from mirror.citadel.meaning.said_lines import says_that_some_act, tag_of_lines
from mirror.citadel.migr.proposals import in_force
from mirror.citadel.protocol.answers import ITS_MESSAGES, read_numbers
from mirror.citadel.writers.base import CLOSED_NOW, OpenRoom, Target, enter
from mirror.formats.numbers import number_or_zero
from mirror.model.draft import base_of
from mirror.model.kinds import Collection, parse_collection, room_of
from mirror.model.record import Record, record_crc
from mirror.model.status import Status, fingerprints
from mirror.store.base import Writer
from mirror.sync.share.rules import NETCONF, NETCONF_KEY
from mirror.wire.errors import Refused
from netconf.acting import acting_lines, as_written, delivers, mails, sent_up_to, shown
from netconf.lines import parse_lines, replace_lines
from netconf.rules import read_last_sent

NOT_MAILED = "its list has yet to mail what was posted there"


class NetconfWriter:
    """Writes the lines of rooms that the server has."""

    def collections(self, target: Target) -> Callable[[str], bool]:
        rooms = {str(Collection(NETCONF, room_of(name))) for name in target.rooms}
        return lambda name: name == HOMES or name in rooms

    def takes(self, record: Record) -> bool:
        return record.key == NETCONF_KEY or record.key.startswith(home_key(ROOMS, ""))

    def write(self, target: Target, records: Sequence[Record]) -> bool:
        worked = False
        for room in dict.fromkeys(map(_room_told_of, records)):
            into = target.rooms.get(str(Collection("messages", room)))
            record = target.store.read(lambda reader, name=room: reader.get(_collection(name), NETCONF_KEY))  # type: ignore[misc]
            if into is not None and record is not None and not record.dead:
                target.tried.append(record)
                worked |= _RoomWriter(target, room, into, record).write()
        return worked


class _RoomWriter:
    """Writes the lines of one room; use once."""

    def __init__(self, target: Target, room: str, into: OpenRoom, record: Record) -> None:
        self._target, self._room, self._into, self._record = target, room, into, record
        self._said = next(iter(target.told_last(record.collection, [record]).values()), None)
        self._home = target.store.read(lambda reader: read_home(reader, ROOMS, room))
        self._held = target.store.read(lambda reader: reader.body(record))
        word = target.store.read(lambda reader: read_word(reader, target.place, ROOMS, room))
        self._word = word if self._home is not None and self._home.place == target.place else None

    def write(self) -> bool:
        """Have the server have the lines that it is to have; tells whether there was anything to write."""
        acting = acting_lines(self._held)
        if self._home is None and acting and self._are_there(acting):
            self._target.store.write(lambda writer: settle(writer, ROOMS, self._room, self._target.place))
            self._home = self._target.store.read(lambda reader: read_home(reader, ROOMS, self._room))
        if self._is_as_it_should_be():
            return False
        there = enter(self._target, self._into)
        if there is None:
            self._wait(CLOSED_NOW)
        elif self._is_changed(there):
            self._wait("it was changed there just now")
        elif self._word is not None and (why := why_not_yet(self._home, self._word)):
            self._target.leave(self._record, self._where, why)
        else:
            self._change(there, frozenset(acting) if self._acts_elsewhere() else frozenset())
        return True

    def _is_as_it_should_be(self) -> bool:
        """Tell whether the server was given what is here already, and has nothing left to give up."""
        if self._word is not None or self._said is None or self._said.base != base_of(self._record):
            return False
        home = self._home
        gives_up = home is not None and home.last == self._target.place and not home.given_up
        return not gives_up and not (self._acts_elsewhere() and says_that_some_act(self._said.tag))

    def _are_there(self, acting: Sequence[str]) -> bool:
        """Tell whether the server has lines that act; where they were confirmed here, it is asked."""
        if self._said is not None and self._said.tag:
            return says_that_some_act(self._said.tag)
        if not self._is_confirmed():
            return False
        there = enter(self._target, self._into)
        return there is not None and not {*acting}.isdisjoint(acting_lines(there))

    def _is_confirmed(self) -> bool:
        return self._target.store.read(lambda reader: in_force(reader, self._record.collection))

    def _acts_elsewhere(self) -> bool:
        return self._home is not None and self._home.place != self._target.place

    def _is_changed(self, there: bytes) -> bool:
        """Tell whether the server has other lines than it had when it was looked at."""
        if self._said is None or not self._said.tag:
            return False
        return not self._is_confirmed() and self._said.tag != tag_of_lines(there)

    def _change(self, there: bytes, given_up: frozenset[str]) -> None:
        wanted = as_written(there, self._held, dropped=given_up)
        if self._word is not None:
            wanted = self._put_in_force(there, wanted, self._word)
        if wanted != there and mails(there) and not mails(wanted) and is_to_be_mailed(self._target, there):
            self._wait(NOT_MAILED)
            return
        if wanted != there:
            try:
                self._target.client.write_netconf(wanted)
            except Refused as error:
                self._target.leave(self._record, self._where, str(error))
                return
            self._target.written.others += 1
            there = enter(self._target, self._into) or b""
        self._note(there)

    def _put_in_force(self, there: bytes, wanted: bytes, word: Word) -> bytes:
        """Return lines with those that are to be in force; a list that was none mails nothing of what was before."""
        added = [line for line in word.lines if line not in acting_lines(there)]
        more = replace_lines(wanted, lambda _line: False, added)
        if delivers(there) or not mails(more):
            return more
        return sent_up_to(more, self._mailed())

    def _mailed(self) -> int:
        """Return up to which number nothing of the present room is to be mailed."""
        since_s = self._home.since // 1000 if self._home is not None else 0
        counted, listed = self._target.client.ask_all([b"CONF GETVAL|MMhighest", ITS_MESSAGES])
        posts = [line.split(b"|") for line in listed[1:-1]]
        known = [(int(one[0]), number_or_zero(one[2].decode("ascii", "replace"))) for one in posts if len(one) > 2]
        if not any(posted >= since_s for _, posted in known):
            return number_or_zero(counted[0][4:].decode("ascii", "replace").partition("|")[0])
        return max((number for number, posted in known if posted < since_s), default=0)

    def _note(self, there: bytes) -> None:
        """Remember what the server has now, and say that nothing is in force there any more, if that is so."""
        record, place, home, left = self._record, self._target.place, self._home, acting_lines(there)
        told = self._target.store.read(lambda reader: fingerprints(record, reader.body))
        tag, base = tag_of_lines(there), base_of(record)
        status = Status(record.collection, NETCONF_KEY, NETCONF_KEY, tag, base, record_crc(record), told)
        if left and self._acts_elsewhere():
            self._target.leave(record, self._where, f"{shown(left[0])} is in force there, too, besides its home")
        gives_up = home is not None and home.last == place and not (home.given_up or left)

        def also(writer: Writer) -> None:
            if self._word is not None:
                keep_word(writer, place, ROOMS, self._room)
            if gives_up:
                give_up(writer, ROOMS, self._room, place)

        is_more = self._word is not None or gives_up
        self._target.remember([status] if status != self._said else [], also=also if is_more else None)

    def _wait(self, why: str) -> None:
        self._target.wait(self._record, self._where, why)

    @property
    def _where(self) -> str:
        return f"lines of {self._into.room.name}"


def is_to_be_mailed(target: Target, there: bytes) -> bool:
    """Tell whether the present room has posts that its list, whose lines are ``there``, has yet to mail."""
    if not delivers(there):
        return False
    (listed,) = target.client.ask_all([b"MSGS GT|%d" % read_last_sent(parse_lines(there))])
    return bool(read_numbers(listed[1:-1]))


def pass_over(target: Target, into: OpenRoom, number: int) -> bool:
    """Have a room's list not mail what has a number up to this one; False where it has yet to mail something else.

    What is posted there after this was asked has a higher number, and is mailed.
    """
    there = enter(target, into)
    if there is None or not mails(there):
        return there is not None
    if is_to_be_mailed(target, there):
        return False
    try:
        target.client.write_netconf(sent_up_to(there, number))
    except Refused:
        return False
    return True


def _collection(room: str) -> str:
    return str(Collection(NETCONF, room))


def _room_told_of(record: Record) -> str:
    return thing_of(record.key)[1] if record.collection == HOMES else parse_collection(record.collection).room
