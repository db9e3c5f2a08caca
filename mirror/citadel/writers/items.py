"""Writes items: calendar events, tasks, contacts, notes, wiki pages, whatever has an exclusive id.

An item goes through a folder as a message does, one that gives it its id; moving it from there into a room for such
items takes the place of the one of that id.  A server knows no conditional write, and an older item replaces a newer
one: so just before it is asked which number has the id, and where that is none that was looked at, the item waits for
the next look.  What the server has then is read back and is the base of what its users change.
"""

from collections.abc import Sequence
from typing import NamedTuple

from mirror.citadel.looks.taking import take_versions
from mirror.citadel.looks.unfinished import NUMBER, Unfinished, forget_unfinished, note_unfinished, read_back
from mirror.citadel.protocol.pieces import fetch_message
from mirror.citadel.writers.base import OpenRoom, Target, batches, goto, said_yes, stored_name, told_of
from mirror.citadel.writers.transit import Transit
from mirror.formats.errors import BadMessage
from mirror.formats.internet import can_be_sent, internet_message
from mirror.formats.item_sent import BLOG, INDEXED, NOTES, entered, folder_for, for_folder, why_not_kept
from mirror.formats.keys import BORN_IMPORTED
from mirror.formats.message import Message, parse_message
from mirror.model.draft import base_of
from mirror.model.record import Record, pack_head, record_crc
from mirror.model.status import Status
from mirror.sync.foreign.plan import There

MAX_ITEM = 10 * 1024 * 1024
"""Bytes of an item that a server takes."""
_VIEW = 12
"""The field of the reply to GOTO that has a room's default view."""


class Item(NamedTuple):
    """An item that is to be written, and what the server said last of it."""

    record: Record
    said: Sequence[Status]


class _Outgoing(NamedTuple):
    """An item as it is read: the message that holds it, its id, and in which folder it gets that, if in any."""

    item: Item
    message: Message
    euid: str
    folder: int | None


class _Sent(NamedTuple):
    """An item on its way: its number, and the folder that it is in."""

    item: Item
    euid: str
    number: int
    folder: int


class ItemsWriter:
    """Writes items into rooms that are open; for the writer of messages, which knows these."""

    def __init__(self, transit: Transit) -> None:
        self._transit = transit

    def write(self, target: Target, items: Sequence[Item]) -> None:
        """Write items over what the server has of them; notes what is not written."""
        by_room: dict[str, list[Item]] = {}
        for item in items:
            by_room.setdefault(item.record.collection, []).append(item)
        for collection, some in by_room.items():
            for batch in batches(some, _size):
                self._write(target, target.rooms[collection], batch)

    def _write(self, target: Target, into: OpenRoom, items: Sequence[Item]) -> None:
        view = _view(target, into)
        if view == BLOG:
            why = "in a blog the server would give it another exclusive id, or lose its time and replies"
            target.written.left += [_told(into, item, why) for item in items]
            return
        if sent := self._send(target, into, items):
            self._move(target, into, sent, view)
        self._transit.empty()

    # -- into a folder ----------------------------------------------------------------------------

    def _send(self, target: Target, into: OpenRoom, items: Sequence[Item]) -> list[_Sent]:
        """Put items into folders where they have their ids; notes those of which that cannot be done."""
        readable = [one for item in items if (one := _readable(target, into, item)) is not None]
        sent, rest = [], [one for one in readable if one.folder is None]
        for folder in sorted({one.folder for one in readable if one.folder is not None}):
            some = [one for one in readable if one.folder == folder]
            numbers = self._transit.append(folder, [_appended(one.message, folder) for one in some])
            ids = self._transit.ids(folder)
            for one, number in zip(some, numbers, strict=True):
                if ids.get(number) == one.euid:
                    sent.append(_Sent(one.item, one.euid, number, folder))
                else:
                    rest.append(one)
        entered_ones = (self._enter(target, into, one) for one in rest)
        return [*sent, *(one for one in entered_ones if one is not None)]

    def _enter(self, target: Target, into: OpenRoom, outgoing: "_Outgoing") -> _Sent | None:
        """Put an item into a folder as it stands, under its id."""
        item, message, euid, _ = outgoing
        as_it_stands = entered(message, euid)
        if isinstance(as_it_stands, str):
            target.written.left.append(_told(into, item, as_it_stands))
            return None
        number = self._transit.enter(NOTES, *as_it_stands)
        if self._transit.ids(NOTES).get(number) != euid:
            target.leave(item.record, into.room.name, "the server would give it another exclusive id")
            return None
        return _Sent(item, euid, number, NOTES)

    # -- into the room ----------------------------------------------------------------------------

    def _move(self, target: Target, into: OpenRoom, sent: Sequence[_Sent], view: int) -> None:
        """Move items into their room, and read back what the server has of them then."""
        room = goto(into.room).decode("utf-8", "surrogateescape")
        unfinished = [Unfinished(_agreed(one), room) for one in sent]
        note_unfinished(target.store, target.place, unfinished)
        told, gone = [], []
        for one, pending in zip(sent, unfinished, strict=True):
            if not self._is_expected(target, into, one, view):
                continue
            moved = self._move_one(target, into, one, pending, view)
            if moved is None:
                target.leave_unmoved(one.item.record, into)
                continue
            told.append(moved)
            gone += [status for status in one.item.said if status.foreign != moved.foreign]
        target.remember(told, gone, lambda writer: forget_unfinished(writer, target.place))
        target.written.messages += len(told)

    def _is_expected(self, target: Target, into: OpenRoom, sent: _Sent, view: int) -> bool:
        """Tell whether the server has what was looked at of an item; else it is looked at first."""
        if view not in INDEXED:
            return True
        _, answer = target.client.ask_all([goto(into.room), f"EUID {sent.euid}".encode()])
        number = answer[0].removeprefix(b"200 ").decode() if said_yes(answer) else ""
        if not number or any(status.foreign == number for status in sent.item.said):
            return True
        (told,) = target.client.tell(f"MSG0 {number}|1")
        if told is None:  # a server that crashed may list what it does not have any more
            return True
        target.wait(sent.item.record, into.room.name, f"the server has another version, message {number}")
        return False

    def _move_one(self, target: Target, into: OpenRoom, sent: _Sent, pending: Unfinished, view: int) -> Status | None:
        """Move an item, in the place of what is there of its id; returns what is to be remembered of it."""
        move = b"MOVE %d|%s|0" % (sent.number, stored_name(into.room))
        _, moved, entered = target.client.ask_all([self._transit.goto(sent.folder), move, goto(into.room)])
        if not (said_yes(moved) and said_yes(entered)):  # it was renamed just then: what is in transit is read else
            return None
        status = read_back(target.client, pending.status, target.known.node)
        if status is not None and view not in INDEXED:
            target.client.ask_all([f"DELE {old.foreign}".encode() for old in sent.item.said])
        return status


