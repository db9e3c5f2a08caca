"""Items after public bug reports (cases/): a base that two nodes hold, and what each makes of it while apart."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mirror.model.content_lines import read_lines
from mirror.model.edit import successor
from mirror.model.item import find_item
from mirror.model.merge import merge
from mirror.model.record import Record, record_bytes, record_crc

CASES = Path(__file__).parent / "cases"
COLLECTION = "messages/r"


class Joined(NamedTuple):
    """What two nodes hold once they met again, and what is in the conflict log, with the parts that lost."""

    base: Record
    alpha: Record
    beta: Record
    record: Record
    losers: tuple[tuple[Record, tuple[str, ...]], ...]

    @property
    def text(self) -> bytes:
        """The message's text, headers and all, as it is kept."""
        return text_of(self.record.body)

    @property
    def lines(self) -> list[str]:
        """The item's lines, unfolded."""
        return lines_of(self.record)

    @property
    def lost(self) -> list[str]:
        """Who lost what: the node, and the own names of the parts."""
        return sorted(f"{loser.origin} {name.rpartition(chr(10))[2]}" for loser, names in self.losers for name in names)


def text_of(body: bytes) -> bytes:
    return body.split(b"\0M", 1)[-1].removesuffix(b"\0")


def lines_of(record: Record) -> list[str]:
    item = find_item(record.body)
    assert item is not None
    return [line.text for line in read_lines(b"\n".join(item.component.written()))]


def message(text: bytes, kind: str = "ics", euid: str = "k") -> bytes:
    """Return an item as Citadel keeps it; of kind ``msg`` the text has its headers already."""
    if kind != "msg":
        media = b"text/vcard" if kind == "vcf" else b"text/calendar"
        text = b"Content-type: " + media + b"; charset=UTF-8\r\n\r\n" + text
    fields = [b"I6553F100-00000001@alpha", b"T1700000000", b"AAnn", b"Usubject", b"E" + euid.encode(), b"M" + text]
    return bytes((255, 65, 4)) + b"".join(field + b"\0" for field in fields)


def put(held: Record | None, body: bytes, stamp: int, origin: str) -> Record:
    return successor(held, Record(COLLECTION, "euid:k", 0, "", 0, body=body), stamp, origin)


def apart(base: bytes, alpha: bytes, beta: bytes, kind: str = "ics") -> Joined:
    """Have alpha write its text, and beta later its own, both over the base, and let them meet."""
    first = put(None, message(base, kind), 10 << 16, "alpha")
    left = put(first, message(alpha, kind), 20 << 16, "alpha")
    right = put(first, message(beta, kind), 30 << 16, "beta")
    return met(first, left, right)


def met(first: Record, left: Record, right: Record) -> Joined:
    """Merge two versions, and check that the order does not matter, nor who comes again."""
    merged, other = merge(left, right), merge(right, left)
    assert record_bytes(merged.record) == record_bytes(other.record)
    assert {record_crc(loser) for loser in merged.losers} == {record_crc(loser) for loser in other.losers}
    for again in (first, left, right, merged.record):
        assert merge(merged.record, again).record == merged.record
        assert merge(again, merged.record).record == merged.record
    losers = tuple(zip(merged.losers, merged.parts or ((),) * len(merged.losers), strict=True))
    return Joined(first, left, right, merged.record, losers)


def run_case(name: str) -> Joined:
    """Run a case: ``base.*``, ``alpha.*`` and ``beta.*`` of its folder."""
    (base,) = (CASES / name).glob("base.*")
    alpha, beta = (base.with_stem(stem).read_bytes() for stem in ("alpha", "beta"))
    return apart(base.read_bytes(), alpha, beta, base.suffix[1:])


def names() -> Iterator[str]:
    return (folder.name for folder in sorted(CASES.iterdir()) if folder.is_dir())
