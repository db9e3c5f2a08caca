"""What a server said last, where nothing was remembered of it: a store of 0.1.0, or one that got all from other nodes.

A field, a part or a record whose origin is that of the server's own versions is what the server said last; all else has
no base there, and what the mirror holds stands.  Goes through the store once, in pages.
"""

from collections.abc import Iterable, Iterator

import msgspec

from mirror.citadel.meaning.marks import tag_of
from mirror.formats.keys import imported_origin
from mirror.formats.server_own import OWN_FIELDS
from mirror.model.fields import Field, unpack_fields
from mirror.model.kinds import NODES, parse_collection
from mirror.model.merge import Body
from mirror.model.record import Record, unpack_head
from mirror.model.status import Status, implied
from mirror.store.base import PAGE_RECORDS, Store, Writer

BY_NUMBER = ("messages", "orphans", "user-settings")
"""Kinds of collections in which the server names things by message numbers."""
_ELEMENTS = {"users": "user", "rooms": "room", "floors": "floor"}
"""By collection, the element of an export; 0.1.0 kept what is the server's own as well, which is told no more."""
NUMBER = "msg_msgnum"
"""Under this name the head of what came as a message keeps the server's number."""


def seed(store: Store, place: str, node: str) -> int:
    """Remember what the server of a node name said last, by what a store holds; returns the greatest number in it.

    Repeated after an interruption it does the same again.
    """
    origin, highest = imported_origin(node), 0
    for collection in store.read(lambda reader: list(reader.digests())):
        if collection == NODES:
            continue
        after = ""
        while page := store.read(lambda reader, name=collection, key=after: reader.scan(name, key)):  # type: ignore[misc]
            after = page[-1].key
            told = store.read(lambda reader, rows=page: list(_statuses(rows, origin, reader.body)))  # type: ignore[misc]
            if told:
                store.write(lambda writer, rows=told: _put(writer, place, rows))  # type: ignore[misc]
            highest = max([highest, *(_number(status) for status in told)])
            if len(page) < PAGE_RECORDS:
                break
    return highest


def _put(writer: Writer, place: str, statuses: list[Status]) -> None:
    writer.put_statuses(place, statuses)


def _number(status: Status) -> int:
    by_number = parse_collection(status.collection).kind in BY_NUMBER
    return int(status.foreign) if by_number else 0


def _statuses(records: Iterable[Record], origin: str, body: Body) -> Iterator[Status]:
    for record in records:
        foreign = foreign_of(record)
        if record.dead or not foreign or _is_mark(record):
            continue
        status = implied(record, origin, foreign, body)
        if status is not None:
            own = OWN_FIELDS.get(_ELEMENTS.get(record.collection, ""), frozenset())
            said = {name: one for name, one in status.said.items() if name not in own}
            yield msgspec.structs.replace(status, said=said, tag=_tag(record))


def foreign_of(record: Record) -> str:
    """Return how the server names what a record says; nothing where that cannot be told."""
    if parse_collection(record.collection).kind not in BY_NUMBER:
        return record.key
    number = "" if record.dead else str(unpack_head(record.head).get(NUMBER, ""))
    return number if number.isascii() and number.isdigit() else ""


def _is_mark(record: Record) -> bool:
    return parse_collection(record.collection).kind == "visits" and " " in record.key


def _tag(record: Record) -> str:
    if parse_collection(record.collection).kind != "visits":
        return ""
    fields = unpack_fields(record)
    return tag_of(*(_text(fields.get(name)) for name in ("v_seen", "v_answered")))


def _text(field: Field | None) -> str:
    return str(field.value) if field is not None else ""
