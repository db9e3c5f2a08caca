"""The tables of a SQLite store, as the ledger asks them to be changed; every statement that writes is here."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeVar

import msgspec

from mirror.model.digest import MASK, signed, unsigned
from mirror.model.edit import Loser
from mirror.model.keys import OLD_CUT_KEY, OLD_MAX_KEY
from mirror.model.kinds import NODES
from mirror.model.record import Record, record_bytes, record_crc
from mirror.model.stamp import HybridClock
from mirror.model.status import Status
from mirror.store.base import COMMITTED, PART_BYTES
from mirror.store.ledger.ledger import Ledger
from mirror.store.sqlite.blocks import Blocks
from mirror.store.sqlite.reader import COLUMNS, Names, SqliteReader
from mirror.store.tables import Added, ContentState, Held, Row
from mirror.store.values import Aside, Conflict, Place, StoredCursor

T = TypeVar("T")
_INSERT = f"INSERT INTO record ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
_INSERT_AT = f"INSERT INTO record (sequence, {COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
_encode = msgspec.msgpack.Encoder().encode


class SqliteWriter(SqliteReader, Ledger):
    """A Reader that may also write; lives inside one call to ``Store.write``."""

    def __init__(self, connection: sqlite3.Connection, node: str, epoch: str, clock: HybridClock) -> None:
        super().__init__(connection, node, epoch)
        self._blocks = Blocks(connection)
        self.begin_ledger(clock)

    def reset(self) -> None:
        """Forget what may have been rolled back."""
        self.origins = Names("origin")
        self.names = Names("collection")
        self.places = Names("place")
        self._blocks.reset()
        self.roll_back_ledger()

    # -- records ----------------------------------------------------------------------------------

    def held(self, collection: str, keys: Iterable[str]) -> dict[str, Held]:
        """Return, by key, where those of the records stand that are there."""
        wanted = msgspec.json.encode(list(keys)).decode()
        rows = self.connection.execute(
            "SELECT record.key, sequence, crc FROM json_each(?) CROSS JOIN record "
            "ON collection = ? AND record.key = json_each.value",
            (wanted, self.names.find(self.connection, collection)),
        )
        return {key: Held(sequence, unsigned(crc)) for key, sequence, crc in rows}

    def at(self, sequence: int) -> Record:
        """Return the record at a place of the feed that is taken."""
        row = self.connection.execute(f"SELECT {COLUMNS} FROM record WHERE sequence = ?", (sequence,)).fetchone()
        return self.record_of(row)

    def rows(self, collection: str) -> list[Row]:
        """Return all of a small collection."""
        return self._rows("collection = ?", self.names.find(self.connection, collection) or -1)

    def tombstones(self, before: int) -> list[Row]:
        """Return all tombstones with stamps below ``before``."""
        return self._rows("dead = 1 AND stamp < ?", before)

    def crowded(self, collection: str, keys: Iterable[str]) -> set[str]:
        """Return those of some messages' keys, held or not, behind which ``#`` and something stand in other keys."""
        rows = self.connection.execute(
            "SELECT value FROM json_each(?) WHERE EXISTS "
            "(SELECT 1 FROM record WHERE collection = ? AND key > value || '#' AND key < value || '$')",
            (json.dumps(list(keys)), self.names.find(self.connection, collection)),
        )
        return {key for (key,) in rows}

    def oddly_keyed(self) -> list[int]:
        """Return the places in the feed of messages, items and files whose keys 0.1.0 may have made otherwise."""
        message = f"length(key) = {OLD_CUT_KEY} OR length(CAST(key AS BLOB)) > {OLD_MAX_KEY} OR key GLOB ?"
        found = self.connection.execute(
            "SELECT sequence FROM record JOIN collection ON collection.id = record.collection "
            f"WHERE (name GLOB 'messages/*' AND ({message})) "
            "OR (name GLOB 'files/*' AND length(key) <> length(CAST(key AS BLOB))) ORDER BY sequence",
            ("id:*#" + "[0-9a-f]" * 16,),
        )
        return [sequence for (sequence,) in found]

    def keyed_behind(self, collection: str, ending: str) -> list[int]:
        """Return the places in the feed of a collection's records whose keys end so."""
        found = self.connection.execute(
            "SELECT sequence FROM record WHERE collection = ? AND substr(key, ?) = ?",
            (self.names.find(self.connection, collection), -len(ending), ending),
        )
        return [sequence for (sequence,) in found]

    def rows_after(self, collection: str, place: Place, until: int, count: int) -> list[Row]:
        """Return some records behind a place in a collection's order, in order, up to a place of the feed."""
        where = "collection = ? AND (stamp, key) > (?, ?) AND sequence <= ? ORDER BY stamp, key LIMIT ?"
        return self._rows(where, self.names.find(self.connection, collection) or -1, *place, until, count)

    def lower_newest(self, limit: int, stamp: int) -> None:
        """Have every origin whose newest stamp is beyond a limit have that stamp as its newest."""
        self.connection.execute("UPDATE origin SET newest = ? WHERE newest > ?", (stamp, limit))

    def _rows(self, where: str, *arguments: int | str) -> list[Row]:
        rows = self.connection.execute(f"SELECT sequence, {COLUMNS} FROM record WHERE {where}", arguments).fetchall()
        return [Row(row[0], self.record_of(row[1:]), unsigned(row[-1])) for row in rows]

    def living_after(self, sequence: int) -> Iterator[Record]:
        """Yield what came after a place of the feed and is alive."""
        rows = self.connection.execute(f"SELECT {COLUMNS} FROM record WHERE sequence > ? AND dead = 0", (sequence,))
        yield from map(self.record_of, rows)

    def replace(self, collection: str, added: Sequence[Added], removed: Sequence[Row]) -> None:
        """Write records at the end of the feed, in order, and take others out, with digests and blocks."""
        if not added and not removed:
            return
        number = self._collection_id(collection)
        first = self.last_sequence() + 1  # before rows go: a sequence is never given out twice
        if removed:
            self.connection.executemany("DELETE FROM record WHERE sequence = ?", [(row.sequence,) for row in removed])
        if added:
            rows = [self._columns(number, record, crc) for record, crc in added]
            self.connection.execute(_INSERT_AT, (first, *rows[0]))
            self.connection.executemany(_INSERT, rows[1:])
        self._blocks.change(
            number,
            (((record.stamp, record.key), crc) for record, crc in added),
            (((row.record.stamp, row.record.key), row.crc) for row in removed),
        )
        total = sum(crc for _, crc in added) - sum(row.crc for row in removed)
        newest = max((record.stamp for record, _ in added), default=0)
        self._add_to_digests(number, len(added) - len(removed), newest, total)
        if added:
            changed = first + len(added) - 1
            self.connection.execute("UPDATE collection SET changed = ? WHERE id = ?", (changed, number))
        if removed:
            self._renew_newest(number)

    def _columns(self, number: int, record: Record, crc: int) -> tuple[object, ...]:
        return (
            number,
            record.key,
            record.stamp,
            self._origin_id(record.origin),
            record.born,
            record.dead,
            _encode(record.past) if record.past else None,
            record.head,
            record.body,
            record.content or None,
            record.size,
            signed(crc),
        )

    def _add_to_digests(self, number: int, count: int, newest: int, total: int) -> None:
        """Add to the digests of a collection and of the whole store."""
        held = self.connection.execute(
            "SELECT id, count, newest, total FROM collection WHERE id IN (?, ?)", (number, self._collection_id(""))
        )
        rows = [
            (row[1] + count, max(row[2], newest), signed((unsigned(row[3]) + total) & MASK), row[0])
            for row in held.fetchall()
        ]
        self.connection.executemany("UPDATE collection SET count = ?, newest = ?, total = ? WHERE id = ?", rows)

    def _renew_newest(self, number: int) -> None:
        """Lower a collection's newest stamp when the record that had it gave way to an older version."""
        execute = self.connection.execute
        (newest,) = execute("SELECT coalesce(max(stamp), 0) FROM record WHERE collection = ?", (number,)).fetchone()
        lowered = execute("UPDATE collection SET newest = ? WHERE id = ? AND newest > ?", (newest, number, newest))
        if lowered.rowcount:
            execute(
                "UPDATE collection SET newest = (SELECT max(newest) FROM collection WHERE name <> '') WHERE name = ''"
            )

    def note_newest(self, newest: Mapping[str, int]) -> None:
        """Remember, by origin, the stamps up to which all that it wrote is here, or was."""
        rows = [(stamp, self._origin_id(origin), stamp) for origin, stamp in newest.items()]
        self.connection.executemany("UPDATE origin SET newest = ? WHERE id = ? AND newest < ?", rows)

    # -- conflicts --------------------------------------------------------------------------------

    def log_conflict(self, noticed_ms: int, loser: Loser, winner: Record, party: str) -> bool:
        """Keep a losing version; returns whether it was not kept already."""
        record = loser.record
        cursor = self.connection.execute(
            "INSERT INTO conflict (noticed, collection, key, loser, loser_crc, content, winner_stamp, winner_origin, "
            "winner_past, parts, party) VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
            (
                noticed_ms,
                record.collection,
                record.key,
                record_bytes(record),
                signed(record_crc(record)),
                record.content or None,
                winner.stamp,
                winner.origin,
                _encode(winner.past) if winner.past else None,
                json.dumps(loser.parts) if loser.parts else None,
                party,
            ),
        )
        return cursor.rowcount > 0

    def conflicts_of(self, party: str) -> int:
        """Return how many conflicts of a party are not resolved."""
        counted = self.connection.execute("SELECT count(*) FROM conflict WHERE party = ? AND restored = 0", (party,))
        return int(counted.fetchone()[0])

    def drop_conflicts(self, resolved_before_ms: int) -> int:
        """Forget the conflicts that were resolved before a moment; returns how many."""
        where = "restored > 0 AND restored < ?"
        return self.connection.execute(f"DELETE FROM conflict WHERE {where}", (resolved_before_ms,)).rowcount

    def unknown_origins(self, names: Iterable[str]) -> set[str]:
        """Return those origins that never came here."""
        wanted = set(names)
        rows = self.connection.execute(
            "SELECT name FROM origin WHERE name IN (SELECT value FROM json_each(?))", (json.dumps(list(wanted)),)
        )
        return wanted - {name for (name,) in rows}

    def origins_of(self, party: str) -> int:
        """Return how many origins came here through a party that is no mirror."""
        return int(self.connection.execute("SELECT count(*) FROM origin WHERE party = ?", (party,)).fetchone()[0])

    def note_origins(self, party: str, names: Iterable[str]) -> None:
        """Remember through whom origins came that were not known."""
        rows = [(party, self._origin_id(name)) for name in names]
        self.connection.executemany("UPDATE origin SET party = ? WHERE id = ? AND party = ''", rows)

    def forget_newest(self, names: Iterable[str]) -> None:
        """Take all that is known of origins back: what came of them came through no mirror."""
        rows = [(name,) for name in names]
        self.connection.executemany("UPDATE origin SET newest = 0, party = '' WHERE name = ?", rows)

    def open_conflicts(self, collection: str, keys: Iterable[str]) -> list[Conflict]:
        """Return the conflicts about these records that are not resolved."""
        wanted = json.dumps(list(keys))
        where = "restored = 0 AND collection = ? AND key IN (SELECT value FROM json_each(?))"
        return self.select_conflicts(where, (collection, wanted), -1)

    def resolve_conflict(self, number: int, resolved_ms: int) -> None:
        """Mark a conflict as resolved."""
        self.connection.execute("UPDATE conflict SET restored = ? WHERE id = ?", (resolved_ms, number))

    def conflicts_before(self, number: int, limit: int) -> list[Conflict]:
        """Return the conflicts with numbers below one, the greatest first."""
        return self.select_conflicts("id < ?", (number,), limit)

    def rewrite_conflict(self, conflict: Conflict) -> None:
        """Put a conflict in the place of the one of its number; one that would say the same as another goes."""
        rewritten = self.connection.execute(
            "UPDATE OR IGNORE conflict SET noticed = ?, loser = ?, loser_crc = ?, winner_stamp = ?, winner_origin = ?, "
            "winner_past = ?, restored = ? WHERE id = ?",
            (
                conflict.noticed_ms,
                record_bytes(conflict.loser),
                signed(record_crc(conflict.loser)),
                *conflict.winner,
                _encode(conflict.winner_past) if conflict.winner_past else None,
                conflict.resolved_ms,
                conflict.number,
            ),
        )
        if not rewritten.rowcount:
            self.connection.execute("DELETE FROM conflict WHERE id = ?", (conflict.number,))

    # -- what was set aside -----------------------------------------------------------------------

    def attempt(self, job: Callable[[], T]) -> T:
        """Run a part of a job; if it fails, what it wrote is undone, and the job may go on."""
        self.connection.execute("SAVEPOINT attempt")
        try:
            result = job()
        except sqlite3.Error:
            raise  # the whole transaction is given up, and may be gone already
        except Exception:
            self.connection.execute("ROLLBACK TO attempt")
            self.connection.execute("RELEASE attempt")
            self.reset()
            raise
        self.connection.execute("RELEASE attempt")
        return result

    def put_aside(self, one: Aside) -> None:
        """Keep a record of a peer apart, in place of what was kept of its key before."""
        collection, key, stamp, crc, data, reason = one.unfit
        self.connection.execute(
            "INSERT OR REPLACE INTO aside (peer, collection, key, stamp, crc, data, reason, noticed, due, mirror) "
            "VALUES (?,?,?,?,?,?,?,?,?,?)",
            (one.peer, collection, key, stamp, signed(crc), data, reason, one.noticed_ms, one.due_ms, one.mirror),
        )

    def has_aside(self, peer: str) -> bool:
        """Tell whether anything of a peer is kept apart."""
        return self.connection.execute("SELECT 1 FROM aside WHERE peer = ? LIMIT 1", (peer,)).fetchone() is not None

    def take_aside(self, peer: str, collection: str, keys: Iterable[str]) -> None:
        """Keep records of a peer apart no more."""
        self.connection.execute(
            "DELETE FROM aside WHERE peer = ? AND collection = ? AND key IN (SELECT value FROM json_each(?))",
            (peer, collection, json.dumps(list(keys))),
        )

    def due_aside(self, now_ms: int | None) -> list[Aside]:
        """Return what is due by a moment, or all."""
        if now_ms is None:
            return self.select_aside("1", (), -1)
        return self.select_aside("due > 0 AND due <= ?", (now_ms,), -1)

    def signs_aside(self, peer: str) -> list[Aside]:
        """Return the signs of life that were set aside of a peer."""
        return self.select_aside("peer = ? AND collection = ?", (peer, NODES), -1)

    def forget_aside(self, peer: str) -> int:
        """Forget what was set aside of a peer; returns how many records that were."""
        return self.connection.execute("DELETE FROM aside WHERE peer = ?", (peer,)).rowcount

    # -- foreign places ---------------------------------------------------------------------------

    def put_statuses(self, place: str, statuses: Iterable[Status]) -> None:
        """Remember what a place says now, in the place of what it said of the same things before."""
        number = self._id("place", self.places, place)
        rows = [
            (number, self._collection_id(one.collection), one.foreign, one.key, one.tag, _encode(one.base),
             signed(one.crc), _encode(one.said))
            for one in statuses
        ]  # fmt: skip
        self.connection.executemany(
            "INSERT OR REPLACE INTO status (place, collection, foreign_id, key, tag, base, crc, said) "
            "VALUES (?,?,?,?,?,?,?,?)",
            rows,
        )

    def move_statuses(self, collection: str, moved: Mapping[str, str]) -> None:
        """Have what places said of things under some keys be of the same things under others."""
        cases = " ".join("WHEN ? THEN ?" for _ in moved)
        self.connection.execute(
            f"UPDATE status SET key = CASE key {cases} END WHERE place IN (SELECT id FROM place) AND collection = ? "
            f"AND key IN ({', '.join('?' * len(moved))})",
            (*chain.from_iterable(moved.items()), self._collection_id(collection), *moved),
        )

    def drop_statuses(self, place: str, collection: str, foreign: Iterable[str]) -> None:
        """Forget what a place said of things that it has no more."""
        numbers = self.places.find(self.connection, place), self.names.find(self.connection, collection)
        self.connection.executemany(
            "DELETE FROM status WHERE place = ? AND collection = ? AND foreign_id = ?",
            [(*numbers, one) for one in foreign],
        )

    # -- contents ---------------------------------------------------------------------------------

    def content_state(self, content: bytes) -> ContentState | None:
        """Return what is stored of a content, or None."""
        row = self.connection.execute("SELECT size, have FROM content WHERE hash = ?", (content,)).fetchone()
        return ContentState(*row) if row is not None else None

    def begin_content(self, content: bytes, size: int) -> None:
        """Make room for a content of which nothing is here."""
        self.connection.execute("INSERT INTO content (hash, size, have) VALUES (?, ?, 0)", (content, size))

    def append_content(self, content: bytes, have: int, data: bytes) -> None:
        """Store the bytes of a content behind the ``have`` bytes that are here, in rows of PART_BYTES."""
        (number,) = self.connection.execute("SELECT id FROM content WHERE hash = ?", (content,)).fetchone()
        self.connection.execute("UPDATE content SET have = ? WHERE id = ?", (have + len(data), number))
        fill = have % PART_BYTES
        if fill:
            room = PART_BYTES - fill
            self.connection.execute(
                "UPDATE content_part SET data = CAST(data || ? AS BLOB) WHERE content = ? AND start = ?",
                (data[:room], number, have - fill),
            )
            have += len(data[:room])
            data = data[room:]
        parts = [(number, have + at, data[at : at + PART_BYTES]) for at in range(0, len(data), PART_BYTES)]
        self.connection.executemany("INSERT INTO content_part (content, start, data) VALUES (?,?,?)", parts)

    def content_blocks(self, content: bytes) -> Iterator[bytes]:
        """Yield what is stored of a content, in order."""
        rows = self.connection.execute(
            "SELECT data FROM content_part WHERE content = (SELECT id FROM content WHERE hash = ?) ORDER BY start",
            (content,),
        )
        for (data,) in rows:
            yield data

    def forget_content(self, content: bytes) -> None:
        """Drop a content and its parts."""
        self.connection.execute(
            "DELETE FROM content_part WHERE content = (SELECT id FROM content WHERE hash = ?)", (content,)
        )
        self.connection.execute("DELETE FROM content WHERE hash = ?", (content,))

    def rename_content(self, content: bytes, name: bytes) -> None:
        """Keep a content under another name, which is free."""
        self.connection.execute("UPDATE content SET hash = ? WHERE hash = ?", (name, content))

    def unused_contents(self) -> dict[bytes, int]:
        """Return the contents that neither a record nor a conflict refers to, with the bytes there are of each."""
        return dict(
            self.connection.execute(
                "SELECT hash, have FROM content "
                "WHERE NOT EXISTS (SELECT 1 FROM record WHERE record.content = content.hash) "
                "AND NOT EXISTS (SELECT 1 FROM conflict WHERE conflict.content = content.hash)"
            ).fetchall()
        )

    # -- exchange and meta ------------------------------------------------------------------------

    def set_cursor(self, peer: str, direction: str, cursor: StoredCursor) -> None:
        self.connection.execute(
            "INSERT OR REPLACE INTO cursor (peer, direction, epoch, sequence, complete) VALUES (?,?,?,?,?)",
            (peer, direction, cursor.epoch, cursor.sequence, cursor.complete),
        )

    def keep_cursors(self, peer: str, directions: Sequence[str]) -> None:
        """Forget the cursors kept with a peer in all other directions."""
        self.connection.execute(
            "DELETE FROM cursor WHERE peer = ? AND direction NOT IN (SELECT value FROM json_each(?))",
            (peer, json.dumps(list(directions))),
        )

    def set_meta(self, name: str, value: str | int) -> None:
        self.connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, value))

    def note_commit(self, stamp: int, now_ms: int) -> None:
        """Remember how far the clock has come, and when something was last written."""
        self.connection.execute(
            "INSERT OR REPLACE INTO meta (name, value) VALUES ('clock', ?), (?, ?)", (stamp, COMMITTED, now_ms)
        )

    def forget_cursors(self) -> None:
        """Forget how far all exchanges have come."""
        self.connection.execute("DELETE FROM cursor")

    # -- names ------------------------------------------------------------------------------------

    def _collection_id(self, name: str) -> int:
        number = self.names.id_of.get(name)
        if number is None:
            self.connection.execute(
                "INSERT INTO collection (name, count, newest, total) VALUES (?, 0, 0, 0) ON CONFLICT DO NOTHING",
                (name,),
            )
            row = self.connection.execute("SELECT id FROM collection WHERE name = ?", (name,)).fetchone()
            number = int(row[0])
            self.names.remember(number, name)
        return number

    def _origin_id(self, name: str) -> int:
        return self._id("origin", self.origins, name)

    def _id(self, table: str, names: Names, name: str) -> int:
        """Return the number of a name, which it is given here if it has none."""
        number = names.id_of.get(name)
        if number is None:
            self.connection.execute(f"INSERT INTO {table} (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
            row = self.connection.execute(f"SELECT id FROM {table} WHERE name = ?", (name,)).fetchone()
            number = int(row[0])
            names.remember(number, name)
        return number
