"""Read and answered marks: what a server keeps as sets of numbers for each user and room, and a mirror per message.

What a user's sets were when the server was last looked at is the tag of the visit's status, and which number is which
message is the status of the room's messages; so nothing is kept of a single mark, and what is in a set no more was
taken back.  Values in, values out.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from mirror.formats.keys import BORN_IMPORTED
from mirror.formats.sequence_set import CUT_BYTES, HIGHEST, SequenceSet, readable_set
from mirror.model.applied import Applied
from mirror.model.draft import Base
from mirror.model.drafting import deletion_of
from mirror.model.fields import fields_at
from mirror.model.keys import split_key
from mirror.model.kinds import Collection, parse_collection
from mirror.model.record import Record, Version, record_bytes
from mirror.model.status import Status
from mirror.store.base import Reader, Reading, Writer
from mirror.sync.foreign.plan import There
from mirror.sync.foreign.take import delete

SEEN, ANSWERED = "seen", "answered"
_SCRATCH = """
CREATE TABLE visit (collection TEXT, user TEXT, tag TEXT, record BLOB, PRIMARY KEY (collection, user)) WITHOUT ROWID;
CREATE TABLE unread (room INTEGER, line INTEGER, data BLOB);
"""
BATCH = 1000
"""Elements that are written down together."""
_SEPARATOR = "|"
"""In a tag, between the two sets."""
_decode_record = msgspec.msgpack.Decoder(Record).decode


LONG_BYTES = 3900
"""Of a set that takes so many bytes the server may have made it shorter, at its beginning: it keeps 4095."""


class _Set(NamedTuple):
    """A set of numbers as far as it can be read: just of numbers above ``after`` and up to ``known`` anything is told.

    A server makes a set of read messages shorter by taking the earliest ranges for one, and one of answered messages by
    leaving those out; at its end it is cut.
    """

    numbers: SequenceSet
    after: int
    known: int

    @classmethod
    def read(cls, text: str) -> "_Set":
        numbers, size = SequenceSet(readable_set(text).text), len(text.encode())
        _, first = next(numbers.ranges(), (0, 0))
        return cls(numbers, first if size >= LONG_BYTES else -1, numbers.highest if size >= CUT_BYTES else HIGHEST)

    def tells(self, number: int) -> bool:
        """Tell whether anything is told of a message."""
        return self.after < number <= self.known


def shortened(text: str) -> str:
    """Return why a set does not tell all, in words; nothing where it does."""
    size = len(text.encode())
    return f"it takes {size} bytes, so the server has made its beginning shorter" if size >= LONG_BYTES else ""


class Sets(NamedTuple):
    """One user's two sets in a room."""

    seen: _Set
    answered: _Set

    @classmethod
    def of(cls, tag: str) -> "Sets":
        """Read a tag."""
        seen, _, answered = tag.partition(_SEPARATOR)
        return cls(_Set.read(seen), _Set.read(answered))

    def marks(self, number: int) -> dict[str, bool]:
        """Return the marks of a message, those that it has."""
        return {name: True for name, one in self._named.items() if number in one.numbers}

    def told(self, number: int) -> dict[str, bool]:
        """Return those marks of a message of which its set tells anything."""
        return {name: True for name in self.marks(number) if self._named[name].tells(number)}

    @property
    def highest(self) -> int:
        """The greatest number that may be marked."""
        return max(self.seen.numbers.highest, self.answered.numbers.highest)

    def since(self, old: Mapping[str, bool], number: int) -> dict[str, bool]:
        """Return the marks of a message; of what these sets do not tell, what it was before."""
        untold = {name: value for name, value in old.items() if not self._named[name].tells(number)}
        return {**untold, **self.told(number)}

    @property
    def _named(self) -> dict[str, _Set]:
        return {SEEN: self.seen, ANSWERED: self.answered}


def tag_of(seen: str, answered: str) -> str:
    """Return the tag of a visit with these sets; ``Sets.of`` reads it."""
    return f"{seen}{_SEPARATOR}{answered}"


class Visitor(NamedTuple):
    """One user's sets in a room: as they were when the server was last looked at, and as they are."""

    user: str
    old: Sets
    new: Sets
    changed: bool = True


