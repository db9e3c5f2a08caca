"""Which node of the network follows a foreign place: one alone, for two would write each of its changes twice.

A claim is a record of the collection ``places``, so every node has it.  Where two nodes that could not hear each other
claimed one place, the newer claim stands on both once they do, and the other node stops.  Knows no kind of place.
"""

from collections.abc import Iterator

import msgspec

from mirror.model.errors import MirrorError
from mirror.model.nodes import node_of
from mirror.model.record import Record, pack_head, unpack_head
from mirror.model.stamp import format_stamp
from mirror.store.base import Reader, Writer

CLAIMS = "places"
"""The collection of all claims."""


class PlaceTaken(MirrorError):
    """Another node follows a place."""

    exit_code = 8


class Claim(msgspec.Struct, frozen=True):
    """That a node follows a place (its name in the status): under which name, by which door, since which stamp."""

    place: str
    node: str
    name: str
    door: str
    since: int


def read_claim(reader: Reader, place: str) -> Claim | None:
    """Return who follows a place; None where nobody does."""
    record = reader.get(CLAIMS, place)
    return _claim_of(record) if record is not None and not record.dead else None


def read_claims(reader: Reader) -> Iterator[Claim]:
    """Yield all claims in the order of their places."""
    return (_claim_of(record) for record in reader.scan_all(CLAIMS) if not record.dead)


def _claim_of(record: Record) -> Claim:
    """Return what a record claims; what it does not tell is empty, and the node is the one that wrote it."""
    told = unpack_head(record.head)
    node, name, door = (str(told.get(field, "")) for field in ("node", "name", "door"))
    return Claim(record.key, node or node_of(record.origin), name, door, record.stamp)


def claim(writer: Writer, place: str, node: str, name: str, door: str, *, take_over: bool = False) -> None:
    """Claim a place for a node, under a name there; what is so already writes nothing.

    Raises PlaceTaken where it is attached otherwise, unless ``take_over`` says that this is how from now on.
    """
    held = read_claim(writer, place)
    if held is not None and (held.node, held.name) != (node, name) and not take_over:
        raise PlaceTaken(describe_taken(writer, held))
    if held is None or (held.node, held.name, held.door) != (node, name, door):
        head = pack_head({"node": node, "name": name, "door": door})
        writer.put(Record(CLAIMS, place, 1, node, 1, head=head))


def release(writer: Writer, place: str, node: str) -> bool:
    """Give a place up that a node follows; returns whether it did."""
    held = read_claim(writer, place)
    if held is None or held.node != node:
        return False
    writer.delete(CLAIMS, place)
    return True


def describe_taken(reader: Reader, held: Claim) -> str:
    """Return who follows a place, since when it was heard of, and what to do."""
    sign = reader.heard().sign_of(held.node)
    last = f"its last sign of life (of four a day) is of {format_stamp(sign)}"
    heard = last if sign else "no sign of life of it is here"
    return (
        f"{held.place} is attached to node {held.node} as {held.name} since {format_stamp(held.since)}, and {heard}: "
        f"'ctdlmirror attach remove {held.name}' there frees it; where that node is gone for good, --take-over does"
    )
