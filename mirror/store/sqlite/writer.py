"""Writing a SQLite store: what may happen inside one transaction.

Everything that ``apply`` changes, digests and conflicts included, is in the transaction it runs in; so is
a cursor set beside it.  Bodies over INLINE_LIMIT come first, as contents, and a record that refers to one
that is not there yet is refused.
"""

import hashlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence, Set
from itertools import pairwise
from typing import Any

import msgspec

from mirror.model.applied import Applied
from mirror.model.digest import MASK, signed, unsigned
from mirror.model.edit import successor, tombstone, with_fields
from mirror.model.errors import BadRecord
from mirror.model.fields import Value, order, pack_fields, unpack_fields
from mirror.model.kinds import HORIZON_KEY, NODES, MergeRule, check_collection, kind_of
from mirror.model.merge import merge
from mirror.model.nodes import Horizon, horizon_of, horizon_record, newest_seen, sign_record
from mirror.model.record import INLINE_LIMIT, MAX_CONTENT, Record, created, record_bytes, record_crc, validate
from mirror.model.stamp import HybridClock, stamp_ms
from mirror.store.base import PART_BYTES, MissingContent, StoredCursor, StoreError
from mirror.store.sqlite.blocks import Blocks
from mirror.store.sqlite.reader import COLUMNS, Names, SqliteReader

_INSERT = f"INSERT INTO record ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
_INSERT_AT = f"INSERT INTO record (sequence, {COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
_encode_past = msgspec.msgpack.Encoder().encode


class _Change:
    """What a transaction adds to one collection's digest."""

    __slots__ = ("count", "newest", "total")

    def __init__(self) -> None:
        self.count = self.newest = self.total = 0