def take_there(target: Target, item: Item) -> Record:
    """Merge what the server has of an item that was never seen here; returns what is here then."""
    target.client.ask_all([goto(target.rooms[item.record.collection].room)])
    told = [(status, fetch_message(target.client, int(status.foreign))) for status in item.said]
    there = [_there(target, status, data) for status, data in told if data is not None]
    target.store.write(lambda writer: take_versions(writer, target.place, there))
    held = target.store.read(lambda reader: reader.get(item.record.collection, item.record.key))
    return held if held is not None else item.record


def _there(target: Target, status: Status, data: bytes) -> There:
    """Return what the server has as the version that was derived from it when it was looked at."""
    stamp, head = status.base.stamp, pack_head({NUMBER: status.foreign})
    record = Record(status.collection, status.key, stamp, target.place, BORN_IMPORTED, head=head)
    return There.of(status.foreign, record, data)


def _readable(target: Target, into: OpenRoom, item: Item) -> _Outgoing | None:
    """Return an item as it is read; None where it cannot be written, which is noted."""
    why, message = f"it is over {MAX_ITEM} bytes", None
    if item.record.size <= MAX_ITEM:
        try:
            message = parse_message(target.store.read(lambda reader: reader.body(item.record)))
            why = why_not_kept(message.text("E"))
        except BadMessage as error:
            why = str(error)
    if message is None or why:
        target.written.left.append(_told(into, item, why))
        return None
    return _Outgoing(item, message, message.text("E"), folder_for(message))


def _appended(message: Message, folder: int) -> bytes:
    name = message.text("I")
    return internet_message(for_folder(message, folder), "" if not name or can_be_sent(message, name) else name)


def _told(into: OpenRoom, item: Item, why: str) -> str:
    return told_of(item.record, into.room.name, why)


def _agreed(sent: _Sent) -> Status:
    record = sent.item.record
    return Status(record.collection, str(sent.number), record.key, "", base_of(record), record_crc(record))


def _view(target: Target, into: OpenRoom) -> int:
    (answer,) = target.client.ask_all([goto(into.room)])
    fields = answer[0].split(b"|") if said_yes(answer) else []
    return int(fields[_VIEW]) if len(fields) > _VIEW and fields[_VIEW].isdigit() else 0


def _size(item: Item) -> int:
    return item.record.size or len(item.record.body)
