"""Differences found without a cursor, against a listing of all ids."""

import gc
import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from ctdlmirror_bench.nodes import pair
from mirror.model.record import Record, record_crc
from mirror.store.open import open_store
from mirror.sync.index import RangeIndex
from mirror.sync.listing import find_difference


def list_everything(source: Path, directory: Path, count: int) -> tuple[float, int]:
    """Return seconds and bytes of listing all ids, at its best: one query, one encoding, no network."""
    shutil.copyfile(source / "store.sqlite", directory / "listed.sqlite")
    connection = sqlite3.connect(directory / "listed.sqlite")
    started = time.perf_counter()
    data = msgspec.msgpack.encode(connection.execute("SELECT stamp, key, crc FROM record").fetchall())
    listed = {tuple(entry) for entry in msgspec.msgpack.decode(data)}
    seconds = time.perf_counter() - started
    connection.close()
    assert len(listed) == count
    return seconds, len(data)


def measure_reconcile(count: int, differences: int) -> dict[str, Any]:
    with pair() as nodes:
        store = open_store(nodes.path("alpha"), "alpha")
        records = [
            Record("messages/big:1", f"id:{n:08X}@big", (1_700_000_000_000 + n) << 16, "big", 1, body=b"m")
            for n in range(count)
        ]
        for at in range(0, count, 5000):
            store.write(lambda writer, at=at: writer.apply(records[at : at + 5000]))
        store.close()
        nodes.introduce()
        missing = set(random.Random(1).sample(range(count), differences))
        ours = RangeIndex.of(
            (r.stamp, r.key, crc) for n, (r, crc) in enumerate(_with_crcs(records)) if n not in missing
        )
        remote = nodes.dial()
        gc.collect()
        gc.freeze()  # a node does not hold a million entries as objects, so their collection is not its cost
        received = remote.channel.received
        started = time.perf_counter()
        found = find_difference(ours, lambda ranges: remote.ranges("messages/big:1", ranges))
        seconds = time.perf_counter() - started
        size = remote.channel.received - received
        assert len(found.wanted) == differences
        full_seconds, full_size = list_everything(nodes.path("alpha"), nodes.directory, count)
        return {
            "what": f"{differences} differences in {count} records, no cursor",
            "seconds": round(seconds, 3),
            "bytes": size,
            "round_trips": found.trips,
            "listing_all_s": round(full_seconds, 2),
            "listing_all_bytes": full_size,
            "share_of_bytes": round(size / full_size, 4),
            "share_of_time": round(seconds / full_seconds, 3),
        }


def _with_crcs(records: list[Record]) -> Iterator[tuple[Record, int]]:
    return ((record, record_crc(record)) for record in records)
