"""Writes messages and mail: new ones, moves and deletions, room by room.

A message is put into a folder of the service's own user first, where nobody sees it and no rule runs, and moved from
there: so whatever the room is called, whosever mailbox it is, and however often it was tried, it is there once.  What
was written is remembered in the status before the server is looked at again, so nothing comes back; what was not, as
after a crash, is found by its id (mirror.citadel.meaning.returned).  Knows no configuration and no supervision.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from mirror.citadel.looks.unfinished import Unfinished, forget_unfinished, note_unfinished
from mirror.citadel.meaning.homes import read_home
from mirror.citadel.meaning.keys import ROOMS, USERS, owner_of
from mirror.citadel.meaning.returned import is_as_here
from mirror.citadel.migr.posted import Room
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.protocol.imap import ImapClient
from mirror.citadel.protocol.pieces import fetch_message
from mirror.citadel.writers.base import (
    CLOSED_NOW,
    OpenRoom,
    Target,
    User,
    agreed,
    batches,
    by_collection,
    enter,
    goto,
    said_yes,
    stored_name,
    told_of,
)
from mirror.citadel.writers.calls import account_to_use
from mirror.citadel.writers.care import POSTS_ALONE, Dealt, ListRoom, RuledInbox
from mirror.citadel.writers.items import Item, ItemsWriter, take_there
from mirror.citadel.writers.later import When
from mirror.citadel.writers.rules import rules_there
from mirror.citadel.writers.transit import PLAIN, Transit
from mirror.citadel.writers.visits import marks_covering
from mirror.formats.errors import BadMessage
from mirror.formats.internet import as_server_keeps, can_be_sent, internet_message, is_returned
from mirror.formats.mail import is_file
from mirror.formats.message import Message, parse_message
from mirror.model.draft import base_of
from mirror.model.keys import MESSAGE_PREFIX, split_key
from mirror.model.kinds import ITEM_PREFIX, room_of
from mirror.model.record import Record, record_crc
from mirror.model.status import Status
from mirror.model.texts import is_message
from mirror.store.base import Reader
from mirror.sync.foreign.back import Errand, plan_back, says_the_same
from netconf.acting import mails

MAX_MESSAGE = 10 * 1024 * 1024
"""Bytes of a message that a server takes."""
_INBOX = "Mail"


class _Door(NamedTuple):
    """Whether a room may be written into: why not, and what has to be taken care of where something acts there."""

    why: str = ""
    care: ListRoom | RuledInbox | None = None


class _Todo(msgspec.Struct):
    """What some records ask to be written.

    ``new`` are messages and items that are not there, ``changed`` items that are otherwise there, ``unseen`` those of
    which the server has what was never here, ``gone`` what was deleted here; ``noted`` is just remembered.
    """

    new: list[Record] = []
    changed: list[Item] = []
    unseen: list[Item] = []
    gone: list[Status] = []
    noted: list[Status] = []


_Outgoing = tuple[Record, Message, str]
"""A record, the message that it holds, and its id without angle brackets."""


class MessagesWriter:
    """Writes messages, mail and items of rooms that the server has."""

    def __init__(self, client: CitadelClient, imap: ImapClient) -> None:
        """Make the folder that messages are in on their way, and throw away what was left there."""
        self.transit = Transit(client, imap)
        self._items = ItemsWriter(self.transit)
        self._dealt = Dealt()

    def collections(self, target: Target) -> Callable[[str], bool]:
        return target.rooms.__contains__

    def takes(self, record: Record) -> bool:
        return True

    def write(self, target: Target, records: Sequence[Record]) -> bool:
        todo = target.store.read(lambda reader: _todo(reader, target.place, records))
        target.remember(todo.noted)
        gone = target.not_held(todo.gone)
        doors = self._doors(target, todo)
        new = [record for record in todo.new if self._is_open(target, record, doors)]
        new = self._move(target, new, gone, todo, doors)
        for batch in batches(self._readable_ones(target, filter(is_message, new)), _size):
            self._write_carefully(target, batch, doors)
        changed = [item for item in todo.changed if self._is_open(target, item.record, doors)]
        unseen = [item for item in todo.unseen if self._is_open(target, item.record, doors)]
        if unseen and not target.was_restored():  # of a restored server what is here stands
            unseen = [Item(take_there(target, item), item.said) for item in unseen]
        items = [*changed, *unseen, *(Item(record, []) for record in new if not is_message(record))]
        self._items.write(target, items)
        self._delete(target, gone)
        return bool(todo.new or todo.changed or todo.unseen or todo.gone or todo.noted)

    def _doors(self, target: Target, todo: _Todo) -> Mapping[str, _Door]:
        """Return of the rooms that are to be written into whether they may be, by their collections."""
        records = [*todo.new, *(item.record for item in (*todo.changed, *todo.unseen))]
        return {name: self._door(target, target.rooms[name]) for name in {one.collection for one in records}}

    # -- messages ---------------------------------------------------------------------------------

    def _is_open(self, target: Target, record: Record, doors: Mapping[str, _Door]) -> bool:
        """Tell whether a message may be put into its room; else note why not, or that it is tried again."""
        door, where = doors[record.collection], target.rooms[record.collection].room.name
        why = door.why or (POSTS_ALONE if door.care is not None and not is_message(record) else "")
        if why == CLOSED_NOW:
            target.wait(record, where, why)
        elif why:
            target.leave(record, where, why)
        return not why

    def _readable_ones(self, target: Target, new: Iterable[Record]) -> Iterable[_Outgoing]:
        """Yield messages as they are sent, each with its id; of the rest note why not."""
        for record in new:
            name = _id_of(record)
            message, why = _readable(target, record, name)
            if message is None or why:
                target.written.left.append(_told(target, record, why))
            else:
                yield record, message, name

    def _door(self, target: Target, into: OpenRoom) -> _Door:
        """Return whether a room may be written into, and what acts on what is."""
        owner = owner_of(into.room.name)
        if owner and into.room.name.partition(".")[2] == _INBOX and (rules := rules_there(target, owner)):
            return self._ruled_door(target, into, owner, rules)
        lines = enter(target, into)
        if lines is None:
            return _Door(CLOSED_NOW)
        if not mails(lines):
            return _Door()
        room = room_of(into.collection)
        home = target.store.read(lambda reader: read_home(reader, ROOMS, room))
        if home is None or home.place != target.place:
            return _Door("it mails what is posted there")
        return _Door(care=ListRoom(target, into))

    def _ruled_door(self, target: Target, into: OpenRoom, owner: int, rules: Sequence[str]) -> _Door:
        """Return whether an inbox may be written into whose owner has rules there: at their home, with care."""
        key, name = target.numbers.keys.user(owner), target.names_of_users().get(owner, "")
        home = target.store.read(lambda reader: read_home(reader, USERS, key))
        if home is None or home.place != target.place or account_to_use(target.client, name) is None:
            return _Door("its owner has inbox rules, which would act on it")
        return _Door(care=RuledInbox(target, into, User(owner, name), key, rules, self._dealt))

    def _write_carefully(self, target: Target, batch: Sequence[_Outgoing], doors: Mapping[str, _Door]) -> None:
        """Write a batch: first that on which nothing is to act."""
        acting: list[_Outgoing] = []
        quiet: list[_Outgoing] = []
        for one in batch:
            (acting if _acts_on(doors, *one[:2]) else quiet).append(one)
        cares = {name: doors[name].care for name in {one[0].collection for one in batch}}
        waiting = {name: why for name, care in cares.items() if care is not None and (why := care.waits())}
        for record, _, _ in quiet:
            if record.collection in waiting:
                target.wait(record, target.rooms[record.collection].room.name, waiting[record.collection])
        for some in ([one for one in quiet if one[0].collection not in waiting], acting):
            if some:
                self._write(target, some, doors, some is acting)

    def _write(self, target: Target, batch: Sequence[_Outgoing], doors: Mapping[str, _Door], acting: bool) -> None:
        """Write a batch, and remember it; what a room got meanwhile by itself is not written.

        ``acting``, where something is to act on all of it.
        """
        written = target.written
        numbers = self.transit.append(PLAIN, [internet_message(one, name) for _, one, name in batch])
        by_room: dict[str, list[tuple[int, Record]]] = defaultdict(list)
        there = {name: _ids(target, target.rooms[name].room) for name in {record.collection for record, _, _ in batch}}
        for number, (record, message, name) in zip(numbers, batch, strict=True):
            if not number:
                target.leave(record, target.rooms[record.collection].room.name, "the server refused it")
            elif not self._is_kept(target, number, record, message, name):
                continue
            elif name.encode() in there[record.collection]:  # the next look tells whether it says the same
                target.wait(record, target.rooms[record.collection].room.name, "it got one of that id just now")
            else:
                by_room[record.collection].append((number, record))
        for name, pairs in list(by_room.items()):
            care = doors[name].care
            if care is not None and (why := care.why_not_yet([number for number, _ in pairs], acting)):
                for _, record in by_room.pop(name):
                    target.wait(record, target.rooms[name].room.name, why)
        moves = [(number, target.rooms[name].room) for name, pairs in by_room.items() for number, _ in pairs]
        done = _move_all(target, self.transit.goto(PLAIN), moves)
        told = [_status(record, number) for pairs in by_room.values() for number, record in pairs if number in done]
        for record in [record for pairs in by_room.values() for number, record in pairs if number not in done]:
            target.leave_unmoved(record, target.rooms[record.collection])
        target.remember(told)
        written.messages += len(told)
        self.transit.empty()

    def _is_kept(self, target: Target, number: int, record: Record, message: Message, name: str) -> bool:
        """Tell whether a message on its way has its id; and note where the server keeps it so that it looks another."""
        target.client.ask_all([self.transit.goto(PLAIN)])
        data = fetch_message(target.client, number)
        kept = parse_message(data) if data is not None else None
        if kept is None or kept.get("I") != name.encode():
            target.written.left.append(_told(target, record, "the server would give it another message id"))
            return False
        if not is_returned(message, kept):
            why = (
                "it is written, but not as it is here: where the server is restored it would come back, as another one"
            )
            target.written.left.append(_told(target, record, why))
        return True

    # -- moves and deletions ----------------------------------------------------------------------

    def _move(
        self, target: Target, new: list[Record], gone: list[Status], todo: _Todo, doors: Mapping[str, _Door]
    ) -> list[Record]:
        """Move what is gone from one room and new in another; what is left is new, which is returned, or gone.

        An item that was changed as well is among the changed ones then.
        """
        leaving: dict[str, list[Status]] = defaultdict(list)
        for one in gone:
            leaving[split_key(one.key)[0]].append(one)
        rest = []
        put: list[Status] = []
        for record in new:
            into, some = target.rooms[record.collection], leaving[split_key(record.key)[0]]
            status = next((told for told in some if self._is_there(target, told, record)), None)
            care = doors[record.collection].care
            if status is not None and care is not None and (why := care.why_not_moved(int(status.foreign))):
                target.wait(record, into.room.name, why)
                _wait(target, [status], why)
                gone.remove(status)
            elif status is not None and self._move_one(target, status, into):
                moved = self._moved(target, record, status)
                todo.changed += [] if moved.base == base_of(record) else [Item(record, [moved])]
                target.remember([moved], [status], lambda writer: forget_unfinished(writer, target.place))
                put.append(moved)
                some.remove(status)
                gone.remove(status)
                target.written.moved += 1
            else:
                rest.append(record)
        target.beside += (
            target.store.read(lambda reader: list(marks_covering(reader, target.place, put))) if put else []
        )
        return rest

    def _is_there(self, target: Target, status: Status, record: Record) -> bool:
        """Tell whether a message is what a record says: other rooms may have another one under its key."""
        (entered,) = target.client.ask_all([goto(target.rooms[status.collection].room)])
        there = fetch_message(target.client, int(status.foreign)) if said_yes(entered) else None
        if there is None or not is_message(record):
            return there is not None
        return is_as_here(target.store.read(lambda reader: reader.body(record)), there)

    def _move_one(self, target: Target, status: Status, into: OpenRoom) -> bool:
        """Move what a status tells of; that is remembered before, for it may be in both rooms where a server dies."""
        number, source = int(status.foreign), goto(target.rooms[status.collection].room)
        entered, left = (one.decode("utf-8", "surrogateescape") for one in (goto(into.room), source))
        there = msgspec.structs.replace(status, collection=into.collection)
        note_unfinished(target.store, target.place, [Unfinished(there, entered, left)])
        return number in _move_all(target, source, [(number, into.room)])

    def _moved(self, target: Target, record: Record, status: Status) -> Status:
        """Return what is to be remembered of what was moved, given what it was before that."""
        if is_message(record):
            return _status(record, int(status.foreign))
        moved = msgspec.structs.replace(status, collection=record.collection)
        if not target.store.read(lambda reader: says_the_same(moved, record, reader.body)):
            return moved
        return agreed(moved, record)

    def _delete(self, target: Target, gone: Sequence[Status]) -> None:
        """Delete what was deleted here, looking just before and after; what cannot be deleted stays remembered."""
        for collection, statuses in by_collection(gone).items():
            room = target.rooms[collection].room
            if enter(target, target.rooms[collection]) is None:
                _wait(target, statuses, f"{room.name}: {CLOSED_NOW}")
                continue
            deletions = [b"DELE %s" % status.foreign.encode() for status in statuses]
            _, before, *told, after = target.client.ask_all([goto(room), b"MSGS ALL", *deletions, b"MSGS ALL"])
            there, left = set(before[1:-1]), set(after[1:-1])
            deleted = [one for one, answer in zip(statuses, told, strict=True) if said_yes(answer)]
            replaced = [one for one in statuses if _is_item(one) and one not in deleted]
            _wait(target, replaced, f"{room.name}: it has another number, which the next look tells")
            done = [one for one in statuses if one.foreign.encode() not in left and one not in replaced]
            target.remember([], done)
            target.written.deleted += sum(one.foreign.encode() in there for one in done)
            stays = [one for one in statuses if one not in done and one not in replaced]
            for status in stays:
                target.put_off((collection, status.key), When.LATER, f"{room.name}: {status.key[:80]} stays there")


def _acts_on(doors: Mapping[str, _Door], record: Record, message: Message) -> bool:
    """Tell whether something is to act on a message in its room."""
    care = doors[record.collection].care
    return care is not None and care.acts_on(record, message)


def _wait(target: Target, statuses: Sequence[Status], why: str) -> None:
    for status in statuses:
        target.put_off((status.collection, status.key), When.SOON, f"{status.key[:80]}: {why}")


def _readable(target: Target, record: Record, name: str) -> tuple[Message | None, str]:
    if record.size > MAX_MESSAGE:
        return None, f"it is over {MAX_MESSAGE} bytes"
    try:
        message = parse_message(target.store.read(lambda reader: reader.body(record)))
    except BadMessage as error:
        return None, str(error)
    message = as_server_keeps(message) if is_file(record.head) else message
    return message, can_be_sent(message, name)


def _ids(target: Target, room: Room) -> set[bytes]:
    """Return the ids of the messages that a room got after the server was looked at."""
    client = target.client
    client.ask_all([goto(room)])
    client.channel.ask(f"MSGS GT|{target.since}|0|8", 8)
    client.channel.send(b"msgn\n000\n")
    return {line.partition(b"|")[2] for line in client.channel.read_bytes_listing()}


def _move_all(target: Target, source: bytes, moves: Sequence[tuple[int, Room]]) -> set[int]:
    """Move messages, all in one go; returns the numbers of those that are in their rooms now."""
    commands = [b"MOVE %d|%s|0" % (number, stored_name(room)) for number, room in moves]
    _, *answers = target.client.ask_all([source, *commands])
    return {number for (number, _), answer in zip(moves, answers, strict=True) if said_yes(answer)}


def _is_item(status: Status) -> bool:
    return status.key.startswith(ITEM_PREFIX)


def _todo(reader: Reader, place: str, records: Sequence[Record]) -> _Todo:
    """Return what records of the feed ask to be written into rooms."""
    todo = _Todo()
    for collection, some in by_collection(records).items():
        told: dict[str, list[Status]] = defaultdict(list)
        for status in reader.statuses_of(place, collection, [record.key for record in some]):
            told[status.key].append(status)
        for record in some:
            _sort(todo, record, told[record.key], plan_back(told[record.key], record, reader.body))
    return todo


def _sort(todo: _Todo, record: Record, said: list[Status], errand: Errand) -> None:
    if errand is Errand.DELETE:
        todo.gone += said
    elif errand is Errand.WRITE and not said:
        todo.new.append(record)
    elif errand is Errand.WRITE:
        todo.changed.append(Item(record, said))
    elif errand is Errand.TAKE:
        todo.unseen.append(Item(record, said))
    elif errand is Errand.NOTE:
        todo.noted += [agreed(status, record) for status in said if not is_message(record)]


def _size(one: _Outgoing) -> int:
    return len(one[1].get("M"))


def _told(target: Target, record: Record, why: str) -> str:
    return told_of(record, target.rooms[record.collection].room.name, why)


def _status(record: Record, number: int) -> Status:
    return Status(record.collection, str(number), record.key, "", base_of(record), record_crc(record))


def _id_of(record: Record) -> str:
    return split_key(record.key)[0].removeprefix(MESSAGE_PREFIX)
