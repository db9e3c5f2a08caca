"""Writing into a server what came from elsewhere: new messages and mail, moves and deletions, room by room.

A message is put into a folder of the service's own user first, where nobody sees it and no rule runs, and moved from
there: so whatever the room is called, whosever mailbox it is, and however often it was tried, it is there once.  What
was written is remembered in the status before the server is looked at again, so nothing comes back; what was not, as
after a crash, is found by its id (mirror.citadel.returned).  Knows no configuration and no supervision.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from mirror.addresses import Address
from mirror.citadel.answers import room_number
from mirror.citadel.bootstrap import Place, log_in
from mirror.citadel.client import CitadelClient
from mirror.citadel.imap import ImapClient
from mirror.citadel.keys import OWNER_DIGITS, owner_of
from mirror.citadel.look import Verdict, cursor_name, place_of
from mirror.citadel.posted import Known, Room
from mirror.citadel.prints import forget_prints
from mirror.formats.errors import BadMessage, CitadelError
from mirror.formats.internet import can_be_sent, internet_message
from mirror.formats.message import Message, parse_message
from mirror.formats.server_own import IN_TRANSIT, Use
from mirror.model.draft import base_of
from mirror.model.keys import MESSAGE_PREFIX, split_key
from mirror.model.kinds import Collection
from mirror.model.record import Record, record_crc
from mirror.model.status import Status
from mirror.model.texts import is_message
from mirror.store.base import Reader, Store, Writer
from mirror.sync.foreign.plan import held_back

BATCH_MESSAGES, BATCH_BYTES = 100, 4 * 1024 * 1024
TRIES = 60
"""So often a room is tried that cannot be entered: it may have been renamed since the last look at all."""
MAX_MESSAGE = 10 * 1024 * 1024
"""Bytes of a message that a server takes."""
_LISTS = (b"listrecp|", b"digestrecp|", b"participate|")
"""Lines of a room's network configuration by which what is posted there is mailed."""
_INBOX, _CONFIGURATION = "Mail", "My Citadel Config"
_RULES = b"inbox rules configuration"
"""The subject of the message in a user's configuration room that holds inbox rules."""
_CLOSED_NOW = "it cannot be entered"
_LOCAL, _ANYWHERE = "127.0.0.1", ("", "*", "0.0.0.0", "::")


class Written(msgspec.Struct):
    """What a round wrote; ``left`` are reasons why something was not, ``held`` deletions that wait, by room."""

    messages: int = 0
    moved: int = 0
    deleted: int = 0
    more: bool = False
    again: bool = False
    """Whether something was left that may be written the next time."""
    left: list[str] = []
    held: dict[str, int] = {}


class _Room(msgspec.Struct):
    """A room that is written into: as the server has it, and where what is in it is kept."""

    number: int
    room: Room
    collection: str


class _Todo(msgspec.Struct):
    """What one stretch of the feed asks to be written: messages that are not there, and what was deleted here."""

    new: list[Record] = []
    gone: list[Status] = []
    sequence: int = 0
    more: bool = False


_Outgoing = tuple[Record, Message, str]
"""A record, the message that it holds, and its id without angle brackets."""


