"""What 0.1.0 kept under other keys than this version does, moved once for a store.

The new key is a function of the record alone and nothing else of it changes, so every node moves it alike.
"""

import msgspec

from mirror.formats.keys import key_today
from mirror.model.item import MAX_PARSED
from mirror.model.keys import kept_key
from mirror.model.kinds import Collection, room_of
from mirror.model.record import Record, record_crc
from mirror.store.ledger.merging import Merging
from mirror.store.tables import Row

MESSAGES = "messages"
KEYS_MOVED = "keys-moved"
"""Under this name a store keeps that what 0.1.0 kept under other keys was moved."""


def move_keys(ledger: Merging) -> None:
    """Move what 0.1.0 kept under other keys, once for a store."""
    for sequence in ledger.oddly_keyed():
        old = ledger.at(sequence)
        key = _key_today(ledger, old)
        if key != old.key:
            _move(ledger, sequence, old, key)
            if old.collection.startswith(f"{MESSAGES}/"):
                _move_marks(ledger, room_of(old.collection), old.key, key)
    ledger.set_meta(KEYS_MOVED, 1)


def _key_today(ledger: Merging, record: Record) -> str:
    if not record.collection.startswith(f"{MESSAGES}/"):
        return kept_key(record.collection, record.key)
    return key_today(record.key, b"" if record.size > MAX_PARSED else ledger.body(record))


def _move(ledger: Merging, sequence: int, old: Record, key: str) -> None:
    crc = ledger.held(old.collection, [old.key])[old.key].crc
    ledger.replace(old.collection, (), [Row(sequence, old, crc)])
    moved = msgspec.structs.replace(old, key=key)
    ledger.merge_in([moved], [record_crc(moved)], {})


def _move_marks(ledger: Merging, room: str, old_key: str, key: str) -> None:
    """Have what users have read and answered go with a message: marks are kept under user, blank and its key."""
    collection = str(Collection("visits", room))
    for sequence in ledger.keyed_behind(collection, f" {old_key}"):
        mark = ledger.at(sequence)
        _move(ledger, sequence, mark, mark.key.removesuffix(old_key) + key)