class Visits:
    """The visits of a look, kept in a scratch database on disk until all else is taken over.

    A visit's status says which marks are taken over, so it is written when they are.
    """

    def __init__(self, place: str, store: Reading) -> None:
        self._place = place
        self._store = store
        self._scratch = sqlite3.connect("", isolation_level=None)
        self._scratch.execute("PRAGMA journal_mode=OFF")
        self._scratch.executescript(_SCRATCH + "BEGIN;")
        self._unread: list[tuple[int, int, bytes]] = []
        self.visitors = lru_cache(maxsize=256)(self._read)

    def close(self) -> None:
        self._scratch.close()

    def keep(self, room: int, line: int, data: bytes) -> None:
        """Keep an element unread until all that is told of rooms is known."""
        self._unread.append((room, line, data))
        if len(self._unread) >= BATCH:
            self._write_unread()

    def _write_unread(self) -> None:
        self._scratch.executemany("INSERT INTO unread VALUES (?,?,?)", self._unread)
        self._unread.clear()

    def unread(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield what was kept: the room's number, the line, the element."""
        self._write_unread()
        return self._scratch.execute("SELECT room, line, data FROM unread ORDER BY rowid")

    def put(self, record: Record, tag: str) -> None:
        """Keep a visit: its record, whose key is the user's, and its sets."""
        row = (record.collection, record.key, tag, record_bytes(record))
        self._scratch.execute("INSERT OR REPLACE INTO visit VALUES (?,?,?,?)", row)

    def all(self) -> Iterator[There]:
        """Yield all visits."""
        for tag, data in self._scratch.execute("SELECT tag, record FROM visit"):
            record = _decode_record(data)
            yield There(record.key, record, tag=tag)

    def changed(self, collection: str) -> list[Visitor]:
        """Return the users of a room whose sets are not as they were."""
        return [one for one in self.visitors(collection) if one.changed]

    def _read(self, collection: str) -> list[Visitor]:
        rows = self._scratch.execute("SELECT user, tag FROM visit WHERE collection = ?", (collection,)).fetchall()
        users = [user for user, _ in rows]
        told = self._store.read(lambda reader: reader.statuses(self._place, collection, users)) if users else []
        old = {status.foreign: status.tag for status in told}
        pairs = [(user, old.get(user, _SEPARATOR), tag) for user, tag in rows]
        return [
            Visitor(user, Sets.of(was), Sets.of(tag), was != tag)
            for user, was, tag in pairs
            if was != _SEPARATOR or tag != _SEPARATOR
        ]


class Change(NamedTuple):
    """What a server says now of one user's marks of a message, by its number, and what it said last, if anything."""

    number: int
    now: There | None
    last: Status | None

    @property
    def collection(self) -> str:
        """The collection of the marks; nothing where nothing is told."""
        return self.now.record.collection if self.now is not None else self.last.collection if self.last else ""

    @property
    def key(self) -> str:
        """The key of the marks in it."""
        return self.now.record.key if self.now is not None else self.last.key if self.last else ""

    def with_message(self, key: str) -> "Change":
        """Return it as one of the marks of the message under a key, which may be another one by now."""
        plain = split_key(key)[0]
        now, last = self.now, self.last
        if now is not None and now.record.key.endswith(f" {plain}"):
            record = msgspec.structs.replace(now.record, key=now.record.key.removesuffix(plain) + key)
            now = now._replace(record=record)
        if last is not None and last.key.endswith(f" {plain}"):
            last = msgspec.structs.replace(last, key=last.key.removesuffix(plain) + key)
        return Change(self.number, now, last)


def changes(
    collection: str, visitor: Visitor, messages: Iterable[tuple[str, int, int]], version: Version
) -> Iterator[Change]:
    """Yield what changed of a user's marks; of each message its key, the number it had last (or 0), and has now.

    ``version`` is that of what is new.
    """
    for key, was, number in messages:
        old = visitor.old.told(was) if was else {}
        # Of what was not there before, what is told is the best there is.
        new = visitor.new.since(old, number) if was else visitor.new.marks(number)
        if old != new:
            record = f"{visitor.user} {key}"
            yield Change(
                number or was,
                There("", _marks(collection, record, new, version)) if new else None,
                _status(_marks(collection, record, old, version)) if old else None,
            )


def _marks(collection: str, key: str, marks: Mapping[str, bool], version: Version) -> Record:
    return Record(collection, key, *version, BORN_IMPORTED, head=fields_at(marks, *version))


def _status(record: Record) -> Status:
    said = There("", record).said
    return Status(record.collection, "", record.key, "", Base(record.stamp, record.origin), 0, said)


# -- with what is gone --------------------------------------------------------------------------------


def delete_marks(writer: Writer, place: str, missing: Sequence[Status]) -> Applied:
    """Delete the marks of messages, or those of visits, which a server has no more; all of one collection."""
    if not missing:
        return Applied()
    kind, room = parse_collection(missing[0].collection)
    visits = str(Collection("visits", room))
    if kind == "messages":
        return _delete_marks_of(writer, place, visits, [status.key for status in missing])
    applied = Applied()
    if kind == "visits":
        for page in status_pages(writer, place, str(Collection("messages", room))):
            applied += delete(writer, [one for visit in missing for one in _of(visits, visit, page)])
    return applied


def _delete_marks_of(writer: Writer, place: str, visits: str, messages: Sequence[str]) -> Applied:
    """Delete all marks of messages that are deleted; nobody can see them any more."""
    applied = Applied()
    for page in status_pages(writer, place, visits):
        for visit in page:
            for mark in writer.get_many(visits, [f"{visit.key} {key}" for key in messages]):
                applied += writer.write(deletion_of(mark)).applied
    return applied


def _of(collection: str, visit: Status, messages: Iterable[Status]) -> Iterator[Status]:
    """Yield what the server said of one user's marks of messages."""
    if not visit.tag:
        return
    sets, version = Sets.of(visit.tag), Version(visit.base.stamp, visit.base.origin)
    for message in messages:
        if marks := sets.marks(int(message.foreign)):
            yield _status(_marks(collection, f"{visit.key} {message.key}", marks, version))


def status_pages(reader: Reader, place: str, collection: str) -> Iterator[list[Status]]:
    """Yield what a place said last of a collection, in pages."""
    after = ""
    while page := reader.scan_statuses(place, collection, after):
        yield page
        after = page[-1].foreign