class Writing:
    """Writes into one server over two connections of the service's user, an administrator; for one greenlet."""

    def __init__(self, store: Store, client: CitadelClient, imap: ImapClient) -> None:
        """``client`` is logged in at the administrator's socket."""
        self._store, self._client, self._imap = store, client, imap
        self._sequence = 0
        self._tried: dict[str, int] = defaultdict(int)
        imap.make_folder(f"INBOX/{IN_TRANSIT}")
        self._empty_transit()

    def close(self) -> None:
        self._client.channel.close()
        self._imap.close()

    def round(self, known: Known, since: int, verdict: Verdict = Verdict.HOLD) -> Written:
        """Write the next of what came from elsewhere, of a server just looked at; ``since``: its highest number then.

        ``verdict`` is what is done about very many deletions.
        """
        place = place_of(known.node)
        cursor = cursor_name(place)
        rooms = {
            str(Collection("messages", known.room_key(number))): _Room(
                number, room, str(Collection("messages", known.room_key(number)))
            )
            for number, room in known.rooms.items()
            if room.use is Use.PEOPLE
        }
        begin = max(self._sequence, self._store.read(lambda reader: reader.meta_number(cursor)))
        todo = self._store.read(lambda reader: _todo(reader, begin, place, rooms.keys()))
        written = Written(more=todo.more)
        gone = self._not_held(place, todo.gone, verdict, written)
        closed = {name: self._why_closed(rooms[name]) for name in {one.collection for one in todo.new}}
        for name, why in closed.items():
            self._tried[name] = self._tried[name] + 1 if why == _CLOSED_NOW else 0
        new = [record for record in todo.new if self._is_open(record, closed, rooms, written)]
        new = self._move(place, rooms, new, gone, written)
        for batch in _batches(self._readable_ones(rooms, new, written)):
            self._write(place, rooms, batch, since, written)
        self._delete(place, rooms, gone, written)
        if not (written.held or written.again):
            self._sequence = todo.sequence
            if todo.new or todo.gone:
                self._store.write(lambda writer: writer.set_meta(cursor, todo.sequence))
        return written

    # -- messages ---------------------------------------------------------------------------------

    def _is_open(self, record: Record, closed: Mapping[str, str], rooms: Mapping[str, _Room], written: Written) -> bool:
        """Tell whether a message may be put into its room; else note why not, or that it is tried again."""
        why = closed[record.collection]
        if why == _CLOSED_NOW and self._tried[record.collection] < TRIES:
            written.again = True
        elif why:
            written.left.append(_told(rooms, record, why))
        return not why

    def _readable_ones(
        self, rooms: Mapping[str, _Room], new: Iterable[Record], written: Written
    ) -> Iterable[_Outgoing]:
        """Yield messages as they are sent, each with its id; of the rest note why not."""
        for record in new:
            name = _id_of(record)
            message, why = self._readable(record, name)
            if message is None or why:
                written.left.append(_told(rooms, record, why))
            else:
                yield record, message, name

    def _why_closed(self, target: _Room) -> str:
        """Return why nothing is written into a room, where something acts on what is; nothing where it may be."""
        owner = owner_of(target.room.name)
        if owner and target.room.name.partition(".")[2] == _INBOX and self._has_rules(owner):
            return "its owner has inbox rules, which would act on it"
        entered, lines = self._client.ask_all([_goto(target.room), b"GNET"])
        if not entered or not entered[0].startswith(b"2") or room_number(lines) != target.number:
            return _CLOSED_NOW  # it was renamed, say, and the next look at all tells how
        if any(line.startswith(_LISTS) for line in lines):
            return "it mails what is posted there"
        return ""

    def _has_rules(self, owner: int) -> bool:
        """Tell whether a user has inbox rules now."""
        configuration = f"GOTO {owner:0{OWNER_DIGITS}d}.{_CONFIGURATION}||1".encode()
        entered, listed = self._client.ask_all([configuration, b"MSGS ALL|0|0|1"])
        if not entered or not entered[0].startswith(b"2"):
            return False
        numbers = [line.partition(b"|")[0] for line in listed if line.rpartition(b"|")[2] == _RULES]
        told = self._client.ask_all([b"MSG2 %s|0" % number for number in numbers])
        return any(line.startswith(b"rule|") for lines in told for line in lines)

    def _readable(self, record: Record, name: str) -> tuple[Message | None, str]:
        if record.size > MAX_MESSAGE:
            return None, f"it is over {MAX_MESSAGE} bytes"
        try:
            message = parse_message(self._store.read(lambda reader: reader.body(record)))
        except BadMessage as error:
            return None, str(error)
        return message, can_be_sent(message, name)

    def _write(
        self,
        place: str,
        rooms: Mapping[str, _Room],
        batch: Sequence[_Outgoing],
        since: int,
        written: Written,
    ) -> None:
        """Write a batch, and remember it; what a room got meanwhile by itself is not written."""
        numbers = self._imap.append(f"INBOX/{IN_TRANSIT}", [internet_message(one, name) for _, one, name in batch])
        by_room: dict[str, list[tuple[int, Record]]] = defaultdict(list)
        there = {name: self._ids(rooms[name].room, since) for name in {record.collection for record, _, _ in batch}}
        for number, (record, _, name) in zip(numbers, batch, strict=True):
            if not number:
                written.left.append(_told(rooms, record, "the server refused it"))
            elif name.encode() not in there[record.collection]:
                by_room[record.collection].append((number, record))
        moves = [(number, rooms[name].room) for name, pairs in by_room.items() for number, _ in pairs]
        done = self._move_all(_transit(), moves)
        told = [_status(record, number) for pairs in by_room.values() for number, record in pairs if number in done]
        refused = [record for pairs in by_room.values() for number, record in pairs if number not in done]
        written.left += [_told(rooms, record, "it cannot be moved there") for record in refused]
        self._remember(place, told, [])
        written.messages += len(told)
        self._empty_transit()

    def _ids(self, room: Room, since: int) -> set[bytes]:
        """Return the ids of the messages that a room got after a number."""
        self._client.ask_all([_goto(room)])
        self._client.channel.ask(f"MSGS GT|{since}|0|8", 8)
        self._client.channel.send(b"msgn\n000\n")
        return {line.partition(b"|")[2] for line in self._client.channel.read_bytes_listing()}

    def _move_all(self, source: bytes, moves: Sequence[tuple[int, Room]]) -> set[int]:
        """Move messages, all in one go; returns the numbers of those that are in their rooms now."""
        commands = [b"MOVE %d|%s|0" % (number, _name(room)) for number, room in moves]
        _, *answers = self._client.ask_all([source, *commands])
        return {
            number for (number, _), answer in zip(moves, answers, strict=True) if answer and answer[0].startswith(b"2")
        }

    def _empty_transit(self) -> None:
        """Throw away what was on its way when it was interrupted: what arrived is in its room, not here."""
        _, listed = self._client.ask_all([_transit(), b"MSGS ALL"])
        numbers = [line for line in listed[1:-1] if line.isdigit()]
        if numbers:
            self._client.ask_all([b"DELE %s" % number for number in numbers])

    # -- moves and deletions ----------------------------------------------------------------------

    def _move(
        self, place: str, rooms: Mapping[str, _Room], new: list[Record], gone: list[Status], written: Written
    ) -> list[Record]:
        """Move what is gone from one room and new in another; what is left is new, which is returned, or gone."""
        leaving = {split_key(status.key)[0]: status for status in gone}
        rest = []
        for record in new:
            status = leaving.pop(split_key(record.key)[0], None)
            if status is None:
                rest.append(record)
                continue
            number = int(status.foreign)
            source, target = rooms[status.collection].room, rooms[record.collection]
            if number in self._move_all(_goto(source), [(number, target.room)]):
                self._remember(place, [_status(record, number)], [status])
                gone.remove(status)
                written.moved += 1
            else:
                rest.append(record)
        return rest

    def _not_held(self, place: str, gone: list[Status], verdict: Verdict, written: Written) -> list[Status]:
        """Return deletions that may be written; very many of a room wait, or are never written."""
        by_collection: dict[str, list[Status]] = defaultdict(list)
        for status in gone:
            by_collection[status.collection].append(status)
        free = []
        for collection, statuses in by_collection.items():
            told = self._store.read(lambda reader, name=collection: reader.status_count(place, name))  # type: ignore[misc]
            if not held_back(len(statuses), told) or verdict is Verdict.DELETE:
                free += statuses
            elif verdict is Verdict.HOLD:
                written.held[collection] = len(statuses)
        return free

    def _delete(self, place: str, rooms: Mapping[str, _Room], gone: Sequence[Status], written: Written) -> None:
        """Delete what was deleted here, looking just before and after; what cannot be deleted stays remembered."""
        by_collection: dict[str, list[Status]] = defaultdict(list)
        for status in gone:
            by_collection[status.collection].append(status)
        for collection, statuses in by_collection.items():
            deletions = [b"DELE %s" % status.foreign.encode() for status in statuses]
            commands = [_goto(rooms[collection].room), b"MSGS ALL", *deletions, b"MSGS ALL"]
            _, before, *_, after = self._client.ask_all(commands)
            there, left = set(before[1:-1]), set(after[1:-1])
            done = [one for one in statuses if one.foreign.encode() not in left]
            self._remember(place, [], done)
            written.deleted += sum(one.foreign.encode() in there for one in done)
            stays = len(statuses) - len(done)
            if stays:
                written.left.append(f"{rooms[collection].room.name}: {stays} messages could not be deleted")

    def _remember(self, place: str, told: Sequence[Status], gone: Sequence[Status]) -> None:
        if not (told or gone):
            return

        def job(writer: Writer) -> None:
            for status in gone:
                writer.drop_statuses(place, status.collection, [status.foreign])
            writer.put_statuses(place, told)
            forget_prints(writer, place, {one.collection.partition("/")[2] for one in (*told, *gone)})

        self._store.write(job)


