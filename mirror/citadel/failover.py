"""Having what acts be in force on another server: told first, then as it was told, and no more.

A server's own administrator says so, at the node beside it: that is the word without which nothing is put in force
there (mirror.citadel.meaning.homes).  Here it is given; whoever writes into the server does the rest.  Knows no
connection.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mirror.citadel.meaning.homes import INBOX_RULES, Home, Word, give_word, read_home, read_word, settle
from mirror.citadel.meaning.keys import ROOMS, USERS
from mirror.formats.errors import CitadelError
from mirror.formats.inbox_rules import rule_lines
from mirror.model.fields import values_of
from mirror.model.kinds import room_of
from mirror.model.status import fingerprint
from mirror.store.base import Reader, Writer
from mirror.sync.share.rules import NETCONF, room_lines
from netconf.acting import acting_lines


class CannotMove(CitadelError):
    """Something cannot be in force where it was said."""

    exit_code = 8


class Acting(NamedTuple):
    """What acts of a room or user, and on which server that is in force.

    ``home`` is the name of its place, nothing where nobody said so; ``waits``, where it is to be in force on the server
    that was asked about and is not yet.
    """

    collection: str
    key: str
    name: str
    home: str
    lines: tuple[str, ...]
    waits: bool = False

    @property
    def mark(self) -> str:
        """What stands for all of that, as it was told."""
        return fingerprint("\n".join([self.home, *self.lines]).encode("utf-8", "surrogateescape")).hex()


def what_acts(reader: Reader, place: str) -> Iterator[Acting]:
    """Yield what acts of the rooms and users that a server has, by the name of its place."""
    for collection in reader.collections(f"{NETCONF}/"):
        room = room_of(collection)
        record = room_lines(reader, room)
        if record is not None and (lines := acting_lines(reader.body(record))):
            yield from _acting(reader, place, ROOMS, room, lines)
    for record in reader.scan_all(INBOX_RULES):
        if not record.dead and (lines := rule_lines(reader.body(record))):
            yield from _acting(reader, place, USERS, record.key, lines)


def _acting(reader: Reader, place: str, collection: str, key: str, lines: list[str]) -> Iterator[Acting]:
    thing = reader.get(collection, key)
    if thing is None or thing.dead or not list(reader.statuses(place, collection, [key])):
        return
    name = str(values_of(thing).get("QRname" if collection == ROOMS else "u_fullname", ""))
    home, word = read_home(reader, collection, key), read_word(reader, place, collection, key)
    yield Acting(collection, key, name, home.place if home else "", tuple(lines), word is not None)


def move(writer: Writer, place: str, wanted: Mapping[tuple[str, str], str], *, lost: bool) -> list[Acting]:
    """Have what was told of by these marks be in force on a server from now on; returns what that is.

    ``lost``, where it is not waited until the server where it was gives it up.  Raises CannotMove, and then nothing is
    moved.
    """
    found = {(one.collection, one.key): one for one in what_acts(writer, place)}
    moved = []
    for thing, mark in wanted.items():
        one = found.get(thing)
        if one is None or one.mark != mark:
            name = one.name if one is not None else thing[1]
            raise CannotMove(f"what acts of {name[:80]} is another than was told: look again, and confirm that")
        if not one.home and not lost:
            raise CannotMove(f"no server says that it is where {one.name[:80]} acts: see to that, then say --lost")
        if one.home != place or (one.waits and lost):
            moved.append(one)
    for one in moved:
        home = read_home(writer, one.collection, one.key)
        settle(writer, one.collection, one.key, place, _who_gives_up(home, place))
        give_word(writer, place, one.collection, one.key, Word(one.lines, lost))
    return moved


def _who_gives_up(home: Home | None, place: str) -> str:
    """Return the server that has yet to give up what acts, if there is one."""
    if home is None:
        return ""
    if home.place != place:
        return home.place
    return "" if home.given_up else home.last