class SqliteWriter(SqliteReader):
    """A Reader that may also write; lives inside one call to ``Store.write``."""

    def __init__(self, connection: sqlite3.Connection, node: str, epoch: str, clock: HybridClock) -> None:
        super().__init__(connection, node, epoch)
        self._origin = self.origin()
        self.clock = clock
        self._hashers: dict[bytes, tuple[int, Any]] = {}
        self._blocks = Blocks(connection)

    def reset(self) -> None:
        """Forget what may have been rolled back."""
        self.origins = Names("origin")
        self.names = Names("collection")
        self._hashers.clear()
        self._blocks.reset()

    # -- records ----------------------------------------------------------------------------------

    def apply(self, records: Sequence[Record], crcs: Sequence[int] | None = None) -> Applied:
        """Merge records that came from elsewhere into the store.

        Raises StampAhead, MissingContent, BadRecord; then nothing was changed by this call's transaction.
        """
        if not records:
            return Applied()
        if crcs is None:
            crcs = [record_crc(record) for record in records]
        self.clock.observe(max(record.stamp for record in records))
        return self._merge_in(records, crcs)

    def _merge_in(self, records: Sequence[Record], crcs: Sequence[int]) -> Applied:
        self._require_contents(records)
        by_collection: dict[str, dict[str, tuple[Record, int]]] = defaultdict(dict)
        repeated: list[tuple[Record, int]] = []
        for record, crc in zip(records, crcs, strict=True):
            group = by_collection[record.collection]
            if record.key in group:
                repeated.append((record, crc))
            else:
                group[record.key] = (record, crc)
        self._note_newest(records)
        nodes = by_collection.pop(NODES, {})
        result = Applied()
        for collection, group in by_collection.items():
            result += self._apply_group(collection, group)
        if nodes:
            result += self._apply_nodes(nodes)
        for record, crc in repeated:
            result += self._merge_in([record], [crc])
        return result

    def _note_newest(self, records: Sequence[Record]) -> None:
        """Remember, by origin, the greatest stamp that ever came here."""
        newest: dict[str, int] = {}
        for record in records:
            if record.collection == NODES:
                newest |= {name: max(stamp, newest.get(name, 0)) for name, stamp in newest_seen(record).items()}
            if newest.get(record.origin, 0) < record.stamp:
                newest[record.origin] = record.stamp
            for origin, stamp in record.past:
                if newest.get(origin, 0) < stamp:
                    newest[origin] = stamp
        rows = [(stamp, self._origin_id(origin), stamp) for origin, stamp in newest.items()]
        self.connection.executemany("UPDATE origin SET newest = ? WHERE id = ? AND newest < ?", rows)

    def _apply_nodes(self, nodes: dict[str, tuple[Record, int]]) -> Applied:
        """Apply what nodes say of themselves: after all else, since who has a sign of life has all before it.

        The horizon comes before the signs: of those, who reads our feed concludes that it has every tombstone.
        """
        result = Applied()
        marker = nodes.pop(HORIZON_KEY, None)
        if marker is not None:
            result += self._apply_group(NODES, {HORIZON_KEY: marker})
            self._drop_tombstones()
        return result + self._apply_group(NODES, nodes)

    def _require_contents(self, records: Sequence[Record]) -> None:
        wanted = {record.content: record.size for record in records if record.content}
        missing = [(content, size) for content, size in wanted.items() if not self.content_complete(content)]
        if missing:
            raise MissingContent(missing)

    def _apply_group(self, collection: str, group: dict[str, tuple[Record, int]]) -> Applied:
        number = self._collection_id(collection)
        held = self._held(number, group)
        horizon = self.horizon()
        added: list[tuple[Record, int]] = []
        replaced: list[tuple[int, Record, int]] = []
        conflicts = already = 0
        for key, (record, crc) in group.items():
            too_old = record.dead and record.stamp < horizon
            if key not in held:
                if not too_old:
                    added.append((record, crc))
                elif record.origin in self._agreed():
                    already += 1  # everybody has forgotten this deletion, and there is nothing to delete
                else:
                    dead = tombstone(record, self.clock.tick(), self._origin)  # of one who was away: not all know it
                    added.append((dead, record_crc(dead)))
                continue
            sequence, held_crc = held[key]
            if held_crc == crc:
                already += 1
                continue
            current = self._at(sequence)
            merged = merge(current, record, self.body, self.store_body)
            if collection != NODES:  # of what nodes say of themselves just the newest counts, and none is put back
                conflicts += self._log_conflicts(merged.losers, merged.record)
            if merged.record is current:
                already += 1
                continue
            if too_old:
                # Others drop so old a tombstone unseen, so what it kills is killed again, now.
                merged = merged._replace(record=tombstone(current, self.clock.tick(), self._origin))
            added.append((merged.record, crc if merged.record is record else record_crc(merged.record)))
            replaced.append((sequence, current, held_crc))
        self._write(number, added, replaced)
        return Applied(len(added), already, conflicts)

    def _held(self, number: int, keys: dict[str, Any]) -> dict[str, tuple[int, int]]:
        wanted = msgspec.json.encode(list(keys)).decode()
        rows = self.connection.execute(
            "SELECT record.key, sequence, crc FROM json_each(?) CROSS JOIN record "
            "ON collection = ? AND record.key = json_each.value",
            (wanted, number),
        )
        return {key: (sequence, unsigned(crc)) for key, sequence, crc in rows}

    def _at(self, sequence: int) -> Record:
        row = self.connection.execute(f"SELECT {COLUMNS} FROM record WHERE sequence = ?", (sequence,)).fetchone()
        return self.record_of(row)

    def _write(self, number: int, added: list[tuple[Record, int]], replaced: list[tuple[int, Record, int]]) -> None:
        if not added:
            return
        change = _Change()
        first = self.last_sequence() + 1  # before rows go: a sequence is never given out twice
        if replaced:
            self.connection.executemany("DELETE FROM record WHERE sequence = ?", [(row[0],) for row in replaced])
            change.count -= len(replaced)
            change.total -= sum(crc for _, _, crc in replaced)
        origin_id = self._origin_id
        rows = [
            (
                number,
                record.key,
                record.stamp,
                origin_id(record.origin),
                record.born,
                record.dead,
                _encode_past(record.past) if record.past else None,
                record.head,
                record.body,
                record.content or None,
                record.size,
                signed(crc),
            )
            for record, crc in added
        ]
        self.connection.execute(_INSERT_AT, (first, *rows[0]))
        self.connection.executemany(_INSERT, rows[1:])
        self._blocks.change(
            number,
            (((record.stamp, record.key), crc) for record, crc in added),
            (((record.stamp, record.key), crc) for _, record, crc in replaced),
        )
        change.count += len(added)
        change.total += sum(crc for _, crc in added)
        change.newest = max(record.stamp for record, _ in added)
        self._add_to_digest(number, change)
        if replaced:
            self._renew_newest(number)

    def _add_to_digest(self, number: int, change: _Change) -> None:
        for row in (number, self._collection_id("")):
            count, newest, total = self.connection.execute(
                "SELECT count, newest, total FROM collection WHERE id = ?", (row,)
            ).fetchone()
            self.connection.execute(
                "UPDATE collection SET count = ?, newest = ?, total = ? WHERE id = ?",
                (
                    count + change.count,
                    max(newest, change.newest),
                    signed((unsigned(total) + change.total) & MASK),
                    row,
                ),
            )

    # -- tombstones -------------------------------------------------------------------------------

    def beat(self) -> Record:
        """Write this node's sign of life."""
        sign = self.put(sign_record(self._origin, self.heard()))
        places = [*self._sign_places(), (sign.stamp, self.last_sequence())]
        # One from before the horizon is enough.
        kept = [place for place, after in pairwise(places) if after[0] > self.horizon()] + places[-1:]
        self.set_meta("signs", json.dumps(kept))
        return sign

    def _sign_places(self) -> list[tuple[int, int]]:
        """Return the stamps of our signs of life since the horizon, and where in the feed they were written."""
        return [(stamp, sequence) for stamp, sequence in json.loads(self.meta_text("signs", "[]"))]

    def advance_horizon(self, horizon: Horizon) -> None:
        """Have tombstones with stamps below a horizon dropped, here now and at the peers when they hear of it."""
        if horizon.stamp > self.horizon():
            self._put(horizon_record(self._origin, horizon))

    def _drop_tombstones(self) -> None:
        horizon = horizon_of(self.get(NODES, HORIZON_KEY))
        if horizon.stamp <= self.horizon():
            return
        told = self._told(horizon)
        self.set_meta("horizon", horizon.stamp)
        rows = self.connection.execute(
            "SELECT collection, stamp, key, sequence, crc, origin FROM record WHERE dead = 1 AND stamp < ?",
            (horizon.stamp,),
        ).fetchall()
        by_collection: dict[int, list[tuple[int, str, int, int]]] = defaultdict(list)
        late: list[int] = []
        for collection, stamp, key, sequence, crc, origin in rows:
            if sequence > told and self.origins.resolve(self.connection, origin) not in horizon.nodes:
                late.append(sequence)
            else:
                by_collection[collection].append((stamp, key, sequence, unsigned(crc)))
        for collection, dropped in by_collection.items():
            self.connection.executemany("DELETE FROM record WHERE sequence = ?", [(row[2],) for row in dropped])
            self._blocks.change(collection, (), (((stamp, key), crc) for stamp, key, _, crc in dropped))
            change = _Change()
            change.count, change.total = -len(dropped), -sum(row[3] for row in dropped)
            self._add_to_digest(collection, change)
            self._renew_newest(collection)
        lost = [row[2] for dropped in by_collection.values() for row in dropped]
        if lost:
            self.set_meta("trimmed", max(self.trimmed(), *lost))
        for sequence in late:
            self._put(tombstone(self._at(sequence), self.clock.tick(), self._origin))
        self._move_signs()

    def _move_signs(self) -> None:
        """Write the signs of life behind the horizon again: who reads our feed must come to the horizon first."""
        number = self._collection_id(NODES)
        rows = self.connection.execute(
            f"SELECT sequence, {COLUMNS} FROM record WHERE collection = ? AND key <> ?", (number, HORIZON_KEY)
        ).fetchall()
        signs = [(row[0], self.record_of(row[1:]), unsigned(row[-1])) for row in rows]
        self._write(number, [(record, crc) for _, record, crc in signs], signs)

    def _agreed(self) -> tuple[str, ...]:
        """Return the origins that agreed to the present horizon."""
        return horizon_of(self.get(NODES, HORIZON_KEY)).nodes

    def _told(self, horizon: Horizon) -> int:
        """Return up to which place of our feed all who agreed to a horizon have what we hold.

        What came later, from a node that did not agree, they may not know: it was away, and has just told us.
        """
        if self._origin not in horizon.nodes:
            return 0
        return max((sequence for stamp, sequence in self._sign_places() if stamp <= horizon.stamp), default=0)

    def came_meanwhile(self, after: int, horizon: int, compared: Set[tuple[str, str]]) -> bool:
        """Tell whether records came after a place of the feed that may have been deleted before a horizon (a stamp).

        ``compared`` are collections and keys that were compared with a node that knows.
        """
        rows = self.connection.execute(f"SELECT {COLUMNS} FROM record WHERE sequence > ? AND dead = 0", (after,))
        for record in map(self.record_of, rows):
            thing = (record.collection, record.key)
            if created(record) < horizon and record.collection != NODES and thing not in compared:
                return True
        return False

    def refuse_revival(self, records: Sequence[Record]) -> int:
        """Delete records, everywhere, that were deleted so long ago that no tombstone is left; returns how many.

        They come from a node that was away for longer than tombstones are kept.  Each is kept in the conflict log.
        """
        self.clock.observe(max(record.stamp for record in records))
        self._require_contents(records)
        refused = 0
        for record in records:
            current = self.get(record.collection, record.key)
            if current is None or current.era < record.era or (current == record and not record.dead):
                dead = tombstone(record, self.clock.tick(), self._origin)
                # Whatever older incarnation is here dies with it, though who deleted that one had not seen this.
                older = [current] if current is not None and not current.dead and current != record else []
                self._log_conflicts([record, *older], dead)
                self._put(dead)
                refused += 1
        return refused

    def _renew_newest(self, number: int) -> None:
        """Lower a collection's newest stamp when the record that had it gave way to an older version."""
        execute = self.connection.execute
        (newest,) = execute("SELECT coalesce(max(stamp), 0) FROM record WHERE collection = ?", (number,)).fetchone()
        lowered = execute("UPDATE collection SET newest = ? WHERE id = ? AND newest > ?", (newest, number, newest))
        if lowered.rowcount:
            execute(
                "UPDATE collection SET newest = (SELECT max(newest) FROM collection WHERE name <> '') WHERE name = ''"
            )

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
        number = self.origins.id_of.get(name)
        if number is None:
            self.connection.execute("INSERT INTO origin (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
            row = self.connection.execute("SELECT id FROM origin WHERE name = ?", (name,)).fetchone()
            number = int(row[0])
            self.origins.remember(number, name)
        return number

    def _log_conflicts(self, losers: Sequence[Record], winner: Record) -> int:
        logged = 0
        for loser in losers:
            cursor = self.connection.execute(
                "INSERT INTO conflict "
                "(noticed, collection, key, loser, loser_crc, content, winner_stamp, winner_origin) "
                "VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
                (
                    stamp_ms(self.clock.last),
                    loser.collection,
                    loser.key,
                    record_bytes(loser),
                    signed(record_crc(loser)),
                    loser.content or None,
                    winner.stamp,
                    winner.origin,
                ),
            )
            logged += cursor.rowcount
        return logged

    # -- local edits ------------------------------------------------------------------------------

    def put(self, draft: Record) -> Record:
        """Write a draft as this node's next version of its record, and return that."""
        check_collection(draft.collection)
        current = self.get(draft.collection, draft.key)
        return self._put(successor(current, draft, self.clock.tick(), self._origin, self.body))

    def set_fields(self, collection: str, key: str, values: dict[str, Value]) -> Record:
        """Set fields of a record, leaving the others, and return the new version."""
        check_collection(collection)
        current = self.get(collection, key)
        return self._put(with_fields(current, collection, key, values, self.clock.tick(), self._origin))

    def adopt(self, record: Record) -> Applied:
        """Take over those fields of a record from elsewhere that are later than ours, into ours if there is one.

        Unlike merging, nothing else of it counts: neither its birth nor its other fields.
        """
        current = self.get(record.collection, record.key)
        if current is None or current.dead:
            return Applied()
        fields = unpack_fields(current)
        later = {
            name: field
            for name, field in unpack_fields(record).items()
            if name not in fields or order(field) > order(fields[name])
        }
        if not later:
            return Applied(already_held=1)
        self.clock.observe(max(field.stamp for field in later.values()))
        lost = {
            name: fields[name]
            for name, field in later.items()
            if name in fields and fields[name].value != field.value and fields[name].origin != field.origin
        }
        stamp = self.clock.tick()
        draft = msgspec.structs.replace(current, head=pack_fields({**fields, **later}))
        adopted = self._put(successor(current, draft, stamp, self._origin))
        if lost:
            self._log_conflicts([msgspec.structs.replace(current, head=pack_fields(lost))], adopted)
        return Applied(written=1)

    def delete(self, collection: str, key: str) -> Record | None:
        """Delete a record everywhere; returns its tombstone, or None when there was nothing alive."""
        current = self.get(collection, key)
        if current is None or current.dead:
            return None
        return self._put(tombstone(current, self.clock.tick(), self._origin))

    def _put(self, record: Record) -> Record:
        validate(record)
        # Not observed: its stamp is our own, which a clock that was just set back may call far ahead.
        self._merge_in([record], [record_crc(record)])
        return record

    def restore(self, number: int) -> Record:
        """Write the losing version of a conflict as a new one.  Raises StoreError when there is none."""
        found = self.conflicts(number, unresolved=False)
        if not found:
            raise StoreError(f"there is no conflict {number}; 'ctdlmirror conflicts list' shows those there are")
        loser = found[0].loser
        if _is_fields(loser):
            values = {name: field[0] for name, field in unpack_fields(loser).items()}
            record = self.set_fields(loser.collection, loser.key, values)
        else:
            record = self.put(loser)
        now = stamp_ms(self.clock.last)
        self.connection.execute("UPDATE conflict SET restored = ? WHERE id = ?", (now, number))
        return record

    def absorb(self, records: Sequence[Record]) -> Applied:
        """Merge records imported from a Citadel server.

        Like ``apply``, but where an equal version says something else here, the server was changed
        without its times showing it, and what it says now is written as this node's edit.
        """
        result = Applied()
        edits: list[Callable[[], Record]] = []
        by_collection: dict[str, list[Record]] = defaultdict(list)
        for record in records:
            by_collection[record.collection].append(record)
        for collection, group in by_collection.items():
            held = {record.key: record for record in self.get_many(collection, [record.key for record in group])}
            fresh = []
            for record in group:
                edit = self._silent_change(held.get(record.key), record)
                if edit is None:
                    fresh.append(record)
                else:
                    edits.append(edit)
            result += self.apply(fresh)
        for write in edits:
            write()
        return result + Applied(written=len(edits))

    def _silent_change(self, current: Record | None, record: Record) -> Callable[[], Record] | None:
        if current is None or current.dead or current == record:
            return None
        if _is_fields(record):
            ours = unpack_fields(current)
            changed = {
                name: field[0]
                for name, field in unpack_fields(record).items()
                if name in ours and ours[name][1:] == field[1:] and ours[name][0] != field[0]
            }
            return (lambda: self.set_fields(record.collection, record.key, changed)) if changed else None
        return (lambda: self.put(record)) if current.version == record.version else None

    # -- contents ---------------------------------------------------------------------------------

    def add_content(self, content: bytes, size: int, offset: int, data: bytes) -> bool:
        """Store a part of a content; returns True once it is complete and its SHA-256 proved right.

        Parts come in order; one that was stored before is skipped.  Raises BadRecord when the whole
        does not have the hash that names it; then all of it is forgotten.
        """
        if not INLINE_LIMIT < size <= MAX_CONTENT:
            raise BadRecord(f"content {content.hex()}: {size} bytes are out of range")
        row = self.connection.execute("SELECT id, size, have FROM content WHERE hash = ?", (content,)).fetchone()
        if row is None:
            cursor = self.connection.execute("INSERT INTO content (hash, size, have) VALUES (?, ?, 0)", (content, size))
            row = (cursor.lastrowid, size, 0)
        number, known, have = row
        if known != size or offset > have or offset + len(data) > size:
            raise BadRecord(f"content {content.hex()}: part at {offset} of {size} does not fit {have} of {known}")
        data = data[have - offset :]
        if data:
            self._append_parts(content, number, have, data)
            have += len(data)
            self.connection.execute("UPDATE content SET have = ? WHERE id = ?", (have, number))
            if have == size:
                self._verify_content(content, number)
        return bool(have == size)

    def _append_parts(self, content: bytes, number: int, have: int, data: bytes) -> None:
        hashed, hasher = self._hashers.pop(content, (0, hashlib.sha256()))
        if hashed != have:
            hasher = self._hash_stored(number)
        hasher.update(data)
        if len(self._hashers) > 64:
            self._hashers.clear()
        self._hashers[content] = (have + len(data), hasher)
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

    def _hash_stored(self, number: int) -> Any:
        hasher = hashlib.sha256()
        for (data,) in self.connection.execute(
            "SELECT data FROM content_part WHERE content = ? ORDER BY start", (number,)
        ):
            hasher.update(data)
        return hasher

    def _verify_content(self, content: bytes, number: int) -> None:
        _, hasher = self._hashers.pop(content)
        if hasher.digest() != content:
            self.forget_content(content)
            raise BadRecord(f"content {content.hex()} arrived with another SHA-256 and was thrown away")

    def forget_content(self, content: bytes) -> None:
        """Drop a content and its parts."""
        self.connection.execute(
            "DELETE FROM content_part WHERE content = (SELECT id FROM content WHERE hash = ?)", (content,)
        )
        self.connection.execute("DELETE FROM content WHERE hash = ?", (content,))

    def store_body(self, record: Record, body: bytes) -> Record:
        """Return the record with a body, inline or stored as content, whichever its size asks for."""
        if len(body) <= INLINE_LIMIT:
            return msgspec.structs.replace(record, body=body, content=b"", size=0)
        content = hashlib.sha256(body).digest()
        if not self.content_complete(content):
            self.add_content(content, len(body), 0, body)
        return msgspec.structs.replace(record, body=b"", content=content, size=len(body))

    def sweep_contents(self, suspects: dict[bytes, int]) -> dict[bytes, int]:
        """Drop contents that nothing refers to, if they were among the ``suspects`` of the last sweep already.

        Returns those that nothing refers to now, with the bytes there are of each.  A content arrives before its
        record, so one that has just come, or still grows, is left for the next sweep to judge.
        """
        unused = dict(
            self.connection.execute(
                "SELECT hash, have FROM content "
                "WHERE NOT EXISTS (SELECT 1 FROM record WHERE record.content = content.hash) "
                "AND NOT EXISTS (SELECT 1 FROM conflict WHERE conflict.content = content.hash)"
            ).fetchall()
        )
        for content, have in list(unused.items()):
            if suspects.get(content) == have:
                self.forget_content(content)
                del unused[content]
        return unused

    def rename_origin(self, origin: str) -> None:
        """Write under another name from now on."""
        self._origin = origin
        self.set_meta("origin", origin)
        self.set_meta("signs", "[]")

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


def _is_fields(record: Record) -> bool:
    return kind_of(record.collection).rule is MergeRule.FIELDS
