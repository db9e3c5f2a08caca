"""Puts messages where something acts on what is put there: into the room of a list, of which this server is the home.

What is posted on another server from when this one is the list's home is mailed here, once.  All else that is written
into the room is not: what was posted before, what comes again into a server that was restored, what came late.  A list
mails what has a higher number than its server remembers, so that is set forward first, once nothing waits to be mailed.
"""

from collections.abc import Sequence

from mirror.citadel.homes import read_home
from mirror.citadel.keys import PAIRS, ROOMS
from mirror.citadel.look import remembered
from mirror.citadel.writers.base import OpenRoom, Target, enter
from mirror.citadel.writers.netconf import NOT_MAILED, is_to_be_mailed, pass_over
from mirror.formats.message import Message
from mirror.formats.numbers import number_or_zero
from mirror.model.kinds import room_of
from mirror.model.record import Record, unpack_head
from mirror.model.stamp import stamp_ms
from mirror.store.base import Reader
from netconf.acting import mails
from netconf.lines import parse_lines
from netconf.rules import read_last_sent

POSTS_ALONE = "it is a list's, and posts alone are put there"


class ListRoom:
    """The room of a list, of which a server is the home; for one round."""

    def __init__(self, target: Target, into: OpenRoom) -> None:
        self._target, self._into = target, into
        self._since: dict[str, int] = {}

    def acts_on(self, record: Record, message: Message) -> bool:
        """Tell whether a message is one that the list is to mail: it was posted elsewhere, since this is its home."""
        target, room, origin = self._target, room_of(self._into.collection), record.origin
        if origin not in self._since:
            self._since[origin] = target.store.read(lambda reader: _since(reader, target.place, room, origin))
        return origin != target.place and number_or_zero(message.text("T")) >= self._since[origin] // 1000

    def waits(self) -> bool:
        """Tell whether the list has something to mail yet, so that nothing can be put there that it is not to mail."""
        there = enter(self._target, self._into)
        return there is not None and mails(there) and is_to_be_mailed(self._target, there)

    def why_not_yet(self, numbers: Sequence[int], acts: bool) -> str:
        """Return why messages of these numbers cannot be moved in just now; nothing once they can.

        ``acts``, where the list is to mail them.
        """
        if not acts:
            return "" if pass_over(self._target, self._into, max(numbers)) else NOT_MAILED
        lines = enter(self._target, self._into)
        # What was posted there while they came was mailed already, with a higher number.
        passed = lines is None or read_last_sent(parse_lines(lines)) >= min(numbers)
        return NOT_MAILED if passed else ""


def _since(reader: Reader, place: str, room: str, origin: str) -> int:
    """Return from when on, in Unix milliseconds, posts of an origin are to be mailed by a server's list."""
    home, last = read_home(reader, ROOMS, room), remembered(reader, place)
    of_room = f"{origin} {ROOMS} "
    paired = [
        stamp_ms(one.stamp)
        for one in reader.scan_all(PAIRS, origin)
        if one.key == origin or (one.key.startswith(of_room) and unpack_head(one.head).get("key") == room)
    ]
    return max(0, home.since if home is not None else 0, last.anew_ms if last is not None else 0, *paired)
