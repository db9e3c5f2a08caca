"""Writes read and answered marks, as the user whose they are.

A server lets nobody set another one's marks, so the user is logged in by IMAP with the password that the account tells,
and the last call is put back (mirror.citadel.writers.calls).  What a mark says is compared with what the server said
last and with what it says then: what its user changed meanwhile stands.  A server keeps 4095 bytes of a set; what it
marks besides for want of room is told, and is nobody's edit.
"""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from typing import NamedTuple

import msgspec

from mirror.citadel.meaning.keys import owner_of
from mirror.citadel.meaning.marks import SEEN, Sets, tag_of
from mirror.citadel.protocol.client import CitadelClient, LoginFailed
from mirror.citadel.protocol.imap import ImapClient, folder_name
from mirror.citadel.writers.as_user import goto_as
from mirror.citadel.writers.base import CLOSED_NOW, OpenRoom, Target, User, enter
from mirror.citadel.writers.calls import Account, account_to_use, as_nobody_called, password_of
from mirror.citadel.writers.marked_rooms import FLAGS, CommandRoom, ImapRoom, MarkedRoom, take_last_back
from mirror.citadel.writers.visits import messages_of, said_last, visited, visits_of, visits_there
from mirror.formats.errors import CitadelError
from mirror.formats.numbers import number_or_zero
from mirror.formats.sequence_set import CUT_BYTES, set_of, with_numbers
from mirror.model.draft import Base
from mirror.model.fields import values_of
from mirror.model.record import Record
from mirror.model.status import Status
from mirror.store.base import Reader


class _Mark(NamedTuple):
    """What the marks of a message are to be, and those that are not what the server said last."""

    record: Record
    number: int
    wanted: Mapping[str, bool]
    changed: frozenset[str]


