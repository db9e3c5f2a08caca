"""A room as one of its users is in it, where marks are read and set.

By IMAP, which sets both kinds; but version 980 cannot name a room there whose name has letters beyond U+FFFF, a picture
say.  Such a room is entered by the server's own commands, by which nobody can tell or set what was answered.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from mirror.citadel.meaning.marks import ANSWERED, SEEN
from mirror.citadel.protocol.answers import read_numbers, read_seen
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.protocol.imap import ImapClient
from mirror.citadel.writers.base import said_yes
from mirror.formats.sequence_set import SequenceSet, readable_set

FLAGS = {SEEN: b"\\Seen", ANSWERED: b"\\Answered"}
Flags = dict[int, set[bytes]]
"""The flags of messages, by their numbers."""


class MarkedRoom(Protocol):
    """A room that a user is in."""

    can_set: Mapping[str, bytes]
    """The flags that can be told and set there, by the names of their marks."""

    def enter(self) -> bool:
        """Go there, also again, so that it tells what the server kept; tells whether the user may."""
        ...

    def flags(self, numbers: Collection[int] = ()) -> Flags:
        """Return the flags of messages that are there, of all where none is named."""
        ...

    def store(self, numbers: Collection[int], flag: bytes, on: bool) -> None:
        """Set a flag of messages, or take it away."""
        ...


class ImapRoom:
    """A room by IMAP, by what it is called there."""

    can_set: Mapping[str, bytes] = FLAGS

    def __init__(self, imap: ImapClient, name: str) -> None:
        self._imap, self._name = imap, name

    def enter(self) -> bool:
        return self._imap.select(self._name)

    def flags(self, numbers: Collection[int] = ()) -> Flags:
        return self._imap.flags(numbers)

    def store(self, numbers: Collection[int], flag: bytes, on: bool) -> None:
        self._imap.store(numbers, flag, on)


class CommandRoom:
    """A room by the commands of a client as which its user is logged in; ``goto`` enters it."""

    can_set: Mapping[str, bytes] = {SEEN: FLAGS[SEEN]}

    def __init__(self, client: CitadelClient, goto: bytes) -> None:
        self._client, self._goto = client, goto

    def enter(self) -> bool:
        return said_yes(self._client.ask_all([self._goto])[0])

    def flags(self, numbers: Collection[int] = ()) -> Flags:
        entered, listed, told = self._client.ask_all([self._goto, b"MSGS ALL", b"GTSN"])
        seen = read_seen(entered, told)
        read = SequenceSet(readable_set(seen.numbers).text if seen is not None else "")
        wanted: Iterable[int] = read_numbers(listed[1:-1])
        wanted = [number for number in wanted if not numbers or number in numbers]
        return {number: {FLAGS[SEEN]} if number in read else set() for number in wanted}

    def store(self, numbers: Collection[int], flag: bytes, on: bool) -> None:
        # Of more than one in a command the server takes the first alone.
        self._client.ask_all([self._goto, *(b"SEEN %d|%d" % (number, on) for number in sorted(numbers))])


def take_last_back(client: CitadelClient, goto: bytes, numbers: Collection[int]) -> bool:
    """Have nothing be read in a room any more, as its user, where just these messages are; tells whether it is so.

    Of an empty set version 980 tells that all is read up to the number that the user read up to last (user_ops.c,
    CtdlGetRelationship), which nothing but a command sets back: so that is done in their place, and not after it.
    """
    entered, told, listed = client.ask_all([goto, b"GTSN", b"MSGS ALL"])
    seen = read_seen(entered, told)
    read = SequenceSet(readable_set(seen.numbers).text if seen is not None else "")
    if seen is None or any(number in read and number not in numbers for number in read_numbers(listed[1:-1])):
        return False
    return said_yes(*client.ask_all([b"SLRP 0"]))
