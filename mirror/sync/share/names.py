"""Where what a rule names is kept, and what it is called on the other side.  Values in, values out."""

from collections.abc import Mapping

import msgspec

from mirror.model.containers import picture_of_room, records_of, room_told_of
from mirror.model.kinds import Collection, parse_collection
from mirror.model.record import Record
from netconf.rules import FILES, MARKS, MESSAGES, SETTINGS

KIND_OF = {MESSAGES: "messages", MARKS: "visits", FILES: "files"}
"""Of what a rule names, the kind of collections that hold a room's; settings are in ``settings_of``."""
PER_ROOM = {kind: what for what, kind in KIND_OF.items()}
"""The same, looked up by the kind."""
_WHAT_OF = PER_ROOM | dict.fromkeys(("rooms", "room-info", "pictures"), SETTINGS)


def settings_of(room: str) -> list[tuple[str, str]]:
    """Return the collections and keys that hold a room's settings."""
    return [("rooms", room), *records_of("rooms", room)]


def what_of(record: Record) -> str | None:
    """Return as what a rule names a record; None for what is never shared."""
    return _WHAT_OF.get(parse_collection(record.collection).kind)


def room_of_record(record: Record) -> str:
    """Return the key of the room that a record belongs to, of which a rule can speak; else an empty string."""
    return "" if what_of(record) is None else room_told_of(record.collection, record.key)


def translate(record: Record, rooms: Mapping[str, str]) -> Record | None:
    """Return a record under the other side's name of its room; None where the room is not shared.

    ``rooms`` are the other side's keys by ours.
    """
    room = room_of_record(record)
    name = rooms.get(room) if room else None
    if name is None:
        return None
    kind = parse_collection(record.collection).kind
    if kind in PER_ROOM:
        return msgspec.structs.replace(record, collection=str(Collection(kind, name)))
    return msgspec.structs.replace(record, key=picture_of_room(name) if kind == "pictures" else name)
