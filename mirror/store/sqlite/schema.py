"""The SQLite schema and its forward migrations.

The row id of ``record`` is the feed's sequence: a changed record is written again at the end, so reading
the feed is reading the table in order, and writing it is appending.
"""

import sqlite3

from mirror.store.errors import StoreError

_VERSION_1 = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE origin (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE collection (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,      -- the row named '' adds up all others
    count INTEGER NOT NULL,         -- records, tombstones included
    newest INTEGER NOT NULL,        -- greatest stamp
    total INTEGER NOT NULL          -- sum of the records' CRCs mod 2^64, as a signed number
);
CREATE TABLE record (
    sequence INTEGER PRIMARY KEY,   -- place in the feed
    collection INTEGER NOT NULL,
    key TEXT NOT NULL,
    stamp INTEGER NOT NULL,
    origin INTEGER NOT NULL,
    born INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    past BLOB,                      -- MessagePack, NULL when empty
    head BLOB NOT NULL,
    body BLOB NOT NULL,
    content BLOB,                   -- SHA-256 of a body kept in content
    size INTEGER NOT NULL,          -- bytes of that body
    crc INTEGER NOT NULL            -- as a signed number
);
CREATE UNIQUE INDEX record_key ON record (collection, key);
CREATE INDEX record_order ON record (collection, stamp, key, crc);
CREATE INDEX record_content ON record (content) WHERE content IS NOT NULL;
CREATE TABLE content (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    have INTEGER NOT NULL           -- bytes received so far; complete and verified when equal to size
);
CREATE TABLE content_part (
    content INTEGER NOT NULL,
    start INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (content, start)
);
CREATE TABLE conflict (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    noticed INTEGER NOT NULL,       -- Unix milliseconds
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    loser BLOB NOT NULL,            -- the whole losing record, canonical bytes
    loser_crc INTEGER NOT NULL,
    content BLOB,
    winner_stamp INTEGER NOT NULL,
    winner_origin TEXT NOT NULL,
    restored INTEGER NOT NULL DEFAULT 0,
    UNIQUE (collection, key, loser_crc)
);
CREATE TABLE cursor (
    peer TEXT NOT NULL,
    direction TEXT NOT NULL,        -- pull or push
    epoch TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    complete INTEGER NOT NULL,      -- 1 once a bootstrap or reconciliation got to the end
    PRIMARY KEY (peer, direction)
) WITHOUT ROWID;
"""

_VERSION_2 = """
CREATE TABLE block (
    collection INTEGER NOT NULL,
    stamp INTEGER NOT NULL,         -- (stamp, key): where in the collection's order the block begins
    key TEXT NOT NULL,
    count INTEGER NOT NULL,         -- records from there to the next block
    total INTEGER NOT NULL,         -- sum of their CRCs mod 2^64, as a signed number
    PRIMARY KEY (collection, stamp, key)
) WITHOUT ROWID;
"""
"""Sums over stretches of a collection, so reconciliation need not read it.  A collection that has none yet
(written before this version) gets its blocks when it is next written."""

_VERSION_3 = """
CREATE INDEX record_dead ON record (stamp) WHERE dead = 1;
ALTER TABLE origin ADD COLUMN newest INTEGER NOT NULL DEFAULT 0;
UPDATE origin SET newest = found.stamp
    FROM (SELECT origin, max(stamp) AS stamp FROM record GROUP BY origin) AS found WHERE found.origin = origin.id;
"""

"""``newest`` is the greatest stamp of an origin's versions that ever came here, kept or not."""

_VERSION_4 = """
ALTER TABLE conflict ADD COLUMN winner_past BLOB;       -- MessagePack: what the winner had seen besides
ALTER TABLE conflict ADD COLUMN parts TEXT;             -- JSON: of an item, the names of the parts that were lost
CREATE INDEX conflict_open ON conflict (collection, key) WHERE restored = 0;
CREATE INDEX record_feed ON record (collection, sequence);
ALTER TABLE collection ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
UPDATE collection SET changed = found.sequence
    FROM (SELECT collection AS id, max(sequence) AS sequence FROM record GROUP BY 1) AS found
    WHERE found.id = collection.id;
CREATE INDEX collection_changed ON collection (changed);
"""
"""``changed`` is where in the feed a collection was last written to."""

_VERSION_5 = """
CREATE TABLE aside (
    peer TEXT NOT NULL,             -- who sent it
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    stamp INTEGER NOT NULL,
    crc INTEGER NOT NULL,           -- of its bytes, as a signed number
    data BLOB NOT NULL,             -- the record as it came
    reason TEXT NOT NULL,
    noticed INTEGER NOT NULL,       -- Unix milliseconds
    due INTEGER NOT NULL,           -- Unix milliseconds; 0 where its stamp is not the reason
    mirror INTEGER NOT NULL,        -- whether that peer is a mirror
    PRIMARY KEY (peer, collection, key)
) WITHOUT ROWID;
"""

_VERSION_6 = """
ALTER TABLE conflict ADD COLUMN party TEXT NOT NULL DEFAULT '';     -- on whose behalf it was written
CREATE INDEX conflict_party ON conflict (party) WHERE restored = 0;
ALTER TABLE origin ADD COLUMN party TEXT NOT NULL DEFAULT '';       -- who told of it, where that is no mirror
"""

_VERSION_7 = """
CREATE TABLE place (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE status (
    place INTEGER NOT NULL,
    collection INTEGER NOT NULL,
    foreign_id TEXT NOT NULL,       -- how the place names it
    key TEXT NOT NULL,
    tag TEXT NOT NULL,              -- what tells the place's versions apart
    base BLOB NOT NULL,             -- MessagePack: the version on which both sides last agreed
    crc INTEGER NOT NULL,           -- of the record that was held then, as a signed number
    said BLOB NOT NULL,             -- MessagePack: fingerprints by field or part
    PRIMARY KEY (place, collection, foreign_id)
) WITHOUT ROWID;
CREATE INDEX status_key ON status (place, collection, key);
"""

MIGRATIONS = [_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5, _VERSION_6, _VERSION_7]
"""Entry n brings a store from version n to n + 1; entries are never changed, only added."""


def check_current(connection: sqlite3.Connection) -> None:
    """Raise StoreError unless a store's schema is the one that this program writes."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != len(MIGRATIONS):
        raise StoreError(
            f"the store has schema version {version}, this ctdlmirror knows {len(MIGRATIONS)}: 'ctdlmirror status' of "
            "this version, without a daemon of another one, brings an older store up to date"
        )


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a store's schema up to date.  Raises StoreError when it is newer than this program."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise StoreError(
            f"the store has schema version {version}, this ctdlmirror knows {len(MIGRATIONS)}: "
            "run the newer ctdlmirror that wrote it"
        )
    for number in range(version, len(MIGRATIONS)):
        script = f"BEGIN IMMEDIATE;{MIGRATIONS[number]}PRAGMA user_version={number + 1};COMMIT;"
        connection.executescript(script)
