"""Reading a SQLite store: the questions the engine asks, each a few statements on one connection."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

import msgspec

from mirror.model.digest import MASK, Bulk, Digest, unsigned
from mirror.model.draft import Base
from mirror.model.judge import Unfit
from mirror.model.kinds import NODES
from mirror.model.record import Record, Version, record_crc
from mirror.model.stamp import MAX_STAMP
from mirror.model.status import Status
from mirror.store.base import PAGE_BYTES, PAGE_RECORDS, PART_BYTES, Allows, everything
from mirror.store.errors import StoreDamaged
from mirror.store.questions import Questions
from mirror.store.sqlite.blocks import read_blocks, read_entries
from mirror.store.values import Aside, Block, Checked, Conflict, FeedPage, Listing, Place, StoredCursor, Substitute

COLUMNS = "collection, key, stamp, origin, born, dead, past, head, body, content, size, crc"
_RECORD_COLUMNS = ", ".join(f"record.{name}" for name in COLUMNS.split(", "))
MAX_DAMAGE = 100
"""Lines about a damaged file at most."""
_decode_past = msgspec.msgpack.Decoder(tuple[tuple[str, int], ...]).decode
_decode_record = msgspec.msgpack.Decoder(Record).decode
_decode_base = msgspec.msgpack.Decoder(Base).decode
_decode_said = msgspec.msgpack.Decoder(dict[str, bytes]).decode


class Names:
    """Numbers and names of origins or collections, kept in memory because there are few."""

    def __init__(self, table: str) -> None:
        self._table = table
        self.name_of: dict[int, str] = {}
        self.id_of: dict[str, int] = {}

    def remember(self, number: int, name: str) -> None:
        self.name_of[number] = name
        self.id_of[name] = number

    def resolve(self, connection: sqlite3.Connection, number: int) -> str:
        """Return a name by its number; it is read when it is met for the first time."""
        name = self.name_of.get(number)
        if name is None:
            row = connection.execute(f"SELECT name FROM {self._table} WHERE id = ?", (number,)).fetchone()
            if row is None:
                raise StoreDamaged(
                    f"it names {self._table} {number}, which is not there ('ctdlmirror check' lists such)"
                )
            name = str(row[0])
            self.remember(number, name)
        return name

    def find(self, connection: sqlite3.Connection, name: str) -> int | None:
        """Return a number by its name, or None."""
        number = self.id_of.get(name)
        if number is None:
            row = connection.execute(f"SELECT id FROM {self._table} WHERE name = ?", (name,)).fetchone()
            if row is None:
                return None
            number = int(row[0])
        return number


class SqliteReader(Questions):
    """Answers questions about a store's present (or pinned) state."""

    def __init__(self, connection: sqlite3.Connection, node: str, epoch: str) -> None:
        self.connection = connection
        self.node = node
        self.epoch = epoch
        self.origins = Names("origin")
        self.names = Names("collection")
        self.places = Names("place")

    # -- state ------------------------------------------------------------------------------------

    def last_sequence(self) -> int:
        row = self.connection.execute("SELECT max(sequence) FROM record").fetchone()
        return int(row[0] or 0)

    def oldest_tombstone(self) -> int:
        """Return the least stamp of a tombstone, or a stamp later than all when there is none."""
        row = self.connection.execute("SELECT min(stamp) FROM record WHERE dead = 1").fetchone()
        return MAX_STAMP if row[0] is None else int(row[0])

    def newest_by_origin(self) -> dict[str, int]:
        """Return, by origin, the stamps up to which all that it wrote is here, or was."""
        return dict(self.connection.execute("SELECT name, newest FROM origin WHERE newest > 0").fetchall())

    def shared_origins(self) -> frozenset[str]:
        """Return the origins that came through shared rooms, and not from a mirror."""
        return frozenset(name for (name,) in self.connection.execute("SELECT name FROM origin WHERE party <> ''"))

    def digest(self, collection: str) -> Digest:
        """Return a collection's digest; an empty one when there is no such collection."""
        row = self.connection.execute(
            "SELECT count, newest, total FROM collection WHERE name = ?", (collection,)
        ).fetchone()
        return Digest(row[0], row[1], unsigned(row[2])) if row else Digest()

    def digests(self, allows: Allows = everything) -> dict[str, Digest]:
        """Return the digests of all collections that may be seen and hold anything."""
        rows = self.connection.execute(
            "SELECT name, count, newest, total FROM collection WHERE name <> '' AND count > 0 ORDER BY name"
        )
        return {name: Digest(count, newest, total & MASK) for name, count, newest, total in rows if allows(name)}

    def bulk(self, collection: str) -> Bulk:
        """Return how much a collection holds that is alive; costs by that."""
        query = "SELECT count(*), coalesce(sum(length(body) + size), 0) FROM record WHERE dead = 0 AND collection ="
        row = self.connection.execute(f"{query} (SELECT id FROM collection WHERE name = ?)", (collection,)).fetchone()
        return Bulk(*row)

    def collections(self, prefix: str) -> list[str]:
        """Return the names of all collections that hold anything and begin so."""
        rows = self.connection.execute(
            "SELECT name FROM collection WHERE name >= ? AND name < ? AND count > 0 ORDER BY name",
            (prefix, prefix + "\U0010ffff"),
        )
        return [name for (name,) in rows]

    def changed_collections(self, after: int) -> tuple[set[str], int]:
        """Return the names of the collections changed after a place in the feed, and where the feed ends."""
        rows = self.connection.execute("SELECT name FROM collection WHERE changed > ?", (after,))
        return {name for (name,) in rows.fetchall()}, self.last_sequence()

    def count_ahead(self, limit: int) -> dict[str, int]:
        """Return, by collection, how many records have stamps beyond a limit; those with none are left out."""
        rows = self.connection.execute(
            "SELECT name, (SELECT count(*) FROM record WHERE collection = collection.id AND stamp > ?) AS ahead "
            "FROM collection WHERE newest > ? AND name <> '' ORDER BY name",
            (limit, limit),
        )
        return {name: ahead for name, ahead in rows if ahead}

    def meta_text(self, name: str, default: str = "") -> str:
        """Return a text that the store keeps about itself."""
        row = self.connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return default if row is None else str(row[0])

    def meta_number(self, name: str, default: int = 0) -> int:
        """Return a number that the store keeps about itself."""
        row = self.connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return default if row is None else int(row[0])

    # -- records ----------------------------------------------------------------------------------

    def record_of(self, row: tuple[Any, ...]) -> Record:
        """Make a record of a row of COLUMNS (without its last, the CRC)."""
        collection, key, stamp, origin, born, dead, past, head, body, content, size = row[:11]
        return Record(
            self.names.resolve(self.connection, collection),
            key,
            stamp,
            self.origins.resolve(self.connection, origin),
            born,
            dead == 1,
            _decode_past(past) if past else (),
            head,
            body,
            content or b"",
            size,
        )

    def feed(
        self,
        after: int,
        allows: Allows = everything,
        collection: str | None = None,
        limit: int = PAGE_RECORDS,
        limit_bytes: int = PAGE_BYTES,
    ) -> FeedPage:
        """Return the next page of the feed after a sequence, or of one collection's part of it."""
        where, arguments = "sequence > ?", [after]
        if collection is not None:
            where, arguments = (
                "sequence > ? AND collection = ?",
                [after, self.names.find(self.connection, collection) or -1],
            )
        rows = self.connection.execute(
            f"SELECT sequence, {COLUMNS} FROM record WHERE {where} ORDER BY sequence", arguments
        )
        records: list[Record] = []
        crcs: list[int] = []
        sequence, size = after, 0
        for row in rows:
            if len(records) >= limit or size >= limit_bytes:
                return FeedPage(records, crcs, sequence, True, self.trimmed())
            sequence = row[0]
            if allows(self.names.resolve(self.connection, row[1])):
                record = self.record_of(row[1:])
                records.append(record)
                crcs.append(unsigned(row[12]))
                size += len(record.head) + len(record.body) + 100
        if collection is not None:
            sequence = max(sequence, self.last_sequence())  # what came behind was of other collections
        return FeedPage(records, crcs, sequence, False, self.trimmed())

    def get_many(self, collection: str, keys: Iterable[str]) -> list[Record]:
        """Return those of the records that are there."""
        number = self.names.find(self.connection, collection)
        if number is None:
            return []
        wanted = msgspec.json.encode(list(keys)).decode()
        rows = self.connection.execute(
            f"SELECT {_RECORD_COLUMNS} FROM json_each(?) CROSS JOIN record "
            "ON record.collection = ? AND record.key = json_each.value",
            (wanted, number),
        )
        return [self.record_of(row) for row in rows.fetchall()]

    def scan(self, collection: str, after: str = "", prefix: str = "", limit: int = PAGE_RECORDS) -> list[Record]:
        """Return records of a collection in the order of their keys, tombstones included."""
        number = self.names.find(self.connection, collection)
        rows = self.connection.execute(
            f"SELECT {COLUMNS} FROM record WHERE collection = ? AND key > ? AND substr(key, 1, ?) = ? "
            "ORDER BY key LIMIT ?",
            (number, after, len(prefix), prefix, limit),
        )
        return [self.record_of(row) for row in rows.fetchall()]

    def newest(self, collection: str, limit: int) -> list[Record]:
        """Return a collection's newest living records, oldest first."""
        number = self.names.find(self.connection, collection)
        rows = self.connection.execute(
            f"SELECT {COLUMNS} FROM record WHERE collection = ? AND dead = 0 ORDER BY stamp DESC, key DESC LIMIT ?",
            (number, limit),
        )
        return [self.record_of(row) for row in reversed(rows.fetchall())]

    def entries(self, collection: str, lower: Place = (0, ""), upper: Place | None = None) -> list[Listing]:
        """Return a collection's records in the order of stamp and key, from ``lower`` up to before ``upper``."""
        return read_entries(self.connection, self.names.find(self.connection, collection), lower, upper)

    def entries_by_key(self, collection: str, lower: str, upper: str) -> list[Listing]:
        """Return a collection's records from a key up to before another one, in the order of their keys."""
        rows = self.connection.execute(
            "SELECT stamp, key, crc FROM record WHERE collection = ? AND key >= ? AND key < ? ORDER BY key",
            (self.names.find(self.connection, collection), lower, upper),
        )
        return [Listing(stamp, key, unsigned(crc)) for stamp, key, crc in rows.fetchall()]

    def blocks(self, collection: str) -> list[Block]:
        """Return the sums over a collection's stretches."""
        found = read_blocks(self.connection, self.names.find(self.connection, collection))
        if found:
            return found
        digest = self.digest(collection)
        return [Block((0, ""), digest.count, digest.total)] if digest.count else []

    def check_records(self, after: int, limit: int = PAGE_RECORDS) -> list[Checked]:
        """Return the records behind a place of the feed, each with the proof of its CRC."""
        rows = self.connection.execute(
            f"SELECT sequence, {COLUMNS} FROM record WHERE sequence > ? ORDER BY sequence LIMIT ?", (after, limit)
        ).fetchall()
        return [self._checked(row) for row in rows]

    def _checked(self, row: tuple[Any, ...]) -> Checked:
        sequence, where = row[0], f"{row[2]!r} (sequence {row[0]})"
        try:
            record = self.record_of(row[1:])
            right = record_crc(record) == unsigned(row[12])
        except (StoreDamaged, msgspec.DecodeError, TypeError, UnicodeDecodeError) as error:
            return Checked(sequence, None, (f"record {where} cannot be read: {error}",))
        return Checked(sequence, record, () if right else (f"{record.collection} {where}: its CRC is wrong",))

    def damage(self) -> list[str]:
        """Return what SQLite finds wrong with its file: pages, indexes, types."""
        rows = self.connection.execute(f"PRAGMA integrity_check({MAX_DAMAGE})").fetchall()
        return [f"the store's file: {line}" for (line,) in rows if line != "ok"]

    # -- contents ---------------------------------------------------------------------------------

    def content_have(self, content: bytes) -> int:
        """Return how many bytes of a content are stored (all of them once it is complete)."""
        row = self.connection.execute("SELECT have FROM content WHERE hash = ?", (content,)).fetchone()
        return int(row[0]) if row else 0

    def content_complete(self, content: bytes) -> bool:
        row = self.connection.execute("SELECT have = size FROM content WHERE hash = ?", (content,)).fetchone()
        return bool(row and row[0])

    def content_size(self, content: bytes) -> int:
        row = self.connection.execute("SELECT size FROM content WHERE hash = ?", (content,)).fetchone()
        if row is None:
            raise StoreDamaged(f"content {content.hex()} is missing")
        return int(row[0])

    def complete_contents(self) -> list[tuple[bytes, int]]:
        """Return the hash and size (bytes) of all contents that are complete."""
        return self.connection.execute("SELECT hash, size FROM content WHERE have = size").fetchall()

    def content_users(self, content: bytes) -> list[Record]:
        """Return the records whose body a content is."""
        rows = self.connection.execute(f"SELECT {COLUMNS} FROM record WHERE content = ? LIMIT 1000", (content,))
        return [self.record_of(row) for row in rows.fetchall()]

    def content_parts(self, content: bytes, offset: int, limit: int) -> bytes:
        """Return up to about ``limit`` bytes of a content from ``offset`` on, whole rows at a time."""
        rows = self.connection.execute(
            "SELECT start, data FROM content_part JOIN content ON content.id = content_part.content "
            "WHERE hash = ? AND start > ? ORDER BY start",
            (content, offset - PART_BYTES),
        )
        blocks, size = [], 0
        for start, data in rows:
            block = data[max(0, offset - start) :]
            blocks.append(block)
            size += len(block)
            if size >= limit:
                break
        return b"".join(blocks) if len(blocks) != 1 else blocks[0]

    # -- what was set aside -----------------------------------------------------------------------

    def aside(self, peer: str = "", limit: int = 1000) -> list[Aside]:
        """Return what was set aside, of one peer or of all, in the order of peers, collections and keys."""
        return self.select_aside("? IN ('', peer)", (peer,), limit)

    def select_aside(self, where: str, arguments: tuple[Any, ...], limit: int) -> list[Aside]:
        """Return what was set aside and meets a condition; a limit of -1 is none."""
        rows = self.connection.execute(
            "SELECT peer, collection, key, stamp, crc, data, reason, noticed, due, mirror FROM aside "
            f"WHERE {where} ORDER BY peer, collection, key LIMIT ?",
            (*arguments, limit),
        )
        return [
            Aside(peer, Unfit(collection, key, stamp, unsigned(crc), data, reason), noticed, due, mirror == 1)
            for peer, collection, key, stamp, crc, data, reason, noticed, due, mirror in rows.fetchall()
        ]

    def aside_counts(self) -> dict[str, int]:
        """Return, by peer, how many records are set aside."""
        return dict(self.connection.execute("SELECT peer, count(*) FROM aside GROUP BY peer").fetchall())

    def lacking(self, peer: str) -> bool:
        """Tell whether anything of a peer is set aside but signs of life."""
        found = self.connection.execute("SELECT 1 FROM aside WHERE peer = ? AND collection <> ? LIMIT 1", (peer, NODES))
        return found.fetchone() is not None

    def aside_size(self, peer: str) -> tuple[int, int]:
        """Return how many records of a peer are set aside, and of how many bytes."""
        command = "SELECT count(*), ifnull(sum(length(data)), 0) FROM aside WHERE peer = ?"
        count, size = self.connection.execute(command, (peer,)).fetchone()
        return int(count), int(size)

    def substitutes(self, peer: str) -> list[Substitute]:
        """Return what stands for what when comparing with a peer."""
        rows = self.connection.execute(
            "SELECT aside.collection, aside.key, aside.stamp, aside.crc, record.stamp, record.crc FROM aside "
            "LEFT JOIN collection ON collection.name = aside.collection "
            "LEFT JOIN record ON record.collection = collection.id AND record.key = aside.key WHERE aside.peer = ?",
            (peer,),
        )
        return [
            Substitute(
                collection,
                None if own_crc is None else Listing(own_stamp, key, unsigned(own_crc)),
                Listing(stamp, key, unsigned(crc)),
            )
            for collection, key, stamp, crc, own_stamp, own_crc in rows.fetchall()
        ]

    # -- foreign places ---------------------------------------------------------------------------

    def statuses(self, place: str, collection: str, foreign: Iterable[str]) -> list[Status]:
        """Return what a place said last of those things that it names so, where it said anything."""
        return self._statuses(
            place, collection, "foreign_id IN (SELECT value FROM json_each(?))", json.dumps([*foreign])
        )

    def statuses_of(self, place: str, collection: str, keys: Iterable[str]) -> list[Status]:
        """Return what a place said last of the things with these keys, in the order in which it names them."""
        where = "key IN (SELECT value FROM json_each(?)) ORDER BY foreign_id"
        return self._statuses(place, collection, where, json.dumps([*keys]))

    def scan_statuses(self, place: str, collection: str, after: str = "", limit: int = PAGE_RECORDS) -> list[Status]:
        """Return the next of what a place said last of a collection, in the order in which it names things."""
        return self._statuses(place, collection, "foreign_id > ? ORDER BY foreign_id LIMIT ?", after, limit)

    def scan_place(self, place: str, after: tuple[str, str] = ("", ""), limit: int = PAGE_RECORDS) -> list[Status]:
        """Return the next of what a place said last of all collections, of each in the order of its own names."""
        collection = self.names.find(self.connection, after[0]) if after[0] else -1
        rows = self.connection.execute(
            "SELECT collection, foreign_id, key, tag, base, crc, said FROM status "
            "WHERE place = ? AND (collection, foreign_id) > (?, ?) ORDER BY collection, foreign_id LIMIT ?",
            (self.places.find(self.connection, place), collection, after[1], limit),
        )
        return [_status(self.names.resolve(self.connection, row[0]), row[1:]) for row in rows.fetchall()]

    def newest_statuses(self, place: str, kind: str, limit: int) -> list[Status]:
        """Return what a place said last of those things in a kind of collections with the highest numbers there."""
        rows = self.connection.execute(
            "SELECT collection, foreign_id, key, tag, base, crc, said FROM status "
            "WHERE place = ? AND collection IN (SELECT id FROM collection WHERE name LIKE ? || '/%') "
            "ORDER BY CAST(foreign_id AS INTEGER) DESC LIMIT ?",
            (self.places.find(self.connection, place), kind, limit),
        )
        return [_status(self.names.resolve(self.connection, row[0]), row[1:]) for row in rows.fetchall()]

    def status_collections(self, place: str) -> list[str]:
        """Return the collections of which a place said anything."""
        rows = self.connection.execute(
            "SELECT name FROM collection WHERE EXISTS "
            "(SELECT 1 FROM status WHERE place = ? AND collection = collection.id)",
            (self.places.find(self.connection, place),),
        )
        return [name for (name,) in rows.fetchall()]

    def status_count(self, place: str, collection: str) -> int:
        """Return of how many things of a collection a place said something."""
        numbers = self.places.find(self.connection, place), self.names.find(self.connection, collection)
        counted = self.connection.execute("SELECT count(*) FROM status WHERE place = ? AND collection = ?", numbers)
        return int(counted.fetchone()[0])

    def _statuses(self, place: str, collection: str, where: str, *arguments: object) -> list[Status]:
        numbers = self.places.find(self.connection, place), self.names.find(self.connection, collection)
        if None in numbers:
            return []  # as of most of very many rooms: nobody has been there
        rows = self.connection.execute(
            f"SELECT foreign_id, key, tag, base, crc, said FROM status WHERE place = ? AND collection = ? AND {where}",
            (*numbers, *arguments),
        )
        return [_status(collection, row) for row in rows.fetchall()]

    # -- exchange ---------------------------------------------------------------------------------

    def cursor(self, peer: str, direction: str) -> StoredCursor:
        row = self.connection.execute(
            "SELECT epoch, sequence, complete FROM cursor WHERE peer = ? AND direction = ?", (peer, direction)
        ).fetchone()
        return StoredCursor(row[0], row[1], bool(row[2])) if row else StoredCursor()

    def conflicts(
        self, number: int | None = None, limit: int = 1000, unresolved: bool = True, before: int = 0
    ) -> list[Conflict]:
        """Return conflicts, newest first, or the one of that number; with ``before`` those of lesser numbers."""
        if number is not None:
            return self.select_conflicts("id = ?", (number,), limit)
        where = "(? = 0 OR id < ?)"
        return self.select_conflicts(f"{where} AND restored = 0" if unresolved else where, (before, before), limit)

    def select_conflicts(self, where: str, arguments: tuple[Any, ...], limit: int) -> list[Conflict]:
        """Return the conflicts for which a condition holds, newest first; a limit of -1 is none."""
        rows = self.connection.execute(
            "SELECT id, noticed, loser, winner_stamp, winner_origin, restored, winner_past, parts FROM conflict "
            f"WHERE {where} ORDER BY id DESC LIMIT ?",
            (*arguments, limit),
        )
        return [_conflict_of(row) for row in rows.fetchall()]

    def conflict_count(self) -> int:
        return int(self.connection.execute("SELECT count(*) FROM conflict WHERE restored = 0").fetchone()[0])


def _status(collection: str, row: tuple[Any, ...]) -> Status:
    foreign, key, tag, base, crc, said = row
    return Status(collection, foreign, key, tag, _decode_base(base), unsigned(crc), _decode_said(said))


def _conflict_of(row: tuple[Any, ...]) -> Conflict:
    number, noticed, loser, stamp, origin, resolved, past, parts = row
    return Conflict(
        number,
        noticed,
        _decode_record(loser),
        Version(stamp, origin),
        resolved,
        _decode_past(past) if past else (),
        tuple(json.loads(parts)) if parts else (),
    )
