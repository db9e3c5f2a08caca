"""From the elements of a MIGR export to records in a store.

Messages come last in an export and don't say in which rooms they are, so what the earlier elements say of
them (room lists, seen sets, references) is kept in a scratch database on disk: memory stays flat.
Every batch is one transaction together with the place reached, so an import that was interrupted goes on
where it was, and repeating one changes nothing.
"""

import binascii
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from mirror.citadel.proposals import NETCONF_SETTING, Proposal, head_of_proposal, read_proposal
from mirror.formats.errors import BadMessage, CitadelError
from mirror.formats.keys import (
    BORN_IMPORTED,
    imported_origin,
    message_id,
    message_key,
    message_stamp,
    numbered_key,
    seconds_stamp,
    stamp_in_time,
)
from mirror.formats.message import Message, parse_message
from mirror.formats.migr import Broken, Element, Skipped, read_elements
from mirror.formats.numbers import parse_number, split_numbers
from mirror.formats.sequence_set import SequenceSet, readable_set
from mirror.formats.server_own import Use, is_own_setting, replicated, setting_type, use_of_room, user_of_room
from mirror.model.applied import Applied
from mirror.model.fields import Value, fields_at
from mirror.model.judge import finding
from mirror.model.keys import MESSAGE_PREFIX, key_of_id
from mirror.model.kinds import Collection
from mirror.model.record import INLINE_LIMIT, Record, pack_head
from mirror.model.stamp import format_stamp
from mirror.store.base import Store, Writer
from mirror.sync.share.rules import NETCONF, NETCONF_KEY

BATCH_RECORDS = 1000
BATCH_BYTES = 4 * 1024 * 1024

CONTENT_TYPE_KEY = "application/x-citadel-"
"""Config keys that begin so hold the number of the message whose text is the setting."""
USER_SETTINGS = "user-settings"
NOWHERE = ""
"""As collection of a reference: the message is known by it, and is not taken over."""
CREATED_KEY = "c_config_created_or_migrated"
"""The setting that says when the server was set up: the time of everything that has none of its own."""

_SCRATCH = """
CREATE TABLE member (number INTEGER, room INTEGER, line INTEGER, PRIMARY KEY (number, room)) WITHOUT ROWID;
CREATE TABLE arrived (number INTEGER PRIMARY KEY);
CREATE TABLE visit (room INTEGER, user INTEGER, seen TEXT, answered TEXT, stamp INTEGER, PRIMARY KEY (room, user))
    WITHOUT ROWID;
CREATE TABLE reference (number INTEGER, collection TEXT, key TEXT, stamp INTEGER, field TEXT, line INTEGER);
CREATE INDEX reference_number ON reference (number);
"""


class Room(NamedTuple):
    """What later elements need to know of a room."""

    name: str
    generation: str
    stamp: int
    changed: int
    """When it was last changed, as far as that is known: no message in it is later; else the least stamp there is."""
    use: Use


class Posted(NamedTuple):
    """A message of the export: its number, the line it is on, what it says, its bytes, and the head of its record."""

    number: int
    line: int
    message: Message
    data: bytes
    head: bytes


class Marks(NamedTuple):
    """One user's seen and answered sets in a room."""

    user: str
    stamp: int
    seen: SequenceSet
    answered: SequenceSet


class Report(msgspec.Struct):
    """What an import did: numbers of elements read and records written, and what was not as it should be."""

    node: str = ""
    elements: dict[str, int] = {}
    applied: Applied = Applied()
    notices: list[str] = []
    refused: list[str] = []
    notices_left_out: int = 0
    lost: int = 0
    """Whole elements that were refused."""
    first_lost: str = ""
    passed_over: int = 0
    """Messages in nothing but queues and killed rooms, which are not taken over."""
    truncated: bool = False
    """Whether the export ended before its end tag."""

    @property
    def why_incomplete(self) -> str:
        """Why what was imported is not all that the server has; nothing where it is."""
        reasons = []
        if self.truncated:
            reasons.append("the export ends before its end tag")
        if self.lost:
            reasons.append(f"{self.lost} of its elements were refused, the first in {self.first_lost}")
        return "; ".join(reasons)