def _todo(reader: Reader, begin: int, place: str, collections: Iterable[str]) -> _Todo:
    """Return what the next stretch of the feed asks to be written into rooms."""
    ours = set(collections)
    page = reader.feed(begin, lambda collection: collection in ours)
    todo = _Todo(sequence=page.sequence, more=page.more)
    by_collection: dict[str, list[Record]] = defaultdict(list)
    for record in page.records:
        if is_message(record):
            by_collection[record.collection].append(record)
    for collection, records in by_collection.items():
        told: dict[str, list[Status]] = defaultdict(list)
        for status in reader.statuses_of(place, collection, [record.key for record in records]):
            told[status.key].append(status)
        todo.new += [record for record in records if not record.dead and record.key not in told]
        todo.gone += [status for record in records if record.dead for status in told[record.key]]
    return todo


def _batches(
    found: Iterable[_Outgoing],
) -> Iterable[list[_Outgoing]]:
    batch: list[_Outgoing] = []
    size = 0
    for one in found:
        batch.append(one)
        size += len(one[1].get("M"))
        if len(batch) >= BATCH_MESSAGES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _told(rooms: Mapping[str, _Room], record: Record, why: str) -> str:
    return f"{rooms[record.collection].room.name}: {record.key[:80]}: {why}"


def _status(record: Record, number: int) -> Status:
    return Status(record.collection, str(number), record.key, "", base_of(record), record_crc(record))


