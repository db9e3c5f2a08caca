"""Writes read and answered marks, as the user whose they are.

A server lets nobody set another one's marks, so the user is logged in by IMAP with the password that the account tells,
and the last call is put back (mirror.citadel.writers.calls).  What a mark says is compared with what the server said
last and with what it says then: what its user changed meanwhile stands.  A server keeps 4095 bytes of a set; what it
marks besides for want of room is told, and is nobody's edit.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from mirror.citadel.meaning.keys import owner_of
from mirror.citadel.meaning.marks import ANSWERED, SEEN, Sets, tag_of
from mirror.citadel.protocol.client import LoginFailed
from mirror.citadel.protocol.imap import ImapClient, folder_name
from mirror.citadel.writers.base import CLOSED_NOW, OpenRoom, Target, User, enter
from mirror.citadel.writers.calls import Account, account_to_use, as_nobody_called, password_of
from mirror.citadel.writers.visits import messages_of, said_last, visited, visits_of, visits_there
from mirror.formats.errors import CitadelError
from mirror.formats.sequence_set import CUT_BYTES, set_of, with_numbers
from mirror.model.draft import Base
from mirror.model.fields import values_of
from mirror.model.record import Record
from mirror.model.status import Status
from mirror.store.base import Reader

FLAGS = {SEEN: b"\\Seen", ANSWERED: b"\\Answered"}


class _Mark(NamedTuple):
    """What the marks of a message are to be, and those that are not what the server said last."""

    record: Record
    number: int
    wanted: Mapping[str, bool]
    changed: frozenset[str]


class _Folder(NamedTuple):
    """A folder by IMAP that a user is in."""

    imap: ImapClient
    name: str


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
            target.leave(record, visited(target, record.collection).room.name, why)

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
        with as_nobody_called(target.store, target.client, target.place, account):
            self._write_as(target, user, account, wanted)

    def _write_as(self, target: Target, user: str, account: Account, wanted: Mapping[str, Sequence[_Mark]]) -> None:
        try:
            imap = ImapClient(target.imap.address, account.fields[0], account.password)
        except LoginFailed as error:
            self._leave(target, [mark.record for marks in wanted.values() for mark in marks], str(error))
            return
        try:
            for collection, marks in wanted.items():
                into = visited(target, collection)
                owner = owner_of(into.room.name)
                room = into.room.name.partition(".")[2] if owner else into.room.name
                folder = folder_name(room, bool(owner))
                if not imap.select(folder):
                    self._leave_closed(target, into, [mark.record for mark in marks])
                else:
                    self._store(target, into, user, _Folder(imap, folder), marks)
        finally:
            imap.close()

    def _store(self, target: Target, into: OpenRoom, user: str, there: _Folder, marks: Sequence[_Mark]) -> None:
        """Set marks in the present folder, and remember what the user's sets are then."""
        imap = there.imap
        before = imap.flags([mark.number for mark in marks])
        asked = 0
        for name, flag in FLAGS.items():
            for on in (True, False):
                numbers = [
                    mark.number
                    for mark in marks
                    if name in mark.changed
                    and mark.wanted[name] is on
                    and mark.number in before
                    and (flag in before[mark.number]) is not on
                ]
                imap.store(numbers, flag, on)
                asked += len(numbers)
        after = imap.flags([mark.number for mark in marks])
        self._leave(target, [mark.record for mark in marks if mark.number not in after], "the message is not there")
        target.written.others += asked
        self._remember(target, into, user, there, after)

    def _remember(
        self, target: Target, into: OpenRoom, user: str, there: _Folder, told: Mapping[int, set[bytes]]
    ) -> None:
        visits = visits_of(into.collection)
        status = target.store.read(lambda reader: said_last(reader, target.place, visits, user))
        if status is None:  # there was no visit, as far as was told
            status = Status(visits, user, user, tag_of("", ""), Base(1, target.place), 0)
        sets = _sets_with(status.tag, told)
        if any(len(one.encode()) >= CUT_BYTES for one in sets):
            there.imap.select(there.name)  # until then it tells what it was given, not what it kept
            flags = there.imap.flags()
            marked = {flag: {number for number, some in flags.items() if flag in some} for flag in FLAGS.values()}
            sets = tuple(set_of(marked[flag], sorted(flags)) for flag in FLAGS.values())
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


def _sets_with(tag: str, told: Mapping[int, set[bytes]]) -> tuple[str, ...]:
    """Return a user's two sets with what is told of some messages."""
    sets = []
    for text, flag in zip(tag.split("|"), FLAGS.values(), strict=True):
        on = {number for number, flags in told.items() if flag in flags}
        try:
            sets.append(with_numbers(text, on, told.keys() - on))
        except CitadelError:  # the last number was cut in two
            sets.append(with_numbers(text.rpartition(",")[0], on, told.keys() - on))
    return tuple(sets)