class MarksWriter:
    """Writes marks of rooms and users that the server has."""

    def collections(self, target: Target) -> Callable[[str], bool]:
        return visits_there(target)

    def takes(self, record: Record) -> bool:
        return " " in record.key

    def write(self, target: Target, records: Sequence[Record]) -> bool:
        by_user: dict[str, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
        for record in records:
            by_user[record.key.partition(" ")[0]][record.collection].append(record)
        users: Mapping[str, User] | None = None
        worked = False
        for user, rooms in by_user.items():
            wanted = {name: marks for name, some in rooms.items() if (marks := self._wanted(target, user, some))}
            if wanted:
                users = target.users() if users is None else users
                self._write_user(target, user, users[user].name if user in users else "", wanted)
                worked = True
        return worked

    def _wanted(self, target: Target, user: str, records: Sequence[Record]) -> list[_Mark]:
        """Return what is not as the server said last, of one user in one room."""
        marks, unknown = target.store.read(lambda reader: _compare(reader, target.place, user, records))
        self._leave(target, unknown, "the message is not there")
        return marks

    def _leave(self, target: Target, records: Iterable[Record], why: str) -> None:
        for record in records:
            target.leave(record, f"marks in {visited(target, record.collection).room.name}", why)

    def _leave_closed(self, target: Target, into: OpenRoom, records: Iterable[Record]) -> None:
        """Note that a room cannot be entered as its user, or that it was renamed just then."""
        if enter(target, into) is not None:
            self._leave(target, records, "its user cannot enter the room")
            return
        for record in records:
            target.wait(record, into.room.name, CLOSED_NOW)

    def _write_user(self, target: Target, user: str, name: str, wanted: Mapping[str, Sequence[_Mark]]) -> None:
        records = [mark.record for marks in wanted.values() for mark in marks]
        account = account_to_use(target.client, name)
        if account is None:
            self._leave(target, records, "its user is not there, or has no password of its own")
            return
        if account.password != target.store.read(lambda reader: password_of(reader, user)):
            for record in records:
                target.wait(record, name, "its user's password was changed just now")
            return
        target.written.called.add(number_or_zero(account.number))
        with as_nobody_called(target.store, target.client, target.place, account):
            self._write_as(target, user, account, wanted)

    def _write_as(self, target: Target, user: str, account: Account, wanted: Mapping[str, Sequence[_Mark]]) -> None:
        with ExitStack() as sessions:
            try:
                imap = ImapClient(target.imap.address, account.fields[0], account.password)
            except LoginFailed as error:
                self._leave(target, [mark.record for marks in wanted.values() for mark in marks], str(error))
                return
            sessions.callback(imap.close)
            by_commands = cache(lambda: _log_in(target, account, sessions))
            for collection, marks in wanted.items():
                into = visited(target, collection)
                room = _enter(into, account, imap, by_commands)
                if room is None:
                    self._leave_closed(target, into, [mark.record for mark in marks])
                else:
                    goto = goto_as(into, number_or_zero(account.number))
                    target.written.others += self._set(room, marks, by_commands, goto)
                    self._note(target, into, user, room, marks)

    def _set(
        self,
        there: MarkedRoom,
        marks: Sequence[_Mark],
        by_commands: Callable[[], CitadelClient | None],
        goto: bytes,
    ) -> int:
        """Set marks in the present room, which ``goto`` enters, and take others away; returns how many."""
        before = there.flags([mark.number for mark in marks])
        asked = 0
        for name, flag in there.can_set.items():
            for on in (True, False):
                numbers = [
                    mark.number
                    for mark in marks
                    if name in mark.changed
                    and mark.wanted[name] is on
                    and mark.number in before
                    and (flag in before[mark.number]) is not on
                ]
                asked += len(numbers)
                client = by_commands() if numbers and name == SEEN and not on else None
                if client is not None and take_last_back(client, goto, numbers):
                    there.enter()  # until then it may tell what was read before
                elif numbers:
                    there.store(numbers, flag, on)
        return asked

    def _note(self, target: Target, into: OpenRoom, user: str, there: MarkedRoom, marks: Sequence[_Mark]) -> None:
        """Remember what the user's sets are in the present room, and note what could not be set."""
        after = there.flags([mark.number for mark in marks])
        self._leave(target, [mark.record for mark in marks if mark.number not in after], "the message is not there")
        unset = (
            mark.record for mark in marks if any(mark.wanted[name] for name in mark.changed - there.can_set.keys())
        )
        self._leave(target, unset, "an answer is marked by IMAP alone, which cannot name the room there")
        self._remember(target, into, user, there, after)

    def _remember(
        self, target: Target, into: OpenRoom, user: str, there: MarkedRoom, told: Mapping[int, set[bytes]]
    ) -> None:
        visits = visits_of(into.collection)
        status = target.store.read(lambda reader: said_last(reader, target.place, visits, user))
        if status is None:  # there was no visit, as far as was told
            status = Status(visits, user, user, tag_of("", ""), Base(1, target.place), 0)
        sets = _sets_with(status.tag, told, there.can_set)
        if any(len(one.encode()) >= CUT_BYTES for one in sets):
            there.enter()  # until then it may tell what it was given, not what it kept
            flags = there.flags()
            sets = tuple(
                set_of({number for number, some in flags.items() if flag in some}, sorted(flags))
                if name in there.can_set
                else text
                for text, (name, flag) in zip(sets, FLAGS.items(), strict=True)
            )
            if wrong := sum(flags.get(number, set()) != some for number, some in told.items()):
                target.written.left.append(f"{into.room.name}: {wrong} marks: the server has no room for so many")
        target.remember([msgspec.structs.replace(status, tag=tag_of(*sets))])


def _compare(reader: Reader, place: str, user: str, records: Sequence[Record]) -> tuple[list[_Mark], list[Record]]:
    """Return the marks that are not as the server said last, and those of messages that it does not have."""
    collection = records[0].collection
    told = said_last(reader, place, collection, user)
    last = Sets.of(told.tag if told is not None else tag_of("", ""))
    by_message = {record.key.partition(" ")[2]: record for record in records}
    numbers = {
        status.key: int(status.foreign) for status in reader.statuses_of(place, messages_of(collection), by_message)
    }
    marks = []
    for message, record in by_message.items():
        if message not in numbers:
            continue
        values = {} if record.dead else values_of(record)
        wanted = {name: bool(values.get(name)) for name in FLAGS}
        said = last.marks(numbers[message])
        changed = frozenset(name for name, value in wanted.items() if told is None or value is not bool(said.get(name)))
        if changed:
            marks.append(_Mark(record, numbers[message], wanted, changed))
    return marks, [one for message, one in by_message.items() if message not in numbers and not one.dead]


def _sets_with(tag: str, told: Mapping[int, set[bytes]], names: Container[str]) -> tuple[str, ...]:
    """Return a user's two sets with what is told of some messages, which is of marks of these names alone."""
    sets = []
    for text, (name, flag) in zip(tag.split("|"), FLAGS.items(), strict=True):
        on = {number for number, flags in told.items() if flag in flags}
        if name not in names:
            sets.append(text)
            continue
        try:
            sets.append(with_numbers(text, on, told.keys() - on))
        except CitadelError:  # the last number was cut in two
            sets.append(with_numbers(text.rpartition(",")[0], on, told.keys() - on))
    return tuple(sets)


def _enter(
    into: OpenRoom, account: Account, imap: ImapClient, by_commands: Callable[[], CitadelClient | None]
) -> MarkedRoom | None:
    """Enter a room as its user; returns it, None where that cannot be done."""
    owner = owner_of(into.room.name)
    room: MarkedRoom = ImapRoom(
        imap, folder_name(into.room.name.partition(".")[2] if owner else into.room.name, bool(owner))
    )
    if room.enter():
        return room
    client = by_commands()
    room = CommandRoom(client, goto_as(into, number_or_zero(account.number))) if client is not None else room
    return room if room.enter() else None


def _log_in(target: Target, account: Account, sessions: ExitStack) -> CitadelClient | None:
    """Log a user in by the server's own protocol, as long as ``sessions`` last; None where that is refused."""
    client = target.connect()
    sessions.callback(client.channel.close)
    try:
        client.log_in_as(account.fields[0], account.password)
    except LoginFailed:
        return None
    return client
