"""Puts messages where something acts on what is put there: a list's room, the inbox of somebody with rules, at home.

What is posted on another server from when this one is the list's home is mailed here, once.  All else that is written
into the room is not: what was posted before, what comes again into a server that was restored, what came late.  A list
mails what has a higher number than its server remembers, so that is set forward first, once nothing waits to be mailed.

Inbox rules act on nothing that is written: it came in on another server.  They, too, act on higher numbers than a
server remembers, and that is set forward by giving the user the same rules again, once what came in was dealt with.
"""

from collections.abc import Sequence

from mirror.citadel.looks.remembered import remembered
from mirror.citadel.meaning.homes import INBOX_RULES, read_home
from mirror.citadel.meaning.keys import PAIRS, ROOMS
from mirror.citadel.protocol.answers import read_numbers, read_time
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.writers.as_user import do_as_user
from mirror.citadel.writers.base import OpenRoom, Target, User, enter, goto, said_yes
from mirror.citadel.writers.netconf import NOT_MAILED, is_to_be_mailed, pass_over
from mirror.citadel.writers.rules import RULES
from mirror.formats.message import Message
from mirror.formats.numbers import number_or_zero
from mirror.model.kinds import room_of
from mirror.model.record import Record, unpack_head
from mirror.model.stamp import stamp_ms
from mirror.store.base import Reader
from mirror.wire.errors import Refused
from netconf.acting import mails
from netconf.lines import parse_lines
from netconf.rules import read_last_sent

NOT_DEALT = "its owner's rules have yet to deal with what came in there"
RULES_S = 30
"""Within so many seconds a server's rules have dealt with what came in: it looks each few seconds."""
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

    def waits(self) -> str:
        """Return why nothing can be put there just now that the list is not to mail; nothing where it can."""
        there = enter(self._target, self._into)
        return NOT_MAILED if there is not None and mails(there) and is_to_be_mailed(self._target, there) else ""

    def why_not_moved(self, number: int) -> str:
        """Return why a message that is on the server cannot be moved in just now: a list may mail it, as there."""
        return ""

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


class Dealt:
    """Which messages of inboxes a server's rules have dealt with: what was there a while ago, and what we put there.

    Lives as long as the connections to the server.
    """

    def __init__(self) -> None:
        self._noted: list[tuple[int, int]] = []
        self.ours: set[int] = set()

    def up_to(self, now_s: int, highest: int) -> int:
        """Return the number up to which all was dealt with, given the server's time and its highest number."""
        if not self._noted or self._noted[-1][1] != highest:
            self._noted.append((now_s, highest))
        while len(self._noted) > 1 and self._noted[1][0] <= now_s - RULES_S:
            self._noted.pop(0)
        noted_s, number = self._noted[0]
        return number if noted_s <= now_s - RULES_S else 0


class RuledInbox:
    """The inbox of a user whose rules are in force on this server; for one round."""

    def __init__(
        self, target: Target, into: OpenRoom, user: User, key: str, rules: Sequence[str], dealt: Dealt
    ) -> None:
        self._target, self._into, self._user, self._key = target, into, user, key
        self._rules, self._dealt = rules, dealt

    def acts_on(self, record: Record, message: Message) -> bool:
        """Tell whether something is to act on a message: nothing is."""
        return False

    def waits(self) -> str:
        """Return why nothing can be put there just now; nothing where it can."""
        (told,) = self._target.client.ask_all([b"TIME"])
        self._settled = self._dealt.up_to(read_time(told[0]) if told else 0, self._target.since)
        return NOT_DEALT if self._is_new_there() else ""

    def why_not_moved(self, number: int) -> str:
        """Return why a message that is on the server cannot be moved in just now; nothing where it can."""
        return self.waits() or self.why_not_yet([number], False)

    def why_not_yet(self, numbers: Sequence[int], acts: bool) -> str:
        """Return why messages of these numbers cannot be moved in just now; nothing once they can."""
        why = ""

        def put_anew(client: CitadelClient) -> None:
            nonlocal why
            why = NOT_DEALT if self._is_new_there() else ""
            if not why:
                client.write_rules(self._rules)

        record = self._target.store.read(lambda reader: reader.get(INBOX_RULES, self._key))
        try:
            if record is None or not do_as_user(self._target, record, RULES, self._user.name, self._key, put_anew):
                return NOT_DEALT
        except Refused as error:
            return str(error)
        if not why:
            self._dealt.ours.update(numbers)
        return why

    def _is_new_there(self) -> bool:
        """Tell whether something came into the inbox that the rules may not have dealt with yet."""
        entered, listed = self._target.client.ask_all([goto(self._into.room), b"MSGS GT|%d" % self._settled])
        return not said_yes(entered) or bool({*read_numbers(listed[1:-1])} - self._dealt.ours)


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
