"""What is measured beside time: memory and CPU of a process, and the raw limit of the same machine."""

import random
import sqlite3
import statistics
import time
from pathlib import Path

from exports import message_bytes

from ctdlmirror_bench.filling import sizes
from mirror.model.checksum import crc64


def bare_sqlite(directory: Path, kind: str, count: int) -> float:
    """Return the seconds that SQLite alone takes for the same rows, 500 a commit, WAL, synchronous=FULL."""
    chance = random.Random(980)
    rows = []
    for number, size in enumerate(sizes(kind, count, chance), 1):
        body = message_bytes(number, size, chance)
        rows.append((f"id:{number:08X}@big", number, crc64(body) >> 1, body))
    connection = sqlite3.connect(directory / "bare.sqlite", isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE r (key TEXT PRIMARY KEY, stamp INTEGER, crc INTEGER, body BLOB)"
    )
    started = time.perf_counter()
    for at in range(0, count, 500):
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO r VALUES (?,?,?,?)", rows[at : at + 500])
        connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def bare_commits_ms(directory: Path, count: int) -> float:
    """Return how long a durable commit of 2 KB takes in so many SQLite files, one after the other (median of 9)."""
    stores = [sqlite3.connect(directory / f"bare{number}", isolation_level=None) for number in range(count)]
    for store in stores:
        store.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE m (body BLOB)")
    taken = []
    for _ in range(9):
        began = time.perf_counter()
        for store in stores:
            store.execute("INSERT INTO m VALUES (?)", (b"m" * 2048,))
        taken.append((time.perf_counter() - began) * 1000)
    for store in stores:
        store.close()
    return statistics.median(taken)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def peak_mb(pid: int) -> float:
    """Return the most memory that a process had resident, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def resident_mb(pid: int) -> float:
    """Return the memory that a process has resident, in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / (1 << 20)