MAX_NOTICES = 1000
BLOCK = 1024 * 1024
"""Bytes read from a file at once."""


def import_file(store: Store, file: Path, node: str = "", progress: Callable[[int], None] | None = None) -> Report:
    """Take over the export in a file.  Repeated after an interruption, it goes on where it was.

    ``node`` is taken when the export doesn't name its own; ``progress`` is told how many bytes were read.  Raises
    OSError when the file cannot be read; CitadelError or a store's error, and then what was committed stays.
    """
    state = file.stat()
    # Named so that another export, or a changed one, is not taken for the rest of this one.
    source = f"{file.resolve()}:{state.st_size}:{state.st_mtime_ns}"
    with file.open("rb") as stream:
        return Importer(store, source, node, progress).run(read_blocks(stream))


def read_blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield what a stream holds, block by block."""
    while block := stream.read(BLOCK):
        yield block


class Importer:
    """Turns elements into records of one store; use once."""

    def __init__(
        self, store: Store, source: str, node: str = "", progress: Callable[[int], None] | None = None
    ) -> None:
        """``source`` names the export in messages and for resuming; ``node`` is taken when it doesn't name its own."""
        self.report = Report(node=node)
        self._store = store
        self._source = source
        self._progress = progress or (lambda _done: None)
        self._scratch = sqlite3.connect("", isolation_level=None)
        self._scratch.execute("PRAGMA journal_mode=OFF")
        self._scratch.executescript(_SCRATCH + "BEGIN;")
        self._config: list[tuple[str, str, int]] = []
        self._proposals: dict[int, Proposal] = {}
        self._created = 1
        self._rooms: dict[int, Room] = {}
        self._room_numbers: dict[str, int] = {}
        self._lastcall: dict[int, int] = {}
        self._drafts: list[tuple[Record, bytes]] = []
        self._draft_bytes = 0
        self._marks_of = lru_cache(maxsize=256)(self._read_marks)

    def run(self, blocks: Iterable[bytes]) -> Report:
        """Import all of an export.  Raises CitadelError or a store's error; what was committed stays."""
        resume = self._store.read(lambda reader: reader.meta_number(self._place_name()))
        end = 0
        for item in read_elements(blocks, resume):
            end = item.end
            if isinstance(item, Skipped):
                self._arrived(item.number)
            elif isinstance(item, Broken):
                self._take_broken(item)
            else:
                self._take(item)
            if len(self._drafts) >= BATCH_RECORDS or self._draft_bytes >= BATCH_BYTES:
                self._flush(end)
            self._progress(end)
        self._finish_config()
        self._flush(end)
        self._name_absent()
        self._name_passed_over()
        self._store.write(lambda writer: writer.set_meta(self._place_name(), 0))
        self._scratch.close()
        return self.report

    def _place_name(self) -> str:
        return f"import:{self._source}"

    def _notice(self, text: str) -> None:
        self._remember(self.report.notices, text)

    def _refuse(self, element: str, line: int, reason: str) -> None:
        """Name what is left out of an element of which the rest is taken over."""
        self._remember(self.report.refused, f"line {line}: <{element}>: {reason}")

    def _lose(self, text: str) -> None:
        """Name an element, or a record of it, that is left out as a whole."""
        self._remember(self.report.refused, text)
        self.report.lost += 1
        self.report.first_lost = self.report.first_lost or text

    def _take_broken(self, item: Broken) -> None:
        if item.truncated:
            self.report.truncated = True
            self._refuse(item.name, item.line, item.reason)
        else:
            self._lose(f"line {item.line}: <{item.name}>: {item.reason}")

    def _remember(self, where: list[str], text: str) -> None:
        if len(where) < MAX_NOTICES:
            where.append(text)
        else:
            self.report.notices_left_out += 1

    # -- elements ---------------------------------------------------------------------------------

    def _take(self, element: Element) -> None:
        counts = self.report.elements
        if element.notice:
            self._notice(f"line {element.line}: <{element.name}>: {element.notice}")
        if element.name == "config":
            self._take_config(element)
        elif element.name in _HANDLERS:
            self._finish_config()
            try:
                _HANDLERS[element.name](self, element)
            except (CitadelError, ValueError) as error:
                self._lose(f"line {element.line}: <{element.name}>: {error}")
                return
        elif element.name not in ("version", "progress"):
            self._notice(f"line {element.line}: <{element.name}> is no element this version knows; left out")
            return
        counts[element.name] = counts.get(element.name, 0) + 1

    def _take_config(self, element: Element) -> None:
        self._config.append((element.key, element.text, element.line))

    def _finish_config(self) -> None:
        """Write the settings, once all are there: they name the node and the time everything else needs."""
        if not self._config and self.report.node:
            return
        settings = {key: text for key, text, _ in self._config}
        self.report.node = settings.get("c_nodename", "").strip().lower() or self.report.node
        if not self.report.node:
            raise CitadelError(
                f"{self._source}: no setting c_nodename before line {self._config[-1][2] if self._config else 1}, "
                "so it is no MIGR export or a damaged one; give the server's node name with --node"
            )
        created = next((setting for setting in self._config if setting[0] == CREATED_KEY), (CREATED_KEY, "", 1))
        self._created = self._in_time(f"line {created[2]}: <config>: {CREATED_KEY}", seconds_stamp(created[1]))
        for key, text, line in self._config:
            self._settle(key, text, line)
        self._config = []

    def _settle(self, key: str, text: str, line: int) -> None:
        if key.startswith(NETCONF_SETTING):
            self._propose(key, text, line)
        elif key.startswith(CONTENT_TYPE_KEY) and (number := _digits(text)):
            self._refer_to(number, "config", key, self._created, line, field="text")
        elif key and not is_own_setting(key):
            self._fields("config", key, {"value": text}, self._created)

    def _propose(self, key: str, text: str, line: int) -> None:
        try:
            proposal = read_proposal(key, text, line)
        except CitadelError as error:
            self._lose(f"line {line}: <config>: {error}")
        else:
            self._proposals[proposal.room] = proposal

    def _take_proposal(self, room: int) -> None:
        """Write what a room's lines say, once it is known to be a room of ours."""
        proposal = self._proposals.pop(room, None)
        if proposal is None:
            return
        collection = str(Collection(NETCONF, self._key(room)))
        if proposal.shares:
            where = f"line {proposal.line}: room #{room} shares with other nodes"
            self._notice(f"{where}: see 'ctdlmirror netconf import'")
        head = self._store.read(lambda reader: head_of_proposal(reader, collection, proposal))
        self._draft(collection, NETCONF_KEY, self._created, head, proposal.body)

    def _take_user(self, element: Element) -> None:
        fields = element.children
        number = _number(fields, "u_usernum")
        if not number and not fields.get("u_fullname"):
            return  # 902 has one without a name beside SYS_Citadel, the server itself, and both have number 0
        called = self._in_time(
            f"line {element.line}: <user>: u_lastcall of user {number}", seconds_stamp(fields.get("u_lastcall", ""))
        )
        stamp = max(self._created, called)
        self._lastcall[number] = stamp
        key = self._key(number)
        self._fields("users", key, replicated(element.name, fields), stamp)
        self._refer(element, "u_msgnum_bio", "bios", key, stamp)
        self._refer(element, "u_msgnum_pic", "pictures", f"user {key}", stamp)
        self._refer(element, "u_msgnum_inboxrules", "inbox-rules", key, stamp)

    def _take_room(self, element: Element) -> None:
        fields = element.children
        number = _number(fields, "QRnumber")
        changed = self._in_time(
            f"line {element.line}: <room>: QRmtime of room {number}", seconds_stamp(fields.get("QRmtime", ""))
        )
        stamp = max(self._created, changed)
        name = fields.get("QRname", "")
        use = use_of_room(name, fields.get("QRdefaultview", ""))
        room = Room(name, fields.get("QRgen", "0"), stamp, changed, use)
        self._rooms[number] = room
        self._room_numbers[name] = number
        key = self._key(number)
        if room.use is Use.PEOPLE:
            self._fields("rooms", key, replicated(element.name, fields), stamp)
            self._take_proposal(number)
        info, picture = ("room-info", "pictures") if room.use is Use.PEOPLE else (NOWHERE, NOWHERE)
        self._refer(element, "msgnum_info", info, key, stamp)
        self._refer(element, "msgnum_pic", picture, f"room {key}", stamp)

    def _take_room_messages(self, element: Element) -> None:
        name = element.children.get("FRname", "")
        if name not in self._room_numbers:
            raise ValueError(f"room {name!r} is not in the export")
        room = self._room_numbers[name]
        numbers, odd = split_numbers(element.children.get("FRmsglist", ""))
        for piece in odd:
            self._refuse(element.name, element.line, f"room {name!r} lists {piece[:40]!r}, which is no message number")
        rows = [(number, room, element.line) for number in numbers]
        self._scratch.executemany("INSERT OR IGNORE INTO member VALUES (?,?,?)", rows)

    def _take_floor(self, element: Element) -> None:
        number = _number(element.children, "f_num")
        self._fields("floors", str(number), replicated(element.name, element.children), self._created)

    def _take_visit(self, element: Element) -> None:
        fields = element.children
        number, user = _number(fields, "v_roomnum"), _number(fields, "v_usernum")
        stamp = self._lastcall.get(user, self._created)
        room, key = self._rooms.get(number), self._key(user)
        if room is not None and room.use is not Use.PEOPLE:
            return
        generation = fields.get("v_roomgen", "0")
        if room is None or room.generation != generation:
            # Void on the server too (a room forgotten or gone), but kept: the generation may be set back.
            self._fields(str(Collection("visits", self._key(number))), f"{key}@{generation}", fields, stamp)
            return
        self._fields(str(Collection("visits", self._key(number))), key, fields, stamp)
        row = (number, user, self._readable(element, "v_seen"), self._readable(element, "v_answered"), stamp)
        self._scratch.execute("INSERT OR REPLACE INTO visit VALUES (?,?,?,?,?)", row)

    def _readable(self, element: Element, name: str) -> str:
        """Return what can be read of a visit's set of messages; what cannot is named and takes nothing along."""
        text, left_out = readable_set(element.children.get(name, ""))
        for reason in left_out:
            room, user = element.children["v_roomnum"].strip(), element.children["v_usernum"].strip()
            self._refuse(element.name, element.line, f"{name} of user {user} in room {room}: {reason}")
        return text

    def _take_message(self, element: Element) -> None:
        number = _number(element.children, "msg_msgnum")
        self._arrived(number)
        posted = self._read_message(number, element)
        rooms = self._scratch.execute("SELECT room FROM member WHERE number = ?", (number,)).fetchall()
        referenced = self._place_referenced(posted)
        placed = [self._place_in_room(room, posted, referenced) for (room,) in rooms]
        if referenced or any(placed):
            return
        if any(self._rooms[room].use in (Use.QUEUE, Use.KILLED) for (room,) in rooms):
            self.report.passed_over += 1
            return
        self._notice(f"line {element.line}: <message>: message {number} is in no room; kept in 'orphans'")
        key = key_of_id(MESSAGE_PREFIX, message_id(posted.message, self.report.node, number))
        self._draft("orphans", key, self._created, posted.head, posted.data)

    def _read_message(self, number: int, element: Element) -> Posted:
        try:
            data = binascii.a2b_base64("".join(element.children.get("msg_text", "").split()), strict_mode=True)
        except binascii.Error as error:
            raise ValueError(f"message {number}: its base64 is broken: {error}") from None
        try:
            message = parse_message(data)
        except BadMessage as error:
            raise BadMessage(f"message {number}: {error}") from None
        head = pack_head(replicated(element.name, element.children))
        return Posted(number, element.line, message, data, head)

    def _place_in_room(self, room: int, posted: Posted, referenced: bool) -> bool:
        """Keep a message that a room lists as what the room is for; tells whether it is kept."""
        use = self._rooms[room].use
        if use is Use.PEOPLE:
            self._file_message(room, posted)
        elif use is Use.USER_CONFIGURATION and not referenced:
            self._file_user_setting(room, posted)
        elif use is Use.CONFIGURATION and not referenced:
            return self._take_setting(room, posted)
        return use in (Use.PEOPLE, Use.USER_CONFIGURATION)

    def _file_message(self, room: int, posted: Posted) -> None:
        room_key = self._key(room)
        key = message_key(posted.message, self.report.node, posted.number)
        stamp = self._posted_at(room, posted)
        self._draft(str(Collection("messages", room_key)), key, stamp, posted.head, posted.data)
        for marks in self._marks_of(room):
            found = {}
            if posted.number in marks.seen:
                found["seen"] = True
            if posted.number in marks.answered:
                found["answered"] = True
            if found:
                self._fields(str(Collection("visits", room_key)), f"{marks.user} {key}", found, marks.stamp)

    def _file_user_setting(self, room: int, posted: Posted) -> None:
        user = self._key(user_of_room(self._rooms[room].name))
        key = f"{user} {message_key(posted.message, self.report.node, posted.number)}"
        self._draft(USER_SETTINGS, key, self._posted_at(room, posted), posted.head, posted.data)

    def _take_setting(self, room: int, posted: Posted) -> bool:
        """Take a setting as 902 keeps it: the last message of its type; tells whether a message is one."""
        text = posted.message.text("M")
        kind = setting_type(text)
        if kind:
            self._fields("config", kind, {"text": text}, self._posted_at(room, posted))
        return bool(kind)

    def _posted_at(self, room: int, posted: Posted) -> int:
        known = self._rooms[room]
        where = f"line {posted.line}: <message>: the id of message {posted.number}"
        return self._in_time(where, message_stamp(posted.message, known.changed), known.stamp)

    def _place_referenced(self, posted: Posted) -> bool:
        """Store what users, rooms and settings refer to by this number; tells whether anything did."""
        rows = self._scratch.execute(
            "SELECT collection, key, stamp, field FROM reference WHERE number = ?", (posted.number,)
        ).fetchall()
        for collection, key, stamp, field in rows:
            if field:
                self._fields(collection, key, {field: posted.message.text("M")}, stamp)
            elif collection != NOWHERE:
                self._draft(collection, key, stamp, body=posted.data)
        return bool(rows)

    # -- records ----------------------------------------------------------------------------------

    def _key(self, number: int) -> str:
        return numbered_key(self.report.node, number)

    def _in_time(self, where: str, stamp: int, instead: int = 1) -> int:
        """Return a stamp unless it is ahead of this node's clock: then what stands in for it, with a notice."""
        kept = stamp_in_time(self._store.clock.limit(), stamp, instead)
        if kept != stamp:
            filed = f"filed as of {format_stamp(kept)}" if kept > 1 else "filed without a time"
            self._notice(f"{where} says {format_stamp(stamp)}, which has not come yet: {filed}")
        return kept

    def _fields(self, collection: str, key: str, values: Mapping[str, Value], stamp: int) -> None:
        origin = imported_origin(self.report.node)
        head = fields_at(values, stamp, origin)
        self._add(Record(collection, key, stamp, origin, BORN_IMPORTED, head=head), b"")

    def _draft(self, collection: str, key: str, stamp: int, head: bytes = b"", body: bytes = b"") -> None:
        origin = imported_origin(self.report.node)
        self._add(Record(collection, key, stamp, origin, BORN_IMPORTED, head=head), body)

    def _add(self, record: Record, body: bytes) -> None:
        if wrong := finding(record):
            self._lose(wrong)
            return
        self._drafts.append((record, body))
        self._draft_bytes += len(body)

    def _refer(self, element: Element, name: str, collection: str, key: str, stamp: int) -> None:
        """Remember which message holds what an element names by its number; 0 and nothing name none."""
        text = element.children.get(name, "").strip()
        try:
            number = parse_number(text, name) if text else 0
        except ValueError as error:
            self._refuse(element.name, element.line, f"{key}: {error}")
            return
        if number:
            self._refer_to(number, collection, key, stamp, element.line)

    def _refer_to(self, number: int, collection: str, key: str, stamp: int, line: int, field: str = "") -> None:
        row = (number, collection, key, stamp, field, line)
        self._scratch.execute("INSERT INTO reference VALUES (?,?,?,?,?,?)", row)

    def _arrived(self, number: int) -> None:
        self._scratch.execute("INSERT OR IGNORE INTO arrived VALUES (?)", (number,))

    def _read_marks(self, room: int) -> list[Marks]:
        rows = self._scratch.execute("SELECT user, stamp, seen, answered FROM visit WHERE room = ?", (room,))
        marks = [Marks(self._key(row[0]), row[1], SequenceSet(row[2]), SequenceSet(row[3])) for row in rows]
        return [mark for mark in marks if mark.seen or mark.answered]

    def _flush(self, end: int) -> None:
        drafts, self._drafts, self._draft_bytes = self._drafts, [], 0
        name = self._place_name()

        def job(writer: Writer) -> Applied:
            records = [
                msgspec.structs.replace(record, body=body)
                if len(body) <= INLINE_LIMIT
                else writer.store_body(record, body)
                for record, body in drafts
            ]
            applied: Applied = writer.absorb(records)
            writer.set_meta(name, end)
            return applied

        self.report.applied += self._store.write(job)

    def _name_passed_over(self) -> None:
        for room, proposal in self._proposals.items():
            if room not in self._rooms:
                self._notice(
                    f"line {proposal.line}: <config>: room #{room} is not in the export; its lines are left out"
                )
        if self.report.passed_over:
            self._notice(f"{self.report.passed_over} messages of queues and of killed rooms are left out")

    def _name_absent(self) -> None:
        rows = self._scratch.execute(
            "SELECT number, room, line FROM member WHERE NOT EXISTS "
            "(SELECT 1 FROM arrived WHERE arrived.number = member.number) ORDER BY line, number"
        )
        for number, room, line in rows:
            self._refuse(
                "room_messages", line, f"room {self._rooms[room].name!r} lists message {number}, which is absent"
            )
        rows = self._scratch.execute(
            "SELECT number, collection, key, line FROM reference WHERE NOT EXISTS "
            "(SELECT 1 FROM arrived WHERE arrived.number = reference.number) AND collection <> ? ORDER BY line, number",
            (NOWHERE,),
        )
        for number, collection, key, line in rows:
            self._refuse(collection, line, f"{key!r} refers to message {number}, which is absent")


_HANDLERS: dict[str, Callable[[Importer, Element], None]] = {
    "user": Importer._take_user,
    "room": Importer._take_room,
    "room_messages": Importer._take_room_messages,
    "floor": Importer._take_floor,
    "visit": Importer._take_visit,
    "message": Importer._take_message,
}


def _number(fields: dict[str, str], name: str) -> int:
    return parse_number(fields.get(name, ""), name)


def _digits(text: str) -> int:
    """Return the number that a text is, or 0."""
    try:
        return parse_number(text, "")
    except ValueError:
        return 0