def _id_of(record: Record) -> str:
    return split_key(record.key)[0].removeprefix(MESSAGE_PREFIX)


def _transit() -> bytes:
    return f"GOTO {IN_TRANSIT}||1".encode()


def _name(room: Room) -> bytes:
    return room.name.encode("utf-8", "surrogateescape")


def _goto(room: Room) -> bytes:
    return b"GOTO %s|%s|1" % (_name(room), room.password.encode())


def open_writing(store: Store, place: Place, user: str, password: str) -> Writing:
    """Log in at a server's administrator's socket and by its IMAP.  Raises ConnectionLost, LoginFailed."""
    client = log_in(place, user, password)
    try:
        told = client.tell("CONF LISTVAL")[0] or []
        values = dict(line.decode("utf-8", "replace").partition("|")[::2] for line in told)
        if values.get("c_journal_pubmsgs") == "1":
            raise CitadelError(f"{place}: the server mails to a journal what is posted (c_journal_pubmsgs)")
        port = values.get("c_imap_port", "")
        if not port.isdigit() or not int(port):
            raise CitadelError(f"{place}: the server has no IMAP (c_imap_port), by which messages are written into it")
        host = values.get("c_ip_addr", "")
        imap = ImapClient(Address(_LOCAL if host in _ANYWHERE else host, int(port)), user, password)
    except BaseException:
        client.channel.close()
        raise
    return Writing(store, client, imap)
