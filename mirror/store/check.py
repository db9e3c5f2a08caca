"""Proving a store: every CRC, digest and content is computed again and compared."""

import hashlib
from collections import defaultdict

import msgspec

from mirror.model.digest import MASK, Digest
from mirror.model.judge import finding
from mirror.model.record import record_crc
from mirror.store.base import PART_BYTES, Reader, Reading
from mirror.store.errors import StoreError

MAX_PROBLEMS = 1000


class CheckReport(msgspec.Struct):
    """How many records and contents were checked, and one line for everything that is wrong."""

    records: int = 0
    contents: int = 0
    problems: list[str] = []


def check_store(store: Reading) -> CheckReport:
    """Check one consistent state of a store, after what its backend finds wrong with what it keeps."""
    report = CheckReport()
    try:
        for line in store.read(lambda reader: reader.damage()):
            _found(report, line)
        store.read(lambda reader: _check(reader, report))
    except StoreError as error:
        _found(report, str(error))  # so damaged that it cannot be read to its end
    return report


def _check(reader: Reader, report: CheckReport) -> None:
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    after = 0
    while True:
        checked = reader.check_records(after)
        for sequence, record, problems in checked:
            after = sequence
            report.records += 1
            for problem in problems:
                _found(report, problem)
            if record is None:
                continue
            sum_ = sums[record.collection]
            sum_[0], sum_[1], sum_[2] = sum_[0] + 1, max(sum_[1], record.stamp), (sum_[2] + record_crc(record)) & MASK
            if wrong := finding(record):
                _found(report, f"sequence {sequence}: {wrong}")
            if record.content and not reader.content_complete(record.content):
                _found(report, f"{record.collection} {record.key!r}: its content {record.content.hex()} is missing")
        if not checked:
            break
    _check_digests(reader, sums, report)
    _check_blocks(reader, report)
    _check_contents(reader, report)


def _found(report: CheckReport, problem: str) -> None:
    if len(report.problems) < MAX_PROBLEMS:
        report.problems.append(problem)


def _check_digests(reader: Reader, sums: dict[str, list[int]], report: CheckReport) -> None:
    stored = reader.digests()
    for name in sorted(stored.keys() | sums.keys()):
        computed = Digest(*sums.get(name, (0, 0, 0)))
        if stored.get(name, Digest()) != computed:
            _found(report, f"digest of {name} is {stored.get(name, Digest())}, its records make {computed}")
    whole = Digest(
        sum(sum_[0] for sum_ in sums.values()),
        max((sum_[1] for sum_ in sums.values()), default=0),
        sum(sum_[2] for sum_ in sums.values()) & MASK,
    )
    if reader.digest("") != whole:
        _found(report, f"digest of the whole store is {reader.digest('')}, its records make {whole}")


def _check_blocks(reader: Reader, report: CheckReport) -> None:
    for name in reader.digests():
        blocks = reader.blocks(name)
        for block, following in zip(blocks, [*blocks[1:], None]):
            entries = reader.entries(name, block.start, following.start if following else None)
            total = sum(crc for _, _, crc in entries) & MASK
            if (block.count, block.total) != (len(entries), total):
                _found(report, f"{name}: the sums of the block at {block.start} are not those of its records")


def _check_contents(reader: Reader, report: CheckReport) -> None:
    for content, size in reader.complete_contents():
        report.contents += 1
        hasher, offset = hashlib.sha256(), 0
        while offset < size and (part := reader.content_parts(content, offset, PART_BYTES)):
            hasher.update(part)
            offset += len(part)
        if hasher.digest() != content:
            _found(report, f"content {content.hex()}: its bytes have another SHA-256")
